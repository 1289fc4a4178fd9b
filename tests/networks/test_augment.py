"""Augment: every change does what it says to each picture by itself, and gradients pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gencourse.networks import Augment

ALL = {"flip": True, "shift": 0.25, "crop": 0.3, "colour": 0.8, "cutout": 0.4}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def noise(n: int = 200, channels: int = 3, height: int = 8, width: int = 12) -> Tensor:
    """Bright, so that black is not by accident."""
    return torch.rand(n, channels, height, width) / 2 + 0.5


def test_without_arguments_nothing_changes() -> None:
    x = noise()
    assert torch.equal(Augment()(x), x)


def test_about_half_of_the_pictures_are_turned_round_and_none_is_anything_else() -> None:
    x = noise()
    made = Augment(flip=True)(x)
    turned = (made == x.flip(3)).flatten(1).all(1)
    same = (made == x).flatten(1).all(1)
    assert (turned ^ same).all()
    assert 60 < turned.sum() < 140


def test_a_shift_is_one_of_the_whole_pixel_shifts_and_all_of_them_occur() -> None:
    x = noise(1500, height=8, width=12)
    made = Augment(shift=0.25)(x)
    padded = torch.nn.functional.pad(x, (3, 3, 2, 2))
    counts = []
    left = torch.ones(len(x), dtype=torch.bool)
    for down in range(5):
        for right in range(7):
            hit = (made == padded[:, :, down : down + 8, right : right + 12]).flatten(1).all(1)
            counts.append(int(hit.sum()))
            left &= ~hit
    assert not left.any()
    assert len(counts) == 35 and min(counts) > 10  # 43 each are to be expected


def test_a_cutout_is_one_black_rectangle_and_may_lie_anywhere() -> None:
    x = noise(500)
    made = Augment(cutout=0.5)(x)
    black = made == 0
    assert torch.equal(made[~black], x[~black])
    assert torch.equal(black[:, 0], black[:, 1]) and torch.equal(black[:, 0], black[:, 2])
    rows, columns = black[:, 0].any(2), black[:, 0].any(1)
    assert torch.equal(black[:, 0], rows[:, :, None] & columns[:, None])
    for line, most in ((rows, 4), (columns, 6)):
        assert line.sum(1).max() == most and line.sum(1).min() >= most // 2
        assert line.any(0).all() and not line.all(0).any()


def test_a_crop_shows_a_part_larger() -> None:
    """Of a ramp it shows a ramp that is less steep, with the same values at most."""
    ramp = torch.linspace(0, 1, 20).expand(100, 1, 20, 20)
    made = Augment(crop=0.5)(ramp)
    slope = (made[..., 15] - made[..., 5])[:, 0, 10] / (ramp[..., 15] - ramp[..., 5])[:, 0, 10]
    assert slope.min() >= 0.5 - 1e-3 and slope.max() <= 1 + 1e-3
    assert slope.std() > 0.1
    assert made.min() >= 0 and made.max() <= 1 + 1e-6
    torch.testing.assert_close(made, made[:, :, :1].expand_as(made), rtol=0, atol=1e-5)


@pytest.mark.parametrize("colour", [0.2, 0.6])
def test_colour_is_as_strong_as_it_says(colour: float) -> None:
    even = torch.full((400, 3, 4, 4), 0.5)  # of one colour: saturation and contrast change nothing
    moved = Augment(colour=colour)(even).mean((1, 2, 3)) - 0.5
    assert -colour / 2 <= moved.min() < -0.4 * colour and 0.4 * colour < moved.max() <= colour / 2
    grey = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)]).view(1, 1, 8, 4).expand(400, 3, 8, 4)
    contrast = Augment(colour=colour)(grey).std((1, 2, 3)) / grey[:1].std()
    assert 1 - colour / 2 <= contrast.min() + 1e-5 and contrast.max() - 1e-5 <= 1 + colour / 2
    assert contrast.max() - contrast.min() > 0.8 * colour


def test_colour_keeps_the_order_of_pixels_and_grey_pictures_grey() -> None:
    x = noise(50, channels=1)
    made = Augment(colour=1.0)(x)
    assert torch.equal(x.flatten(1).argsort(), made.flatten(1).argsort())
    grey = noise(50, channels=1).expand(-1, 3, -1, -1)
    painted = Augment(colour=1.0)(grey)
    torch.testing.assert_close(painted, painted[:, :1].expand_as(painted))
    brightness = (made - x).mean((1, 2, 3))
    assert brightness.abs().max() <= 0.5 and brightness.std() > 0.1


@pytest.mark.parametrize("name", ALL)
def test_each_picture_gets_its_own_change(name: str) -> None:
    x = noise(1).expand(30, -1, -1, -1)
    made = Augment(**{name: ALL[name]})(x)  # type: ignore[arg-type]
    assert made.shape == x.shape
    assert len({tuple(one.flatten().tolist()) for one in made}) > 1


@pytest.mark.parametrize("name", [*ALL, "all"])
def test_gradients_pass_and_are_those_of_the_change(name: str) -> None:
    """A change is linear in the picture but for a constant, so its slope can be checked by a difference."""
    augment = Augment(**(ALL if name == "all" else {name: ALL[name]}))  # type: ignore[arg-type]
    x, along = noise(4).double(), torch.randn(4, 3, 8, 12).double()
    weight = torch.randn(4, 3, 8, 12).double()

    def score(at: Tensor) -> Tensor:
        torch.manual_seed(7)
        return (augment(at) * weight).sum()

    at = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(score(at), at)
    assert (slope * along).sum().item() == pytest.approx((score(x + along) - score(x)).item(), rel=1e-6)
    assert slope.abs().sum() > 0


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"shift": -0.1}, "^shift is -0.1"),
        ({"shift": 2}, "^shift is 2"),
        ({"crop": 1.0}, "^crop is 1.0"),
        ({"colour": "red"}, "^colour is 'red'"),
        ({"cutout": float("nan")}, "^cutout is nan"),
        ({"flip": 1}, "^flip is 1"),
    ],
)
def test_what_is_no_change_is_refused(bad: dict, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        Augment(**bad)
    with pytest.raises(ValueError, match=r"^x has shape \(3, 4\)"):
        Augment(flip=True)(torch.zeros(3, 4))

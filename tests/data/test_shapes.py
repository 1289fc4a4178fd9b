"""Shapes drawn by a formula: what is promised of them, and the way through a folder and back."""

from pathlib import Path

import pytest
import torch

from gencourse.data import load_folder, save_picture, shapes, stream
from gencourse.data.shapes import KINDS, _outline


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others() -> None:
    one, same, other = shapes(40, 32, seed=3), shapes(40, 32, seed=3), shapes(40, 32, seed=4)
    assert torch.equal(one.images, same.images) and torch.equal(one.labels, same.labels)
    assert not torch.equal(one.images, other.images)
    assert one.images.shape == (40, 3, 32, 32) and one.classes == KINDS == tuple(sorted(KINDS))


def test_many_are_drawn_in_parts_and_every_kind_comes() -> None:
    data = shapes(600, 16)  # three parts
    assert data.labels.bincount(minlength=5).min() > 80
    spread = data.images.float().flatten(1).std(1)
    assert spread.min() > 5  # none was left undrawn
    assert len(data.images.flatten(1).unique(dim=0)) == 600


@pytest.mark.parametrize(("kind", "corners"), [("flower", 5), ("square", 4), ("star", 5), ("triangle", 3)])
def test_an_outline_has_its_symmetry_and_touches_the_circle_once_a_corner(kind: str, corners: int) -> None:
    angle = torch.linspace(0, 2 * torch.pi, 3601, dtype=torch.float64)[:-1]
    r = _outline(kind, angle)
    turned = _outline(kind, angle + 2 * torch.pi / corners)
    torch.testing.assert_close(r, turned)
    assert r.max() == pytest.approx(1) and r.min() > 0.2
    assert int((r > 1 - 1e-9).sum()) == corners
    if kind in ("square", "triangle"):  # a straight side: r cos(φ) is constant along it
        to_side = torch.remainder(angle, 2 * torch.pi / corners) - torch.pi / corners
        torch.testing.assert_close(r * to_side.cos(), torch.full_like(r, float(r.min())))


def test_a_shape_lies_inside_its_picture() -> None:
    data = shapes(200, 48)
    x = data.images.float()
    rim = torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], dim=2)
    assert (rim - rim[:, :, :1]).abs().max() <= 1  # one ground all around
    differs = (x - x[:, :, :1, :1]).abs().amax(1) > 30
    assert (differs.float().mean((1, 2)) > 0.03).all()


def test_the_kind_says_nothing_about_the_colour() -> None:
    data = shapes(3000, 32)
    middle = data.images[:, :, 15:17, 15:17].float().mean((2, 3)) / 255  # inside the shape, whatever its turn
    means = torch.stack([middle[data.labels == label].mean(0) for label in range(5)])
    assert (means - middle.mean(0)).abs().max() < 0.04
    assert middle.std(0).min() > 0.08


def test_through_a_folder_and_back(tmp_path: Path) -> None:
    data = shapes(25, 32)
    for number, (picture, label) in enumerate(zip(data.x, data.labels, strict=True)):
        folder = tmp_path / data.classes[label]
        folder.mkdir(exist_ok=True)
        save_picture(picture, folder / f"{number:03}.png")
    back = load_folder(tmp_path, size=32)
    order = torch.tensor(sorted(range(25), key=lambda i: (data.classes[data.labels[i]], i)))
    assert torch.equal(back.images, data.images[order]) and torch.equal(back.labels, data.labels[order])
    (x, y), *rest = stream(tmp_path, size=32, workers=0).batches(25)
    assert not rest and torch.equal(y, back.labels) and torch.equal(x, back.x)


@pytest.mark.parametrize(("name", "value"), [("count", 0), ("size", 15), ("size", 513), ("seed", -1)])
def test_what_cannot_be_drawn_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        shapes(**{"count": 2, "size": 16, name: value})

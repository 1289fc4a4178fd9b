"""k mini-batches a move are one batch k times as large, noise and all; who cannot do that is told why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.methods import AAE, GAN, MAE, VAE, WAE, Autoencoder
from gencourse.networks import Plan
from gencourse.training import (
    CheckpointError,
    Method,
    Mover,
    NonFiniteLossError,
    fit,
    seeded,
    warmup_cosine,
)

QUIET = {"device": "cpu", "progress": False}
DENSE = Plan("dense", (16,))


class Dropped(Method):
    """Dropout of numbers and of channels."""

    shape = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        with seeded(0):
            self.net = nn.Sequential(
                nn.Conv2d(1, 4, 3, 4), nn.Dropout2d(0.5), nn.Flatten(), nn.Dropout(0.3), nn.Linear(196, 3)
            )

    def players(self):
        return {"net": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        loss = self.net(x + torch.randn_like(x)).square().sum() / len(x)
        return {"net": update("net", loss), "size": torch.tensor(float(len(x)))}


METHODS: dict[str, Callable[[], Method]] = {
    "denoising autoencoder": lambda: Autoencoder(DENSE, 4, noise=0.4),
    "VAE": lambda: VAE(DENSE, 4),
    "MAE": lambda: MAE(
        patch=7, width=16, depth=1, heads=2, decoder_width=8, decoder_depth=1, decoder_heads=2
    ),
    "dropout": Dropped,
}


def pictures(n: int = 45) -> ImageDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return ImageDataset(images, torch.arange(n) % 10)


def vector(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_k_mini_batches_a_move_are_one_batch_k_times_as_large(make: Callable[[], Method]) -> None:
    """45 pictures, 32 a move: the last batch has 13, so its parts are smaller and unequal."""
    whole, parts = make(), make()
    options = {"epochs": 3, "average": 0.5, "clip": 5.0, "schedule": warmup_cosine(0.3), **QUIET}
    expected = fit(whole, pictures(), batch_size=32, **options)
    found = fit(parts, pictures(), batch_size=8, accumulate=4, **options)
    start = vector(make())
    for one, other in ((whole, parts), (expected.averaged, found.averaged)):
        # Adam's steps are a learning rate long, also along a gradient that is zero but for rounding
        assert (vector(one) - vector(other)).norm() < 1e-3 * (vector(one) - start).norm()
    for name in expected.names:
        if name != "size":
            assert found[name] == pytest.approx(expected[name], rel=1e-5)


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_the_gradient_is_that_of_the_whole_batch_to_rounding(make: Callable[[], Method]) -> None:
    found = []
    for size, accumulate in ((36, 1), (9, 4)):
        method = make()
        method.learning_rate = 1e-12  # nobody gets anywhere: all moves start at the same place
        data = pictures(36)
        fit(method, data, batch_size=size, accumulate=accumulate, **QUIET)
        found.append(torch.cat([p.grad.flatten() for p in method.parameters() if p.grad is not None]))
    assert (found[0] - found[1]).norm() < 1e-5 * found[0].norm()


def test_a_method_sees_parts_of_the_batch_size(toy_data: ImageDataset) -> None:
    sizes = fit(Dropped(), pictures(32), batch_size=8, accumulate=2, **QUIET)["size"]
    assert sizes == [8.0]


def test_a_saved_run_knows_in_how_many_parts_it_learns(tmp_path: Path) -> None:
    options = {"batch_size": 8, "accumulate": 2, "checkpoint": tmp_path / "run", **QUIET}
    whole, resumed = Dropped(), Dropped()
    fit(whole, pictures(), epochs=3, batch_size=8, accumulate=2, **QUIET)
    fit(Dropped(), pictures(), epochs=1, **options)
    with pytest.raises(CheckpointError, match="was made with accumulate = 2, this run has 4"):
        fit(
            Dropped(),
            pictures(),
            epochs=3,
            resume=True,
            **{**options, "batch_size": 4, "accumulate": 4},
        )
    fit(resumed, pictures(), epochs=3, resume=True, **options)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


@pytest.mark.parametrize(
    ("make", "players"),
    [
        (lambda: GAN(width=2, noise_size=4), "discriminator, generator"),
        (lambda: AAE(DENSE, 2), "autoencoder, "),
    ],
)
def test_who_answers_to_another_players_move_is_refused(make: Callable[[], Method], players: str) -> None:
    method = make()
    with pytest.raises(
        ValueError, match=rf"^accumulate is 2: \w+ has \d players \({players}.*answers to the move"
    ):
        fit(method, pictures(), accumulate=2, **QUIET)
    fit(method, pictures(8), accumulate=1, **QUIET)


def test_a_second_move_in_one_step_is_refused() -> None:
    class Twice(Dropped):
        def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
            super().step(x, update, y)
            return super().step(x, update, y)

    method = Twice()
    before = [p.clone() for p in method.parameters()]
    with pytest.raises(ValueError, match=r"^accumulate: 'net' moves a second time in one step"):
        fit(method, pictures(), batch_size=8, accumulate=2, **QUIET)
    assert all(torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True))
    fit(method, pictures(), batch_size=8, **QUIET)


@pytest.mark.parametrize("bad", [0, 1.5, True, None])
def test_what_is_no_number_of_mini_batches_is_refused(bad: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^accumulate is"):
        fit(Dropped(), pictures(), accumulate=bad, **QUIET)  # type: ignore[arg-type]


def test_a_bad_loss_in_an_early_part_stops_the_move() -> None:
    class Breaks(Dropped):
        calls = 0

        def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
            self.calls += 1
            loss = self.net(x).square().sum() * (float("nan") if self.calls == 1 else 1.0)
            return {"net": update("net", loss)}

    method = Breaks()
    before = [p.clone() for p in method.parameters()]
    with pytest.raises(NonFiniteLossError, match="at its step 1"):
        fit(method, pictures(), batch_size=8, accumulate=4, **QUIET)
    assert all(torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True))


def test_parts_are_never_smaller_than_batch_norm_needs() -> None:
    class Normed(Dropped):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.BatchNorm1d(3))

    # 33 = 32 and 1: the one that is left joins the others, and no part of the 33 may be 1
    history = fit(Normed(), pictures(33), batch_size=2, accumulate=16, **QUIET)
    assert history["size"][0] >= 2


def test_the_mmd_of_parts_is_the_mean_of_theirs_and_works() -> None:
    assert len(fit(WAE(DENSE, 2), pictures(), batch_size=8, accumulate=2, **QUIET)) == 1

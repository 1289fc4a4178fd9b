"""What is broken on purpose is found by the check that should find it; what is healthy is called fine."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset, load
from gencourse.methods import AEGAN, GAN, Autoencoder, Classifier
from gencourse.networks import Plan
from gencourse.training import (
    Method,
    Mover,
    check_data,
    check_gradients,
    check_one_batch,
    check_rate,
)

SMALL = Plan("dense", (32,))


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load("mnist").take(600)


def autoencoder() -> Autoencoder:
    return Autoencoder(SMALL, 16)


class Loader:
    """A data set that hands out pixels from 0 to 255, as a file holds them."""

    def __init__(self, data: ImageDataset) -> None:
        self.data, self.labels = data, data.labels

    def __len__(self) -> int:
        return len(self.data)

    def batches(self, batch_size: int, **options: Any):
        for x, y in self.data.batches(batch_size, **options):
            yield 255 * x, y


def test_healthy_data_and_training_are_fine(digits: ImageDataset) -> None:
    model = autoencoder()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    for answer in (
        check_data(model, digits),
        check_gradients(model, digits),
        check_one_batch(model, digits),
        check_rate(model, digits),
    ):
        assert answer.startswith("Fine: ") and answer.count("\n") == 0
    assert torch.rand(1) == expected  # no trace: neither random numbers nor weights
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    game = AEGAN(SMALL, 16)
    assert check_gradients(game, digits).startswith("Fine: norm of the gradient: discriminator ")
    assert check_one_batch(game, digits, watch="reconstruction").startswith("Fine: ")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Loader, "from 0 to 255"),
        (lambda d: d.x * 255, "from 0 to 255"),
        (lambda d: ImageDataset(d.images // 255, d.labels), "divided by 255 twice"),
        (lambda d: ImageDataset(d.images[:1].expand(50, -1, -1, -1), d.labels[:50]), "all are the same"),
        (lambda d: ImageDataset(d.images, d.labels.roll(7)), "shuffled apart"),
        (lambda d: ImageDataset(d.images[:, :, 2:], d.labels), "give (B, 1, 28, 28)"),
    ],
    ids=["bytes", "bytes in a tensor", "divided twice", "one picture", "labels shuffled", "shape"],
)
def test_spoiled_data_are_found(digits: ImageDataset, spoil: Any, said: str) -> None:
    answer = check_data(autoencoder(), spoil(digits))
    assert answer.startswith("Look: ") and said in answer, answer


def test_labels_that_a_method_needs_and_does_not_get(digits: ImageDataset) -> None:
    class Encoder(nn.Flatten):
        width, shape = 784, (1, 28, 28)

        def features(self, x: Tensor) -> Tensor:
            return self(x)

    strange = ImageDataset(digits.images, torch.full((len(digits),), 12))
    answer = check_data(Classifier(Encoder()), strange)
    assert answer.startswith("Look: ") and "12" in answer


def test_a_learning_rate_a_hundred_times_too_large_or_too_small(digits: ImageDataset) -> None:
    usual = autoencoder().learning_rate
    for factor in (100, 1e4):
        large = check_rate(autoencoder(), digits, learning_rate=factor * usual)
        assert large.startswith("Look: ") and large.endswith("too large.")
    small = check_rate(autoencoder(), digits, learning_rate=usual / 100)
    assert small.startswith("Look: ") and small.endswith("very small.")
    assert check_one_batch(autoencoder(), digits, learning_rate=1000 * usual).startswith("Look: ")
    assert "slowly" in check_one_batch(autoencoder(), digits, learning_rate=usual / 20)
    blown = check_rate(autoencoder(), digits, learning_rate=1e30)
    assert blown.startswith("Look: ")


class Broken(Autoencoder):
    """An autoencoder with one mistake in its step."""

    def __init__(self, mistake: str) -> None:
        super().__init__(SMALL, 16)
        self.mistake = mistake

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        loss = (self.reconstruct(x) - x).square().flatten(1).sum(1).mean()
        if self.mistake == "detached":
            loss = loss.detach()
        if self.mistake == "uphill":
            loss = -loss
        if self.mistake == "not a number":
            loss = loss + (x.sum() - x.sum()).sqrt() * self.encode(x).mean() / 0.0
        return {"autoencoder": update("autoencoder", loss)}


def test_mistakes_in_a_step_are_found(digits: ImageDataset) -> None:
    assert "detach" in check_one_batch(Broken("detached"), digits)
    assert "detach" in check_gradients(Broken("detached"), digits)
    assert "finite" in check_gradients(Broken("not a number"), digits) or "nan" in check_gradients(
        Broken("not a number"), digits
    )
    assert check_one_batch(Broken("not a number"), digits).startswith("Look: ")
    assert check_one_batch(Broken("none"), digits).startswith("Fine: ")


def dead_generator() -> GAN:
    gan = GAN("dense")
    with torch.no_grad():  # no unit of the first layer ever wakes
        next(p for p in gan.generator.parameters() if p.dim() == 1).fill_(-1e4)
        [p for p in gan.generator.parameters() if p.dim() == 1][-1].fill_(-1e3)
    return gan


def test_a_dead_generator_is_found(digits: ImageDataset) -> None:
    answer = check_gradients(dead_generator(), digits)
    assert answer.startswith("Look: ") and "'generator' gets next to none" in answer
    assert check_gradients(GAN("dense"), digits).startswith("Fine: ")


class Forgetful(GAN):
    """The generator is never moved."""

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self.generate(self.noise(len(x)))
        return {"discriminator": update("discriminator", self.discriminator_loss(x, fake))}


def test_a_player_that_never_moves_is_found(digits: ImageDataset) -> None:
    assert "'generator' never moves" in check_gradients(Forgetful("dense"), digits)


def test_a_game_must_be_told_which_loss_should_fall(digits: ImageDataset) -> None:
    for check in (check_one_batch, check_rate):
        with pytest.raises(ValueError, match="watch is None: GAN has the players"):
            check(GAN("dense"), digits)
        with pytest.raises(ValueError, match="what is recorded is"):
            check(autoencoder(), digits, watch="generator")


def test_a_method_is_a_method(digits: ImageDataset) -> None:
    assert isinstance(autoencoder(), Method)
    for check in (check_data, check_gradients, check_one_batch, check_rate):
        with pytest.raises(TypeError, match="method is"):
            check(nn.Linear(2, 2), digits)

"""find_learning_rate: what it suggests lies between too slow and too fast, and it leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.methods import GAN, Autoencoder
from gencourse.networks import Plan
from gencourse.training import Method, Mover, find_learning_rate, fit


class Scaled(Method):
    """One weight a pixel, given in units of which `scale` make up one: all rates are `scale` times as large."""

    shape = (1, 3, 3)

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale, self.weight = scale, nn.Parameter(torch.zeros(9))

    def players(self):
        return {"weight": [self.weight]}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        return {
            "loss": update("weight", (self.weight / self.scale - x.flatten(1)).square().sum() / len(x)),
            "far": self.weight.detach().abs().max(),
        }


def test_the_rates_rise_by_equal_factors_and_the_suggestion_is_a_tenth_of_the_best(
    toy_data: ImageDataset,
) -> None:
    test = find_learning_rate(Scaled(), toy_data, lowest=1e-4, highest=1e4, steps=40, batch_size=8)
    factors = [b / a for a, b in zip(test.rates, test.rates[1:], strict=False)]
    assert factors == pytest.approx([(1e8) ** (1 / 39)] * len(factors))
    assert len(test.rates) == len(test.losses) and test.watched == "loss"
    best = test.rates[test.losses.index(min(test.losses))]
    assert test.suggestion == pytest.approx(best / 10)
    assert test.losses[-1] > 2 * test.losses[0]  # it ended when the loss had blown up
    assert len(test.rates) < 40


class Told(Scaled):
    """Records what it is told to, step by step."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values, self.done = values, 0

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        super().step(x, update, y)
        self.done += 1
        return {"told": torch.tensor(self.values[self.done - 1])}


def test_the_losses_are_means_that_forget_and_the_first_is_not_drawn_to_nought(
    toy_data: ImageDataset,
) -> None:
    level = find_learning_rate(Told([3.0] * 20), toy_data, steps=20, batch_size=8, watch="told")
    assert level.losses == pytest.approx([3.0] * 20)
    jump = find_learning_rate(Told([1.0] * 10 + [1.5] * 10), toy_data, steps=20, batch_size=8, watch="told")
    assert jump.losses[10] == pytest.approx(1 + 0.5 * 0.1 / (1 - 0.9**11))


@pytest.mark.parametrize("sign", [1, -1])
def test_it_ends_as_soon_as_the_loss_is_a_whole_first_loss_higher(toy_data: ImageDataset, sign: int) -> None:
    values = [sign + step / 4 for step in range(60)]
    found = find_learning_rate(Told(values), toy_data, steps=60, batch_size=8, watch="told")
    assert found.losses[-2] <= sign + 1 < found.losses[-1]


def test_another_unit_of_the_weights_is_another_unit_of_the_rate(toy_data: ImageDataset) -> None:
    """Adam's steps are as long as the rate, so weights in units a hundred times as fine need a rate as much larger."""
    one = find_learning_rate(Scaled(), toy_data, lowest=1e-4, highest=10.0, steps=60, batch_size=8)
    other = find_learning_rate(Scaled(100.0), toy_data, lowest=1e-2, highest=1e3, steps=60, batch_size=8)
    assert other.suggestion / one.suggestion == pytest.approx(100, rel=0.5)


def test_the_suggestion_beats_a_rate_far_below_and_one_far_above(toy_data: ImageDataset) -> None:
    rate = find_learning_rate(Scaled(), toy_data, batch_size=8).suggestion
    ends = [
        fit(
            Scaled(),
            toy_data,
            epochs=15,
            learning_rate=factor * rate,
            batch_size=8,
            device="cpu",
            progress=False,
        )["loss"][-1]
        for factor in (0.02, 1, 50)
    ]
    assert ends[1] < min(ends[0], ends[2])


def test_the_method_and_all_random_numbers_stay_as_they_are(make_toy: type, toy_data: ImageDataset) -> None:
    method = make_toy().eval()
    before = {name: t.clone() for name, t in method.state_dict().items()}
    state = torch.get_rng_state()
    first = find_learning_rate(method, toy_data, watch="decoder", steps=20)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(t, before[name]) for name, t in method.state_dict().items())
    assert not method.training and all(p.grad is None for p in method.parameters())
    torch.rand(5)
    assert find_learning_rate(method, toy_data, watch="decoder", steps=20) == first
    assert find_learning_rate(method, toy_data, watch="decoder", steps=20, seed=1) != first


def test_it_says_what_it_cannot_use(make_toy: type, toy_data: ImageDataset) -> None:
    with pytest.raises(ValueError, match=r"^watch is None: Toy has the players encoder, decoder"):
        find_learning_rate(make_toy(), toy_data)
    with pytest.raises(ValueError, match=r"^watch is 'loss': what is recorded is encoder, decoder"):
        find_learning_rate(make_toy(), toy_data, watch="loss")
    with pytest.raises(
        ValueError, match=r"^lowest is 0.5: give a positive number below highest, which is 0.1"
    ):
        find_learning_rate(Scaled(), toy_data, lowest=0.5, highest=0.1)
    with pytest.raises(ValueError, match=r"^lowest is 100000000\.0: the loss blows up at once"):
        find_learning_rate(Scaled(), toy_data, lowest=1e8, highest=1e9)
    with pytest.raises(ValueError, match=r"^data has shape"):
        find_learning_rate(Autoencoder(Plan("dense", (4,)), 2), toy_data)


def test_a_loss_of_a_game_can_be_watched() -> None:
    images = torch.randint(0, 256, (16, 1, 28, 28), dtype=torch.uint8)
    data = ImageDataset(images, torch.zeros(16, dtype=torch.int64))
    test = find_learning_rate(
        GAN(network="dense", noise_size=3), data, watch="discriminator", steps=10, batch_size=8
    )
    assert test.watched == "discriminator" and len(test.rates) >= 3

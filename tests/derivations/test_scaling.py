"""Equations of chapter 6: shards and mini-batches, gains of more workers, memory, numbers of sixteen bits."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from gencourse.methods import MAE
from gencourse.networks import Plan
from gencourse.training import (
    activation_bytes,
    amdahl,
    best_learning_rate,
    roofline,
    scaled_learning_rate,
    training_memory,
)
from gencourse.training.processes import Processes

DOUBLE = torch.float64


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


# ---- shards ----------------------------------------------------------------------------------------------


@pytest.mark.equation("6.1")
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_weighted_mean_of_the_shards_gradients_is_that_of_the_whole(count: int) -> None:
    network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    x, y = noise(20, 6), noise(20, 2, seed=1)

    def gradient(rows: slice) -> Tensor:
        loss = (network(x[rows]) - y[rows]).square().sum() / len(x[rows])
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, network.parameters())])

    shards = [Processes(rank, count).rows(20) for rank in range(count)]
    assert sum(len(x[rows]) for rows in shards) == 20
    together = sum(len(x[rows]) / 20 * gradient(rows) for rows in shards)
    torch.testing.assert_close(together, gradient(slice(None)))
    plain = sum(gradient(rows) for rows in shards) / count
    equal = len({len(x[rows]) for rows in shards}) == 1
    assert torch.allclose(plain, gradient(slice(None)), atol=1e-9) == equal  # 20 = 7 + 6 + 7 rows


# ---- step sizes ------------------------------------------------------------------------------------------


@pytest.mark.equation("6.2")
def test_one_step_of_k_times_the_size_is_k_steps_to_first_order() -> None:
    """Halving η divides the gap by four: it is of second order; the steps themselves are of first."""
    data, start = noise(8, 4, 3), noise(3, seed=1)  # eight mini-batches of four points

    def gradient(theta: Tensor, points: Tensor) -> Tensor:
        return torch.func.grad(lambda t: (points @ t).tanh().square().mean())(theta)

    def gap(eta: float) -> tuple[float, float]:
        theta = start
        for points in data:
            theta = theta - eta * gradient(theta, points)
        at_once = start - 8 * eta * gradient(start, data.flatten(0, 1))
        return (theta - at_once).norm().item(), (theta - start).norm().item()

    (far, moved), (near, less) = gap(1e-2), gap(5e-3)
    assert far / near == pytest.approx(4, rel=0.05)
    assert moved / less == pytest.approx(2, rel=0.05)
    assert scaled_learning_rate(1e-3, 512) == 2 * scaled_learning_rate(1e-3, 256)


def bowl() -> tuple[Tensor, Tensor, Tensor]:
    """Hessian, covariance of one row's gradient, and gradient of a quadratic loss."""
    a, b = noise(4, 4), noise(4, 4, seed=1)
    return a @ a.T + torch.eye(4), b @ b.T, noise(4, seed=2)


def after(eta: float, batch: int) -> float:
    """Change of the quadratic loss after a step of size η, eq. (6.3)."""
    h, cov, g = bowl()
    return float(-eta * g @ g + eta**2 / 2 * (g @ h @ g + torch.trace(h @ cov) / batch))


@pytest.mark.equation("6.3")
def test_the_expected_loss_after_a_noisy_step() -> None:
    """Against a mean over draws of the noise of a mini-batch."""
    h, cov, g = bowl()
    eta, batch = 0.1, 4
    draws = noise(400_000, 4, seed=3) @ torch.linalg.cholesky(cov).T / batch**0.5
    step = -eta * (g + draws)
    loss = step @ g + ((step @ h) * step).sum(1) / 2
    assert loss.mean().item() == pytest.approx(after(eta, batch), abs=4 * loss.std().item() / 400_000**0.5)


@pytest.mark.equation("6.4")
def test_the_best_step_grows_with_the_batch_and_then_no_more() -> None:
    h, cov, g = bowl()
    largest = float(g @ g / (g @ h @ g))
    scale = float(torch.trace(h @ cov) / (g @ h @ g))
    for batch in (1, 3, 50, 10_000):
        best = best_learning_rate(largest, batch, scale)
        assert after(best, batch) < min(after(0.99 * best, batch), after(1.01 * best, batch))
        # a parabola through 0: twice the best step gains nothing
        assert after(2 * best, batch) == pytest.approx(0, abs=1e-9)
    assert best_learning_rate(1.0, 2, 1e6) / best_learning_rate(1.0, 1, 1e6) == pytest.approx(2, rel=1e-5)
    assert best_learning_rate(1.0, 10**7, 10.0) == pytest.approx(1, rel=1e-5)
    assert best_learning_rate(1.0, 7, 7.0) == 0.5
    assert best_learning_rate(1.0, 7, 0) == 1.0


# ---- more workers ----------------------------------------------------------------------------------------


@pytest.mark.equation("6.5")
def test_the_gain_of_more_workers() -> None:
    """From times: what is serial takes as long as before, the rest a part of it."""
    for serial, workers in itertools.product((0.0, 0.05, 0.3, 1.0), (1, 2, 7, 1000)):
        alone, together = 60.0, 60.0 * serial + 60.0 * (1 - serial) / workers
        assert amdahl(serial, workers) == pytest.approx(alone / together)
        assert 1 <= amdahl(serial, workers) <= workers
    assert amdahl(0.1, 10**9) == pytest.approx(10, rel=1e-6)
    gains = [amdahl(0.1, k) for k in range(1, 30)]
    assert all(b > a for a, b in itertools.pairwise(gains))
    assert all(c - b < b - a for a, b, c in zip(gains, gains[1:], gains[2:], strict=False))


@pytest.mark.equation("6.6")
def test_the_roofline_is_the_slower_of_two() -> None:
    peak, bandwidth = 1e12, 1e11
    for intensity in (0.25, 5, 10, 11, 300):
        operations = 1e9
        seconds = max(operations / peak, operations / intensity / bandwidth)
        assert roofline(intensity, peak, bandwidth) == pytest.approx(operations / seconds)
    assert roofline(10, peak, bandwidth) == peak  # the corner


# ---- memory ----------------------------------------------------------------------------------------------


def chain(*sizes: int) -> nn.Sequential:
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


@pytest.mark.equation("6.7")
@pytest.mark.parametrize("sizes", [(7, 5), (7, 5, 3), (784, 512, 256, 32)])
@pytest.mark.parametrize("batch", [1, 6])
def test_a_chain_of_layers_keeps_what_goes_into_each(sizes: tuple[int, ...], batch: int) -> None:
    """ReLU keeps its result, which is what goes into the next layer: it counts once."""
    x = torch.zeros(batch, sizes[0])
    assert activation_bytes(chain(*sizes), x) == 4 * batch * sum(sizes[:-1])


@pytest.mark.equation("6.7")
def test_a_convolutional_network_keeps_what_goes_into_each() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(16 * 8 * 8, 10), nn.Sigmoid(),
    )  # fmt: skip
    numbers = 3 * 32 * 32 + 8 * 16 * 16 + 16 * 8 * 8 + 10  # sigmoid keeps its result, too
    assert activation_bytes(network, torch.zeros(5, 3, 32, 32)) == 4 * 5 * numbers
    assert activation_bytes(network.half(), torch.zeros(5, 3, 32, 32).half()) == 2 * 5 * numbers


@pytest.mark.equation("6.7")
def test_on_no_device_convolutions_keep_as_much_and_attention_also_its_table() -> None:
    for make, shape in ((lambda: Plan("conv").encoder((1, 28, 28), 8), (1, 28, 28)), (transformer, (16, 49))):
        real, x = make(), torch.zeros(3, *shape)
        with torch.device("meta"):
            ghost = make()
        seen, counted = activation_bytes(real, x), activation_bytes(ghost, x.to("meta"))
        assert seen == counted if len(shape) == 3 else 0 < seen <= counted
        assert activation_bytes(real, torch.cat([x, x])) == pytest.approx(2 * seen, rel=0.01)


def transformer() -> nn.Module:
    return MAE(width=16).encoder


def test_gradients_switched_off_outside_do_not_matter_and_parameters_do_not_count() -> None:
    network, x = chain(4, 3, 2), torch.zeros(5, 4)
    with torch.no_grad():
        assert activation_bytes(network, x) == 4 * 5 * 7
    network.requires_grad_(False)
    assert activation_bytes(network, x) == 0  # nothing will be asked for


def test_recomputing_keeps_less() -> None:
    """Checkpointing keeps what goes into the block alone."""
    from torch.utils.checkpoint import checkpoint

    inner = chain(64, 256, 256, 64)

    class Recomputed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.inner, x, use_reentrant=False)

    x = torch.zeros(10, 64, requires_grad=True)
    assert activation_bytes(inner, x) == 4 * 10 * (64 + 256 + 256)
    assert activation_bytes(Recomputed(), x) <= 4 * 10 * 64


@pytest.mark.equation("6.8")
def test_memory_is_four_times_the_weights_and_the_activations() -> None:
    network, x = chain(784, 512, 32), torch.zeros(16, 784)
    count = sum(p.numel() for p in network.parameters())
    found = training_memory(network, x)
    assert found.total == 16 * count + 4 * 16 * (784 + 512)
    network(x).sum().backward()
    optimizer = torch.optim.Adam(network.parameters())
    optimizer.step()
    held = [p.grad for p in network.parameters()] + [
        value for state in optimizer.state.values() for name, value in state.items() if name != "step"
    ]
    assert sum(t.numel() * t.element_size() for t in held) == found.gradients + found.moments
    network[0].requires_grad_(False)
    assert training_memory(network, x).gradients == 4 * (512 * 32 + 32)
    with pytest.raises(ValueError, match="does not go through the network"):
        training_memory(network, torch.zeros(2, 5))


# ---- numbers of sixteen bits -----------------------------------------------------------------------------


@pytest.mark.equation("6.9")
@pytest.mark.parametrize(
    ("dtype", "exponent", "fraction"),
    [(torch.float32, 8, 23), (torch.float16, 5, 10), (torch.bfloat16, 8, 7)],
)
def test_the_ends_of_a_format(dtype: torch.dtype, exponent: int, fraction: int) -> None:
    facts = torch.finfo(dtype)
    assert facts.bits == 1 + exponent + fraction
    assert facts.max == (2 - 2.0**-fraction) * 2.0 ** (2 ** (exponent - 1) - 1)
    assert facts.eps == 2.0**-fraction
    assert torch.tensor(facts.max, dtype=DOUBLE).mul(1.01).to(dtype).isinf()

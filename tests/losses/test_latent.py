"""The distance of a batch of codes from the prior: value, bias, and where its gradient pulls."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from gencourse.losses import mmd

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel(a: Tensor, b: Tensor, std: float = 1.0) -> float:
    base, apart = 2 * len(a) * std**2, (a - b).square().sum().item()
    return sum(base * s / (base * s + apart) for s in SCALES) / len(SCALES)


@pytest.mark.equation("4.12", "4.13")
@pytest.mark.parametrize("std", [1.0, 5.0])
def test_it_is_the_sum_over_pairs_written_out(std: float) -> None:
    z, prior = 2 * normal(0, 5, 3) + 1, normal(1, 4, 3)
    among_z = sum(kernel(z[i], z[j], std) for i, j in product(range(5), repeat=2) if i != j) / (5 * 4)
    among_p = sum(kernel(prior[i], prior[j], std) for i, j in product(range(4), repeat=2) if i != j) / (4 * 3)
    between = sum(kernel(a, b, std) for a in z for b in prior) / (5 * 4)
    assert mmd(z, prior, std).item() == pytest.approx(among_z + among_p - 2 * between, abs=1e-12)


@pytest.mark.equation("4.12")
def test_it_is_zero_on_average_for_two_samples_of_one_law() -> None:
    """With the diagonal left in, the average would be about 2(1 − E k)/n, here 0.06."""
    values = torch.stack([mmd(normal(s, 8, 2), normal(10_000 + s, 8, 2)) for s in range(1500)])
    spread = values.std().item() / math.sqrt(len(values))
    assert abs(values.mean().item()) < 4 * spread < 0.01
    assert (values < 0).any()


@pytest.mark.equation("4.11", "4.12")
def test_on_average_over_all_samples_of_two_points_it_is_the_discrepancy_itself() -> None:
    """Every sample of two points from laws on three points, weighted by its probability: no bias at all."""
    at = normal(0, 3, 2)
    p, q = (torch.tensor(v, dtype=torch.float64) for v in ([0.2, 0.5, 0.3], [0.6, 0.1, 0.3]))
    expected = 0.0
    for i, j, k, m in product(range(3), repeat=4):
        weight = (p[i] * p[j] * q[k] * q[m]).item()
        expected += weight * mmd(at[[i, j]], at[[k, m]]).item()
    table = torch.tensor([[kernel(a, b) for b in at] for a in at], dtype=torch.float64)
    assert expected == pytest.approx(((p - q) @ table @ (p - q)).item(), abs=1e-12)


def mean_kernel(apart: float, variance: float, d: int) -> float:
    """E k(a, b) for a − b ~ N(m, variance·I) with ‖m‖ = apart.

    C/(C + r²) = ∫₀^∞ e^−t e^(−t r²/C) dt, and E e^(−t r²/C) is known in closed form.
    """
    t = torch.linspace(0, 60, 60_001, dtype=torch.float64)
    total = 0.0
    for s in SCALES:
        wide = 1 + 2 * t * variance / (2 * d * s)
        inner = wide ** (-d / 2) * torch.exp(-t * apart**2 / (2 * d * s) / wide)
        total += torch.trapezoid(torch.exp(-t) * inner, t).item()
    return total / len(SCALES)


@pytest.mark.equation("4.11", "4.13")
@pytest.mark.parametrize(("shift", "std"), [(0.0, 0.5), (0.7, 1.0), (1.0, 2.0)])
def test_for_gaussians_it_agrees_with_the_discrepancy_of_the_laws(shift: float, std: float) -> None:
    d = 3
    exact = mean_kernel(0, 2 * std**2, d) + mean_kernel(0, 2, d)
    exact -= 2 * mean_kernel(shift * math.sqrt(d), 1 + std**2, d)
    found = torch.stack(
        [mmd(shift + std * normal(s, 400, d), normal(99 + s, 400, d)) for s in range(12)]
    ).mean()
    assert exact > 0.005
    assert found.item() == pytest.approx(exact, rel=0.12)


def test_a_descent_step_brings_the_codes_closer_even_from_far_away() -> None:
    for far in (3.0, 50.0):
        z, prior = (normal(0, 64, 4) + far).requires_grad_(), normal(1, 64, 4)
        (slope,) = torch.autograd.grad(mmd(z, prior), z)
        assert (slope.mean(0) > 0).all()  # down the slope is towards zero, where the prior is
    tight = (0.1 * normal(0, 64, 4)).requires_grad_()
    (slope,) = torch.autograd.grad(mmd(tight, prior), tight)
    assert (slope * tight).sum() < 0  # too narrow: down the slope is outwards


def test_equal_rows_give_a_finite_gradient_and_float32_agrees() -> None:
    z, prior = torch.zeros(6, 2, requires_grad=True), normal(0, 6, 2).float()
    loss = mmd(z, prior)
    loss.backward()
    assert z.grad is not None and torch.isfinite(z.grad).all()
    torch.testing.assert_close(loss.double(), mmd(z.double(), prior.double()), rtol=0, atol=1e-5)


def test_it_knows_no_order_and_no_direction() -> None:
    z, prior = normal(0, 9, 3), normal(1, 7, 3)
    turn = torch.linalg.qr(normal(2, 3, 3)).Q
    torch.testing.assert_close(mmd(z, prior), mmd(z.flip(0), prior))
    torch.testing.assert_close(mmd(z, prior), mmd(prior, z))
    torch.testing.assert_close(mmd(z, prior), mmd(z @ turn, prior @ turn))


@pytest.mark.parametrize(
    ("z", "prior"),
    [((1, 2), (5, 2)), ((5, 2), (1, 2)), ((5, 2), (5, 3)), ((5,), (5,)), ((5, 2, 2), (5, 2, 2))],
)
def test_samples_that_do_not_fit_are_refused(z: tuple[int, ...], prior: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="z has shape"):
        mmd(torch.zeros(z), torch.zeros(prior))


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan])
def test_a_std_that_is_not_positive_is_refused(std: float) -> None:
    with pytest.raises(ValueError, match="std is"):
        mmd(torch.zeros(3, 2), torch.zeros(3, 2), std)


@pytest.mark.equation("4.13")
@pytest.mark.parametrize("unit", [0.01, 0.5, 30.0])
def test_it_does_not_depend_on_the_unit_of_the_codes(unit: float) -> None:
    generator = torch.Generator().manual_seed(0)
    z, prior = (torch.randn(9, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(mmd(unit * z, unit * prior, unit), mmd(z, prior, 1.0))
    torch.testing.assert_close(mmd(z, prior), mmd(z, prior, 1.0))

"""Equations of chapter 2 that no single function computes: best discriminators, distances and a game on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import wasserstein_distance
from torch import Tensor, nn

from gencourse.losses import discriminator_loss, generator_loss, r1_penalty, squared_error
from gencourse.methods import dirac_eigenvalues, dirac_flow, dirac_path, dirac_step
from gencourse.networks import conv_discriminator, dense_discriminator, normalise_spectrum

# Two laws on six points, as counts out of 20, so that a batch can hold them exactly.
P = torch.tensor([1, 2, 3, 4, 4, 6])
Q = torch.tensor([6, 1, 5, 4, 2, 2])


def drawn(counts: Tensor) -> Tensor:
    """A batch that is distributed exactly as the counts say."""
    return torch.repeat_interleave(torch.arange(len(counts)), counts)


def best_logits(kind: str) -> tuple[Tensor, float]:
    """The logit of each point that makes the discriminator's loss smallest, found by descent, and that loss."""
    a = torch.zeros(len(P), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([a], max_iter=200, tolerance_grad=1e-10, tolerance_change=0)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = discriminator_loss(a[drawn(P)], a[drawn(Q)], kind)
        value.backward()
        return value

    optimizer.step(loss)
    return a.detach(), loss().item()


@pytest.mark.equation("2.3")
@pytest.mark.parametrize("kind", ["non_saturating", "least_squares"])
def test_the_best_discriminator_is_the_share_of_real_samples(kind: str) -> None:
    a, _ = best_logits(kind)
    share = P.double() / (P + Q)
    found = torch.sigmoid(a) if kind == "non_saturating" else a
    torch.testing.assert_close(found, share, rtol=0, atol=1e-6)
    if kind == "non_saturating":
        torch.testing.assert_close(a, (P.double() / Q).log(), rtol=0, atol=1e-5)


@pytest.mark.equation("2.4")
def test_the_best_value_measures_the_jensen_shannon_divergence() -> None:
    _, loss = best_logits("non_saturating")
    jsd = jensenshannon(P.numpy(), Q.numpy()) ** 2
    assert 0 < jsd < math.log(2)
    assert -loss == pytest.approx(-math.log(4) + 2 * jsd, abs=1e-9)


@pytest.mark.equation("2.4")
def test_the_value_is_minus_log_four_for_equal_laws_and_zero_for_disjoint_ones() -> None:
    def value(p: Tensor, q: Tensor) -> float:
        d = p / (p + q)
        return (torch.xlogy(p, d) + torch.xlogy(q, 1 - d)).sum().item()

    p = P.double() / P.sum()
    apart = torch.tensor([0.5, 0.5, 0, 0]).double(), torch.tensor([0, 0, 0.25, 0.75]).double()
    assert value(p, p) == pytest.approx(-math.log(4))
    assert value(*apart) == 0
    assert -math.log(4) + 2 * jensenshannon(*apart) ** 2 == pytest.approx(0, abs=1e-12)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        q = torch.rand(len(p), generator=generator, dtype=torch.float64)
        assert value(p, q / q.sum()) > -math.log(4)


@pytest.mark.equation("2.9")
def test_least_squares_with_targets_two_apart_measures_pearsons_chi_squared() -> None:
    """b − c = 1 and b − a = 2, for instance a = −1, b = 1, c = 0; the best D by brute force over a grid."""
    p, q = P.double() / P.sum(), Q.double() / Q.sum()
    for a, b, c in ((-1.0, 1.0, 0.0), (0.5, 2.5, 1.5)):
        grid = torch.linspace(a, b, 200_001, dtype=torch.float64)[:, None]
        d = grid[(p * (grid - b) ** 2 / 2 + q * (grid - a) ** 2 / 2).argmin(0)].squeeze()
        generator_value = (p * (d - c) ** 2).sum() + (q * (d - c) ** 2).sum()
        chi_squared = ((2 * q - (p + q)) ** 2 / (p + q)).sum()
        assert generator_value.item() == pytest.approx(chi_squared.item(), abs=1e-5)
    assert chi_squared > 0.1


@pytest.mark.equation("2.10")
def test_the_best_critic_of_slope_one_measures_the_wasserstein_distance() -> None:
    """The supremum over 1-Lipschitz functions, as a linear program, against scipy's formula by sorting."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0, 1, 12), rng.normal(1.5, 2, 9)
    x = np.sort(np.concatenate([real, fake]))
    weight = np.isin(x, fake) / 9 - np.isin(x, real) / 12  # the critic's loss is weight @ f
    rise = np.diff(np.eye(len(x)), axis=0)
    best = linprog(
        weight, np.vstack([rise, -rise]), np.tile(np.diff(x), 2), bounds=[(0, 0)] + [(None, None)] * 20
    )
    f = dict(zip(x, best.x, strict=True))
    loss = discriminator_loss(
        torch.tensor([f[v] for v in real]), torch.tensor([f[v] for v in fake]), "wasserstein"
    )
    assert -loss.item() == pytest.approx(wasserstein_distance(real, fake), abs=1e-9)


@pytest.mark.equation("2.12")
@pytest.mark.parametrize(
    "network", [dense_discriminator((1, 8, 8), (20, 10)), conv_discriminator((1, 28, 28), 4)]
)
def test_spectral_norm_divides_by_the_largest_singular_value(network: nn.Module) -> None:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    raw = [layer.weight.detach().flatten(1).clone() for layer in layers]
    normalise_spectrum(network)
    for _ in range(200):
        for layer in layers:
            layer.parametrizations.weight[0].train()(layer.parametrizations.weight.original)  # a power step
    for layer, weight in zip(layers, raw, strict=True):
        largest = torch.linalg.svdvals(weight)[0]
        torch.testing.assert_close(layer.weight.flatten(1), weight / largest, rtol=1e-3, atol=1e-4)


@pytest.mark.equation("2.12")
def test_a_dense_discriminator_of_spectral_norm_one_has_slope_one_at_most() -> None:
    network = dense_discriminator((1, 4, 4), (32, 32))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(5)
    x = torch.randn(500, 1, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def steepest() -> float:
        (slope,) = torch.autograd.grad(network(x).sum(), x)
        return slope.flatten(1).norm(dim=1).max().item()

    assert steepest() > 1.5
    normalise_spectrum(network)
    for _ in range(50):
        network(x)
    assert steepest() <= 1 + 1e-3


# ---- the Dirac-GAN -----------------------------------------------------------------------------------


@pytest.mark.equation("2.16")
@pytest.mark.parametrize("loss", ["logistic", "wasserstein"])
def test_the_flow_is_the_gradient_of_the_game(loss: str) -> None:
    """With the course's sign, a logit of −ψx for "real": one player climbs what the other descends."""
    kind = "minimax" if loss == "logistic" else "wasserstein"
    for theta, psi, gamma in ((0.7, -0.3, 0.0), (-1.2, 0.8, 0.6), (2.0, 3.0, 1.0)):
        t, s = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (theta, psi))
        data = torch.zeros(1, 1, dtype=torch.float64)
        d_loss = discriminator_loss(-s * data[0], -s * t, kind)
        penalty = gamma * r1_penalty(lambda x, s=s: -(x * s), data)
        (on_theta,) = torch.autograd.grad(-d_loss, t, retain_graph=True)
        (on_psi,) = torch.autograd.grad(d_loss + penalty, s)
        found = dirac_flow(theta, psi, gamma, loss)
        torch.testing.assert_close(torch.stack(found), torch.cat([-on_theta, -on_psi]))


@pytest.mark.equation("2.17")
@pytest.mark.parametrize("loss", ["logistic", "wasserstein"])
def test_the_flow_goes_round_in_circles(loss: str) -> None:
    solution = solve_ivp(
        lambda _, s: [v.item() for v in dirac_flow(s[0], s[1], loss=loss)],
        (0, 40),
        [0.8, -0.6],
        rtol=1e-9,
        atol=1e-9,
    )
    assert np.allclose(np.hypot(*solution.y), 1, atol=1e-6)
    angle = np.unwrap(np.arctan2(*solution.y[::-1]))
    assert abs(angle[-1] - angle[0]) > 4 * math.pi  # it does move


def jacobian(mode: str, loss: str, h: float, gamma: float = 0.0) -> Tensor:
    """How one step near the solution transforms (θ, ψ)."""
    origin = torch.zeros(2, dtype=torch.float64)

    def step(s: Tensor) -> Tensor:
        return torch.stack(dirac_step(s[0], s[1], h, gamma, mode, loss))

    return torch.autograd.functional.jacobian(step, origin)


@pytest.mark.equation("2.18")
@pytest.mark.parametrize(("loss", "a"), [("logistic", 0.5), ("wasserstein", 1.0)])
@pytest.mark.parametrize("h", [0.05, 0.2, 0.9])
def test_simultaneous_steps_spiral_out_and_alternating_ones_do_not(loss: str, a: float, h: float) -> None:
    size = torch.linalg.eigvals(jacobian("simultaneous", loss, h)).abs() ** 2
    torch.testing.assert_close(size, torch.full_like(size, 1 + h**2 * a**2))
    alternating = jacobian("alternating", loss, h)
    assert torch.linalg.det(alternating).item() == pytest.approx(1)
    assert alternating.trace().item() == pytest.approx(2 - h**2 * a**2)
    size = torch.linalg.eigvals(alternating).abs()
    torch.testing.assert_close(size, torch.ones_like(size))


@pytest.mark.equation("2.18")
def test_two_thousand_steps_of_two_tenths() -> None:
    radius = {
        mode: dirac_path(1.0, 0.0, 0.2, 2000, mode=mode).norm(dim=1)
        for mode in ("simultaneous", "alternating")
    }
    assert radius["simultaneous"][-1].item() == pytest.approx(3.62, abs=0.01)
    assert (radius["simultaneous"].diff() > 0).all()
    assert (radius["alternating"] - 1).abs().max() < 0.1
    with_r1 = dirac_path(1.0, 0.0, 0.2, 2000, gamma=1.0).norm(dim=1)
    assert with_r1[-1] < 1e-6


@pytest.mark.equation("2.18")
@pytest.mark.parametrize("loss", ["logistic", "wasserstein"])
def test_a_simultaneous_step_stretches_the_square_by_one_plus_h_squared_slope_squared(loss: str) -> None:
    """Not only near the solution: θ² + ψ² grows by 1 + h²f'(θψ)², with f' by autograd."""
    generator = torch.Generator().manual_seed(0)
    theta, psi = 3 * torch.randn(2, 200, generator=generator, dtype=torch.float64)
    t = (theta * psi).requires_grad_()
    f = -torch.nn.functional.softplus(-t) if loss == "logistic" else t
    (slope,) = torch.autograd.grad(f.sum(), t)
    assert loss == "wasserstein" or (slope.min() < 0.01 and slope.max() > 0.99)
    for h in (0.05, 0.2, 1.5):
        new = torch.stack(dirac_step(theta, psi, h, loss=loss))
        growth = new.square().sum(0) / (theta**2 + psi**2)
        torch.testing.assert_close(growth, 1 + h**2 * slope**2)


@pytest.mark.equation("2.19")
@pytest.mark.parametrize(("loss", "a"), [("logistic", 0.5), ("wasserstein", 1.0)])
@pytest.mark.parametrize("h", [0.1, 0.4, 1.2])
def test_simultaneous_steps_settle_if_and_only_if_the_penalty_exceeds_h_a_squared(
    loss: str, a: float, h: float
) -> None:
    """While the motion turns (γ < 2a): |λ|² = 1 − hγ + h²a² of a step, below 1 exactly for γ > ha²."""
    bound = h * a**2
    for gamma in (0.0, 0.5 * bound, 0.99 * bound, 1.01 * bound, 1.5 * bound):
        assert gamma < 2 * a
        size = torch.linalg.eigvals(jacobian("simultaneous", loss, h, gamma)).abs() ** 2
        torch.testing.assert_close(size, torch.full_like(size, 1 - h * gamma + h**2 * a**2))
        assert bool((size < 1).all()) == (gamma > bound)
    # and the run does what the matrix says
    for share, settles in ((0.9, False), (1.1, True)):
        radius = dirac_path(1e-3, 0.0, h, 2000, gamma=share * bound, loss=loss).norm(dim=1)
        assert (radius[-1] < radius[0]) == settles


@pytest.mark.equation("2.19")
@pytest.mark.parametrize("a", [0.5, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0, 3.5])
def test_r1_moves_the_eigenvalues_to_the_left(gamma: float, a: float) -> None:
    found = dirac_eigenvalues(gamma, a)
    torch.testing.assert_close(found**2 + gamma * found + a**2, torch.zeros_like(found))
    torch.testing.assert_close(found.sum().real.item(), -gamma)
    loss = "logistic" if a == 0.5 else "wasserstein"
    origin = torch.zeros(2, dtype=torch.float64)
    flow = torch.autograd.functional.jacobian(
        lambda s: torch.stack(dirac_flow(s[0], s[1], gamma, loss)), origin
    )
    by_real_then_imaginary = [
        sorted(((v.real, v.imag) for v in roots.tolist()), reverse=True)
        for roots in (found, torch.linalg.eigvals(flow))
    ]
    assert np.allclose(*by_real_then_imaginary, atol=1e-7)
    assert (found.real < 0).all() == (gamma > 0)
    assert bool((found.imag == 0).all()) == (gamma >= 2 * a)


@pytest.mark.equation("2.19")
def test_no_other_weight_decays_faster_than_twice_a() -> None:
    def slowest(gamma: float) -> float:
        return dirac_eigenvalues(gamma, 0.5).real.max().item()

    assert all(slowest(1.0) < slowest(gamma) for gamma in (0.2, 0.7, 0.95, 1.05, 1.5, 4.0))


@pytest.mark.equation("2.19")
@pytest.mark.parametrize(("loss", "a", "start"), [("wasserstein", 1.0, 1.0), ("logistic", 0.5, 1e-3)])
def test_the_critical_solution(loss: str, a: float, start: float) -> None:
    """γ = 2a from ψ = 0: θ(t) = θ₀ (1 + at) e^(−at). The logistic game is that one only near the solution."""
    times = np.linspace(0, 8, 9)
    solution = solve_ivp(
        lambda _, s: [v.item() for v in dirac_flow(s[0], s[1], 2 * a, loss)],
        (0, 8),
        [start, 0],
        t_eval=times,
        rtol=1e-9,
        atol=1e-12,
    )
    assert np.allclose(solution.y[0] / start, (1 + a * times) * np.exp(-a * times), atol=1e-5)


def test_the_dirac_gan_names_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="mode is 'both': choose one of simultaneous, alternating"):
        dirac_step(1.0, 0.0, 0.1, mode="both")
    with pytest.raises(ValueError, match="loss is 'hinge': choose one of logistic, wasserstein"):
        dirac_flow(1.0, 0.0, loss="hinge")


def test_the_dirac_gan_takes_a_whole_field_at_once() -> None:
    theta, psi = torch.meshgrid(torch.linspace(-2, 2, 5), torch.linspace(-1, 1, 4), indexing="ij")
    field = dirac_flow(theta, psi, 0.3)
    one = dirac_flow(theta[1, 2].item(), psi[1, 2].item(), 0.3)
    assert field[0].shape == (5, 4)
    torch.testing.assert_close((field[0][1, 2], field[1][1, 2]), one)


# ---- pictures that do not belong together ------------------------------------------------------------


@pytest.mark.equation("2.20")
def test_the_squared_error_of_independent_pairs_rewards_a_generator_of_the_mean() -> None:
    """All pairs of x and G(z), equally often: independence holds exactly."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(13, 3, generator=generator, dtype=torch.float64) + 2
    made = torch.rand(11, 3, generator=generator, dtype=torch.float64)
    mean = x.mean(0)

    def pairs(made: Tensor) -> float:
        return squared_error(made.repeat_interleave(13, 0), x.repeat(len(made), 1)).item()

    split = squared_error(mean.expand_as(x), x) + squared_error(mean.expand_as(made), made)
    assert pairs(made) == pytest.approx(split.item(), rel=1e-12)
    assert pairs(mean[None]) < pairs(x) < pairs(made)  # perfect samples score worse than one grey picture


# ---- what the game measures --------------------------------------------------------------------------


def kl(p: Tensor, q: Tensor) -> float:
    """KL(p‖q) of two laws on finitely many points, by scipy."""
    return float(rel_entr(p.numpy(), q.numpy()).sum())


@pytest.mark.equation("2.26")
def test_any_discriminator_gives_a_lower_bound_and_what_is_missing_is_a_divergence() -> None:
    p, q = P.double() / P.sum(), Q.double() / Q.sum()
    best = -math.log(4) + 2 * jensenshannon(p, q) ** 2
    generator = torch.Generator().manual_seed(0)
    for spread in (0.1, 1.0, 5.0):
        a = spread * torch.randn(len(P), generator=generator, dtype=torch.float64)
        value = -discriminator_loss(a[drawn(P)], a[drawn(Q)]).item()
        says, should_say = torch.sigmoid(a), p / (p + q)
        coins = [
            kl(torch.stack([s, 1 - s]), torch.stack([d, 1 - d]))
            for s, d in zip(should_say, says, strict=True)
        ]
        missing = 2 * ((p + q) / 2 @ torch.tensor(coins, dtype=torch.float64))
        assert missing > 0
        assert value == pytest.approx(best - missing.item(), abs=1e-9)


@pytest.mark.equation("2.27")
def test_at_the_best_discriminator_the_non_saturating_loss_descends_twice_kl_of_the_mixture() -> None:
    """The generator's law is a softmax of free numbers; slopes of the loss with D held fixed, by autograd."""
    generator = torch.Generator().manual_seed(0)
    p = P.double() / P.sum()
    for _ in range(5):
        w = torch.randn(len(P), generator=generator, dtype=torch.float64, requires_grad=True)
        q = torch.softmax(w, 0)
        judge = (p / q).log().detach()  # eq. (2.3)
        each = torch.stack([generator_loss(a[None]) for a in judge])
        (found,) = torch.autograd.grad((q * each).sum(), w, retain_graph=True)
        m = (p + q) / 2
        jsd = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
        by_three = (q * (q / p).log()).sum() - 2 * jsd
        (expected,) = torch.autograd.grad(by_three, w, retain_graph=True)
        torch.testing.assert_close(found, expected)
        assert by_three.item() == pytest.approx(2 * kl(m.detach(), p), abs=1e-9)
        assert found.norm() > 1e-3


@pytest.mark.equation("2.27")
def test_leaving_out_kinds_is_cheap_and_a_sample_outside_is_not() -> None:
    p = torch.tensor([0.1] * 10 + [0.0], dtype=torch.float64)
    half = torch.tensor([0.2] * 5 + [0.0] * 6, dtype=torch.float64)
    outside = torch.full((11,), 1 / 11, dtype=torch.float64)
    assert 2 * kl((p + half) / 2, p) == pytest.approx(1.5 * math.log(1.5) - 0.5 * math.log(2))
    assert 2 * kl((p + outside) / 2, p) == math.inf


@pytest.mark.equation("2.10")
def test_two_points_at_any_distance() -> None:
    """δ₀ against δ_θ: JSD is log 2 however far, W₁ is |θ|, and the critic −x reaches it."""
    for theta in (0.1, 1.0, 7.0):
        assert jensenshannon([1, 0], [0, 1]) ** 2 == pytest.approx(math.log(2))
        assert wasserstein_distance([0.0], [theta]) == pytest.approx(theta)
        real, made = torch.zeros(1), -torch.tensor([theta])
        assert -discriminator_loss(real, made, "wasserstein").item() == pytest.approx(theta)


@pytest.mark.equation("2.16")
def test_steps_that_look_ahead_settle_without_a_penalty() -> None:
    """Extragradient from (1, 0), 2000 steps of 0.2: near the solution it shrinks by 1 − h²a² + h⁴a⁴ a step."""
    h, a = 0.2, 0.5
    here = torch.tensor([1.0, 0.0], dtype=torch.float64)

    def ahead(s: Tensor) -> Tensor:
        trial = s + h * torch.stack(dirac_flow(s[0], s[1]))
        return s + h * torch.stack(dirac_flow(trial[0], trial[1]))

    for _ in range(2000):
        here = ahead(here)
    assert here.norm().item() == pytest.approx(5e-5, rel=0.1)
    near = torch.autograd.functional.jacobian(ahead, torch.zeros(2, dtype=torch.float64))
    size = torch.linalg.eigvals(near).abs() ** 2
    torch.testing.assert_close(size, torch.full_like(size, 1 - (h * a) ** 2 + (h * a) ** 4))

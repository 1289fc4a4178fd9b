"""Equations of the background appendix: divergences, duality, Gaussians and pairings, each against other means."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment, linprog, minimize_scalar
from scipy.special import rel_entr
from scipy.stats import norm, wasserstein_distance
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from gencourse.evaluation import frechet_distance
from gencourse.losses import discriminator_loss, kl_to_standard_normal
from gencourse.networks import normalise_spectrum


def law(seed: int, size: int = 6) -> np.ndarray:
    """A law on a few points, none of them empty."""
    return np.random.default_rng(seed).dirichlet(np.ones(size)) * 0.97 + 0.03 / size


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(rel_entr(p, q).sum())


def entropy(p: np.ndarray) -> float:
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def covariance(seed: int, size: int) -> np.ndarray:
    """A covariance whose axes are not those of the space."""
    a = np.random.default_rng(seed).normal(size=(size, size))
    return a @ a.T + 0.3 * np.eye(size)


def transport(p: np.ndarray, q: np.ndarray, cost: np.ndarray) -> tuple[float, np.ndarray]:
    """Least cost over plans and the dual prices of the columns, by linear programming."""
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    found = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([p, q]))
    return found.fun, found.eqlin.marginals[n:]


# ---- divergences -------------------------------------------------------------------------------------


@pytest.mark.equation("A.1")
@pytest.mark.parametrize("seed", range(10))
def test_the_divergence_is_at_least_the_mass_that_q_has_elsewhere(seed: int) -> None:
    p, q = law(seed), law(seed + 100)
    p[:2] = 0
    p /= p.sum()
    assert kl(p, q) >= 1 - q[p > 0].sum() >= 0
    assert kl(p, q) > 0
    assert kl(p, p) == 0
    assert kl(q, p) == math.inf


@pytest.mark.equation("A.2")
def test_the_log_likelihood_stops_at_the_entropy_of_the_data() -> None:
    counts = torch.tensor([1, 2, 3, 4])
    data = torch.repeat_interleave(torch.arange(4), counts)
    p, q = (counts / counts.sum()).double().numpy(), law(1, 4)

    def loss(model: np.ndarray) -> float:
        return nn.functional.nll_loss(torch.tensor(model).log().expand(len(data), 4), data).item()

    assert loss(q) == pytest.approx(entropy(p) + kl(p, q))
    assert loss(p) == pytest.approx(entropy(p))


@pytest.mark.equation("A.3")
def test_the_most_likely_gaussian_has_the_moments_of_the_data() -> None:
    x = np.linspace(-14, 14, 20001)
    p = 0.65 * norm.pdf(x, -2, 0.7) + 0.35 * norm.pdf(x, 2.2, 0.8)
    mean = trapezoid(x * p, x)
    spread = math.sqrt(trapezoid((x - mean) ** 2 * p, x))

    def far(m: float, s: float, density: np.ndarray) -> float:
        return float(trapezoid(density * (np.log(density + 1e-300) - norm.logpdf(x, m, s)), x))

    for m, s in [(0.0, 1.0), (1.0, 3.0), (-2.0, 0.8)]:
        assert far(m, s, p) == pytest.approx(far(mean, spread, p) + far(m, s, norm.pdf(x, mean, spread)))
    assert minimize_scalar(lambda m: far(m, spread, p)).x == pytest.approx(mean, abs=1e-4)
    assert minimize_scalar(lambda s: far(mean, s, p), (1, 3)).x == pytest.approx(spread, abs=1e-4)


@pytest.mark.equation("A.4")
def test_jensen_shannon_is_what_a_sample_tells_about_the_coin() -> None:
    p, q = law(2), law(3)
    m = (p + q) / 2
    jsd = (kl(p, m) + kl(q, m)) / 2
    joint = np.stack([p, q]) / 2
    assert jsd == pytest.approx(kl(joint.ravel(), np.outer([0.5, 0.5], m).ravel()))
    left = sum(w * entropy(np.array([a, b]) / (a + b)) for w, a, b in zip(m, p, q, strict=True))
    assert jsd == pytest.approx(math.log(2) - left)
    apart = np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.3, 0.7])
    m = sum(apart) / 2
    assert sum(kl(one, m) for one in apart) / 2 == pytest.approx(math.log(2))


Function = Callable[[Tensor], Tensor]
# f, its conjugate, its slope, and the divergence by its own formula
DIVERGENCES: dict[str, tuple[Function, Function, Function, Callable[[np.ndarray, np.ndarray], float]]] = {
    "kl": (lambda u: u * u.log(), lambda t: (t - 1).exp(), lambda u: 1 + u.log(), kl),
    "reverse kl": (
        lambda u: -u.log(),
        lambda t: -1 - (-t).log(),
        lambda u: -1 / u,
        lambda p, q: kl(q, p),
    ),
    "jensen-shannon": (
        lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
        lambda t: -(2 - t.exp()).log(),
        lambda u: (2 * u / (1 + u)).log(),
        lambda p, q: kl(p, (p + q) / 2) + kl(q, (p + q) / 2),
    ),
    "pearson": (
        lambda u: (u - 1) ** 2,
        lambda t: t + t**2 / 4,
        lambda u: 2 * (u - 1),
        lambda p, q: float(((p - q) ** 2 / q).sum()),
    ),
    "total variation": (
        lambda u: (u - 1).abs() / 2,
        lambda t: t,
        lambda u: (u - 1).sign() / 2,
        lambda p, q: float(np.abs(p - q).sum() / 2),
    ),
}


@pytest.mark.equation("A.5")
@pytest.mark.parametrize("name", DIVERGENCES)
def test_each_row_of_the_table_is_an_average_of_a_convex_function_of_the_ratio(name: str) -> None:
    f, _, _, divergence = DIVERGENCES[name]
    p, q = law(4), law(5)
    assert (torch.tensor(q) * f(torch.tensor(p / q))).sum().item() == pytest.approx(divergence(p, q))
    assert divergence(p, q) > 0
    assert f(torch.ones(1)).item() == 0
    u, v = torch.rand(2, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4 + 0.01
    assert (f((u + v) / 2) <= (f(u) + f(v)) / 2 + 1e-12).all()


@pytest.mark.equation("A.6")
@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_conjugates_in_the_table_are_the_highest_lines_below(name: str) -> None:
    f, conjugate, slope, _ = DIVERGENCES[name]
    u = torch.logspace(-5, 3, 40001, dtype=torch.float64)
    for at in (0.2, 0.8, 1.0, 1.7, 5.0):
        t = slope(torch.tensor(at, dtype=torch.float64))
        assert conjugate(t).item() == pytest.approx((u * t - f(u)).max().item(), abs=2e-4)
        assert (f(u) >= u * t - conjugate(t) - 1e-9).all()
        here = torch.tensor(at, dtype=torch.float64)
        assert f(here).item() == pytest.approx((here * t - conjugate(t)).item())


@pytest.mark.equation("A.7")
@pytest.mark.parametrize("name", DIVERGENCES)
def test_any_function_gives_a_lower_bound_and_the_slope_at_the_ratio_reaches_it(name: str) -> None:
    _, conjugate, slope, divergence = DIVERGENCES[name]
    p, q = law(6), law(7)
    weights_p, weights_q = torch.tensor(p), torch.tensor(q)

    def bound(score: Tensor) -> float:
        return (weights_p * score - weights_q * conjugate(score)).sum().item()

    best = slope(weights_p / weights_q)
    assert bound(best) == pytest.approx(divergence(p, q))
    generator = torch.Generator().manual_seed(1)
    for _ in range(100):
        score = best * (1 - 0.5 * torch.rand(len(p), dtype=torch.float64, generator=generator))
        assert bound(score) <= divergence(p, q) + 1e-12


@pytest.mark.equation("A.7")
def test_the_third_row_is_the_game_of_chapter_two() -> None:
    p, q = torch.tensor([1, 2, 5]), torch.tensor([4, 3, 1])
    logits = torch.tensor([-0.4, 0.3, 1.1], dtype=torch.float64)
    score = (2 * logits.sigmoid()).log()
    conjugate = DIVERGENCES["jensen-shannon"][1]
    bound = (p / 8 * score).sum() - (q / 8 * conjugate(score)).sum()
    drawn = [torch.repeat_interleave(torch.arange(3), counts) for counts in (p, q)]
    value = -discriminator_loss(logits[drawn[0]], logits[drawn[1]])
    assert bound.item() == pytest.approx(value.item() + math.log(4))


@pytest.mark.equation("A.8")
@pytest.mark.parametrize("name", DIVERGENCES)
def test_no_map_makes_two_laws_more_different(name: str) -> None:
    divergence = DIVERGENCES[name][3]
    p, q = law(8), law(9)
    random = np.random.default_rng(0)
    for _ in range(50):
        merge = np.eye(3)[random.integers(0, 3, 6)]
        merge[:3] = np.eye(3)  # every value occurs
        noisy = random.dirichlet(np.ones(4), 6)
        for channel in (merge, noisy):
            assert divergence(p @ channel, q @ channel) <= divergence(p, q) + 1e-12


@pytest.mark.equation("A.9")
def test_pinsker_and_its_two_coins() -> None:
    for seed in range(200):
        p, q = law(seed, 4), law(seed + 1000, 4)
        distance = np.abs(p - q).sum() / 2
        assert distance <= math.sqrt(kl(p, q) / 2)
        heads = p > q
        coins = [np.array([one[heads].sum(), one[~heads].sum()]) for one in (p, q)]
        assert np.abs(coins[0] - coins[1]).sum() / 2 == pytest.approx(distance)
        assert 2 * distance**2 <= kl(*coins) <= kl(p, q) + 1e-12
    nearly = np.array([0.5, 0.5]), np.array([0.501, 0.499])
    assert 0.001 / math.sqrt(kl(*nearly) / 2) == pytest.approx(1, abs=1e-4)  # the factor cannot be smaller


# ---- Lipschitz functions and duality -----------------------------------------------------------------


@pytest.mark.equation("A.10")
def test_the_steepest_slope_bounds_and_is_approached() -> None:
    f = lambda x: torch.stack([x[0].sin() + x[1], 0.5 * x[1].tanh(), x[0] * 0.3])  # noqa: E731
    side = torch.linspace(-3, 3, 25, dtype=torch.float64)
    points = torch.cartesian_prod(side, side)
    jacobians = torch.stack([torch.autograd.functional.jacobian(f, x) for x in points])
    steepest = torch.linalg.matrix_norm(jacobians, 2).max()
    values = torch.stack([f(x) for x in points])
    ratio = torch.pdist(values) / torch.pdist(points)
    assert ratio.max() <= steepest + 1e-9
    worst = torch.linalg.matrix_norm(jacobians, 2).argmax()
    direction = torch.linalg.svd(jacobians[worst]).Vh[0]
    moved = f(points[worst] + 1e-5 * direction) - f(points[worst])
    assert (moved.norm() / 1e-5).item() == pytest.approx(steepest.item(), abs=1e-4)


@pytest.mark.equation("A.11")
def test_a_network_is_no_steeper_than_the_product_of_its_matrices() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(5, 7), nn.Linear(7, 6), nn.Linear(6, 1)]
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.LeakyReLU(0.2), layers[2])
    product = math.prod(torch.linalg.matrix_norm(layer.weight, 2).item() for layer in layers)
    x = torch.randn(2000, 5, requires_grad=True)
    slopes = torch.autograd.grad(network(x).sum(), x)[0].norm(dim=1)
    assert 0 < slopes.max() <= product * (1 + 1e-5)
    normalise_spectrum(network)
    for _ in range(100):
        network(x)  # each call is a step of the power iteration
    slopes = torch.autograd.grad(network(x).sum(), x)[0].norm(dim=1)
    assert slopes.max() <= 1 + 1e-4


def clouds(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights and places of two laws in the plane, and the distances between them."""
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(6, 2)), random.normal(size=(5, 2)) + 1
    return law(seed, 6), law(seed + 50, 5), x, y, np.linalg.norm(x[:, None] - y[None], axis=-1)


@pytest.mark.equation("A.12")
def test_the_least_way_between_points_on_a_line_is_scipys() -> None:
    p, q, x, y, _ = clouds(0)
    a, b = x[:, 0], y[:, 0]
    cost = np.abs(a[:, None] - b[None])
    assert transport(p, q, cost)[0] == pytest.approx(wasserstein_distance(a, b, p, q))
    assert transport(p, q, cost)[0] < p @ cost @ q  # a plan that looks at nothing carries further


@pytest.mark.equation("A.13")
@pytest.mark.parametrize("seed", range(5))
def test_every_function_of_slope_one_gives_a_lower_bound_for_every_plan(seed: int) -> None:
    p, q, x, y, cost = clouds(seed)
    random = np.random.default_rng(seed)
    for _ in range(50):
        centre, direction = random.normal(size=2), random.normal(size=2)
        direction /= np.linalg.norm(direction)
        for f in (lambda z: np.linalg.norm(z - centre, axis=1), lambda z: np.sin(z @ direction)):  # noqa: B023
            gain = p @ f(x) - q @ f(y)
            assert gain <= transport(p, q, cost)[0] + 1e-9 <= p @ cost @ q + 2e-9


@pytest.mark.equation("A.14")
@pytest.mark.parametrize("seed", range(5))
def test_the_prices_of_the_dual_make_a_critic_that_reaches_the_distance(seed: int) -> None:
    p, q, x, y, cost = clouds(seed)
    least, prices = transport(p, q, cost)
    critic = lambda z: (np.linalg.norm(z[:, None] - y[None], axis=-1) - prices).min(axis=1)  # noqa: E731
    assert p @ critic(x) - q @ critic(y) == pytest.approx(least)
    anywhere = np.random.default_rng(1).normal(size=(100, 2)) * 2
    far = np.linalg.norm(anywhere[:, None] - anywhere[None], axis=-1) + np.eye(100)
    rise = np.abs(critic(anywhere)[:, None] - critic(anywhere)[None])
    assert (rise / far).max() <= 1 + 1e-9


@pytest.mark.equation("A.15")
@pytest.mark.parametrize("seed", range(5))
def test_on_the_line_the_distance_is_the_area_between_the_distribution_functions(seed: int) -> None:
    p, q, x, y, _ = clouds(seed)
    a, b = x[:, 0], y[:, 0]
    t = np.sort(np.concatenate([a, b]))
    below = lambda places, weights: (weights * (places[None] <= t[:-1, None])).sum(1)  # noqa: E731
    area = (np.abs(below(a, p) - below(b, q)) * np.diff(t)).sum()
    assert area == pytest.approx(transport(p, q, np.abs(a[:, None] - b[None]))[0])


# ---- Gaussians ---------------------------------------------------------------------------------------


@pytest.mark.equation("A.16")
def test_the_divergence_of_two_gaussians() -> None:
    m1, m2, s1, s2 = np.array([1.0, -1, 0.5]), np.array([0.2, 0, 1]), covariance(0, 3), covariance(1, 3)
    inverse, gap = np.linalg.inv(s2), m1 - m2
    ratio = np.linalg.slogdet(s2)[1] - np.linalg.slogdet(s1)[1]
    formula = (np.trace(inverse @ s1) + gap @ inverse @ gap - 3 + ratio) / 2
    one, two = (MultivariateNormal(torch.tensor(m), torch.tensor(s)) for m, s in ((m1, s1), (m2, s2)))
    assert formula == pytest.approx(kl_divergence(one, two).item())
    torch.manual_seed(0)
    draws = one.sample((200_000,))
    assert formula == pytest.approx((one.log_prob(draws) - two.log_prob(draws)).mean().item(), abs=0.05)
    variances = np.array([0.4, 1.0, 2.5])
    to_prior = (variances.sum() + m1 @ m1 - 3 - np.log(variances).sum()) / 2
    penalty = kl_to_standard_normal(torch.tensor(m1)[None], torch.tensor(variances).log()[None])
    assert to_prior == pytest.approx(penalty.item())


def gaussian_average(
    values: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, cov: np.ndarray
) -> np.ndarray:
    """Average under a Gaussian in the plane, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    grid = np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / (2 * math.pi)
    x = mean + grid @ np.linalg.cholesky(cov).T
    return (weight[:, None] * values(x)).sum(0)


@pytest.mark.equation("A.17")
def test_stein() -> None:
    mean, cov = np.array([0.3, -0.7]), covariance(2, 2)
    g = lambda x: np.sin(x[:, 0]) * x[:, 1] + x[:, 0] ** 2  # noqa: E731
    slope = lambda x: np.stack([np.cos(x[:, 0]) * x[:, 1] + 2 * x[:, 0], np.sin(x[:, 0])], 1)  # noqa: E731
    left = gaussian_average(lambda x: (x - mean) * g(x)[:, None], mean, cov)
    np.testing.assert_allclose(left, cov @ gaussian_average(slope, mean, cov), atol=1e-8)


@pytest.mark.equation("A.18")
def test_the_density_of_noisy_points_knows_the_doubt_about_the_clean_one() -> None:
    sigma = 0.6
    places = torch.tensor([[-1.0, 0], [1, 0.4], [0.2, 1.5]], dtype=torch.float64)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)

    def log_density(y: Tensor) -> Tensor:
        return (weights.log() - ((y - places) ** 2).sum(1) / (2 * sigma**2)).logsumexp(0)

    def posterior(y: Tensor) -> Tensor:
        return torch.softmax(weights.log() - ((y - places) ** 2).sum(1) / (2 * sigma**2), 0)

    for y in torch.tensor([[0.0, 0.5], [1.0, 1.0], [-2.0, 0.1]], dtype=torch.float64):
        share = posterior(y)
        mean = share @ places
        doubt = (places - mean).T @ (share[:, None] * (places - mean))
        slope = torch.autograd.functional.jacobian(lambda v: posterior(v) @ places, y)
        bend = torch.autograd.functional.hessian(log_density, y)
        torch.testing.assert_close(sigma**2 * slope, doubt)
        torch.testing.assert_close(sigma**2 * (torch.eye(2) + sigma**2 * bend), doubt)


@pytest.mark.equation("A.19")
def test_the_linear_map_carries_one_gaussian_to_the_other_at_the_least_price() -> None:
    m1, m2, s1, s2 = np.array([1.0, 0, -1]), np.array([0.0, 2, 0]), covariance(3, 3), covariance(4, 3)
    root = sqrtm(s1).real
    middle = sqrtm(root @ s2 @ root).real
    formula = ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * middle)
    a = np.linalg.inv(root) @ middle @ np.linalg.inv(root)
    np.testing.assert_allclose(a @ s1 @ a.T, s2, atol=1e-8)
    np.testing.assert_allclose(a, a.T, atol=1e-8)
    moved = np.eye(3) - a
    assert formula == pytest.approx(((m1 - m2) ** 2).sum() + np.trace(moved @ s1 @ moved.T))
    package = frechet_distance(*(torch.tensor(v) for v in (m1, s1, m2, s2)))
    assert package == pytest.approx(formula)
    random = np.random.default_rng(0)
    for _ in range(50):  # any other linear map with the right law costs more
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        other = np.eye(3) - sqrtm(s2).real @ turn @ np.linalg.inv(root)
        assert np.trace(other @ s1 @ other.T) >= np.trace(moved @ s1 @ moved.T) - 1e-9


def squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def best_pairing(x: np.ndarray, y: np.ndarray) -> float:
    cost = squared(x, y)
    return float(cost[linear_sum_assignment(cost)].mean())


@pytest.mark.equation("A.20")
def test_the_distance_of_the_moments_is_a_lower_bound() -> None:
    random = np.random.default_rng(0)
    x = random.exponential(size=(60, 2))
    y = np.concatenate([random.normal(-1, 0.2, (30, 2)), random.normal(1, 0.2, (30, 2))])

    def gaussian(points: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.tensor(points.mean(0)), torch.tensor(np.cov(points.T, bias=True))

    assert 0 < frechet_distance(*gaussian(x), *gaussian(y)) <= best_pairing(x, y) + 1e-9
    scaled = (y - y.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(y.T, bias=True))).T
    other = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, bias=True))).T
    assert frechet_distance(*gaussian(scaled), *gaussian(other)) == pytest.approx(0, abs=1e-6)
    assert best_pairing(scaled, other) > 0.1


# ---- pairings ----------------------------------------------------------------------------------------


@pytest.mark.equation("A.21")
@pytest.mark.parametrize("seed", range(3))
def test_the_best_plan_between_equally_many_points_is_a_pairing(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(6, 2)), random.normal(size=(6, 2)) + 0.5
    share = np.full(6, 1 / 6)
    by_trying = min(((x - y[list(order)]) ** 2).sum(1).mean() for order in itertools.permutations(range(6)))
    assert best_pairing(x, y) == pytest.approx(by_trying)
    assert transport(share, share, squared(x, y))[0] == pytest.approx(by_trying)


@pytest.mark.equation("A.22")
def test_on_the_line_the_best_pairing_is_the_order() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=50), random.exponential(size=50)
    assert ((np.sort(x) - np.sort(y)) ** 2).mean() == pytest.approx(best_pairing(x[:, None], y[:, None]))
    s = (np.arange(200_000) + 0.5) / 200_000
    gaussians = (norm.ppf(s, 1, 2) - norm.ppf(s, -0.5, 0.7)) ** 2
    assert gaussians.mean() == pytest.approx(1.5**2 + 1.3**2, rel=1e-3)  # (A.19) with one number


@pytest.mark.equation("A.23")
def test_on_average_samples_are_further_apart_than_their_laws() -> None:
    x = np.array([0.0, 1.0, 3.0])
    p, q = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.3, 0.1])
    cost = (x[:, None] - x[None]) ** 2
    pairs = list(itertools.product(range(3), repeat=2))
    mean = sum(  # over all samples of two points, exactly
        p[list(a)].prod() * q[list(b)].prod() * ((np.sort(x[list(a)]) - np.sort(x[list(b)])) ** 2).mean()
        for a, b in itertools.product(pairs, pairs)
    )
    assert mean > transport(p, q, cost)[0] > 0
    alike = sum(
        p[list(a)].prod() * p[list(b)].prod() * ((np.sort(x[list(a)]) - np.sort(x[list(b)])) ** 2).mean()
        for a, b in itertools.product(pairs, pairs)
    )
    assert alike > 0  # though the laws are equal

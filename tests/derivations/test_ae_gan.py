"""Equations of chapter 3 that no single function computes: what makes a sampler, and what sharpness costs."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon
from torch import Tensor, nn

from gencourse.evaluation import conditional_mean, two_sample_accuracy
from gencourse.losses import (
    discriminator_loss,
    generator_loss,
    hybrid_loss_as_found,
    squared_error,
)
from gencourse.methods import AEGAN, VAEGAN, SamplingAEGAN, dirac_eigenvalues, dirac_flow, dirac_path
from gencourse.networks import Plan


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- the recipe as found -----------------------------------------------------------------------------


@pytest.mark.equation("3.1")
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.3, 2.0)])
def test_the_total_as_found_adds_the_value_that_the_judge_should_make_large(
    weights: tuple[float, float],
) -> None:
    x, x_hat, real, fake = normal(2, 9, 2, 4), normal(3, 9, 2, 4), normal(0, 9), normal(1, 9)
    pixels = (
        sum((a - b) ** 2 for a, b in zip(x.flatten().tolist(), x_hat.flatten().tolist(), strict=True)) / 9
    )
    value = torch.sigmoid(real).log().mean() + (1 - torch.sigmoid(fake)).log().mean()
    found = hybrid_loss_as_found(x_hat, x, real, fake, weights)
    assert found.item() == pytest.approx(weights[0] * pixels + weights[1] * value.item())


@pytest.mark.equation("3.1", "3.2")
def test_descent_on_the_single_total_teaches_the_discriminator_to_be_wrong() -> None:
    real, fake = normal(0, 9).requires_grad_(), normal(1, 9).requires_grad_()
    x, x_hat = normal(2, 9, 4), normal(3, 9, 4)
    to_real, to_fake = torch.autograd.grad(
        hybrid_loss_as_found(x_hat, x, real, fake, (1.0, 0.7)), (real, fake)
    )
    torch.testing.assert_close(to_real, 0.7 * torch.sigmoid(-real).detach() / 9)  # > 0: descent lowers D(x)
    torch.testing.assert_close(to_fake, -0.7 * torch.sigmoid(fake).detach() / 9)  # < 0: and raises D(x̂)
    right = torch.autograd.grad(discriminator_loss(real, fake), (real, fake))
    torch.testing.assert_close(right[0], -to_real / 0.7)
    torch.testing.assert_close(right[1], -to_fake / 0.7)


@pytest.mark.equation("3.1", "3.2")
def test_a_descent_step_on_it_moves_d_of_x_down_and_one_on_the_discriminators_own_loss_moves_it_up() -> None:
    x, x_hat = normal(2, 64, 5) + 1, normal(3, 64, 5) - 1
    moved = {}
    for name in ("as found", "repaired"):
        torch.manual_seed(0)
        judge = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1)).double()
        optimizer = torch.optim.SGD(judge.parameters(), lr=1e-2)
        before = torch.sigmoid(judge(x)).mean().item(), torch.sigmoid(judge(x_hat)).mean().item()
        real, fake = judge(x), judge(x_hat)
        loss = (
            hybrid_loss_as_found(x_hat, x, real, fake)
            if name == "as found"
            else discriminator_loss(real, fake)
        )
        loss.backward()
        optimizer.step()
        after = torch.sigmoid(judge(x)).mean().item(), torch.sigmoid(judge(x_hat)).mean().item()
        moved[name] = after[0] - before[0], after[1] - before[1]
    assert moved["as found"][0] < -1e-4 and moved["as found"][1] > 1e-4
    assert moved["repaired"][0] > 1e-4 and moved["repaired"][1] < -1e-4


def logit(x: Tensor) -> Tensor:
    return torch.log(x / (1 - x))


class Logit(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return logit(z)


def identity(size: int) -> AEGAN:
    """Chapter 3's hybrid after training beyond hope: Dec(E(x)) = x, for pictures of size × size pixels."""
    method = AEGAN(Plan("dense", (8,)), size * size, (1, size, size), sigma=0.5)
    method.encoder = nn.Flatten()
    method.decoder = nn.Sequential(Logit(), nn.Unflatten(1, (1, size, size)), nn.Conv2d(1, 1, 1, bias=False))
    nn.init.ones_(method.decoder[2].weight)  # something that could learn, and finds nothing to do
    for weight in method.discriminator.head.parameters():
        nn.init.zeros_(weight)  # the best judge of two equal laws answers one half everywhere
    return method.double()


@pytest.mark.equation("3.4")
def test_the_identity_reconstructs_perfectly_deceives_every_judge_and_cannot_sample() -> None:
    method = identity(4)
    x = 0.1 + 0.8 * torch.randint(0, 2, (2000, 1, 4, 4), generator=torch.Generator().manual_seed(0)).double()
    noise = torch.rand(2000, 1, 4, 4, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(method.reconstruct(x), x)
    assert squared_error(method.reconstruct(x), x).item() == pytest.approx(0, abs=1e-24)
    # neither player can do better: no weight has a slope, and both losses are those of the equilibrium
    losses: dict[str, Tensor] = {}
    record = method.step(x, lambda player, loss: losses.update({player: loss}) or loss.detach())
    assert record["reconstruction"] == pytest.approx(16 * math.log(0.5) + 8 * math.log(2 * math.pi))
    assert record["discriminator"] == pytest.approx(2 * math.log(2))
    assert record["adversarial"].item() == pytest.approx(math.log(2))
    for player, own in method.players().items():
        for slope in torch.autograd.grad(losses[player], list(own), allow_unused=True, retain_graph=True):
            assert slope is None or slope.abs().max() < 1e-9
    # reconstructions have the law of the data, and noise stays noise
    flat = method.reconstruct(x).flatten(1), noise.flatten(1)
    assert two_sample_accuracy(flat[0][:1000], x.flatten(1)[1000:]) < 0.56
    torch.testing.assert_close(method.reconstruct(noise), noise)
    assert two_sample_accuracy(method.reconstruct(noise).flatten(1), x.flatten(1)) > 0.95
    with pytest.raises(NotImplementedError, match="sees reconstructions only"):
        method.sample(1)


def total_variation(p: Tensor, q: Tensor) -> float:
    return (p - q).abs().sum().item() / 2


def law(seed: int, *shape: int) -> Tensor:
    """Random probabilities; the last dimension sums to 1."""
    return (1.5 * normal(seed, *shape)).softmax(-1)


def distances(data: Tensor, encoder: Tensor, prior: Tensor, decoder: Tensor) -> tuple[float, float, float]:
    """The three terms of the bound: of samples, of reconstructions, of codes."""
    codes = data @ encoder
    return (
        total_variation(prior @ decoder, data),
        total_variation(codes @ decoder, data),
        total_variation(codes, prior),
    )


@pytest.mark.equation("3.5")
def test_the_distance_is_the_largest_difference_in_the_probability_of_an_event() -> None:
    p, q = law(0, 6), law(1, 6)
    events = torch.tensor(list(product((0.0, 1.0), repeat=6))).double()
    assert total_variation(p, q) == pytest.approx((events @ (p - q)).abs().max().item())
    assert total_variation(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])) == 1


@pytest.mark.equation("3.5")
def test_samples_are_as_good_as_reconstructions_and_the_match_of_codes_allow() -> None:
    """Random tables: p(x), q(z|x), p(z), and a decoder p(x|z)."""
    for seed in range(0, 200, 4):
        tables = law(seed, 6), law(seed + 1, 6, 4), law(seed + 2, 4), law(seed + 3, 4, 6)
        samples, reconstructions, codes = distances(*tables)
        assert samples <= reconstructions + codes + 1e-12
        matched = tables[0] @ tables[1]  # codes that follow the prior: the first term alone
        assert distances(tables[0], tables[1], matched, tables[3])[0] == pytest.approx(reconstructions)


@pytest.mark.equation("3.5")
def test_neither_term_of_the_bound_can_be_made_smaller() -> None:
    """Four pictures, each its own code. The decoder spoils the first, the prior takes the fourth for the second:
    alone or together, what is lost adds up in full."""
    data, exact = torch.tensor([0.5, 0.3, 0.2, 0.0]).double(), torch.eye(4).double()
    spoilt, elsewhere = exact.clone(), torch.tensor([0.5, 0.0, 0.2, 0.3]).double()
    spoilt[0] = torch.tensor([0.6, 0.0, 0.0, 0.4])
    assert distances(data, exact, data, spoilt) == pytest.approx((0.2, 0.2, 0))
    assert distances(data, exact, elsewhere, exact) == pytest.approx((0.3, 0, 0.3))
    assert distances(data, exact, elsewhere, spoilt) == pytest.approx((0.5, 0.2, 0.3))


# ---- judging both, in the judge's features ------------------------------------------------------------


def stepped(method: AEGAN, x: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The losses of one step that moves nobody, and its record; always the same draws."""
    losses: dict[str, Tensor] = {}
    torch.manual_seed(2)
    record = method.step(x, lambda player, loss: losses.update({player: loss}) or loss.detach())
    torch.manual_seed(2)
    return losses, record


@pytest.mark.equation("3.11")
def test_the_makers_loss_counts_reconstructions_and_samples_half_each() -> None:
    method = SamplingAEGAN(Plan("conv", width=2), code_size=3, weight=3.0)
    with torch.no_grad():  # a judge to whom the two kinds of made pictures look different
        for weight in method.discriminator.parameters():
            weight.mul_(3)
    x = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    losses, record = stepped(method, x)
    x_hat, made = method.reconstruct(x), method.decode(method.draw(len(x)))
    on_x_hat, on_made = (-torch.sigmoid(method.score(v)).log().mean() for v in (x_hat, made))
    assert (on_x_hat - on_made).abs() > 1e-3
    half = (on_x_hat + on_made) / 2
    assert record["adversarial"].item() == pytest.approx(half.item(), rel=1e-5)
    expected = method.reconstruction_loss(x_hat, x) + 3 * half
    torch.testing.assert_close(losses["autoencoder"], expected)
    # the slopes, too: the decoder learns from both kinds, each by half
    decoder = list(method.decoder.parameters())
    found = torch.autograd.grad(losses["autoencoder"], decoder, retain_graph=True)
    wanted = torch.autograd.grad(expected, decoder)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.equation("3.12")
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_the_similarity_is_weighted_by_the_spread_of_a_feature(sigma: float) -> None:
    method = VAEGAN(Plan("conv", width=2), code_size=3, sigma=sigma)
    x = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    one, other = (torch.rand(x.shape, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    phi = method.discriminator.body

    def apart(x_hat: Tensor) -> Tensor:
        return (phi(x_hat) - phi(x)).square().sum(1).mean()

    # a difference of two losses leaves out the constant
    found = method.reconstruction_loss(one, x) - method.reconstruction_loss(other, x)
    torch.testing.assert_close(found, (apart(one) - apart(other)) / (2 * sigma**2), rtol=1e-3, atol=1e-3)
    given = one.clone().requires_grad_()
    slopes = [
        torch.autograd.grad(loss, given)[0]
        for loss in (method.reconstruction_loss(given, x), apart(given) / (2 * sigma**2))
    ]
    torch.testing.assert_close(*slopes)


# ---- the scale of λ ----------------------------------------------------------------------------------


@pytest.mark.equation("3.14")
def test_the_same_lambda_means_784_times_as_much_beside_a_mean_over_pixels() -> None:
    torch.manual_seed(0)
    maker, judge = nn.Linear(3, 784).double(), nn.Linear(784, 1).double()
    x, z = torch.rand(5, 784).double(), normal(0, 5, 3)

    def gradient(reduction: str, weight: float) -> Tensor:
        x_hat = maker(z)
        rec = squared_error(x_hat, x) if reduction == "sum" else nn.functional.mse_loss(x_hat, x)
        loss = rec + weight * generator_loss(judge(x_hat))
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(maker.parameters()))])

    torch.testing.assert_close(gradient("sum", 0.5), 784 * gradient("mean", 0.5 / 784))
    angle = nn.functional.cosine_similarity(gradient("sum", 50.0), gradient("mean", 50.0), dim=0)
    assert angle < 0.95  # the same λ, another direction: another method


# ---- perception and distortion -----------------------------------------------------------------------


@pytest.mark.equation("3.17")
def test_the_best_perceptual_distance_falls_with_the_distortion_allowed_and_is_convex() -> None:
    """On a table: p(x̂|y) is chosen by a linear program, the distance is the total variation."""
    rng = np.random.default_rng(0)
    x = np.array([-1.0, 0.2, 0.5, 2.0])
    joint = rng.dirichlet(np.ones(12)).reshape(4, 3)  # p(x, y)
    p_x, p_y, n = joint.sum(1), joint.sum(0), 4
    cost = np.array([[(joint[:, y] * (x - x[k]) ** 2).sum() for k in range(n)] for y in range(3)])

    def distance(allowed: float) -> float:
        """Unknown: p(x̂|y), 3×4 numbers, and t ≥ |p(x̂) − p(x)|, 4 numbers."""
        to_law = np.concatenate([p_y[y] * np.eye(n) for y in range(3)], axis=1)
        best = linprog(
            np.concatenate([np.zeros(12), np.full(n, 0.5)]),
            A_ub=np.block(
                [[to_law, -np.eye(n)], [-to_law, -np.eye(n)], [cost.ravel()[None], np.zeros((1, n))]]
            ),
            b_ub=np.concatenate([p_x, -p_x, [allowed]]),
            A_eq=np.concatenate([np.kron(np.eye(3), np.ones((1, n))), np.zeros((3, n))], axis=1),
            b_eq=np.ones(3),
        )
        return best.fun if best.success else math.inf

    least = cost.min(1).sum()
    curve = np.array([distance(d) for d in np.linspace(least + 1e-9, 3 * least, 25)])
    assert np.isfinite(curve).all() and curve[0] > 0.05 and curve[-1] < 1e-9
    assert (np.diff(curve) < 1e-9).all()
    assert (np.diff(curve, 2) > -1e-9).all()
    # both ends by brute force over all maps from y to x: the least error, and the distance of the law that it has
    laws, errors = [], []
    for answer in product(range(n), repeat=3):
        laws.append(np.bincount(answer, weights=p_y, minlength=n))
        errors.append(sum(joint[i, y] * (x[i] - x[answer[y]]) ** 2 for i in range(n) for y in range(3)))
    best = int(np.argmin(errors))
    assert least == pytest.approx(errors[best])
    assert curve[0] == pytest.approx(np.abs(laws[best] - p_x).sum() / 2, abs=1e-6)


@pytest.mark.equation("3.18")
def test_a_draw_from_the_posterior_errs_exactly_twice_as_much_as_its_mean() -> None:
    """Any joint law of (x, y): given y, x and the draw are independent with one law, so variances add up."""
    for seed in range(20):
        joint, x = law(seed, 30).view(6, 5), normal(seed + 100, 6)
        p_y = joint.sum(0)
        posterior = joint / p_y
        pairs_of_xy = torch.cartesian_prod(torch.arange(6), torch.arange(5))
        _, least = conditional_mean(x[pairs_of_xy[:, :1]], pairs_of_xy[:, 1:], joint.flatten())
        assert least == pytest.approx((joint * (x[:, None] - x @ posterior) ** 2).sum().item())
        pairs = torch.einsum("y,ay,by->ab", p_y, posterior, posterior)
        assert (pairs * (x[:, None] - x) ** 2).sum().item() == pytest.approx(2 * least)
        torch.testing.assert_close(posterior @ p_y, joint.sum(1))  # and it has the law of x


@pytest.mark.equation("3.19")
def test_three_estimators_of_a_gaussian() -> None:
    """x ~ N(0, 1), y = x + N(0, 1): the mean, the mean stretched to variance 1, a draw from the posterior."""
    n = 400_000
    x = normal(0, n)
    y = x + normal(1, n)
    mean = y / 2
    estimators = {
        "mean": (mean, 0.5, 0.5),
        "stretched": (math.sqrt(2) * mean, 2 - math.sqrt(2), 1.0),
        "draw": (mean + math.sqrt(0.5) * normal(2, n), 1.0, 1.0),
    }
    for x_hat, error, variance in estimators.values():
        assert (x - x_hat).square().mean().item() == pytest.approx(error, abs=0.005)
        assert x_hat.var().item() == pytest.approx(variance, abs=0.01)


@pytest.mark.equation("3.19")
def test_no_linear_estimator_with_the_right_law_beats_the_stretched_mean() -> None:
    """x̂ = αy + βε with variance 2α² + β² = 1 has the error E(x − x̂)² = 2 − 2α, and α is at most 1/√2."""
    alpha = torch.linspace(-1, 1, 20_001, dtype=torch.float64) / math.sqrt(2)
    beta_squared = 1 - 2 * alpha**2
    error = (1 - alpha) ** 2 + alpha**2 + beta_squared
    assert error.min().item() == pytest.approx(2 - math.sqrt(2), abs=1e-9)
    assert beta_squared[error.argmin()].item() == pytest.approx(0, abs=1e-9)


@pytest.mark.equation("3.20")
def test_the_frontier_of_the_gaussian_is_a_parabola() -> None:
    """Least error at a Wasserstein-2 distance of at most P, by brute force over x̂ = αy + βε."""
    alpha, beta = np.meshgrid(np.linspace(0, 1, 1001), np.linspace(0, 1, 501), indexing="ij")
    error = (1 - alpha) ** 2 + alpha**2 + beta**2
    apart = np.abs(1 - np.sqrt(2 * alpha**2 + beta**2))  # W2 of two centred Gaussians
    of_the_mean = 1 - math.sqrt(0.5)
    for allowed in (0.0, 0.05, 0.15, 0.25, of_the_mean, 0.5):
        found = error[apart <= allowed + 1e-3].min()
        assert found == pytest.approx(0.5 + max(of_the_mean - allowed, 0) ** 2, abs=2e-3)
    assert 0.5 + of_the_mean**2 == pytest.approx(2 - math.sqrt(2))


# ---- reconstruction in the Dirac game ----------------------------------------------------------------


@pytest.mark.equation("3.21")
@pytest.mark.parametrize("loss", ["logistic", "wasserstein"])
def test_the_flow_with_reconstruction_is_the_gradient_of_the_game_with_its_error(loss: str) -> None:
    kind = "minimax" if loss == "logistic" else "wasserstein"
    for theta, psi, mu in ((0.7, -0.3, 0.0), (-1.2, 0.8, 0.6), (2.0, 3.0, 1.0)):
        t, s = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (theta, psi))
        data = torch.zeros(1, 1, dtype=torch.float64)
        d_loss = discriminator_loss(-s * data[0], -s * t, kind)
        reconstruction = mu / 2 * squared_error(t[None], data)
        (on_theta,) = torch.autograd.grad(-d_loss + reconstruction, t, retain_graph=True)
        (on_psi,) = torch.autograd.grad(d_loss, s)
        found = dirac_flow(theta, psi, loss=loss, mu=mu)
        torch.testing.assert_close(torch.stack(found), torch.cat([-on_theta, -on_psi]))


@pytest.mark.equation("3.22")
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("a", [0.5, 1.0])
def test_reconstruction_damps_the_game_exactly_as_r1_does(weight: float, a: float) -> None:
    torch.testing.assert_close(dirac_eigenvalues(0.0, a, mu=weight), dirac_eigenvalues(weight, a))


@pytest.mark.equation("3.22")
@pytest.mark.parametrize(("gamma", "mu"), [(0.0, 0.4), (0.4, 0.0), (0.3, 1.1), (0.5, 0.5), (2.0, 0.1)])
@pytest.mark.parametrize(("loss", "a"), [("logistic", 0.5), ("wasserstein", 1.0)])
def test_the_roots_with_both_are_those_of_the_flow(gamma: float, mu: float, loss: str, a: float) -> None:
    found = dirac_eigenvalues(gamma, a, mu)
    torch.testing.assert_close(found.sum().real.item(), -(gamma + mu))
    torch.testing.assert_close(found.prod().real.item(), a**2 + gamma * mu)
    flow = torch.autograd.functional.jacobian(
        lambda s: torch.stack(dirac_flow(s[0], s[1], gamma, loss, mu)), torch.zeros(2, dtype=torch.float64)
    )
    by_real_then_imaginary = [
        sorted(((v.real, v.imag) for v in roots.tolist()), reverse=True)
        for roots in (found, torch.linalg.eigvals(flow))
    ]
    assert np.allclose(*by_real_then_imaginary, atol=1e-7)
    assert (found.real < 0).all()


@pytest.mark.equation("3.22")
def test_with_equal_weights_it_decays_but_never_stops_turning() -> None:
    found = dirac_eigenvalues(3.0, 0.5, mu=3.0)
    assert found.tolist() == [complex(-3, 0.5), complex(-3, -0.5)]


@pytest.mark.equation("3.21")
def test_a_game_with_reconstruction_comes_to_rest() -> None:
    without, with_it = (dirac_path(1.0, 0.0, 0.2, 500, mu=mu).norm(dim=1) for mu in (0.0, 1.0))
    assert without[-1] > 1.2 and with_it[-1] < 1e-6
    # from mirrored starts, μ on one player and γ on the other are the same curve: linear game
    path = {}
    for name, start, weights in (("mu", [1, 0], (0.0, 0.7)), ("gamma", [0, 1], (0.7, 0.0))):
        gamma, mu = weights
        path[name] = solve_ivp(
            lambda _, s, gamma=gamma, mu=mu: [
                v.item() for v in dirac_flow(s[0], s[1], gamma, "wasserstein", mu)
            ],
            (0, 6),
            start,
            t_eval=np.linspace(0, 6, 7),
            rtol=1e-9,
            atol=1e-12,
        ).y
    assert np.allclose(path["mu"][0], path["gamma"][1], atol=1e-7)
    assert np.allclose(path["mu"][1], -path["gamma"][0], atol=1e-7)


# ---- matching pairs ----------------------------------------------------------------------------------


def joint_value(with_encoder: Tensor, with_generator: Tensor, d: Tensor) -> float:
    """E log D(x, E(x)) + E log(1 − D(G(z), z)) on tables of the two joint laws."""
    return (torch.xlogy(with_encoder, d) + torch.xlogy(with_generator, 1 - d)).sum().item()


def joints(data: Tensor, prior: Tensor, encoder: list[int], generator: list[int]) -> tuple[Tensor, Tensor]:
    """Laws of (x, E(x)) and (G(z), z) for deterministic E and G, as tables x × z."""
    n, k = len(data), len(prior)
    a, b = torch.zeros(n, k).double(), torch.zeros(n, k).double()
    a[torch.arange(n), encoder] = data
    b[generator, torch.arange(k)] = prior
    return a, b


@pytest.mark.equation("3.25")
def test_the_best_joint_discriminator_is_a_share_of_pairs() -> None:
    a, b = law(0, 20).view(4, 5), law(1, 20).view(4, 5)
    logits = torch.zeros(4, 5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=300, tolerance_grad=1e-11, tolerance_change=0)

    def loss() -> Tensor:
        optimizer.zero_grad()
        softplus = nn.functional.softplus
        value = (a * softplus(-logits) + b * softplus(logits)).sum()
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(torch.sigmoid(logits).detach(), a / (a + b), rtol=0, atol=1e-5)
    jsd = jensenshannon(a.flatten(), b.flatten()) ** 2
    assert joint_value(a, b, a / (a + b)) == pytest.approx(-math.log(4) + 2 * jsd)


@pytest.mark.equation("3.26")
def test_the_joint_game_is_lowest_exactly_where_the_encoder_inverts_the_generator() -> None:
    """All 27 encoders times 27 generators of three points, data and codes with the same probabilities."""
    p = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    maps = [[i, j, k] for i in range(3) for j in range(3) for k in range(3)]
    best = []
    for encoder in maps:
        for generator in maps:
            a, b = joints(p, p, encoder, generator)
            d = torch.where(a + b > 0, a / (a + b).clamp(min=1e-30), torch.tensor(0.5).double())
            value = joint_value(a, b, d)
            inverse = all(generator[encoder[i]] == i and encoder[generator[i]] == i for i in range(3))
            right_law = torch.allclose(b.sum(1), p) and torch.allclose(a.sum(0), p)
            assert (value == pytest.approx(-math.log(4))) == (inverse and right_law)
            assert value > -math.log(4) - 1e-12
            best += [(encoder, generator)] * (inverse and right_law)
    assert best == [([0, 1, 2], [0, 1, 2])]  # three different probabilities leave one bijection


@pytest.mark.equation("3.26")
def test_matching_pictures_and_codes_separately_does_not_make_them_inverse() -> None:
    """Equal probabilities: any permutations match both margins, only inverse ones match the pairs."""
    p = torch.full((3,), 1 / 3, dtype=torch.float64)
    a, b = joints(p, p, [1, 2, 0], [1, 2, 0])
    assert torch.equal(a.sum(0), b.sum(0)) and torch.equal(a.sum(1), b.sum(1))
    assert jensenshannon(a.flatten(), b.flatten()) ** 2 == pytest.approx(math.log(2))
    a, b = joints(p, p, [1, 2, 0], [2, 0, 1])
    assert torch.equal(a, b)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0)])
def test_the_total_as_found_has_two_weights(weights: tuple[float, ...]) -> None:
    x, a = torch.rand(3, 4), torch.zeros(3)
    with pytest.raises(ValueError, match=r"weights has \d entries: give two numbers"):
        hybrid_loss_as_found(x, x, a, a, weights)

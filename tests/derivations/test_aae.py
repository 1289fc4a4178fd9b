"""Equations of chapter 4 that no single function computes: averages over the data, and what the game reaches."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon
from scipy.stats import kstest
from torch import Tensor, nn

from gencourse.evaluation import conditional_mean
from gencourse.losses import discriminator_loss, squared_error
from gencourse.methods import AAE, ConditionalAAE, GaussianPrior, LabelledAAE, MixturePrior
from gencourse.networks import Plan

# Four pictures, five codes, three outputs: everything about them fits into tables.
DATA = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
PRIOR = torch.tensor([0.3, 0.25, 0.2, 0.15, 0.1], dtype=torch.float64)


def table(seed: int, rows: int, columns: int) -> Tensor:
    """A random conditional law: each row is a distribution."""
    generator = torch.Generator().manual_seed(seed)
    return (1.5 * torch.randn(rows, columns, generator=generator, dtype=torch.float64)).softmax(1)


def kl(a: Tensor, b: Tensor) -> Tensor:
    return (torch.xlogy(a, a) - torch.xlogy(a, b)).sum(-1)


def entropy(a: Tensor) -> Tensor:
    return -torch.xlogy(a, a).sum(-1)


# ---- aggregated posterior ----------------------------------------------------------------------------


@pytest.mark.equation("4.2")
def test_codes_of_random_pictures_follow_the_average_of_their_posteriors() -> None:
    """x from the data, z from q(z|x): counted, against Σ_x p_d(x) q(z|x)."""
    q = table(0, 4, 5)
    generator = torch.Generator().manual_seed(0)
    x = torch.multinomial(DATA, 200_000, replacement=True, generator=generator)
    z = torch.multinomial(q[x], 1, generator=generator).squeeze(1)
    counted = torch.bincount(z, minlength=5) / len(z)
    torch.testing.assert_close(counted.double(), DATA @ q, rtol=0, atol=5e-3)
    assert (DATA @ q - q.mean(0)).abs().max() > 0.02  # an average over pictures, not over kinds of pictures


@pytest.mark.equation("4.2", "4.8")
@pytest.mark.parametrize("encoder", ["deterministic", "gaussian", "universal"])
def test_one_code_for_each_picture_is_a_draw_from_the_aggregated_posterior(encoder: str) -> None:
    """Moments over many passes: E z = E_x E[z|x], Var z = E_x Var[z|x] + Var_x E[z|x]."""
    x = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    method = AAE(Plan("dense", (16, 8)), 2, (1, 4, 4), encoder=encoder).double()
    with torch.no_grad():
        z = torch.stack([method.encode(x.double()) for _ in range(3000)])
    flat = z.flatten(0, 1)
    torch.testing.assert_close(flat.mean(0), z.mean(0).mean(0))
    within, between = z.var(0, correction=0).mean(0), z.mean(0).var(0, correction=0)
    torch.testing.assert_close(flat.var(0, correction=0), within + between)
    assert bool(within.max() < 1e-12) == (encoder == "deterministic") and between.max() > 1e-4
    if encoder == "gaussian":
        mean, log_var = method.posterior(x.double())
        torch.testing.assert_close(within, log_var.exp().mean(0), rtol=0.05, atol=0)
        torch.testing.assert_close(between, mean.var(0, correction=0), rtol=0.15, atol=1e-3)


# ---- the latent discriminator ------------------------------------------------------------------------


@pytest.mark.equation("4.5")
def test_the_best_discriminator_on_codes_is_the_log_ratio_of_prior_to_codes() -> None:
    counts_p, counts_q = torch.tensor([6, 5, 4, 3, 2]), torch.tensor([2, 2, 4, 4, 8])
    at_p, at_q = (torch.repeat_interleave(torch.arange(5), c) for c in (counts_p, counts_q))
    a = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([a], max_iter=200, tolerance_grad=1e-11, tolerance_change=0)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = discriminator_loss(a[at_p], a[at_q])
        value.backward()
        return value

    optimizer.step(loss)
    ratio = counts_p / counts_q  # both samples have 20 codes
    torch.testing.assert_close(a.detach(), ratio.double().log(), rtol=0, atol=1e-5)
    assert a[0] > 0 > a[4]  # "prior" where the prior is denser
    p, q = counts_p / 20, counts_q / 20
    assert -loss().item() == pytest.approx(-math.log(4) + 2 * jensenshannon(p, q) ** 2, abs=1e-6)
    # the ratio turns averages over codes into averages over the prior
    f = torch.tensor([3.0, -1, 2, 5, 0.5], dtype=torch.float64)
    assert (q * a.detach().exp() * f).sum().item() == pytest.approx((p * f).sum().item(), abs=1e-4)


@pytest.mark.equation("4.5")
def test_a_trained_network_finds_the_ratio_of_two_gaussians() -> None:
    """Prior N(0, 1), codes N(1, ½²): log p/q is a parabola. Learnt from samples alone."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), 2e-2)
    for _ in range(300):
        prior = torch.randn(512, 1, generator=generator)
        codes = 1 + 0.5 * torch.randn(512, 1, generator=generator)
        optimizer.zero_grad()
        discriminator_loss(net(prior), net(codes)).backward()
        optimizer.step()
    z = torch.linspace(-0.4, 2, 25)[:, None]
    exact = -(z**2) / 2 + (z - 1) ** 2 / (2 * 0.25) + math.log(0.5)
    assert (net(z) - exact).abs().mean() < 0.25
    assert exact.abs().max() > 3


# ---- the bound and what the AAE leaves out of it -----------------------------------------------------


def pieces(seed: int) -> dict[str, Tensor]:
    """Every term of the bound for random tables q(z|x) and p(x|z), averaged over the data."""
    q, likelihood = table(seed, 4, 5), table(seed + 100, 5, 4)
    aggregated = DATA @ q
    evidence = (PRIOR @ likelihood).log()
    posterior = (PRIOR[:, None] * likelihood / (PRIOR @ likelihood)).T
    joint = DATA[:, None] * q
    return {
        "nll": -(DATA * evidence).sum(),
        "reconstruction": -(joint * likelihood.T.log()).sum(),
        "kl": (DATA * kl(q, PRIOR)).sum(),
        "gap": (DATA * kl(q, posterior)).sum(),
        "entropy": (DATA * entropy(q)).sum(),
        "cross_entropy": -(aggregated * PRIOR.log()).sum(),
        "to_prior": kl(aggregated, PRIOR),
        "information": (joint * (joint / (DATA[:, None] * aggregated)).log()).sum(),
    }


@pytest.mark.equation("4.6")
@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_reconstruction_minus_entropy_plus_cross_entropy(seed: int) -> None:
    t = pieces(seed)
    bound = t["reconstruction"] - t["entropy"] + t["cross_entropy"]
    torch.testing.assert_close(bound, t["reconstruction"] + t["kl"])
    torch.testing.assert_close(bound, t["nll"] + t["gap"])
    assert bound > t["nll"] and t["gap"] > 0.01


@pytest.mark.equation("4.7")
@pytest.mark.parametrize("seed", range(5))
def test_the_averaged_kl_is_the_distance_of_the_aggregate_plus_the_information(seed: int) -> None:
    t = pieces(seed)
    torch.testing.assert_close(t["kl"], t["to_prior"] + t["information"])
    assert t["information"] > 0.01 and t["to_prior"] > 0.001


@pytest.mark.equation("4.7")
def test_a_perfect_match_leaves_the_information_free_and_is_no_bound() -> None:
    """Four equally likely pictures, each with its own code: q(z) = p(z), I = log 4. Without the information the
    objective is 0, below the exact negative log-likelihood log 4: no bound."""
    q = torch.eye(4, dtype=torch.float64)
    data = prior = torch.full((4,), 0.25, dtype=torch.float64)
    assert kl(data @ q, prior).item() == 0
    averaged = (data * kl(q, prior)).sum().item()
    assert averaged == pytest.approx(math.log(4))
    reconstruction = 0.0  # the decoder inverts the encoder, p(x|z) = 1
    nll = math.log(4)
    assert reconstruction + averaged == pytest.approx(nll)
    assert reconstruction + 0.0 < nll


# ---- optimal transport -------------------------------------------------------------------------------


def transport(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> float:
    """The cheapest coupling of two laws, a linear program."""
    n, m = cost.shape
    sums = np.zeros((n + m, n * m))
    for i, j in itertools.product(range(n), range(m)):
        sums[i, i * m + j] = sums[n + j, i * m + j] = 1
    return linprog(cost.ravel(), A_eq=sums, b_eq=np.concatenate([a, b])).fun


@pytest.mark.equation("4.9")
@pytest.mark.parametrize("seed", range(4))
def test_the_cheapest_coupling_of_pictures_goes_through_an_encoder_that_meets_the_prior(seed: int) -> None:
    """inf over couplings of p_d and p_G of E c(x, y) = inf over q(z|x) with q(z) = p(z) of E c(x, Dec(z)).

    Two of the codes are decoded to the same picture, so codes and pictures are not the same problem.
    """
    rng = np.random.default_rng(seed)
    x, decoded = rng.normal(size=(4, 2)), rng.normal(size=(5, 2))
    decoded[3] = decoded[1]
    data, prior = DATA.numpy(), PRIOR.numpy()

    def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ((a[:, None] - b[None]) ** 2).sum(2)

    through_codes = transport(data, prior, squared(x, decoded))
    merged = prior[:3].copy(), decoded[[0, 1, 2, 4]]
    law = np.array([merged[0][0], merged[0][1] + prior[3], merged[0][2], prior[4]])
    between_pictures = transport(data, law, squared(x, merged[1]))
    assert through_codes == pytest.approx(between_pictures, abs=1e-8)
    # an encoder that ignores the constraint does better, one that ignores the picture does worse
    free = (data * squared(x, decoded).min(1)).sum()
    blind = data @ squared(x, decoded) @ prior
    assert free < through_codes - 1e-6 and through_codes < blind - 1e-6


@pytest.mark.equation("4.10")
def test_without_a_perfect_match_the_objective_is_no_bound_on_the_distance() -> None:
    """With a small λ the best encoder of the objective ignores the prior and ends below the true distance."""
    rng = np.random.default_rng(0)
    x, decoded = rng.normal(size=(4, 2)), rng.normal(size=(5, 2))
    cost = ((x[:, None] - decoded[None]) ** 2).sum(2)
    exact = transport(DATA.numpy(), PRIOR.numpy(), cost)
    nearest = np.eye(5)[cost.argmin(1)]
    aggregated = torch.from_numpy(DATA.numpy() @ nearest)

    def objective(weight: float) -> float:
        return (DATA.numpy() * cost.min(1)).sum() + weight * kl(aggregated, PRIOR).item()

    assert objective(0.01) < exact < objective(100.0)


# ---- symmetry of the prior ---------------------------------------------------------------------------


@pytest.mark.equation("4.14")
def test_turning_all_codes_changes_neither_reconstruction_nor_match() -> None:
    """E turned by R, Dec and D by its inverse: the same pictures, the same logits, N(0, I) as before."""
    method = AAE(Plan("dense", (16, 8)), 4).double()
    x = torch.rand(9, 1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = torch.linalg.qr(table(0, 4, 4)).Q
    z = method.encode(x)
    recon, score = squared_error(method.decode(z), x), method.score(z)

    turned = AAE(Plan("dense", (16, 8)), 4).double()
    turned.load_state_dict(method.state_dict())
    with torch.no_grad():
        last, first, judge = turned.encoder[-1], turned.decoder[0], turned.discriminator[0]
        last.weight.copy_(turn @ last.weight)
        last.bias.copy_(turn @ last.bias)
        first.weight.copy_(first.weight @ turn.T)
        judge.weight.copy_(judge.weight @ turn.T)
    z_turned = turned.encode(x)
    torch.testing.assert_close(z_turned, z @ turn.T)
    assert (z_turned - z).abs().max() > 0.1  # every axis means something else
    torch.testing.assert_close(squared_error(turned.decode(z_turned), x), recon)
    torch.testing.assert_close(turned.score(z_turned), score)
    density = torch.distributions.Normal(0, 1).log_prob
    torch.testing.assert_close(density(z_turned).sum(1), density(z).sum(1))


@pytest.mark.equation("4.14")
def test_turned_draws_of_the_gaussian_prior_are_draws_of_it() -> None:
    """What (4.14) needs of the prior: R z has the law of z. In every direction a coordinate is N(0, 1), and the
    squared length follows chi-squared; a cube of the same covariance passes neither."""
    draws = GaussianPrior(4).draw(20_000, generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(table(0, 4, 4)).Q.float()
    corners = torch.tensor(list(itertools.product((0.5, -0.5), repeat=4)))  # where a cube sticks out
    cube = math.sqrt(12) * (torch.rand(20_000, 4, generator=torch.Generator().manual_seed(1)) - 0.5)
    for z, right in ((draws, True), (draws @ turn.T, True), (cube, False)):
        along = [kstest((z @ d).numpy(), "norm").pvalue for d in (*torch.eye(4), *turn, *corners[:8])]
        length = kstest(z.square().sum(1).numpy(), "chi2", args=(4,)).pvalue
        assert (min(along) > 1e-4) == right and (length > 1e-4) == right
    # so the judge's loss on them is what it was, up to the noise of the draws
    method = AAE(Plan("dense", (16, 8)), 4)
    with torch.no_grad():
        for weight in method.discriminator.parameters():
            weight.mul_(3)
        before, after = (torch.nn.functional.softplus(-method.score(z)) for z in (draws, draws @ turn.T))
    spread = math.sqrt((before.var() + after.var()).item() / len(draws))
    assert abs((before.mean() - after.mean()).item()) < 4 * spread < 0.1
    wide = GaussianPrior(2, std=3.0).draw(20_000, generator=torch.Generator().manual_seed(2))
    assert kstest((wide / 3).flatten().numpy(), "norm").pvalue > 1e-4


@pytest.mark.equation("4.14")
def test_a_mixture_does_not_look_the_same_from_every_side() -> None:
    z = MixturePrior(classes=2).draw(20_000, generator=torch.Generator().manual_seed(0))
    g = GaussianPrior(2).draw(20_000, generator=torch.Generator().manual_seed(0))
    quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    assert (torch.cov(z.T) - torch.cov((z @ quarter).T)).abs().max() > 1
    assert (torch.cov(g.T) - torch.cov((g @ quarter).T)).abs().max() < 0.1


# ---- labels ------------------------------------------------------------------------------------------


class Codes(nn.Module):
    """An encoder whose answer is given: code number i for picture number i."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.codes = nn.Parameter(codes)

    def forward(self, x: Tensor) -> Tensor:
        return self.codes[: len(x)]


def judged(kind: type, codes: Tensor, y: Tensor) -> float:
    """Loss of the judge after 200 moves of its own, while the codes stand still. 2 log 2 is chance."""
    classes = {"classes": 4} if kind is LabelledAAE else {}
    method = kind(Plan("dense", (4,)), 2, (1, 1, 1), prior=MixturePrior(4), judge=(32, 32), **classes)
    method.encoder = Codes(codes)
    optimizer = torch.optim.Adam(method.discriminator.parameters(), 1e-2)
    seen = []

    def update(player: str, loss: Tensor) -> Tensor:
        if player == "discriminator":
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
        return loss.detach()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(200):
            method.step(torch.zeros(len(y), 1, 1, 1), update, y)
    return sum(seen[-30:]) / 30


@pytest.mark.equation("4.15")
def test_with_labels_the_discriminator_compares_each_label_with_its_own_part() -> None:
    """Codes that follow the prior as a whole, q(z) = p(z), but with each label in its neighbour's part: a judge
    without labels is at chance, one with labels is certain. In the right parts both are at chance."""
    y = torch.arange(200) % 4
    prior = MixturePrior(4)
    right, swapped = (prior.draw(200, (y + k) % 4, torch.Generator().manual_seed(7)) for k in (0, 1))
    chance = 2 * math.log(2)
    assert judged(AAE, swapped, y) > 0.8 * chance
    assert judged(LabelledAAE, right, y) > 0.8 * chance
    assert judged(LabelledAAE, swapped, y) < 0.05
    # pictures without a label: the judge sees "unknown" and any part
    assert judged(LabelledAAE, swapped, torch.full_like(y, -1)) > 0.8 * chance


@pytest.mark.equation("4.15")
def test_codes_and_draws_go_to_the_judge_beside_the_labels_of_their_pictures() -> None:
    """Real: (z, y) with z from the part y. Fake, in both moves of the phase: (E(x), y), row by row."""
    y = torch.tensor([3, 0, 2, 1, -1])
    method = LabelledAAE(Plan("dense", (4,)), 2, (1, 2, 2), prior=MixturePrior(4), classes=4)
    x = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    asked: list[Tensor] = []
    method.discriminator.register_forward_pre_hook(lambda _, given: asked.append(given[0].detach()))
    method.step(x, lambda player, loss: loss.detach(), y)
    real, *fakes = asked
    entry = torch.eye(5)[[3, 0, 2, 1, 4]]  # the last entry is "unknown"
    assert len(fakes) == 2 and all(torch.equal(rows[:, 2:], entry) for rows in asked)
    for rows in fakes:
        torch.testing.assert_close(rows[:, :2], method.encode(x).detach())
    part = torch.atan2(real[:4, 1], real[:4, 0]).div(math.pi / 2).round().long() % 4
    assert part.tolist() == [3, 0, 2, 1]


@pytest.mark.equation("4.16")
def test_a_decoder_that_is_told_the_label_needs_no_label_in_the_code() -> None:
    """x = σ(label + style), exactly. With the label given, a code that holds the style alone reconstructs
    perfectly and shares nothing with the label; without it, the same code cannot."""
    y = torch.arange(6).repeat_interleave(4)
    style = torch.tensor([-0.3, -0.1, 0.1, 0.3]).repeat(6)
    x = torch.sigmoid(y / 3 + style)[:, None, None, None]
    method = ConditionalAAE(Plan("dense", (4,)), 1, (1, 1, 1), classes=6)
    method.encoder = Codes(style[:, None])
    method.decoder = nn.Sequential(nn.Linear(7, 1), nn.Unflatten(1, (1, 1, 1)))
    with torch.no_grad():
        method.decoder[0].weight.copy_(torch.cat([torch.ones(1), torch.arange(6) / 3])[None])
        method.decoder[0].bias.zero_()
    told = method.reconstruction_loss(x, y)
    assert told.item() == pytest.approx(0, abs=1e-12)
    assert method.reconstruction_loss(x, y.flip(0)).item() > 0.01  # the label is heard
    best, untold = conditional_mean(x.flatten(1), style[:, None])  # the best that the style alone can do
    assert untold > 0.005 and (best - x.flatten(1)).square().mean().item() == pytest.approx(untold)
    joint = torch.stack([torch.bincount(y[style == s], minlength=6) for s in style[:4]]) / len(y)
    information = torch.xlogy(joint, joint / (joint.sum(1, keepdim=True) * joint.sum(0))).sum()
    assert information.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.equation("4.16")
def test_where_the_decoder_is_told_codes_of_every_label_are_matched_to_the_whole_prior() -> None:
    """q(z) → p(z), with no label at the judge: even a prior that has parts is drawn from as a whole."""
    y = torch.zeros(400, dtype=torch.int64)
    method = ConditionalAAE(Plan("dense", (4,)), 2, (1, 2, 2), prior=MixturePrior(4), classes=4)
    asked: list[Tensor] = []
    method.discriminator.register_forward_pre_hook(lambda _, given: asked.append(given[0].detach()))
    x = torch.rand(400, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    method.step(x, lambda player, loss: loss.detach(), y)
    assert [rows.shape for rows in asked] == [(400, 2)] * 3
    part = torch.atan2(asked[0][:, 1], asked[0][:, 0]).div(math.pi / 2).round().long() % 4
    assert torch.bincount(part, minlength=4).min() > 60
    assert asked[0].norm(dim=1).mean().item() == pytest.approx(2, abs=0.1)
    for rows in asked[1:]:
        torch.testing.assert_close(rows, method.encode(x).detach())


@pytest.mark.equation("4.17")
def test_matching_label_and_style_each_by_itself_does_not_make_them_independent() -> None:
    """Both margins are right, y and z are nevertheless the same thing: two discriminators cannot see it."""
    joint = torch.diag(torch.full((3,), 1 / 3, dtype=torch.float64))
    even = torch.full((3,), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(joint.sum(0), even)
    torch.testing.assert_close(joint.sum(1), even)
    assert kl(joint.flatten(), (even[:, None] * even).flatten()).item() == pytest.approx(math.log(3))

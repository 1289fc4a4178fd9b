"""Equations of chapter 4 that no single function computes: averages over the data, and what the game reaches."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon
from torch import Tensor, nn

from gencourse.losses import discriminator_loss, squared_error
from gencourse.methods import AAE, GaussianPrior, MixturePrior
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
def test_a_mixture_does_not_look_the_same_from_every_side() -> None:
    z = MixturePrior(classes=2).draw(20_000, generator=torch.Generator().manual_seed(0))
    g = GaussianPrior(2).draw(20_000, generator=torch.Generator().manual_seed(0))
    quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    assert (torch.cov(z.T) - torch.cov((z @ quarter).T)).abs().max() > 1
    assert (torch.cov(g.T) - torch.cov((g @ quarter).T)).abs().max() < 0.1


# ---- labels ------------------------------------------------------------------------------------------


@pytest.mark.equation("4.15")
def test_with_labels_the_discriminator_compares_each_label_with_its_own_part() -> None:
    """Two codes, two labels. q(z) = p(z) holds, but the labels are swapped: a discriminator without labels
    is at chance, one with labels is certain."""
    prior_given_y = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    code_given_y = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    share = torch.tensor([0.5, 0.5])
    p, q = share @ prior_given_y, share @ code_given_y
    assert jensenshannon(p, q) == 0
    joint_p, joint_q = share[:, None] * prior_given_y, share[:, None] * code_given_y
    assert jensenshannon(joint_p.flatten(), joint_q.flatten()) ** 2 == pytest.approx(math.log(2))


@pytest.mark.equation("4.16")
def test_a_decoder_that_is_told_the_label_needs_no_label_in_the_code() -> None:
    """x = label + style, exactly. With the label given, a code that holds the style alone reconstructs
    perfectly and shares nothing with the label; without it, the same code cannot."""
    y = torch.arange(6).repeat_interleave(4).double()
    style = torch.tensor([-0.3, -0.1, 0.1, 0.3], dtype=torch.float64).repeat(6)
    x = (y + style)[:, None]
    told = squared_error(y[:, None] + style[:, None], x)
    untold = squared_error((y.mean() + style)[:, None], x)  # the best that a function of the style can do
    assert told.item() == 0
    assert untold.item() == pytest.approx(y.var(correction=0).item())
    joint = (
        torch.stack([(y == k).double() for k in range(6)])
        @ torch.stack([(style == s).double() for s in style[:4]]).T
    )
    joint /= joint.sum()
    information = torch.xlogy(joint, joint / (joint.sum(1, keepdim=True) * joint.sum(0))).sum()
    assert information.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.equation("4.17")
def test_matching_label_and_style_each_by_itself_does_not_make_them_independent() -> None:
    """Both margins are right, y and z are nevertheless the same thing: two discriminators cannot see it."""
    joint = torch.diag(torch.full((3,), 1 / 3, dtype=torch.float64))
    even = torch.full((3,), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(joint.sum(0), even)
    torch.testing.assert_close(joint.sum(1), even)
    assert kl(joint.flatten(), (even[:, None] * even).flatten()).item() == pytest.approx(math.log(3))

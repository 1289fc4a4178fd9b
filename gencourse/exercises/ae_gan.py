"""Exercises of chapter 3."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, close, expect, number, parts, random, slopes
from gencourse.training import seeded

__all__ = ["EXERCISES"]

# --- 3.1 -------------------------------------------------------------------------------------------------

_TRAIN_LONGER = (
    "The reconstruction error is small but not zero. Longer training only makes it smaller; a counterexample "
    "is exact and needs no training."
)
_NOT_EVEN = "That does not reconstruct: f(x) must be x for every x in the data."
_IS_A_SAMPLER = (
    "Your f turns noise into data, so it does sample and refutes nothing. Look for an f that both losses like "
    "and that leaves noise as bad as it was."
)


def _check_counterexample(counterexample: Callable[[Tensor], Callable[[Tensor], Tensor]]) -> None:
    with seeded(0):
        data = (torch.rand(64, 6) < 0.5).double()
        noise = torch.randn(200, 6).double()
        f = counterexample(data)
        if not callable(f):
            raise NotYet("Return a function f, not its values.")
        x_hat, made = torch.as_tensor(f(data)).detach(), torch.as_tensor(f(noise)).detach()
    expect(
        x_hat.shape == data.shape and made.shape == noise.shape, "f must keep the shape of what it is given."
    )
    error = (x_hat - data).square().sum(1).mean().item()
    expect(error < 0.3, _NOT_EVEN)
    expect(error == 0, _TRAIN_LONGER)
    from_data = (made[:, None] == data).all(2).any(1).double().mean()
    expect(from_data < 0.05, _IS_A_SAMPLER)


_COUNTEREXAMPLE = Exercise(
    number="3.1",
    title="Two perfect losses, no sampler",
    level=1,
    minutes=10,
    answer="counterexample",
    check=_check_counterexample,
    stub='''
def counterexample(data):
    """A function f on points (B, 6) with f(x) = x in law and in value on the data (N, 6), and f(noise) no data."""
    raise NotImplementedError
''',
    solution='''
def counterexample(data):
    """A function f on points (B, 6) with f(x) = x in law and in value on the data (N, 6), and f(noise) no data."""
    def f(x):
        return x
    return f
''',
    wrong=(
        Wrong(
            _TRAIN_LONGER,
            code="""
            def counterexample(data):
                weight = torch.zeros(6, 6, dtype=data.dtype, requires_grad=True)
                for _ in range(300):
                    (slope,) = torch.autograd.grad((data @ weight - data).square().sum() / len(data), weight)
                    weight = (weight - 0.1 * slope).detach().requires_grad_()
                return lambda x: x @ weight
            """,
        ),
        Wrong(_NOT_EVEN, edit=("        return x\n", "        return x[torch.randperm(len(x))]\n")),
        Wrong(
            _IS_A_SAMPLER,
            edit=("        return x\n", "        return data[torch.cdist(x, data).argmin(1)]\n"),
        ),
    ),
)

# --- 3.2 -------------------------------------------------------------------------------------------------

_WRONG_WAY = (
    "A descent step on your discriminator's loss moves D(x) *down*: descent on the value function trains the "
    "discriminator to be wrong. It needs a loss, and an optimiser, of its own."
)
_HELPS_JUDGE = "A descent step on your autoencoder's loss moves D(x̂) *down*: it must make the judge say real."
_STARVED = "The autoencoder's term is log(1 − D): its gradient −σ(a) dies when the judge is sure. Use −log D."
_JUDGE_RECONSTRUCTS = (
    "The discriminator's loss contains the reconstruction error, which is none of its business."
)
_PIXEL_MEAN = "Sum the squared error over pixels and average over the batch only: λ belongs to that sum."


def _check_repair(repaired: Callable[..., tuple[Tensor, Tensor]]) -> None:
    real, fake = random(5).requires_grad_(), random(5, seed=1).requires_grad_()
    x, x_hat = random(5, 1, 2, 2, seed=2), random(5, 1, 2, 2, seed=3).requires_grad_()
    made = repaired(x, x_hat, real, fake, 0.3)
    if not (isinstance(made, tuple) and len(made) == 2):
        raise NotYet("Return two losses: the discriminator's, the autoencoder's.")
    d, a = made
    to_real, to_fake = _slopes(d, real, fake)
    expect((to_real < 0).all() and (to_fake > 0).all(), _WRONG_WAY)
    expect(not _slopes(d, x_hat)[0].any(), _JUDGE_RECONSTRUCTS)
    (pull,) = _slopes(a, fake)
    expect((pull < 0).all(), _HELPS_JUDGE)
    expect(not close(pull, -0.3 * torch.sigmoid(fake) / 5), _STARVED)
    (to_x_hat,) = _slopes(a, x_hat)
    wanted = 2 * (x_hat - x).detach() / 5
    expect(not close(to_x_hat, wanted / 4), _PIXEL_MEAN)
    expect(
        close(to_real, -torch.sigmoid(-real) / 5)
        and close(to_fake, torch.sigmoid(fake) / 5)
        and close(pull, -0.3 * torch.sigmoid(-fake) / 5)
        and close(to_x_hat, wanted),
        "The signs are right, but a gradient is off: eq. (3.3), means over the batch, weight before L_adv.",
    )


def _slopes(loss: Tensor, *at: Tensor) -> tuple[Tensor, ...]:
    """Gradients, zero where the loss does not depend on something."""
    if not loss.requires_grad:
        return tuple(torch.zeros_like(v) for v in at)
    found = torch.autograd.grad(loss, at, retain_graph=True, allow_unused=True)
    return tuple(torch.zeros_like(v) if g is None else g for v, g in zip(at, found, strict=True))


_REPAIR = Exercise(
    number="3.2",
    title="One total loss, taken apart",
    level=2,
    minutes=20,
    answer="repaired",
    check=_check_repair,
    stub='''
def repaired(x, x_hat, real, fake, weight):
    """(discriminator's loss, autoencoder's loss), each to be minimised by its own player, eq. (3.3).

    x, x_hat: pictures and reconstructions (B, C, H, W); real, fake: logits a(x), a(x_hat), (B,); weight: λ.
    """
    raise NotImplementedError
''',
    solution='''
def repaired(x, x_hat, real, fake, weight):
    """(discriminator's loss, autoencoder's loss), each to be minimised by its own player, eq. (3.3).

    x, x_hat: pictures and reconstructions (B, C, H, W); real, fake: logits a(x), a(x_hat), (B,); weight: λ.
    """
    softplus = nn.functional.softplus
    d = softplus(-real).mean() + softplus(fake).mean()
    reconstruction = (x - x_hat).square().sum() / len(x)
    return d, reconstruction + weight * softplus(-fake).mean()
''',
    wrong=(
        Wrong(
            _WRONG_WAY,
            code="""
            def repaired(x, x_hat, real, fake, weight):
                value = torch.sigmoid(real).log().mean() + (1 - torch.sigmoid(fake)).log().mean()
                total = (x - x_hat).square().sum() / len(x) + weight * value
                return total, total
            """,
        ),
        Wrong(_HELPS_JUDGE, edit=("weight * softplus(-fake)", "weight * softplus(fake)")),
        Wrong(_STARVED, edit=("weight * softplus(-fake)", "weight * -softplus(fake)")),
        Wrong(_JUDGE_RECONSTRUCTS, edit=("return d,", "return d + reconstruction,")),
        Wrong(_PIXEL_MEAN, edit=(".sum() / len(x)", ".mean()")),
        Wrong("The signs are right", edit=("weight * softplus(-fake)", "softplus(-fake)")),
    ),
)

# --- 3.3 -------------------------------------------------------------------------------------------------

_COPIED = "You copied λ unchanged. Beside a mean the reconstruction pulls C·H·W times less, so the same λ does more."
_OTHER_DIRECTION = "You went the other way: beside the smaller loss the weight must be smaller, too."
_FORGOT_COLOURS = "A picture has C·H·W numbers: you forgot the channels."


def _check_translation(weight_for_mean: Callable[[float, tuple[int, int, int]], float]) -> None:
    for weight, shape in ((1.0, (1, 28, 28)), (0.5, (3, 32, 32))):
        count = math.prod(shape)
        found = float(weight_for_mean(weight, shape))
        expect(not close(found / weight, 1.0), _COPIED)
        expect(not close(found / weight, count), _OTHER_DIRECTION)
        expect(shape[0] == 1 or not close(found / weight * count, shape[0], 1e-6), _FORGOT_COLOURS)
        x, x_hat = random(2, *shape), random(2, *shape, seed=1).requires_grad_()
        judge = random(count, seed=2) / 5
        adversarial = F.softplus(-(x_hat.flatten(1) @ judge)).mean()
        by_sum = _slopes((x - x_hat).square().sum() / 2 + weight * adversarial, x_hat)[0]
        by_mean = _slopes((x - x_hat).square().mean() + found * adversarial, x_hat)[0]
        expect(
            close(count * by_mean, by_sum, 1e-9),
            f"For shape {shape} and λ = {weight} the two losses still pull in different directions.",
        )


_TRANSLATION = Exercise(
    number="3.3",
    title="One λ, two reductions",
    level=1,
    minutes=10,
    answer="weight_for_mean",
    check=_check_translation,
    stub='''
def weight_for_mean(weight, shape):
    """λ of L_adv beside a squared error *averaged* over pixels and batch, doing what `weight` does beside the sum.

    The sum is over the pixels of a picture of the given shape (C, H, W), averaged over the batch.
    """
    raise NotImplementedError
''',
    solution='''
def weight_for_mean(weight, shape):
    """λ of L_adv beside a squared error *averaged* over pixels and batch, doing what `weight` does beside the sum.

    The sum is over the pixels of a picture of the given shape (C, H, W), averaged over the batch.
    """
    return weight / math.prod(shape)
''',
    wrong=(
        Wrong(_COPIED, edit=("return weight / math.prod(shape)", "return weight")),
        Wrong(_OTHER_DIRECTION, edit=("weight / math", "weight * math")),
        Wrong(_FORGOT_COLOURS, edit=("math.prod(shape)", "(shape[1] * shape[2])")),
        Wrong("For shape (1, 28, 28)", edit=("math.prod(shape)", "sum(shape)")),
    ),
)

# --- 3.4 -------------------------------------------------------------------------------------------------

_WRONG_LAYER = "You took the gradients at another layer. They belong at the *last* one: decoder[-1].weight."
_KEEPS_GRAPH = (
    "Your λ is attached to the graph, so its own gradient disturbs the training: it is a number; detach it."
)
_NO_DELTA = "Where the adversarial gradient vanishes your λ is not finite: add δ to the denominator."
_NO_CLAMP = "With a tiny adversarial gradient your λ exceeds 10⁴: clamp it to [0, 10⁴]."
_UPSIDE_DOWN = "Your ratio is upside down: the reconstruction's gradient stands above."
_FREED = (
    "Your function used up the graph of a loss: pass retain_graph=True, for both are still to be minimised."
)


def _check_adaptive(adaptive: Callable[..., Any]) -> None:
    with seeded(0):
        decoder = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()
        x, z, judge = random(6, 4), random(6, 3, seed=1), random(4, seed=2)
    x_hat = decoder(z)
    rec = (x - x_hat).square().sum() / 6
    adv = F.softplus(-(x_hat @ judge)).mean()

    def norm(loss: Tensor, layer: int) -> Tensor:
        return _slopes(loss, decoder[layer].weight)[0].norm()  # type: ignore[arg-type]

    try:
        found = adaptive(rec, adv, decoder, 0.1)
        top, bottom = norm(rec, -1), norm(adv, -1)
    except RuntimeError as error:
        if "second time" in str(error):
            raise NotYet(_FREED) from None
        raise
    found = torch.as_tensor(found)
    expect(not found.requires_grad, _KEEPS_GRAPH)
    expect(not close(found, norm(rec, 0) / (norm(adv, 0) + 0.1)), _WRONG_LAYER)
    expect(not close(found, bottom / (top + 0.1)), _UPSIDE_DOWN)
    expect(not close(found, top / bottom), _NO_DELTA)
    expect(
        close(found, top / (bottom + 0.1)),
        f"For the check's network and δ = 0.1 it is {top / (bottom + 0.1):.3f}; yours is {float(found):.3f}.",
    )
    flat = torch.as_tensor(adaptive(rec, 0 * adv, decoder, 1e-4))
    expect(torch.isfinite(flat).all(), _NO_DELTA)
    expect(float(flat) <= 1e4, _NO_CLAMP)
    lengths = [adaptive(rec, scale * adv, decoder, 1e-6) * scale * bottom for scale in (1.0, 10.0)]
    expect(
        close(lengths[0], lengths[1], 1e-3), "Ten times the adversarial loss must pull as hard as once of it."
    )


_ADAPTIVE = Exercise(
    number="3.4",
    title="A weight that sets itself",
    level=3,
    minutes=20,
    answer="adaptive",
    check=_check_adaptive,
    stub='''
def adaptive(rec, adv, decoder, delta):
    """λ of eq. (3.15) from two losses (scalars) and a decoder (an nn.Sequential that ends in a linear layer)."""
    raise NotImplementedError
''',
    solution='''
def adaptive(rec, adv, decoder, delta):
    """λ of eq. (3.15) from two losses (scalars) and a decoder (an nn.Sequential that ends in a linear layer)."""
    last = decoder[-1].weight
    (of_rec,) = torch.autograd.grad(rec, last, retain_graph=True)
    (of_adv,) = torch.autograd.grad(adv, last, retain_graph=True)
    return (of_rec.norm() / (of_adv.norm() + delta)).clamp(0, 1e4).detach()
''',
    wrong=(
        Wrong(_WRONG_LAYER, edit=("decoder[-1].weight", "decoder[0].weight")),
        Wrong(
            _KEEPS_GRAPH,
            code="""
            def adaptive(rec, adv, decoder, delta):
                last = decoder[-1].weight
                (of_rec,) = torch.autograd.grad(rec, last, create_graph=True)
                (of_adv,) = torch.autograd.grad(adv, last, create_graph=True)
                return (of_rec.norm() / (of_adv.norm() + delta)).clamp(0, 1e4)
            """,
        ),
        Wrong(_NO_DELTA, edit=("(of_adv.norm() + delta)", "of_adv.norm()")),
        Wrong(_NO_CLAMP, edit=(".clamp(0, 1e4)", "")),
        Wrong(
            _UPSIDE_DOWN,
            edit=(
                "of_rec.norm() / (of_adv.norm() + delta)",
                "of_adv.norm() / (of_rec.norm() + delta)",
            ),
        ),
        Wrong(
            "For the check's network",
            edit=(
                "of_rec.norm() / (of_adv.norm() + delta)",
                "of_rec.abs().sum() / (of_adv.abs().sum() + delta)",
            ),
        ),
        Wrong(_FREED, edit=(", retain_graph=True", "")),
    ),
)

# --- 3.5 -------------------------------------------------------------------------------------------------

_MEAN_IS_NOT_PERFECT = (
    "Your second estimate has variance {variance:.2f}, the data have 1. The conditional mean has the least error and "
    "not the right law: stretch it until it has."
)
_Y_ITSELF = "Your first estimate is y itself. The conditional mean shrinks it: half of y's variance is noise."
_DRAW = "Your third estimate has variance {variance:.2f}, not 1: a draw adds noise of variance ½ to the mean."


def _check_estimates(estimates: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]) -> None:
    n = 200_000
    x = random(n)
    y = x + random(n, seed=1)
    with seeded(2):  # other numbers than those of x and y
        made = estimates(y)
    if not (isinstance(made, tuple) and len(made) == 3):
        raise NotYet("Return three estimates: the mean, the stretched mean, a draw from the posterior.")
    mean, stretched, draw = (torch.as_tensor(v).double() for v in made)

    def error(x_hat: Tensor) -> float:
        return (x - x_hat).square().mean().item()

    expect(not close(mean, y), _Y_ITSELF)
    variance = stretched.var().item()
    expect(abs(variance - 1) < 0.03, _MEAN_IS_NOT_PERFECT.format(variance=variance))
    variance = draw.var().item()
    expect(abs(variance - 1) < 0.03, _DRAW.format(variance=variance))
    for name, x_hat, wanted in (
        ("first", mean, 0.5),
        ("second", stretched, 2 - math.sqrt(2)),
        ("third", draw, 1.0),
    ):
        found = error(x_hat)
        expect(
            abs(found - wanted) < 0.015,
            f"The {name} estimate's mean squared error is {found:.2f}; it should be {wanted:.3f}, eq. (3.19).",
        )


_ESTIMATES = Exercise(
    number="3.5",
    title="What sharpness costs",
    level=3,
    minutes=20,
    answer="estimates",
    check=_check_estimates,
    stub='''
def estimates(y):
    """Three estimates of x ~ N(0, 1) from y = x + N(0, 1), each of y's shape (B,).

    The one of least squared error; the best one whose law is N(0, 1), a multiple of the first; a draw from p(x|y).
    """
    raise NotImplementedError
''',
    solution='''
def estimates(y):
    """Three estimates of x ~ N(0, 1) from y = x + N(0, 1), each of y's shape (B,).

    The one of least squared error; the best one whose law is N(0, 1), a multiple of the first; a draw from p(x|y).
    """
    mean = y / 2
    stretched = math.sqrt(2) * mean
    draw = mean + math.sqrt(0.5) * torch.randn_like(y)
    return mean, stretched, draw
''',
    wrong=(
        Wrong(
            "Your second estimate has variance 0.50", edit=("return mean, stretched,", "return mean, mean,")
        ),
        Wrong(_Y_ITSELF, edit=("mean = y / 2", "mean = y")),
        Wrong("Your third estimate has variance 1.5", edit=("math.sqrt(0.5) * torch", "torch")),
        Wrong("Your third estimate has variance 0.75", edit=("math.sqrt(0.5) * torch", "0.5 * torch")),
        Wrong(
            "The second estimate's mean squared error is 1.00",
            edit=("return mean, stretched,", "return mean, draw,"),
        ),
    ),
)

# --- 3.6 -------------------------------------------------------------------------------------------------

_ENCODER_HEARS = "Your encoder receives the adversarial gradient: its loss is KL + similarity alone."
_THROUGH_DECODER = "Your discriminator's loss reaches the decoder: detach the fakes."
_JUDGE_IS_SIMILAR = (
    "Your discriminator's loss contains the similarity: it would learn features in which all is alike."
)
_DECODER_DEAF = "Your decoder receives no adversarial gradient: it owes γ·similarity + adversarial."
_DECODER_BLIND = "Your decoder receives no similarity: it owes γ·similarity + adversarial."
_GAMMA = (
    "γ stands before the decoder's similarity, not before the adversarial term and not in the encoder's loss."
)


def _check_routing(losses_by_player: Callable[..., dict[str, Tensor]]) -> None:
    with seeded(0):
        nets = [nn.Linear(4, 4), nn.Linear(2, 4), nn.Linear(4, 3), nn.Linear(3, 1)]
        encoder, decoder, body, head = (net.double() for net in nets)
    x, epsilon, z_p, gamma = random(6, 4), random(6, 2, seed=1), random(6, 2, seed=2), 0.25

    def judge(pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.tanh(body(pictures))
        return features, head(features).squeeze(1)

    mean, log_var = encoder(x).chunk(2, dim=1)
    z = mean + torch.exp(log_var / 2) * epsilon
    x_hat, x_p = decoder(z), decoder(z_p)
    softplus = F.softplus
    sim = (judge(x)[0] - judge(x_hat)[0]).square().sum() / 12
    kl = (mean**2 + log_var.exp() - 1 - log_var).sum() / 12
    adv = softplus(-judge(x_hat)[1]).mean() / 2 + softplus(-judge(x_p)[1]).mean() / 2
    own = softplus(judge(x_hat.detach())[1]).mean() / 2 + softplus(judge(x_p.detach())[1]).mean() / 2
    own = own + softplus(-judge(x)[1]).mean()

    made = losses_by_player(mean, log_var, z, x, decoder, judge, z_p, gamma)
    if not isinstance(made, dict) or set(made) != {"encoder", "decoder", "discriminator"}:
        raise NotYet("Return a dictionary with the losses of encoder, decoder and discriminator.")

    def pull(loss: Tensor, *nets: nn.Module) -> Tensor:
        weights = [p for net in nets for p in net.parameters()]
        return torch.cat([g.flatten() for g in _slopes(loss, *weights)])

    found = pull(made["encoder"], encoder)
    for scale in (1.0, 1 / gamma, 2.0):
        expect(not close(found, pull(kl + sim + scale * adv, encoder)), _ENCODER_HEARS)
    expect(not close(found, pull(kl + gamma * sim, encoder)), _GAMMA)
    expect(
        close(found, pull(kl + sim, encoder)), "The encoder's gradient is off: it is that of KL + similarity."
    )
    found = pull(made["discriminator"], body, head)
    expect(not pull(made["discriminator"], decoder).any(), _THROUGH_DECODER)
    for scale in (1.0, gamma):
        expect(not close(found, pull(own + scale * sim, body, head)), _JUDGE_IS_SIMILAR)
    expect(
        close(found, pull(own, body, head)),
        "The discriminator's gradient is off: x against x̂ and x_p, the two kinds of fakes by half.",
    )
    found = pull(made["decoder"], decoder)
    expect(not close(found, pull(gamma * sim, decoder)), _DECODER_DEAF)
    expect(not close(found, pull(adv, decoder)), _DECODER_BLIND)
    for mistaken in (sim + adv, sim + gamma * adv):
        expect(not close(found, pull(mistaken, decoder)), _GAMMA)
    expect(
        close(found, pull(gamma * sim + adv, decoder)),
        "The decoder's gradient is off: γ·similarity + adversarial, the two kinds of fakes by half.",
    )


_ROUTING_SIGNATURE = '''
def losses_by_player(mean, log_var, z, x, decoder, judge, z_p, gamma):
    """{"encoder": ..., "decoder": ..., "discriminator": ...}, the VAE-GAN's three losses, eq. (3.13).

    mean, log_var (B, K): the encoder's answer; z: the code drawn from it; z_p: one from the prior; x: pictures
    (B, D). judge(x) gives (features (B, F), logits (B,)). Similarity: half the squared distance of features,
    summed over features. Each player is moved along its own loss only. Both kinds of fakes count by half.
    """
'''

_ROUTING = Exercise(
    number="3.6",
    title="Who learns from whom",
    level=4,
    minutes=30,
    answer="losses_by_player",
    check=_check_routing,
    stub=_ROUTING_SIGNATURE + "    raise NotImplementedError\n",
    solution=_ROUTING_SIGNATURE
    + """    softplus = nn.functional.softplus
    x_hat, x_p = decoder(z), decoder(z_p)
    kl = losses.kl_to_standard_normal(mean, log_var)
    similarity = losses.squared_error(judge(x_hat)[0], judge(x)[0]) / 2
    adversarial = (softplus(-judge(x_hat)[1]).mean() + softplus(-judge(x_p)[1]).mean()) / 2
    fakes = (softplus(judge(x_hat.detach())[1]).mean() + softplus(judge(x_p.detach())[1]).mean()) / 2
    return {
        "encoder": kl + similarity,
        "decoder": gamma * similarity + adversarial,
        "discriminator": softplus(-judge(x)[1]).mean() + fakes,
    }
""",
    wrong=(
        Wrong(_ENCODER_HEARS, edit=("kl + similarity,", "kl + similarity + adversarial,")),
        Wrong(_THROUGH_DECODER, edit=("judge(x_hat.detach())", "judge(x_hat)")),
        Wrong(
            _JUDGE_IS_SIMILAR,
            code=_ROUTING_SIGNATURE
            + """    softplus = nn.functional.softplus
    x_hat, x_p = decoder(z), decoder(z_p)
    kl = losses.kl_to_standard_normal(mean, log_var)
    similarity = losses.squared_error(judge(x_hat)[0], judge(x)[0]) / 2
    adversarial = (softplus(-judge(x_hat)[1]).mean() + softplus(-judge(x_p)[1]).mean()) / 2
    fakes = (softplus(judge(x_hat.detach())[1]).mean() + softplus(judge(x_p.detach())[1]).mean()) / 2
    seen = losses.squared_error(judge(x_hat.detach())[0], judge(x)[0]) / 2
    return {
        "encoder": kl + similarity,
        "decoder": gamma * similarity + adversarial,
        "discriminator": softplus(-judge(x)[1]).mean() + fakes + seen,
    }
""",
        ),
        Wrong(_DECODER_DEAF, edit=("gamma * similarity + adversarial", "gamma * similarity")),
        Wrong(_DECODER_BLIND, edit=("gamma * similarity + adversarial", "adversarial")),
        Wrong(_GAMMA, edit=("gamma * similarity + adversarial", "similarity + gamma * adversarial")),
        Wrong("The encoder's gradient is off", edit=("kl + similarity,", "similarity,")),
        Wrong("The discriminator's gradient is off", edit=(".mean() + fakes", ".mean() + 2 * fakes")),
        Wrong(
            "The decoder's gradient is off",
            edit=("gamma * similarity + adversarial", "gamma * similarity - adversarial"),
        ),
    ),
)

# --- 3.7 -------------------------------------------------------------------------------------------------

_WHOLE_PICTURE = "Your error counts outside the hole, too, where there is nothing to guess."
_JUDGE_SEES_ALL = "Your discriminator sees more than the hole. Show it the filled hole alone."
_OVER_ALL_PIXELS = "You average over pixels: sum over those of the hole, average over the batch."
_NO_JUDGE = "The judge has no say in your restorer's loss: add weight times −log D, averaged over the batch."


def _check_hole(filling_loss: Callable[..., Tensor]) -> None:
    x, x_hat = random(5, 1, 4, 4), random(5, 1, 4, 4, seed=1).requires_grad_()
    mask = torch.zeros(4, 4, dtype=torch.float64)
    mask[1:3, 0:3] = 1
    seen: list[Tensor] = []

    def judge(pictures: Tensor) -> Tensor:
        seen.append(pictures.detach())
        return pictures.flatten(1).sum(1)

    squared = ((x_hat - x) ** 2 * mask).sum() / 5
    value = filling_loss(x, x_hat, mask, judge, 0.0)
    (slope,) = _slopes(value, x_hat)
    expect(not (slope * (1 - mask)).any(), _WHOLE_PICTURE)
    wanted = _slopes(squared, x_hat)[0]
    expect(not close(slope, wanted / 6) and not close(slope, wanted / 16), _OVER_ALL_PIXELS)
    expect(close(slope, wanted), "With weight 0 it is the squared error summed over the hole: eq. (3.23).")
    seen.clear()
    value = filling_loss(x, x_hat, mask, judge, 0.5)
    expect(len(seen) == 1, _NO_JUDGE if not seen else "Ask the judge once: about the filled hole.")
    expect(close(seen[0], x_hat * mask), _JUDGE_SEES_ALL)
    right = squared + 0.5 * F.softplus(-(x_hat * mask).flatten(1).sum(1)).mean()
    expect(not close(value, squared), _NO_JUDGE)
    expect(
        close(value, right) and close(_slopes(value, x_hat)[0], _slopes(right, x_hat)[0]),
        "The adversarial term is off: weight times the batch mean of −log D.",
    )
    expect(
        _fills(filling_loss) < 0.5,
        "Trained with your loss, a linear restorer fills no better than the mean does.",
    )


def _fills(filling_loss: Callable[..., Tensor]) -> float:
    """Error in the hole of a linear restorer trained with this loss, over that of filling in the mean."""
    shade = random(200, 1)
    pictures = (shade @ random(1, 16, seed=1) + 0.1 * random(200, 16, seed=2)).view(-1, 1, 4, 4)
    mask = torch.zeros(4, 4, dtype=torch.float64)
    mask[1:3, 1:3] = 1
    weight = torch.zeros(16, 16, dtype=torch.float64, requires_grad=True)
    hidden = pictures * (1 - mask)

    def fill() -> Tensor:
        return (hidden.flatten(1) @ weight).view_as(pictures)

    for _ in range(60):
        (slope,) = _slopes(filling_loss(pictures, fill(), mask, lambda p: p.flatten(1).sum(1), 0.0), weight)
        weight = (weight - 0.01 * slope).detach().requires_grad_()
    by_mean = ((pictures - pictures.mean(0)) * mask).square().sum()
    return (((pictures - fill()) * mask).square().sum() / by_mean).item()


_HOLE = Exercise(
    number="3.7",
    title="Fill the hole, judge the hole",
    level=3,
    minutes=20,
    answer="filling_loss",
    check=_check_hole,
    stub='''
def filling_loss(x, x_hat, mask, judge, weight):
    """The restorer's loss in a context encoder, eq. (3.23) with the plain squared error, to be minimised.

    x: pictures (B, C, H, W); x_hat: the network's output, the same shape; mask (H, W): 1 in the hole; judge:
    pictures of the shape of x to logits (B,); weight: λ of the adversarial term.
    """
    raise NotImplementedError
''',
    solution='''
def filling_loss(x, x_hat, mask, judge, weight):
    """The restorer's loss in a context encoder, eq. (3.23) with the plain squared error, to be minimised.

    x: pictures (B, C, H, W); x_hat: the network's output, the same shape; mask (H, W): 1 in the hole; judge:
    pictures of the shape of x to logits (B,); weight: λ of the adversarial term.
    """
    error = ((x_hat - x).square() * mask).sum() / len(x)
    return error + weight * nn.functional.softplus(-judge(x_hat * mask)).mean()
''',
    wrong=(
        Wrong(_WHOLE_PICTURE, edit=("((x_hat - x).square() * mask).sum()", "(x_hat - x).square().sum()")),
        Wrong(_JUDGE_SEES_ALL, edit=("judge(x_hat * mask)", "judge(x * (1 - mask) + x_hat * mask)")),
        Wrong(_OVER_ALL_PIXELS, edit=(".sum() / len(x)", ".sum() / (len(x) * mask.sum())")),
        Wrong(_NO_JUDGE, edit=(" + weight * nn.functional.softplus(-judge(x_hat * mask)).mean()", "")),
        Wrong(
            "The adversarial term is off",
            edit=("softplus(-judge(x_hat * mask))", "softplus(judge(x_hat * mask))"),
        ),
        Wrong("With weight 0", edit=("(x_hat - x).square()", "(x_hat - x).abs()")),
    ),
)

EXERCISES = (_COUNTEREXAMPLE, _REPAIR, _TRANSLATION, _ADAPTIVE, _ESTIMATES, _ROUTING, _HOLE)

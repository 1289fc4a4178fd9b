"""Exercises of chapter 3."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import NotYet, agree, close, expect, number, parts, plain, random, slopes

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


def _check_counterexample(counterexample: Callable[[Tensor], Any]) -> None:
    for n in (64, 40):
        data = (torch.rand(n, 6) < 0.5).float()
        noise = torch.randn(200, 6)
        f = counterexample(data)
        if not callable(f):
            raise NotYet("Return a function f, not its values.")
        x_hat, made = (torch.as_tensor(f(points.clone())).detach() for points in (data, noise))
        expect(
            x_hat.shape == data.shape and made.shape == noise.shape,
            "f must keep the shape of what it is given.",
        )
        error = (x_hat - data).square().sum(1).mean().item()
        expect(error < 0.3, _NOT_EVEN)
        expect(error < 1e-10, _TRAIN_LONGER)  # rounding is no fault
        expect(bool(torch.isfinite(made).all()), "f(noise) is not finite: let it be points like any other.")
        from_data = (torch.cdist(made, data).amin(1) < 0.1).double().mean()
        expect(from_data < 0.05, _IS_A_SAMPLER)


_COUNTEREXAMPLE = Exercise(
    number="3.1",
    title="Two perfect losses, no sampler",
    level=1,
    minutes=10,
    answer="counterexample",
    hints=(
        "Which function reconstructs everything, and what does it make of noise?",
        "No network is needed: look for a function that leaves every point where it is.",
        "return x",
    ),
    check=_check_counterexample,
    stub='''
def counterexample(data):
    """A function f on points (B, 6) with f(x) = x in law and in value on the data (N,
    6), and f(noise) no data.
    """
    raise NotImplementedError
''',
    solution='''
def counterexample(data):
    """A function f on points (B, 6) with f(x) = x in law and in value on the data (N,
    6), and f(noise) no data.
    """
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
                for _ in range(60):
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
        Wrong(_IS_A_SAMPLER, edit=("        return x\n", "        return (x > 0.5).float()\n")),
        Wrong("Return a function f", edit=("    return f\n", "    return f(data)\n")),
    ),
    also_right=(
        Right(code="def counterexample(data):\n    return lambda x: x.clone()"),
        # through a rotation and back: right up to rounding
        Right(
            code="""
            def counterexample(data):
                w = torch.linalg.qr(torch.randn(6, 6)).Q
                return lambda x: x @ w @ w.T
            """
        ),
        Right(
            code="""
            def counterexample(data):
                def f(x):
                    known = (torch.cdist(x, data) < 1e-3).any(1)
                    return torch.where(known[:, None], x, torch.full_like(x, 0.5))
                return f
            """
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
_DEAD = (
    "Where a judge is very wrong or very sure, at logits of ±40, the pull of your losses has died: use softplus, not "
    "the log of a sigmoid."
)
_JUDGE_RECONSTRUCTS = (
    "The discriminator's loss contains the reconstruction error, which is none of its business."
)
_PIXEL_MEAN = "Sum the squared error over pixels and average over the batch only: λ belongs to that sum."


def _check_repair(repaired: Callable[..., Any]) -> None:
    for shape, weight in (((5, 1, 2, 3), 0.3), ((4, 3, 3, 2), 1.7)):
        n, size = shape[0], math.prod(shape[1:])
        real, fake = random(n).requires_grad_(), random(n, seed=1).requires_grad_()
        x, x_hat = random(*shape, seed=2), random(*shape, seed=3).requires_grad_()
        told = "Return two losses: the discriminator's, the autoencoder's."
        d, a = (number(loss, told) for loss in parts(repaired(x, x_hat, real, fake, weight), 2, told))
        to_real, to_fake = slopes(d, real, fake)
        expect((to_real < 0).all() and (to_fake > 0).all(), _WRONG_WAY)
        expect(not slopes(d, x_hat)[0].any(), _JUDGE_RECONSTRUCTS)
        (pull,) = slopes(a, fake)
        expect((pull < 0).all(), _HELPS_JUDGE)
        expect(not close(pull, -weight * torch.sigmoid(fake) / n), _STARVED)
        (to_x_hat,) = slopes(a, x_hat)
        wanted = 2 * (x_hat - x).detach() / n
        expect(not close(to_x_hat, wanted / size), _PIXEL_MEAN)
        softplus = F.softplus
        values = (
            softplus(-real).mean() + softplus(fake).mean(),
            (x - x_hat).square().sum() / n + weight * softplus(-fake).mean(),
        )
        expect(
            close(to_real, -torch.sigmoid(-real) / n)
            and close(to_fake, torch.sigmoid(fake) / n)
            and close(pull, -weight * torch.sigmoid(-fake) / n)
            and close(to_x_hat, wanted)
            and close(d, values[0])
            and close(a, values[1]),
            "The signs are right, but a loss is off: eq. (3.3), means over the batch, weight before L_adv.",
        )
        real, fake = torch.full((n,), -40.0).requires_grad_(), torch.full((n,), 40.0).requires_grad_()
        unfooled = torch.full((n,), -40.0).requires_grad_()
        d, _ = repaired(x, x_hat, real, fake, weight)
        _, a = repaired(x, x_hat, real, unfooled, weight)
        pulls = torch.cat([*slopes(d, real, fake), *slopes(a, unfooled)])
        right = torch.tensor([-1 / n] * n + [1 / n] * n + [-weight / n] * n)
        expect(close(pulls, right), _DEAD)


_REPAIR = Exercise(
    number="3.2",
    title="One total loss, taken apart",
    level=2,
    minutes=20,
    answer="repaired",
    hints=(
        "If both players minimise one total, what does the discriminator do to the adversarial term?",
        "Two losses: the discriminator tells real from fake, the autoencoder wants its fakes called real.",
        "return d, reconstruction + weight * softplus(-fake).mean()",
    ),
    check=_check_repair,
    stub='''
def repaired(x, x_hat, real, fake, weight):
    """(discriminator's loss, autoencoder's loss), each to be minimised by its own
    player, eq. (3.3).

    x, x_hat: pictures and reconstructions (B, C, H, W); real, fake: logits a(x),
    a(x_hat), (B,); weight: λ.
    """
    raise NotImplementedError
''',
    solution='''
def repaired(x, x_hat, real, fake, weight):
    """(discriminator's loss, autoencoder's loss), each to be minimised by its own
    player, eq. (3.3).

    x, x_hat: pictures and reconstructions (B, C, H, W); real, fake: logits a(x),
    a(x_hat), (B,); weight: λ.
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
        Wrong("The signs are right", edit=("return d, reconstruction", "return d + 1, reconstruction")),
        Wrong("Return two losses", edit=("return d, reconstruction", "return reconstruction")),
        Wrong(_DEAD, edit=("softplus(-fake).mean()\n", "-torch.log(torch.sigmoid(fake) + 1e-9).mean()\n")),
    ),
    also_right=(
        Right(
            edit=(
                "return d, reconstruction + weight * softplus(-fake).mean()",
                "return [d, reconstruction + weight * softplus(-fake).mean()]",
            )
        ),
        Right(edit=("softplus(-fake).mean()\n", "-nn.functional.logsigmoid(fake).mean()\n")),
        Right(
            edit=("(x - x_hat).square().sum() / len(x)", "(x - x_hat).flatten(1).norm(dim=1).square().mean()")
        ),
    ),
)

# --- 3.3 -------------------------------------------------------------------------------------------------

_COPIED = "You copied λ unchanged. Beside a mean the reconstruction pulls C·H·W times less, so the same λ does more."
_OTHER_DIRECTION = "You went the other way: beside the smaller loss the weight must be smaller, too."
_SQUARE = "You take every picture to be square: it has C·H·W numbers."
_FORGOT_COLOURS = "A picture has C·H·W numbers: you forgot the channels."


def _check_translation(weight_for_mean: Callable[[float, tuple[int, int, int]], Any]) -> None:
    for weight, shape in ((1.0, (1, 28, 20)), (0.5, (3, 8, 32)), (0.2, (2, 5, 5))):
        count = math.prod(shape)
        found = plain(weight_for_mean(weight, shape))
        expect(not close(found / weight, 1.0), _COPIED)
        expect(not close(found / weight / count, 1.0), _OTHER_DIRECTION)
        expect(shape[0] == 1 or not close(found / weight * count / shape[0], 1.0), _FORGOT_COLOURS)
        square = close(found / weight * shape[0] * shape[1] ** 2, 1.0) or close(
            found / weight * shape[0] * shape[2] ** 2, 1.0
        )
        expect(shape[1] == shape[2] or not square, _SQUARE)
        expect(
            close(found / weight * count, 1.0),
            f"For shape {shape} and λ = {weight} the two losses still pull in different directions.",
        )


_TRANSLATION = Exercise(
    number="3.3",
    title="One λ, two reductions",
    level=1,
    minutes=10,
    answer="weight_for_mean",
    hints=(
        "By which factor does the mean over pixels differ from the sum?",
        "Scale the other term by the same factor, so that the ratio of the gradients stays.",
        "return weight / math.prod(shape)",
    ),
    check=_check_translation,
    stub='''
def weight_for_mean(weight, shape):
    """λ of L_adv beside a squared error *averaged* over pixels and batch, doing what
    `weight` does beside the sum.

    The sum is over the pixels of a picture of the given shape (C, H, W), averaged over
    the batch.
    """
    raise NotImplementedError
''',
    solution='''
def weight_for_mean(weight, shape):
    """λ of L_adv beside a squared error *averaged* over pixels and batch, doing what
    `weight` does beside the sum.

    The sum is over the pixels of a picture of the given shape (C, H, W), averaged over
    the batch.
    """
    return weight / math.prod(shape)
''',
    wrong=(
        Wrong(_COPIED, edit=("return weight / math.prod(shape)", "return weight")),
        Wrong(_OTHER_DIRECTION, edit=("weight / math", "weight * math")),
        Wrong(_FORGOT_COLOURS, edit=("math.prod(shape)", "(shape[1] * shape[2])")),
        Wrong("For shape (1, 28, 20)", edit=("math.prod(shape)", "sum(shape)")),
        Wrong("For shape (3, 8, 32)", edit=("math.prod(shape)", "560")),
        Wrong(_SQUARE, edit=("math.prod(shape)", "(shape[0] * shape[1] * shape[1])")),
    ),
    also_right=(
        Right(edit=("math.prod(shape)", "torch.zeros(shape).numel()")),
        Right(edit=("weight / math.prod(shape)", "torch.tensor(weight) / torch.tensor(shape).prod()")),
    ),
)

# --- 3.4 -------------------------------------------------------------------------------------------------

_WRONG_LAYER = "You took the gradients at another layer. They belong at the *last* one: decoder[-1].weight."
_KEEPS_GRAPH = (
    "Your λ is attached to the graph, so its own gradient disturbs the training: it is a number; detach it."
)
_LEFT_BEHIND = (
    "Your function leaves gradients in the decoder, and the next step would use them, too: take them with "
    "torch.autograd.grad, not with backward."
)
_NO_DELTA = "Where the adversarial gradient vanishes your λ is not finite: add δ to the denominator."
_NO_CLAMP = "With a tiny adversarial gradient your λ exceeds 10⁴: clamp it to [0, 10⁴]."
_UPSIDE_DOWN = "Your ratio is upside down: the reconstruction's gradient stands above."
_FREED = (
    "Your function used up the graph of a loss: pass retain_graph=True, for both are still to be minimised."
)


def _check_adaptive(adaptive: Callable[..., Any]) -> None:
    for sizes, delta in (((3, 5, 4), 0.1), ((2, 4, 6, 5), 0.03)):
        layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        between = [layer for linear in layers for layer in (linear, nn.Tanh())]
        decoder = nn.Sequential(*between[:-1])
        x, z, judge = random(6, sizes[-1]), random(6, sizes[0], seed=1), random(sizes[-1], seed=2)
        x_hat = decoder(z)
        rec = (x - x_hat).square().sum() / 6
        adv = F.softplus(-(x_hat @ judge)).mean() / 5

        def norm(loss: Tensor, layer: int, decoder: nn.Sequential = decoder) -> Tensor:
            # mypy: the layers asked for have a weight
            return slopes(loss, decoder[layer].weight)[0].norm()  # type: ignore[arg-type]

        try:
            found = adaptive(rec, adv, decoder, delta)
            top, bottom = norm(rec, -1), norm(adv, -1)
        except RuntimeError as error:
            if "second time" in str(error):
                raise NotYet(_FREED) from None
            raise
        expect(all(p.grad is None or not p.grad.any() for p in decoder.parameters()), _LEFT_BEHIND)
        found = number(found)
        expect(not found.requires_grad, _KEEPS_GRAPH)
        right = top / (bottom + delta)
        agree(
            found,
            right,
            f"For the check's network and δ = {delta} it is {right:.3f}; yours is {float(found):.3f}.",
            (norm(rec, 0) / (norm(adv, 0) + delta), _WRONG_LAYER),
            (bottom / (top + delta), _UPSIDE_DOWN),
            (top / bottom, _NO_DELTA),
        )
        small = number(adaptive(0.001 * rec, adv, decoder, delta))
        expect(close(small, 0.001 * right, 1e-6), "λ may be smaller than 1, too: clamp it to [0, 10⁴].")
        flat = number(adaptive(1000 * rec, 0 * adv, decoder, 1e-4))
        expect(torch.isfinite(flat), _NO_DELTA)
        expect(float(flat) <= 1e4 + 0.01, _NO_CLAMP)
        expect(close(flat, 1e4, 1e-6), "With a tiny adversarial gradient λ must be exactly the bound, 10⁴.")


_ADAPTIVE = Exercise(
    number="3.4",
    title="A weight that sets itself",
    level=3,
    minutes=20,
    answer="adaptive",
    hints=(
        "With respect to which weights are the two gradients compared?",
        "Use the last layer, keep the graph alive, and give back a number that no gradient flows through.",
        "return (of_rec.norm() / (of_adv.norm() + delta)).clamp(0, 1e4).detach()",
    ),
    check=_check_adaptive,
    stub='''
def adaptive(rec, adv, decoder, delta):
    """λ of eq. (3.15) from two losses (scalars) and a decoder (an nn.Sequential that
    ends in a linear layer).
    """
    raise NotImplementedError
''',
    solution='''
def adaptive(rec, adv, decoder, delta):
    """λ of eq. (3.15) from two losses (scalars) and a decoder (an nn.Sequential that
    ends in a linear layer).
    """
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
        Wrong(
            _LEFT_BEHIND,
            code="""
            def adaptive(rec, adv, decoder, delta):
                last, norms = decoder[-1].weight, []
                for loss in (rec, adv):
                    decoder.zero_grad()
                    loss.backward(retain_graph=True)
                    norms.append(last.grad.norm())
                return (norms[0] / (norms[1] + delta)).clamp(0, 1e4)
            """,
        ),
        Wrong("With a tiny adversarial gradient λ must be", edit=("clamp(0, 1e4)", "clamp(0, 1e3)")),
        Wrong("λ may be smaller than 1", edit=("clamp(0, 1e4)", "clamp(1, 1e4)")),
        Wrong("For the check's network and δ = 0.03", edit=("+ delta", "+ 0.1")),
    ),
    also_right=(
        Right(edit=(".clamp(0, 1e4).detach()", ".clamp(max=1e4).item()")),
        Right(
            code="""
            def adaptive(rec, adv, decoder, delta):
                last = [m for m in decoder if isinstance(m, nn.Linear)][-1].weight
                norms = [torch.autograd.grad(v, last, retain_graph=True)[0].square().sum().sqrt() for v in (rec, adv)]
                return min(float(norms[0] / (norms[1] + delta)), 10_000.0)
            """
        ),
    ),
)

# --- 3.5 -------------------------------------------------------------------------------------------------

_MEAN_IS_NOT_PERFECT = (
    "Your second estimate has variance {variance:.2f}, the data have 1. The conditional mean has the least error and "
    "not the right law: stretch it until it has."
)
_Y_ITSELF = "Your first estimate is y itself. The conditional mean shrinks it: half of y's variance is noise."
_DRAW = "Your third estimate has variance {variance:.2f}, not 1: a draw adds noise of variance ½ to the mean."


def _check_estimates(estimates: Callable[[Tensor], Any]) -> None:
    n = 20_000
    x = random(n)
    y = x + random(n, seed=1)
    told = "Return three estimates: the mean, the stretched mean, a draw from the posterior."
    mean, stretched, draw = (torch.as_tensor(v) for v in parts(estimates(y), 3, told))
    again = torch.as_tensor(parts(estimates(y), 3, told)[2])
    expect(all(v.shape == y.shape for v in (mean, stretched, draw)), f"Each estimate has y's shape, ({n},).")

    def error(x_hat: Tensor) -> float:
        return (x - x_hat).square().mean().item()

    expect(not close(mean, y), _Y_ITSELF)
    variance = stretched.var().item()
    expect(abs(variance - 1) < 0.05, _MEAN_IS_NOT_PERFECT.format(variance=variance))
    variance = draw.var().item()
    expect(abs(variance - 1) < 0.05, _DRAW.format(variance=variance))
    for name, x_hat, wanted, exact in (
        ("first", mean, 0.5, y / 2),
        ("second", stretched, 2 - math.sqrt(2), y / math.sqrt(2)),
    ):
        expect(
            close(x_hat, exact, 1e-3),
            f"The {name} estimate's mean squared error is {error(x_hat):.3f}; the best is {wanted:.3f}, eq. (3.19).",
        )
    noise = (draw - y / 2) * math.sqrt(2)
    share = (noise * y).mean().abs() + noise.mean().abs()
    expect(
        share < 0.05,
        f"The third estimate's mean squared error is {error(draw):.2f}: draw y/2 plus noise of its own.",
    )
    expect(not close(draw, again), "Your third estimate is the same at every call: draw new noise.")
    normal = torch.special.ndtr(noise.sort().values)
    off = (normal - torch.linspace(0, 1, n)).abs().max()
    expect(off < 0.02, "The noise of your third estimate is not normal: p(x|y) is a Gaussian.")


_ESTIMATES = Exercise(
    number="3.5",
    title="What sharpness costs",
    level=3,
    minutes=20,
    answer="estimates",
    hints=(
        "What is the law of x once y is known?",
        "Its mean is y/2 and its variance ½. Stretch the mean to variance 1, or add noise of variance ½.",
        "draw = mean + math.sqrt(0.5) * torch.randn_like(y)",
    ),
    check=_check_estimates,
    stub='''
def estimates(y):
    """Three estimates of x ~ N(0, 1) from y = x + N(0, 1), each of y's shape (B,).

    The one of least squared error; the best one whose law is N(0, 1), a multiple of the
    first; a draw from p(x|y).
    """
    raise NotImplementedError
''',
    solution='''
def estimates(y):
    """Three estimates of x ~ N(0, 1) from y = x + N(0, 1), each of y's shape (B,).

    The one of least squared error; the best one whose law is N(0, 1), a multiple of the
    first; a draw from p(x|y).
    """
    mean = y / 2
    stretched = math.sqrt(2) * mean
    draw = mean + math.sqrt(0.5) * torch.randn_like(y)
    return mean, stretched, draw
''',
    wrong=(
        Wrong("Your second estimate has variance 0.", edit=("return mean, stretched,", "return mean, mean,")),
        Wrong(_Y_ITSELF, edit=("mean = y / 2", "mean = y")),
        Wrong("Your third estimate has variance 1.", edit=("math.sqrt(0.5) * torch", "torch")),
        Wrong("Your third estimate has variance 0.", edit=("math.sqrt(0.5) * torch", "0.5 * torch")),
        Wrong(
            "The second estimate's mean squared error is",
            edit=("return mean, stretched,", "return mean, draw,"),
        ),
        Wrong("The first estimate's mean squared error is", edit=("return mean,", "return 0.47 * y,")),
        Wrong(
            "The second estimate's mean squared error is",
            edit=("math.sqrt(2) * mean", "-math.sqrt(2) * mean"),
        ),
        Wrong(
            "The third estimate's mean squared error is", edit=("draw = mean + math.sqrt(0.5) *", "draw =")
        ),
        Wrong(
            "The noise of your third estimate is not normal",
            edit=("torch.randn_like(y)", "torch.randn_like(y).sign()"),
        ),
        Wrong(
            "Your third estimate is the same at every call",
            edit=("    mean =", "    torch.manual_seed(1)\n    mean ="),
        ),
        Wrong("Return three estimates", edit=("return mean, stretched, draw", "return mean, stretched")),
    ),
    also_right=(
        Right(edit=("return mean, stretched, draw", "return [mean, stretched, draw]")),
        Right(edit=("math.sqrt(2) * mean", "y / math.sqrt(2)")),
        Right(edit=("mean + math.sqrt(0.5) * torch.randn_like(y)", "torch.normal(mean, 0.5**0.5)")),
        Right(edit=("return mean, stretched, draw", "return torch.stack([mean, stretched, draw])")),
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


def _check_routing(losses_by_player: Callable[..., Any]) -> None:
    for sizes, gamma in (((6, 4, 2, 3), 0.25), ((5, 3, 4, 2), 1.6)):
        _check_routes(losses_by_player, sizes, gamma)


def _check_routes(
    losses_by_player: Callable[..., Any], sizes: tuple[int, int, int, int], gamma: float
) -> None:
    n, pixels, code, width = sizes
    encoder, decoder = nn.Linear(pixels, 2 * code), nn.Linear(code, pixels)
    body, head = nn.Linear(pixels, width), nn.Linear(width, 1)
    if gamma > 1:
        head.weight.data *= 60  # a judge that is very sure
    x, epsilon, z_p = random(n, pixels), random(n, code, seed=1), random(n, code, seed=2)
    values: list[tuple[str, Tensor, Tensor]] = []

    def judge(pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.tanh(body(pictures))
        return features, head(features).squeeze(1)

    mean, log_var = encoder(x).chunk(2, dim=1)
    z = mean + torch.exp(log_var / 2) * epsilon
    x_hat, x_p = decoder(z), decoder(z_p)
    softplus = F.softplus
    sim = (judge(x)[0] - judge(x_hat)[0]).square().sum() / (2 * n)
    kl = (mean**2 + log_var.exp() - 1 - log_var).sum() / (2 * n)
    adv = softplus(-judge(x_hat)[1]).mean() / 2 + softplus(-judge(x_p)[1]).mean() / 2
    own = softplus(judge(x_hat.detach())[1]).mean() / 2 + softplus(judge(x_p.detach())[1]).mean() / 2
    own = own + softplus(-judge(x)[1]).mean()

    made = losses_by_player(mean, log_var, z, x, decoder, judge, z_p, gamma)
    if not isinstance(made, Mapping) or set(made) != {"encoder", "decoder", "discriminator"}:
        raise NotYet("Return a dictionary with the losses of encoder, decoder and discriminator.")
    for who, right in (("encoder", kl + sim), ("decoder", gamma * sim + adv), ("discriminator", own)):
        told = f"The {who}'s loss is to be one number."
        values.append((who, number(made[who], told), right.detach()))

    def pull(loss: Tensor, *nets: nn.Module) -> Tensor:
        weights = [p for net in nets for p in net.parameters()]
        return torch.cat([g.flatten() for g in slopes(loss, *weights)])

    found = pull(made["encoder"], encoder)
    if not close(found, pull(kl + sim, encoder)):
        for scale in (1.0, 1 / gamma, 2.0):
            expect(not close(found, pull(kl + sim + scale * adv, encoder)), _ENCODER_HEARS)
        expect(not close(found, pull(kl + gamma * sim, encoder)), _GAMMA)
        raise NotYet("The encoder's gradient is off: it is that of KL + similarity.")
    found = pull(made["discriminator"], body, head)
    expect(not pull(made["discriminator"], decoder).any(), _THROUGH_DECODER)
    if not close(found, pull(own, body, head)):
        for scale in (1.0, gamma):
            expect(not close(found, pull(own + scale * sim, body, head)), _JUDGE_IS_SIMILAR)
        raise NotYet(
            "The discriminator's gradient is off: x against x̂ and x_p, the two kinds of fakes by half."
        )
    found = pull(made["decoder"], decoder)
    if not close(found, pull(gamma * sim + adv, decoder)):
        expect(not close(found, pull(gamma * sim, decoder)), _DECODER_DEAF)
        expect(not close(found, pull(adv, decoder)), _DECODER_BLIND)
        for mistaken in (sim + adv, sim + gamma * adv):
            expect(not close(found, pull(mistaken, decoder)), _GAMMA)
        raise NotYet(
            "The decoder's gradient is off: γ·similarity + adversarial, the two kinds of fakes by half."
        )
    for who, value, right in values:
        expect(
            close(value, right),
            f"The gradients are right, but the {who}'s loss has another value, eq. (3.13).",
        )


_ROUTING_SIGNATURE = '''
def losses_by_player(mean, log_var, z, x, decoder, judge, z_p, gamma):
    """{"encoder": ..., "decoder": ..., "discriminator": ...}, the VAE-GAN's three
    losses, eq. (3.13).

    mean, log_var (B, K): the encoder's answer; z: the code drawn from it; z_p: one from
    the prior; x: pictures (B, D). judge(x) gives (features (B, F), logits (B,)).
    Similarity: half the squared distance of features, summed over features. Each player
    is moved along its own loss only. Both kinds of fakes count by half.
    """
'''

_ROUTING = Exercise(
    number="3.6",
    title="Who learns from whom",
    level=4,
    minutes=30,
    answer="losses_by_player",
    hints=(
        "Which of the three losses must not move the discriminator, and which must not move the decoder?",
        "Each loss moves its own player; the fakes that the judge learns from are detached, both kinds by half.",
        "fakes = softplus(judge(made.detach())[1]).mean()",
    ),
    check=_check_routing,
    stub=_ROUTING_SIGNATURE + "    raise NotImplementedError\n",
    solution=_ROUTING_SIGNATURE
    + """    softplus = nn.functional.softplus
    x_hat, x_p = decoder(z), decoder(z_p)
    kl = losses.kl_to_standard_normal(mean, log_var)
    similarity = losses.squared_error(judge(x_hat)[0], judge(x)[0]) / 2
    made = torch.cat([x_hat, x_p])
    adversarial = softplus(-judge(made)[1]).mean()
    fakes = softplus(judge(made.detach())[1]).mean()
    return {
        "encoder": kl + similarity,
        "decoder": gamma * similarity + adversarial,
        "discriminator": softplus(-judge(x)[1]).mean() + fakes,
    }
""",
    wrong=(
        Wrong(_ENCODER_HEARS, edit=("kl + similarity,", "kl + similarity + adversarial,")),
        Wrong(_THROUGH_DECODER, edit=("judge(made.detach())", "judge(made)")),
        Wrong(
            _JUDGE_IS_SIMILAR,
            code=_ROUTING_SIGNATURE
            + """    softplus = nn.functional.softplus
    x_hat, x_p = decoder(z), decoder(z_p)
    kl = losses.kl_to_standard_normal(mean, log_var)
    similarity = losses.squared_error(judge(x_hat)[0], judge(x)[0]) / 2
    made = torch.cat([x_hat, x_p])
    adversarial = softplus(-judge(made)[1]).mean()
    fakes = softplus(judge(made.detach())[1]).mean()
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
        Wrong(
            "The gradients are right, but the decoder's",
            edit=("similarity + adversarial,", "similarity + adversarial + 1,"),
        ),
        Wrong("Return a dictionary", edit=('"decoder": gamma', '"generator": gamma')),
    ),
    also_right=(
        Right(
            edit=(
                "softplus(-judge(made)[1]).mean()",
                "(softplus(-judge(x_hat)[1]).mean() + softplus(-judge(x_p)[1]).mean()) / 2",
            )
        ),
        Right(
            edit=(
                "softplus(-judge(x)[1]).mean() + fakes",
                "losses.discriminator_loss(judge(x)[1], judge(made.detach())[1])",
            )
        ),
        # gradients into networks that the player does not own are no fault
        Right(
            edit=(
                '"encoder": kl + similarity',
                '"encoder": kl + losses.squared_error(judge(decoder(z))[0], judge(x)[0]) / 2',
            )
        ),
    ),
)

# --- 3.7 -------------------------------------------------------------------------------------------------

_WHOLE_PICTURE = "Your error counts outside the hole, too, where there is nothing to guess."
_JUDGE_SEES_ALL = "Your discriminator sees more than the hole. Show it the filled hole alone."
_OVER_ALL_PIXELS = "You average over pixels: sum over those of the hole, average over the batch."
_NO_JUDGE = "The judge has no say in your restorer's loss: add weight times −log D, averaged over the batch."


def _check_hole(filling_loss: Callable[..., Any]) -> None:
    for shape, weight in (((5, 2, 4, 5), 0.5), ((3, 1, 5, 3), 1.4)):
        n, channels, height, width = shape
        x, x_hat = random(*shape), random(*shape, seed=1).requires_grad_()
        mask = torch.zeros(height, width)
        mask[1:3, 0:2] = 1
        seen: list[Tensor] = []

        def judge(pictures: Tensor, seen: list[Tensor] = seen) -> Tensor:
            seen.append(pictures.detach())
            return pictures.flatten(1).sum(1)

        squared = ((x_hat - x) ** 2 * mask).sum() / n
        value = number(filling_loss(x, x_hat, mask, judge, 0.0))
        (slope,) = slopes(value, x_hat)
        expect(not (slope * (1 - mask)).any(), _WHOLE_PICTURE)
        wanted = slopes(squared, x_hat)[0]
        for count in (4, 4 * channels, height * width, height * width * channels):
            expect(not close(slope, wanted / count), _OVER_ALL_PIXELS)
        expect(
            close(slope, wanted) and close(value, squared),
            "With weight 0 it is the squared error summed over the hole: eq. (3.23).",
        )
        seen.clear()
        value = number(filling_loss(x, x_hat, mask, judge, weight))
        expect(seen, _NO_JUDGE)
        expect(not any((pictures * (1 - mask)).any() for pictures in seen), _JUDGE_SEES_ALL)
        right = squared + weight * F.softplus(-(x_hat * mask).flatten(1).sum(1)).mean()
        expect(not close(value, squared), _NO_JUDGE)
        expect(
            close(value, right) and close(slopes(value, x_hat)[0], slopes(right, x_hat)[0]),
            "The adversarial term is off: weight times the batch mean of −log D on the filled hole.",
        )
        # one pixel that is right and very sure: the pull must not have died
        sure = torch.full(shape, -40.0).requires_grad_()
        (pull,) = slopes(number(filling_loss(sure.detach(), sure, mask, judge, weight)), sure)
        expect(
            close(pull, -weight / n * mask.expand(shape)),
            "When the judge is sure the pull of your loss dies: use softplus, not the log of a sigmoid.",
        )
    expect(
        _fills(filling_loss) < 0.5,
        "Trained with your loss, a linear restorer fills no better than the mean does.",
    )


def _fills(filling_loss: Callable[..., Tensor]) -> float:
    """Error in the hole of a linear restorer trained with this loss, over that of filling in the mean."""
    shade = random(200, 1)
    pictures = (shade @ random(1, 16, seed=1) + 0.1 * random(200, 16, seed=2)).view(-1, 1, 4, 4)
    mask = torch.zeros(4, 4)
    mask[1:3, 1:3] = 1
    weight = torch.zeros(16, 16, requires_grad=True)
    hidden = pictures * (1 - mask)

    def fill() -> Tensor:
        return (hidden.flatten(1) @ weight).view_as(pictures)

    for _ in range(60):
        (slope,) = slopes(filling_loss(pictures, fill(), mask, lambda p: p.flatten(1).sum(1), 0.0), weight)
        weight = (weight - 0.01 * slope).detach().requires_grad_()
    by_mean = ((pictures - pictures.mean(0)) * mask).square().sum()
    return (((pictures - fill()) * mask).square().sum() / by_mean).item()


_HOLE = Exercise(
    number="3.7",
    title="Fill the hole, judge the hole",
    level=3,
    minutes=20,
    answer="filling_loss",
    hints=(
        "What does the judge see of the parts that were never missing?",
        "Mask the error, mask what the judge is shown, and sum over pixels.",
        "error = ((x_hat - x).square() * mask).sum() / len(x)",
    ),
    check=_check_hole,
    stub='''
def filling_loss(x, x_hat, mask, judge, weight):
    """The restorer's loss in a context encoder, eq. (3.23) with the plain squared
    error, to be minimised.

    x: pictures (B, C, H, W); x_hat: the network's output, the same shape; mask (H, W):
    1 in the hole; judge: pictures of the shape of x to logits (B,); weight: λ of the
    adversarial term.
    """
    raise NotImplementedError
''',
    solution='''
def filling_loss(x, x_hat, mask, judge, weight):
    """The restorer's loss in a context encoder, eq. (3.23) with the plain squared
    error, to be minimised.

    x: pictures (B, C, H, W); x_hat: the network's output, the same shape; mask (H, W):
    1 in the hole; judge: pictures of the shape of x to logits (B,); weight: λ of the
    adversarial term.
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
        Wrong(
            _OVER_ALL_PIXELS,
            edit=("((x_hat - x).square() * mask).sum() / len(x)", "((x_hat - x).square() * mask).mean()"),
        ),
        Wrong(
            "When the judge is sure",
            edit=(
                "nn.functional.softplus(-judge(x_hat * mask))",
                "-torch.log(torch.sigmoid(judge(x_hat * mask)) + 1e-8)",
            ),
        ),
    ),
    also_right=(
        Right(edit=("(x_hat - x).square() * mask", "(x_hat * mask - x * mask).square()")),
        Right(
            edit=(
                "nn.functional.softplus(-judge(x_hat * mask))",
                "-nn.functional.logsigmoid(judge(mask * x_hat))",
            )
        ),
    ),
)

EXERCISES = (_COUNTEREXAMPLE, _REPAIR, _TRANSLATION, _ADAPTIVE, _ESTIMATES, _ROUTING, _HOLE)

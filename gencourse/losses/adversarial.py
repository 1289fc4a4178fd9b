"""The game between a discriminator and a generator: six pairs of losses, two gradient penalties, one weight.

A discriminator returns logits, never probabilities. All losses are means over the batch; the penalties sum
over the numbers of one sample before that.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.errors import (
    need_callable,
    need_generator,
    need_number,
    need_one_of,
    need_pair,
    need_same_device,
    need_same_shape,
    need_tensor,
)
from gencourse.losses.reconstruction import squared_error

__all__ = [
    "ADVERSARIAL_KINDS",
    "adaptive_weight",
    "discriminator_loss",
    "generator_loss",
    "gradient_penalty",
    "hybrid_loss_as_found",
    "r1_penalty",
]

ADVERSARIAL_KINDS = ("minimax", "non_saturating", "least_squares", "wasserstein", "hinge", "relativistic")


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, kind: str = "non_saturating") -> Tensor:
    """What the discriminator makes small.

    - "minimax" and "non_saturating": E softplus(−a_real) + E softplus(a_fake), eq. (2.2), which is −V of
      eq. (2.1) (Goodfellow et al., 2014); for any discriminator at least log 4 − 2 JSD, eq. (2.26)
    - "least_squares": ½ E(a_real − 1)² + ½ E a_fake², eq. (2.8) (Mao et al., 2017)
    - "wasserstein": E a_fake − E a_real, eq. (2.10) (Arjovsky et al., 2017)
    - "hinge": E max(0, 1 − a_real) + E max(0, 1 + a_fake), eq. (2.13) (Lim & Ye, 2017)
    - "relativistic": E softplus(a_fake − a_real), eq. (2.15) (Jolicoeur-Martineau, 2019)

    Logits of 0 everywhere, from a judge that cannot tell or from one that is dead, give the values of eq. (2.7).

    Args:
        real_logits: logits of real samples, shape (B,) or (B, 1).
        fake_logits: logits of generated samples, shape (B,) or (B, 1).
        kind: which pair of losses.

    Returns:
        Scalar: mean over the batch, both terms added.

    Raises:
        ValueError: there is no such kind, a shape is wrong, or pairs are needed and the sizes differ.
    """
    need_one_of("kind", kind, ADVERSARIAL_KINDS)
    real, fake = _flat(real_logits, "real_logits"), _flat(fake_logits, "fake_logits")
    need_same_device("real_logits", real, "fake_logits", fake)
    if kind in ("minimax", "non_saturating"):
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "least_squares":
        return (real - 1).square().mean() / 2 + fake.square().mean() / 2
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return F.softplus(_lead(fake, real)).mean()


def generator_loss(
    fake_logits: Tensor, kind: str = "non_saturating", real_logits: Tensor | None = None
) -> Tensor:
    """What the generator makes small.

    - "minimax": E log(1 − σ(a_fake)), eq. (2.5); its gradient −σ(a) dies where the discriminator is sure
    - "non_saturating": −E log σ(a_fake), eq. (2.6), with the gradient −(1 − σ(a)); at the best
      discriminator it descends 2 KL(m‖p), eq. (2.27)
    - "least_squares": ½ E(a_fake − 1)², eq. (2.8)
    - "wasserstein" and "hinge": −E a_fake, eqs. (2.10) and (2.13)
    - "relativistic": E softplus(a_real − a_fake), eq. (2.15)

    Args:
        fake_logits: logits of generated samples, shape (B,) or (B, 1).
        kind: which pair of losses; see `discriminator_loss`.
        real_logits: logits of real samples, for the relativistic kind only.

    Returns:
        Scalar: mean over the batch.

    Raises:
        ValueError: there is no such kind, a shape is wrong, or the relativistic kind lacks its real logits.
    """
    need_one_of("kind", kind, ADVERSARIAL_KINDS)
    fake = _flat(fake_logits, "fake_logits")
    if kind == "minimax":
        return -F.softplus(fake).mean()
    if kind == "non_saturating":
        return F.softplus(-fake).mean()
    if kind == "least_squares":
        return (fake - 1).square().mean() / 2
    if kind in ("wasserstein", "hinge"):
        return -fake.mean()
    if real_logits is None:
        raise ValueError(
            "real_logits is None: the relativistic loss compares each fake with a real sample, so pass "
            "real_logits= as well."
        )
    real = _flat(real_logits, "real_logits")
    need_same_device("real_logits", real, "fake_logits", fake)
    return F.softplus(_lead(real, fake)).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """How far the critic's slope is from one, eq. (2.11): E(‖∇f(x̃)‖ − 1)², without the customary factor 10.

    x̃ = εx + (1 − ε)x_f lies between a real and a generated sample, with one ε in [0, 1] for each pair
    (Gulrajani et al., 2017). The critic must treat samples one by one, so it may not contain batch norm.

    Args:
        critic: samples (B, ...) to logits, shape (B,) or (B, 1).
        real: real samples, shape (B, ...).
        fake: generated samples, the same shape.
        generator: of ε; torch's own when not given.

    Returns:
        Scalar: mean over the batch. Its gradient reaches the critic's parameters and nobody else.

    Raises:
        ValueError: the shapes differ.
    """
    need_callable("critic", critic, "from samples to logits")
    need_tensor("real", real, "(B, D, ...)")
    need_tensor("fake", fake, "(B, D, ...)")
    need_same_shape("real", real, "fake", fake)
    need_same_device("real", real, "fake", fake)
    need_generator("generator", generator)
    where = real.device if generator is None else generator.device
    ones = (1,) * (real.dim() - 1)
    epsilon = torch.rand(len(real), *ones, generator=generator, device=where).to(real)
    between = epsilon * real + (1 - epsilon) * fake
    # the square root has an infinite slope at 0: a critic that is flat there would make every weight NaN
    norm = (_squared_slope("critic", critic, between) + 1e-12).sqrt()
    return (norm - 1).square().mean()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """How steep the discriminator is on these samples, eq. (2.14): ½ E‖∇D(x)‖², without the weight γ.

    On real samples it is R1, on generated ones R2 (Mescheder et al., 2018). D is the logit, and it must
    treat samples one by one, so it may not contain batch norm.

    Args:
        discriminator: samples (B, ...) to logits, shape (B,) or (B, 1).
        real: samples, shape (B, ...).

    Returns:
        Scalar: squares summed over a sample, mean over the batch. Its gradient reaches the discriminator's
        parameters and nobody else.

    Raises:
        ValueError: the discriminator does not give one logit a sample.
    """
    need_callable("discriminator", discriminator, "from samples to logits")
    need_tensor("real", real, "(B, D, ...)")
    return _squared_slope("discriminator", discriminator, real).mean() / 2


def adaptive_weight(
    reconstruction_loss: Tensor, adversarial_loss: Tensor, last_layer: Tensor, delta: float = 1e-4
) -> Tensor:
    """A λ that makes both losses pull equally hard at one layer, eq. (3.15): ‖∇L_rec‖ / (‖∇L_adv‖ + δ).

    Multiply the adversarial loss by it; a factor before that loss then changes next to nothing, eq. (3.16). The
    gradients are those with respect to the decoder's last layer (Esser et al., 2021, eq. 7; δ and the bounds as
    in the authors' code).

    Args:
        reconstruction_loss: scalar that depends on the layer.
        adversarial_loss: scalar that depends on the layer.
        last_layer: the weight of the decoder's last layer, any shape.
        delta: δ, keeps the weight finite where the adversarial gradient vanishes.

    Returns:
        Scalar in [0, 10 000], detached: it is a number to multiply by, and no gradient flows through it. The
        graphs of both losses are kept, so that both can still be minimised.

    Raises:
        ValueError: a loss is not one number, or does not depend on the layer.
    """
    need_tensor("last_layer", last_layer)
    need_number("delta", delta, least=0)
    norms = []
    for name, loss in (
        ("reconstruction_loss", reconstruction_loss),
        ("adversarial_loss", adversarial_loss),
    ):
        need_tensor(name, loss)
        if loss.numel() != 1:
            raise ValueError(f"{name} has shape {tuple(loss.shape)}: reduce it to one number.")
        slope = None
        if loss.requires_grad and last_layer.requires_grad:
            (slope,) = torch.autograd.grad(loss, last_layer, retain_graph=True, allow_unused=True)
        if slope is None:
            raise ValueError(
                f"{name} does not depend on last_layer: give the weight of the last layer of the decoder, and "
                "look for a detach() too many."
            )
        norms.append(slope.norm())
    # without create_graph the gradients are numbers, so λ is detached already
    return (norms[0] / (norms[1] + delta)).clamp(0.0, 1e4)


def hybrid_loss_as_found(
    x_hat: Tensor,
    x: Tensor,
    real_logits: Tensor,
    fake_logits: Tensor,
    weights: tuple[float, float] = (1.0, 1.0),
) -> Tensor:
    """The one total for all players that is found in the source documents, eq. (3.1). Not to train with.

    λ₁ E‖x − x̂‖² + λ₂ (E log D(x) + E log(1 − D(x̂))). Its second term is the value V that the discriminator is
    to make large, so whoever descends on the whole teaches the discriminator to be wrong, eq. (3.2).

    Args:
        x_hat: reconstructions, shape (B, ...).
        x: pictures, the same shape.
        real_logits: logits of the pictures, shape (B,) or (B, 1).
        fake_logits: logits of the reconstructions, shape (B,) or (B, 1).
        weights: λ₁ and λ₂.

    Returns:
        Scalar: means over the batch, the squared error summed over pixels.

    Raises:
        TypeError, ValueError: a shape is wrong, or weights are not two numbers.
    """
    need_pair("weights", weights, "two numbers, (λ₁, λ₂)")
    for weight in weights:
        need_number("weights", weight)
    return weights[0] * squared_error(x_hat, x) - weights[1] * discriminator_loss(real_logits, fake_logits)


def _squared_slope(name: str, critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """‖∇f(x)‖² of each sample, shape (B,), ready for a second derivative."""
    x = x.detach().requires_grad_()
    # each logit depends on its own sample only, so the gradient of the sum holds all of theirs
    logits = _flat(critic(x), f"{name}(x)")
    if len(logits) != len(x) or not logits.requires_grad:
        raise ValueError(
            f"{name}(x) gave {len(logits)} logits: give one a sample, {len(x)}, that depends on x."
        )
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1)


def _lead(a: Tensor, b: Tensor) -> Tensor:
    """a − b, pair by pair."""
    if len(a) != len(b):
        raise ValueError(
            f"real_logits and fake_logits have {len(a)} and {len(b)} entries: the relativistic loss compares "
            "pairs, so give as many fakes as real samples."
        )
    return a - b


def _flat(logits: Tensor, name: str) -> Tensor:
    need_tensor(name, logits)
    if logits.dim() not in (1, 2) or logits[:1].numel() > 1:
        raise ValueError(
            f"{name} has shape {tuple(logits.shape)}: give one logit a sample, shape (B,) or (B, 1)."
        )
    return logits.flatten()

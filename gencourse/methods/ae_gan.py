"""Chapter 3: an autoencoder and a discriminator in one game, and its uses for filling and translating pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.losses import (
    adaptive_weight,
    discriminator_loss,
    gaussian_nll,
    generator_loss,
    kl_to_standard_normal,
)
from gencourse.networks import Discriminator, coder, conv_discriminator, dense_discriminator
from gencourse.training.method import Method, Mover, seeded

__all__ = ["AEGAN", "ContextEncoder", "PairedAEGAN", "degraded"]

_JUDGED = ("reconstructions", "samples", "both")
_SIMILARITIES = ("pixels", "features")


class AEGAN(Method):
    """An autoencoder whose pictures a discriminator judges, eq. (3.3).

    The autoencoder makes L_rec + β·KL + λ·L_adv small, the discriminator tells real pictures from those that
    it is shown. All terms are in nats a picture: L_rec is −log N(x; x̂, σ²I), summed over pixels, and L_adv the
    batch mean of −log σ(a(x̂)). With λ = 1 a nat of log p(x|z) weighs as much as a nat of log p/q.

    Args:
        network: "conv", or "dense" with the sizes 784-128-d-128-784 and 784-128-1 for 1×28×28.
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        judged: which made pictures the discriminator is shown: "reconstructions", "samples" (decoded codes from
            the prior N(0, I)), or "both", eq. (3.11).
        similarity: where a reconstruction is compared with its picture: "pixels", or "features", the
            discriminator's last hidden layer, eq. (3.12).
        weight: λ, or with `adaptive` the factor before the adaptive weight.
        adaptive: whether λ follows the gradients at the decoder's last layer, eq. (3.15).
        sigma: σ of L_rec, in units of what is compared: pixels or features.
        beta: β, weight of the divergence of the codes from the prior, as in `VAE`. With 0 the encoder is
            deterministic and there is no divergence.
        encoder_plays: whether the encoder feels the adversarial loss through the reconstructions. Larsen's
            routing, eq. (3.13), keeps it away from the encoder.
        hidden: widths of the dense networks' hidden layers.
        width: channels of the convolutional networks at the side of the picture.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3
    betas = (0.5, 0.99)

    def __init__(
        self,
        network: str = "conv",
        code_size: int = 16,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        judged: str = "reconstructions",
        similarity: str = "pixels",
        weight: float = 1.0,
        adaptive: bool = False,
        sigma: float = 0.2,
        beta: float = 0.0,
        encoder_plays: bool = True,
        hidden: tuple[int, ...] = (128,),
        width: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if judged not in _JUDGED:
            raise ValueError(f"judged is {judged!r}: choose one of {', '.join(_JUDGED)}.")
        if similarity not in _SIMILARITIES:
            raise ValueError(f"similarity is {similarity!r}: choose one of {', '.join(_SIMILARITIES)}.")
        if code_size < 1:
            raise ValueError(f"code_size is {code_size}: give at least 1.")
        _check_weights(sigma, weight=weight, beta=beta)
        self.shape, self.code_size = (shape[0], shape[1], shape[2]), code_size
        self.judged, self.similarity, self.encoder_plays = judged, similarity, encoder_plays
        self.weight, self.adaptive, self.sigma, self.beta = weight, adaptive, sigma, beta
        with seeded(seed):
            self.encoder, self.decoder = coder(
                network, code_size, self.shape, hidden, width, per_number=2 if beta else 1
            )
            self.discriminator = _discriminator(network, self.shape, hidden, width)

    @classmethod
    def vae_gan(cls, **options: Any) -> AEGAN:
        """The VAE-GAN of Larsen et al. (2016): divergence, similarity in features, both judged, their routing.

        Their decoder makes γ·L_sim + L_adv small; here it is L_sim + λ·L_adv with λ = 1/γ, which differs by a
        factor only, and Adam does not feel one.

        Args:
            options: of `AEGAN`, instead of those set here.
        """
        larsen = {"judged": "both", "similarity": "features", "beta": 1.0, "encoder_plays": False}
        return cls(**{**larsen, "sigma": 1.0, **options})

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Two players: encoder and decoder share their aim, the discriminator has the opposite one."""
        return {
            "discriminator": self.discriminator.parameters(),
            "autoencoder": [*self.encoder.parameters(), *self.decoder.parameters()],
        }

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of eq. (3.3): the discriminator moves, then the autoencoder, on the same pictures."""
        mean, log_var = self.posterior(x)
        z = self.draw(mean, log_var)
        x_hat = self.decode(z)
        fake = self.shown(z, x_hat)
        d = update("discriminator", discriminator_loss(self.score(x), self.score(fake.detach())))
        parts = {"reconstruction": self.reconstruction_loss(x_hat, x)}
        parts["adversarial"] = generator_loss(self.score(fake))
        loss = parts["reconstruction"] + self.scaled(parts["reconstruction"], parts["adversarial"])
        if log_var is not None:
            parts["kl"] = kl_to_standard_normal(mean, log_var)
            loss = loss + self.beta * parts["kl"]
        a = update("autoencoder", loss)
        return {"discriminator": d, "autoencoder": a, **{k: v.item() for k, v in parts.items()}}

    def shown(self, z: Tensor, x_hat: Tensor) -> Tensor:
        """What the discriminator is shown as generated, attached to whoever is to feel its judgement.

        Args:
            z: codes of a batch of real pictures (B, code_size).
            x_hat: the same, decoded (B, C, H, W).

        Returns:
            (B, C, H, W), or (2B, C, H, W) with judged="both".
        """
        pictures = []
        if self.judged != "samples":
            pictures.append(x_hat if self.encoder_plays else self.decode(z.detach()))
        if self.judged != "reconstructions":
            pictures.append(self.decode(self.prior(len(z))))
        return torch.cat(pictures)

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """−log N(x; x̂, σ²I) in nats a picture, of pixels or of the discriminator's features: a scalar.

        Args:
            x_hat: reconstructions (B, C, H, W).
            x: pictures, the same shape.
        """
        if self.similarity == "features":
            x_hat, x = self.features(x_hat), self.features(x).detach()
        return gaussian_nll(x_hat, x, math.log(self.sigma))

    def scaled(self, reconstruction: Tensor, adversarial: Tensor) -> Tensor:
        """λ·L_adv with the fixed or the adaptive λ; both losses are scalars that depend on the decoder."""
        if not self.adaptive:
            return self.weight * adversarial
        last = list(self.decoder.parameters())[-2]  # a weight; its bias is the very last
        return self.weight * adaptive_weight(reconstruction, adversarial, last) * adversarial

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pictures (B, C, H, W) to the mean and log variance of their codes, (B, code_size) each.

        Without a divergence (beta = 0) the code is the mean, and None stands for the log variance.
        """
        if x.shape[1:] != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(f"x has shape {tuple(x.shape)}: this AEGAN takes (B, {expected}).")
        if not self.beta:
            return self.encoder(x), None
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        return mean, log_var

    def draw(self, mean: Tensor, log_var: Tensor | None) -> Tensor:
        """Codes (B, code_size): the means, or one draw from each Gaussian, eq. (3.7)."""
        return mean if log_var is None else mean + torch.exp(log_var / 2) * torch.randn_like(mean)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to (means of) codes (B, code_size)."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W) in [0, 1], the range of real ones."""
        return torch.sigmoid(self.decoder(z))

    def score(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to logits (B,): above zero means "real"."""
        return self.discriminator(x)

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the discriminator's last hidden layer, (B, F)."""
        return self.discriminator.features(x)

    def prior(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Codes for n new pictures from N(0, I), (n, code_size)."""
        where = self.device if generator is None else generator.device
        return torch.randn(n, self.code_size, generator=generator, device=where).to(self.device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n new pictures (n, C, H, W): decoded codes from the prior, if any loss has seen the prior.

        Raises:
            NotImplementedError: the discriminator judges reconstructions only and beta is 0.
        """
        if not self.beta and self.judged == "reconstructions":
            self._cannot(
                "sample",
                "the discriminator sees reconstructions only and nothing pulls the codes to a prior, so no law "
                "to draw a code from was learnt; give beta above 0, or judged='samples' or 'both' (chapter 3, "
                "'The derivation')",
            )
        return self.decode(self.prior(n, generator))


class PairedAEGAN(Method):
    """Learns from pairs (corrupted, clean) to undo a corruption, with a judge of the result, eq. (3.24).

    The restorer makes −log N(x; x̂, σ²I) + λ·L_adv small, in nats a picture, with x̂ = Dec(E(c)) and
    c = corrupt(x) (Isola et al., 2017, with a squared error for their L1).

    Args:
        corrupt: pictures (B, C, H, W) to what the restorer is given, the same shape. May be random.
        network: "conv" or "dense".
        code_size: numbers between encoder and decoder.
        shape: (C, H, W) of a picture.
        pairs: whether the discriminator sees the corrupted picture beside the clean one, so that it can judge
            if they belong together.
        weight: λ. With 0 there is no judge: a plain regression, the baseline.
        sigma: σ of a pixel.
        hidden: widths of the dense networks' hidden layers.
        width: channels of the convolutional networks at the side of the picture.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3
    betas = (0.5, 0.99)

    def __init__(
        self,
        corrupt: Callable[[Tensor], Tensor],
        network: str = "conv",
        code_size: int = 64,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        pairs: bool = True,
        weight: float = 1.0,
        sigma: float = 0.2,
        hidden: tuple[int, ...] = (128,),
        width: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if code_size < 1:
            raise ValueError(f"code_size is {code_size}: give at least 1.")
        _check_weights(sigma, weight=weight)
        self.shape, self.corrupt, self.pairs = (shape[0], shape[1], shape[2]), corrupt, pairs
        self.weight, self.sigma = weight, sigma
        seen = (shape[0] * (2 if pairs else 1), shape[1], shape[2])
        with seeded(seed):
            self.encoder, self.decoder = coder(network, code_size, self.shape, hidden, width)
            self.discriminator = _discriminator(network, seen, hidden, width)

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """The restorer (encoder and decoder) and, unless weight is 0, the discriminator."""
        restorer = [*self.encoder.parameters(), *self.decoder.parameters()]
        if not self.weight:
            return {"restorer": restorer}
        return {"discriminator": self.discriminator.parameters(), "restorer": restorer}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of eq. (3.24): the discriminator moves, then the restorer."""
        given = self.corrupt(x)
        x_hat = self.restore(given)
        parts = {"reconstruction": self.reconstruction_loss(x_hat, x)}
        if not self.weight:
            return {"restorer": update("restorer", parts["reconstruction"])}
        real, fake = self.shown(x, given), self.shown(x_hat, given)
        d = update(
            "discriminator", discriminator_loss(self.discriminator(real), self.discriminator(fake.detach()))
        )
        parts["adversarial"] = generator_loss(self.discriminator(fake))
        r = update("restorer", parts["reconstruction"] + self.weight * parts["adversarial"])
        return {"discriminator": d, "restorer": r, **{k: v.item() for k, v in parts.items()}}

    def shown(self, x: Tensor, given: Tensor) -> Tensor:
        """What the discriminator sees of a clean or restored picture x; `given` is what was corrupted.

        Returns:
            (B, 2C, H, W) with pairs, (B, C, H, W) without.
        """
        return torch.cat([given, x], dim=1) if self.pairs else x

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """−log N(x; x̂, σ²I) in nats a picture: a scalar.

        Args:
            x_hat: restored pictures (B, C, H, W).
            x: clean ones, the same shape.
        """
        return gaussian_nll(x_hat, x, math.log(self.sigma))

    def restore(self, given: Tensor) -> Tensor:
        """Corrupted pictures (B, C, H, W) to clean ones of the same shape, in [0, 1]."""
        if given.shape[1:] != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(f"given has shape {tuple(given.shape)}: this method takes (B, {expected}).")
        return torch.sigmoid(self.decoder(self.encoder(given)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Clean pictures (B, C, H, W), corrupted and restored."""
        return self.restore(self.corrupt(x))


class ContextEncoder(PairedAEGAN):
    """Fills a hole in a picture from what surrounds it, eq. (3.23) (Pathak et al., 2016).

    The error counts in the hole only, and the discriminator sees nothing but the hole.

    Args:
        mask: 1 where pixels are missing, 0 elsewhere, shape (H, W); the middle quarter when not given.
        options: of `PairedAEGAN`, except corrupt and pairs.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    mask: Tensor

    def __init__(self, mask: Tensor | None = None, **options: Any) -> None:
        height, width = tuple(options.get("shape", (1, 28, 28)))[1:]
        if mask is None:
            mask = torch.zeros(height, width)
            mask[height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
        holes = mask.sum().item()
        if mask.shape != (height, width) or not ((mask == 0) | (mask == 1)).all() or holes == 0:
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and {holes:g} missing pixels: give zeros and at least one "
                f"1, shape ({height}, {width})."
            )
        super().__init__(self.hide, pairs=False, **options)
        self.register_buffer("mask", mask.float(), persistent=False)

    def hide(self, x: Tensor) -> Tensor:
        """The pictures (B, C, H, W) with zeros in the hole."""
        return x * (1 - self.mask)

    def shown(self, x: Tensor, given: Tensor) -> Tensor:
        """The hole alone, everything around it black: (B, C, H, W)."""
        return x * self.mask

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """−log N(x; x̂, σ²I) of the missing pixels alone, in nats a picture: a scalar."""
        missing = self.mask.bool().expand(x.shape[1:])
        return gaussian_nll(x_hat[:, missing], x[:, missing], math.log(self.sigma))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) with the hole filled; outside it they are left as they are."""
        return self.hide(x) + self.restore(self.hide(x)) * self.mask


def degraded(x: Tensor, factor: int = 4, noise: float = 0.1) -> Tensor:
    """Pictures as a poor camera sees them: one grey value for each block of pixels, and noise on each pixel.

    Args:
        x: pictures (B, C, H, W).
        factor: side of a block, a divisor of H and W.
        noise: standard deviation of the Gaussian noise.

    Returns:
        The same shape; with noise, values may leave [0, 1].

    Raises:
        ValueError: the blocks do not fit the picture.
    """
    if factor < 1 or x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(f"factor is {factor}: give a divisor of the picture's sides {tuple(x.shape[-2:])}.")
    coarse = F.interpolate(F.avg_pool2d(x, factor), scale_factor=factor)
    return coarse + noise * torch.randn_like(x)


def _discriminator(
    network: str, shape: tuple[int, int, int], hidden: tuple[int, ...], width: int
) -> Discriminator:
    return conv_discriminator(shape, width) if network == "conv" else dense_discriminator(shape, hidden)


def _check_weights(sigma: float, **weights: float) -> None:
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma is {sigma}: give a positive number.")
    for name, value in weights.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value}: give a number that is not negative.")

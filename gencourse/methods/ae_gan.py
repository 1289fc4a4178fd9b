"""Chapter 3: an autoencoder and a discriminator in one game, in three forms."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.errors import need_number
from gencourse.losses import adaptive_weight, discriminator_loss, gaussian_nll, generator_loss
from gencourse.methods.coded import Coded
from gencourse.methods.priors import GaussianPrior
from gencourse.networks import Discriminator, Plan
from gencourse.training.method import Mover, seeded

__all__ = ["AEGAN", "AdaptiveAEGAN", "SamplingAEGAN"]


class AEGAN(Coded):
    """An autoencoder whose reconstructions a discriminator judges, eq. (3.3).

    The autoencoder makes L_rec + λ·L_adv small, the discriminator tells real pictures from reconstructions.
    Both terms are in nats a picture: L_rec is −log N(x; x̂, σ²I), summed over pixels, and L_adv the batch mean
    of −log σ(a(x̂)). With λ = 1 a nat of log p(x|z) weighs as much as a nat of log p/q.

    Args:
        network: "conv", "dense" (with the sizes 784-128-d-128-784 and 784-128-1 for 1×28×28), or a `Plan`.
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        weight: λ.
        sigma: σ of a pixel in L_rec.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3
    betas = (0.5, 0.99)
    hidden = (128,)
    discriminator: Discriminator
    lawless = (
        "the discriminator sees reconstructions only and nothing pulls the codes to a prior, so no law to draw a "
        "code from was learnt; take SamplingAEGAN or VAEGAN (chapter 3, 'The derivation')"
    )

    def __init__(
        self,
        network: str | Plan = "conv",
        code_size: int = 16,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        weight: float = 1.0,
        sigma: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__(network, code_size, shape)
        need_number("weight", weight, least=0)
        need_number("sigma", sigma, above=0)
        self.weight, self.sigma = weight, sigma
        with seeded(seed):
            self.encoder = self.plan.encoder(self.shape, code_size)
            self.decoder = self.plan.decoder(code_size, self.shape)
            self.discriminator = self.plan.discriminator(self.shape)

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Two players: encoder and decoder share their aim, the discriminator has the opposite one."""
        return {
            "discriminator": self.discriminator.parameters(),
            "autoencoder": [*self.encoder.parameters(), *self.decoder.parameters()],
        }

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of eq. (3.3): the discriminator moves, then the autoencoder, on the same pictures."""
        x_hat = self.decode(self.encode(x))
        fake = self.shown(x_hat)
        d = update("discriminator", discriminator_loss(self.score(x), self.score(fake.detach())))
        reconstruction = self.reconstruction_loss(x_hat, x)
        adversarial = generator_loss(self.score(fake))
        weight = self.adversarial_weight(reconstruction, adversarial)
        a = update("autoencoder", reconstruction + weight * adversarial)
        parts = {"reconstruction": reconstruction.detach(), "adversarial": adversarial.detach()}
        return {"discriminator": d, "autoencoder": a, **parts}

    def shown(self, x_hat: Tensor) -> Tensor:
        """What the discriminator is shown as made: the reconstructions (B, C, H, W)."""
        return x_hat

    def adversarial_weight(self, reconstruction: Tensor, adversarial: Tensor) -> float | Tensor:
        """λ, for these two losses (scalars that depend on the decoder)."""
        return self.weight

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """−log N(x; x̂, σ²I) in nats a picture: a scalar.

        Args:
            x_hat: reconstructions (B, C, H, W).
            x: pictures, the same shape.
        """
        self._need("x_hat", x_hat, *self.shape)
        self._need("x", x, *self.shape)
        return gaussian_nll(x_hat, x, math.log(self.sigma))

    def score(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to logits (B,): above zero means "real"."""
        self._need("x", x, *self.shape)
        return self.discriminator(x)

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the discriminator's last hidden layer, (B, F)."""
        self._need("x", x, *self.shape)
        return self.discriminator.features(x)


class AdaptiveAEGAN(AEGAN):
    """The hybrid whose λ follows the gradients at the decoder's last layer, eq. (3.15) (Esser et al., 2021).

    Args:
        options: of `AEGAN`; `weight` is the factor before the adaptive weight.
    """

    def adversarial_weight(self, reconstruction: Tensor, adversarial: Tensor) -> Tensor:
        """weight · ‖∇ L_rec‖ / ‖∇ L_adv‖ at the last layer; no gradient flows through it."""
        last = list(self.decoder.parameters())[-2]  # a weight; its bias is the very last
        return self.weight * adaptive_weight(reconstruction, adversarial, last)


class SamplingAEGAN(AEGAN):
    """The hybrid whose judge also sees decoded draws of the prior N(0, I), so that it can sample, eq. (3.11).

    Args:
        options: of `AEGAN`.
    """

    def __init__(
        self,
        network: str | Plan = "conv",
        code_size: int = 16,
        shape: tuple[int, int, int] = (1, 28, 28),
        **options: float,
    ) -> None:
        super().__init__(network, code_size, shape, **options)  # type: ignore[arg-type]  # seed is whole
        self.prior = GaussianPrior(code_size)

    def shown(self, x_hat: Tensor) -> Tensor:
        """Reconstructions, then as many decoded draws of the prior: (2B, C, H, W)."""
        return torch.cat([x_hat, self.decode(self.draw(len(x_hat)))])

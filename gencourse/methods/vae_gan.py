"""Chapter 3: the VAE-GAN, with its three losses sent to three networks."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.errors import need_number
from gencourse.losses import discriminator_loss, gaussian_nll, generator_loss, kl_to_standard_normal
from gencourse.methods.coded import Coded
from gencourse.methods.priors import GaussianPrior
from gencourse.networks import Discriminator, GaussianEncoder, Plan
from gencourse.training.method import Mover, seeded

__all__ = ["VAEGAN"]


class VAEGAN(Coded):
    """A VAE that compares pictures by a discriminator's features, and whose decoder is a generator, eq. (3.13).

    Three routes (Larsen et al., 2016):

    - the discriminator hears the game alone, with reconstructions and decoded draws of the prior as fakes;
    - the decoder hears similarity and game;
    - the encoder hears similarity and divergence, and nothing of the game.

    Their decoder makes γ·L_sim + L_adv small; here it is L_sim + λ·L_adv with λ = 1/γ, which differs by a
    factor only, and Adam does not feel one.

    Args:
        network: "conv", "dense", or a `Plan`.
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        weight: λ.
        sigma: σ of a feature in L_sim, eq. (3.12).
        beta: weight of the divergence, as in `VAE`.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3
    betas = (0.5, 0.99)
    hidden = (128,)
    encoder: GaussianEncoder
    discriminator: Discriminator

    def __init__(
        self,
        network: str | Plan = "conv",
        code_size: int = 16,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        weight: float = 1.0,
        sigma: float = 1.0,
        beta: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(network, code_size, shape)
        need_number("weight", weight, least=0)
        need_number("sigma", sigma, above=0)
        need_number("beta", beta, above=0)
        self.weight, self.sigma, self.beta = weight, sigma, beta
        self.prior = GaussianPrior(code_size)
        with seeded(seed):
            self.encoder = GaussianEncoder(self.plan.encoder(self.shape, 2 * code_size))
            self.decoder = self.plan.decoder(code_size, self.shape)
            self.discriminator = self.plan.discriminator(self.shape)

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Two players: encoder and decoder move together, each down what it hears."""
        return {
            "discriminator": self.discriminator.parameters(),
            "autoencoder": [*self.encoder.parameters(), *self.decoder.parameters()],
        }

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of eq. (3.13): the discriminator moves, then encoder and decoder."""
        mean, log_var = self.posterior(x)
        z = self.encoder.draw(mean, log_var)
        x_hat = self.decode(z)
        fake = self.shown(z)
        d = update("discriminator", discriminator_loss(self.score(x), self.score(fake.detach())))
        parts = {
            "reconstruction": self.reconstruction_loss(x_hat, x),
            "adversarial": generator_loss(self.score(fake)),
            "kl": kl_to_standard_normal(mean, log_var),
        }
        loss = parts["reconstruction"] + self.weight * parts["adversarial"] + self.beta * parts["kl"]
        a = update("autoencoder", loss)
        return {"discriminator": d, "autoencoder": a, **{name: part.detach() for name, part in parts.items()}}

    def shown(self, z: Tensor) -> Tensor:
        """Fakes for the judge: decoded codes z (B, code_size), then decoded draws of the prior, (2B, C, H, W).

        The codes are detached: what the judge says of the pictures reaches the decoder and stops there.
        """
        return torch.cat([self.decode(z.detach()), self.decode(self.draw(len(z)))])

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """L_sim: −log N of the discriminator's features, eq. (3.12), in nats a picture: a scalar.

        Args:
            x_hat: reconstructions (B, C, H, W).
            x: pictures, the same shape.
        """
        self._need("x_hat", x_hat, *self.shape)
        self._need("x", x, *self.shape)
        return gaussian_nll(self.features(x_hat), self.features(x).detach(), math.log(self.sigma))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, C, H, W) to the mean and the log variance of their codes, (B, code_size) each."""
        self._need("x", x, *self.shape)
        return self.encoder.posterior(x)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the means of their codes (B, code_size)."""
        return self.posterior(x)[0]

    def score(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to logits (B,): above zero means "real"."""
        self._need("x", x, *self.shape)
        return self.discriminator(x)

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the discriminator's last hidden layer, (B, F)."""
        self._need("x", x, *self.shape)
        return self.discriminator.features(x)

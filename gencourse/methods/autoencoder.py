"""Chapter 1: the autoencoder, and its linear, denoising and sparse variants."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.errors import need_number, need_one_of
from gencourse.losses import bernoulli_nll, l1_penalty, squared_error
from gencourse.methods.coded import Coded
from gencourse.networks import Plan
from gencourse.training.method import Mover, seeded

__all__ = ["Autoencoder"]

_LIKELIHOODS = ("gaussian", "bernoulli")


class Autoencoder(Coded):
    """Encoder and decoder trained together on one loss, eq. (1.1).

    Args:
        network: "dense", "conv", "linear" (one matrix each way: principal components, eq. (1.9)), or a `Plan`.
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        likelihood: "gaussian" for the squared error, "bernoulli" for the cross-entropy, eq. (1.5).
        noise: standard deviation of the Gaussian noise added to the encoder's input; the target stays
            clean, eq. (1.11). Zero for a plain autoencoder.
        sparsity: weight of the L1 penalty on the code, eq. (1.14). Zero for none.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    lawless = (
        "its loss says nothing about the distribution of the codes, so there is no law to draw a code from "
        "(chapter 1, 'What it is good for')"
    )

    def __init__(
        self,
        network: str | Plan = "dense",
        code_size: int = 32,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        likelihood: str = "gaussian",
        noise: float = 0.0,
        sparsity: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(network, code_size, shape)
        need_one_of("likelihood", likelihood, _LIKELIHOODS)
        need_number("noise", noise, least=0)
        need_number("sparsity", sparsity, least=0)
        linear = self.plan.kind == "linear"
        if linear and likelihood == "bernoulli":
            raise ValueError(
                "network is 'linear' and likelihood 'bernoulli': a linear decoder needs 'gaussian'."
            )
        self.likelihood, self.noise, self.sparsity = likelihood, noise, sparsity
        with seeded(seed):
            self.encoder = self.plan.encoder(self.shape, code_size)
            self.decoder = self.plan.decoder(code_size, self.shape)
        # A linear decoder must be able to reach every real number to be PCA; all others give pixels.
        self.output: nn.Module = nn.Identity() if linear else nn.Sigmoid()

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: the loss is shared, so encoder and decoder move together."""
        return {"autoencoder": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of eq. (1.1); with noise, of eq. (1.11); with sparsity, of eq. (1.14)."""
        z = self.encode(self.corrupt(x))
        return {"autoencoder": update("autoencoder", self.reconstruction_loss(z, x) + self.penalty(z))}

    def corrupt(self, x: Tensor) -> Tensor:
        """The picture with this method's noise on it; without noise, the picture itself."""
        self._need("x", x, *self.shape)
        return x + self.noise * torch.randn_like(x) if self.noise else x

    def penalty(self, z: Tensor) -> Tensor | float:
        """The price of codes (B, code_size) that are not sparse, eq. (1.14); without sparsity, 0."""
        self._need("z", z, self.code_size)
        return self.sparsity * l1_penalty(z) if self.sparsity else 0.0

    def reconstruction_loss(self, z: Tensor, x: Tensor) -> Tensor:
        """How badly the code z describes the picture x: a scalar, summed over pixels, mean over the batch."""
        self._need("z", z, self.code_size)
        if self.likelihood == "bernoulli":
            return bernoulli_nll(self.decoder(z), x)
        return squared_error(self.decode(z), x)

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W); a linear decoder's pixels may leave [0, 1]."""
        self._need("z", z, self.code_size)
        return self.output(self.decoder(z))

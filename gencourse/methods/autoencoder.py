"""Chapter 1: the autoencoder, and its linear, denoising and sparse variants."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.losses import bernoulli_nll, l1_penalty, squared_error
from gencourse.networks import coder
from gencourse.training.method import Method, Mover, seeded

__all__ = ["Autoencoder"]

_NETWORKS = ("dense", "conv", "linear")
_LIKELIHOODS = ("gaussian", "bernoulli")


class Autoencoder(Method):
    """Encoder and decoder trained together on one loss, eq. (1.1).

    Args:
        network: "dense", "conv", or "linear" (one matrix each way: principal components, eq. (1.9)).
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        hidden: widths of the dense encoder's hidden layers; the decoder mirrors them.
        width: channels of the convolutional network's first layer.
        likelihood: "gaussian" for the squared error, "bernoulli" for the cross-entropy, eq. (1.5).
        noise: standard deviation of the Gaussian noise added to the encoder's input; the target stays
            clean, eq. (1.11). Zero for a plain autoencoder.
        sparsity: weight of the L1 penalty on the code, eq. (1.14). Zero for none.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    def __init__(
        self,
        network: str = "dense",
        code_size: int = 32,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        hidden: tuple[int, ...] = (512, 256),
        width: int = 16,
        likelihood: str = "gaussian",
        noise: float = 0.0,
        sparsity: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if network not in _NETWORKS:
            raise ValueError(f"network is {network!r}: choose one of {', '.join(_NETWORKS)}.")
        if likelihood not in _LIKELIHOODS:
            raise ValueError(f"likelihood is {likelihood!r}: choose one of {', '.join(_LIKELIHOODS)}.")
        if network == "linear" and likelihood == "bernoulli":
            raise ValueError(
                "network is 'linear' and likelihood 'bernoulli': a linear decoder needs 'gaussian'."
            )
        if code_size < 1:
            raise ValueError(f"code_size is {code_size}: give at least 1.")
        if noise < 0 or sparsity < 0:
            raise ValueError(
                f"noise is {noise} and sparsity is {sparsity}: give numbers that are not negative."
            )
        shape = (shape[0], shape[1], shape[2])  # a list will do, too
        self.shape, self.code_size, self.network = shape, code_size, network
        self.likelihood, self.noise, self.sparsity = likelihood, noise, sparsity
        with seeded(seed):
            if network == "linear":  # dense, with nothing in between
                self.encoder, self.decoder = coder("dense", code_size, shape, hidden=())
            else:
                self.encoder, self.decoder = coder(network, code_size, shape, hidden, width)
        # A linear decoder must be able to reach every real number to be PCA; all others give pixels.
        self.output: nn.Module = nn.Identity() if network == "linear" else nn.Sigmoid()

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: the loss is shared, so encoder and decoder move together."""
        return {"autoencoder": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of eq. (1.1); with noise, of eq. (1.11)."""
        z = self.encode(self.corrupt(x))
        loss = self.reconstruction_loss(z, x)
        if self.sparsity:
            loss = loss + self.sparsity * l1_penalty(z)
        return {"autoencoder": update("autoencoder", loss)}

    def corrupt(self, x: Tensor) -> Tensor:
        """The picture with this method's noise on it; without noise, the picture itself."""
        return x + self.noise * torch.randn_like(x) if self.noise else x

    def reconstruction_loss(self, z: Tensor, x: Tensor) -> Tensor:
        """How badly the code z describes the picture x: a scalar, summed over pixels, mean over the batch."""
        if self.likelihood == "bernoulli":
            return bernoulli_nll(self.decoder(z), x)
        return squared_error(self.decode(z), x)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to codes (B, code_size)."""
        if x.shape[1:] != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(f"x has shape {tuple(x.shape)}: this autoencoder takes (B, {expected}).")
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W)."""
        return self.output(self.decoder(z))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """An autoencoder cannot: nothing in its loss says how codes are distributed."""
        self._cannot(
            "sample",
            "its loss says nothing about the distribution of the codes, so there is no law to draw a code from "
            "(chapter 1, 'What it is good for')",
        )

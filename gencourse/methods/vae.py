"""Chapter 3: the variational autoencoder, an autoencoder whose codes obey a known law."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.losses import bernoulli_nll, gaussian_nll, kl_to_standard_normal
from gencourse.networks import coder
from gencourse.training.method import Method, Mover, seeded

__all__ = ["VAE"]

_LIKELIHOODS = ("gaussian", "bernoulli")


class VAE(Method):
    """An encoder that answers with a Gaussian, a decoder, and the prior N(0, I): eqs. (3.6) to (3.9).

    The loss is −ELBO in nats a picture, for the observation model that `likelihood` names: the ELBO is a
    lower bound of log p(x), and equal to it where the encoder's Gaussian is the posterior (Kingma & Welling,
    2014). With "gaussian" a pixel is N(x̂, σ²), so that the squared error is weighted by 1 / (2σ²).

    Args:
        network: "conv" or "dense".
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        hidden: widths of the dense encoder's hidden layers; the decoder mirrors them.
        width: channels of the convolutional network's first layer.
        likelihood: "gaussian", or "bernoulli" for the cross-entropy, eq. (1.5).
        sigma: σ, standard deviation of a pixel; the bernoulli likelihood has none.
        beta: weight of the divergence; below 1 the loss need not be a bound (Higgins et al., 2017).
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3

    def __init__(
        self,
        network: str = "conv",
        code_size: int = 16,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        hidden: tuple[int, ...] = (512, 256),
        width: int = 16,
        likelihood: str = "gaussian",
        sigma: float = 0.2,
        beta: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if likelihood not in _LIKELIHOODS:
            raise ValueError(f"likelihood is {likelihood!r}: choose one of {', '.join(_LIKELIHOODS)}.")
        if code_size < 1:
            raise ValueError(f"code_size is {code_size}: give at least 1.")
        for name, value in (("sigma", sigma), ("beta", beta)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}: give a positive number.")
        self.shape, self.code_size = (shape[0], shape[1], shape[2]), code_size
        self.likelihood, self.sigma, self.beta = likelihood, sigma, beta
        with seeded(seed):
            self.encoder, self.decoder = coder(network, code_size, self.shape, hidden, width, per_number=2)

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: encoder and decoder raise the same bound."""
        return {"autoencoder": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of eq. (3.9). Records the loss and its two parts."""
        parts = self.loss_parts(x)
        loss = parts["reconstruction"] + self.beta * parts["kl"]
        return {"autoencoder": update("autoencoder", loss), **{k: v.item() for k, v in parts.items()}}

    def loss_parts(self, x: Tensor) -> dict[str, Tensor]:
        """The two parts of −ELBO, eq. (3.6), from one draw of each picture's code.

        Args:
            x: pictures (B, C, H, W).

        Returns:
            "reconstruction", −E log p(x|z), and "kl", KL(q(z|x) ‖ p(z)): scalars in nats a picture.
        """
        mean, log_var = self.posterior(x)
        logits = self.decoder(self.draw(mean, log_var))
        if self.likelihood == "bernoulli":
            reconstruction = bernoulli_nll(logits, x)
        else:
            reconstruction = gaussian_nll(torch.sigmoid(logits), x, math.log(self.sigma))
        return {"reconstruction": reconstruction, "kl": kl_to_standard_normal(mean, log_var)}

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, C, H, W) to the mean and the log variance of their codes, (B, code_size) each."""
        if x.shape[1:] != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(
                f"x has shape {tuple(x.shape)}: this {type(self).__name__} takes (B, {expected})."
            )
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        return mean, log_var

    def draw(self, mean: Tensor, log_var: Tensor) -> Tensor:
        """One code from each Gaussian, eq. (3.7): z = μ + σ ⊙ ε, through which gradients reach μ and σ."""
        return mean + torch.exp(log_var / 2) * torch.randn_like(mean)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the means of their codes (B, code_size)."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W): the mean of p(x|z), no pixel noise added."""
        return torch.sigmoid(self.decoder(z))

    def prior(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Codes for n new pictures from N(0, I), (n, code_size)."""
        where = self.device if generator is None else generator.device
        return torch.randn(n, self.code_size, generator=generator, device=where).to(self.device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n new pictures (n, C, H, W): decoded codes from the prior."""
        return self.decode(self.prior(n, generator))

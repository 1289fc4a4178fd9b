"""Chapter 3: the variational autoencoder, an autoencoder whose codes obey a known law."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.errors import need_number, need_one_of
from gencourse.losses import bernoulli_nll, gaussian_nll, kl_to_standard_normal
from gencourse.methods.coded import Coded
from gencourse.methods.priors import GaussianPrior
from gencourse.networks import GaussianEncoder, Plan
from gencourse.training.method import Mover, seeded

__all__ = ["VAE"]

_LIKELIHOODS = ("gaussian", "bernoulli")


class VAE(Coded):
    """An encoder that answers with a Gaussian, a decoder, and the prior N(0, I): eqs. (3.6) to (3.9).

    The loss is −ELBO in nats a picture, for the observation model that `likelihood` names: the ELBO is a
    lower bound of log p(x), and equal to it where the encoder's Gaussian is the posterior (Kingma & Welling,
    2014). With "gaussian" a pixel is N(x̂, σ²), so that the squared error is weighted by 1 / (2σ²).

    Args:
        network: "conv", "dense", or a `Plan`.
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        likelihood: "gaussian", or "bernoulli" for the cross-entropy, eq. (1.5).
        sigma: σ, standard deviation of a pixel; the bernoulli likelihood has none.
        beta: weight of the divergence; below 1 the loss need not be a bound (Higgins et al., 2017).
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3
    encoder: GaussianEncoder

    def __init__(
        self,
        network: str | Plan = "conv",
        code_size: int = 16,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        likelihood: str = "gaussian",
        sigma: float = 0.2,
        beta: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(network, code_size, shape)
        need_one_of("likelihood", likelihood, _LIKELIHOODS)
        need_number("sigma", sigma, above=0)
        need_number("beta", beta, above=0)
        self.likelihood, self.sigma, self.beta = likelihood, sigma, beta
        self.prior = GaussianPrior(code_size)
        with seeded(seed):
            self.encoder = GaussianEncoder(self.plan.encoder(self.shape, 2 * code_size))
            self.decoder = self.plan.decoder(code_size, self.shape)

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: encoder and decoder raise the same bound."""
        return {"autoencoder": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of eq. (3.9). Records the loss and its two parts."""
        parts = self.loss_parts(x)
        loss = update("autoencoder", parts["reconstruction"] + self.beta * parts["kl"])
        return {"autoencoder": loss, **{name: part.detach() for name, part in parts.items()}}

    def loss_parts(self, x: Tensor) -> dict[str, Tensor]:
        """The two parts of −ELBO, eq. (3.6), from one draw of each picture's code.

        Args:
            x: pictures (B, C, H, W).

        Returns:
            "reconstruction", −E log p(x|z), and "kl", KL(q(z|x) ‖ p(z)): scalars in nats a picture.
        """
        mean, log_var = self.posterior(x)
        logits = self.decoder(self.encoder.draw(mean, log_var))
        if self.likelihood == "bernoulli":
            reconstruction = bernoulli_nll(logits, x)
        else:
            reconstruction = gaussian_nll(torch.sigmoid(logits), x, math.log(self.sigma))
        return {"reconstruction": reconstruction, "kl": kl_to_standard_normal(mean, log_var)}

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, C, H, W) to the mean and the log variance of their codes, (B, code_size) each."""
        self._need("x", x, *self.shape)
        return self.encoder.posterior(x)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the means of their codes (B, code_size)."""
        return self.posterior(x)[0]

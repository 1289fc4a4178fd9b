"""Chapter 4: the adversarial autoencoder, whose codes a judge pulls to a prior, and the WAE, which needs no judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.errors import need_kind, need_number, need_one_of, need_size, need_sizes
from gencourse.losses import discriminator_loss, generator_loss, mmd, squared_error
from gencourse.methods.coded import Coded
from gencourse.methods.priors import GaussianPrior, Prior
from gencourse.networks import GaussianEncoder, NoisyEncoder, Plan, he_init, mlp
from gencourse.training.method import Mover, seeded
from gencourse.training.processes import whole_batch

__all__ = ["AAE", "WAE", "Matched"]

_ENCODERS = ("deterministic", "gaussian", "universal")


class Matched(Coded):
    """An autoencoder whose codes are matched to a prior: what the AAE and the WAE share.

    Args:
        network: "dense", "conv", or a `Plan`.
        code_size: numbers in z.
        shape: (C, H, W) of a picture.
        encoder: "deterministic", "gaussian" or "universal" (handed `encoder_noise` numbers of noise), eq. (4.8).
        prior: law that z is matched to; N(0, I) when not given.
        encoder_noise: numbers of noise for a universal encoder.
        noise: standard deviation of noise on the encoder's input while it learns to reconstruct; the target
            stays clean.
        seed: of the initial weights.
    """

    prior: Prior
    hidden = (512, 512)
    read = 0  # numbers that the encoder answers with beside the code
    told = 0  # numbers that the decoder is told beside the code

    def __init__(
        self,
        network: str | Plan = "dense",
        code_size: int = 8,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        encoder: str = "deterministic",
        prior: Prior | None = None,
        encoder_noise: int = 16,
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(network, code_size, shape)
        need_one_of("encoder", encoder, _ENCODERS)
        need_size("encoder_noise", encoder_noise)
        need_number("noise", noise, least=0)
        self.prior = GaussianPrior(code_size) if prior is None else prior
        need_kind("prior", self.prior, Prior, "a Prior, for example GaussianPrior(8), or None")
        if self.prior.size != code_size:
            raise ValueError(
                f"code_size is {code_size}, but the prior draws codes of {self.prior.size} numbers: give the same."
            )
        self.noise = noise
        with seeded(seed):
            self.encoder = self._encoder(encoder, encoder_noise)
            self.decoder = self.plan.decoder(code_size + self.told, self.shape)
            he_init(self.encoder)
            he_init(self.decoder)

    def _encoder(self, kind: str, noise_size: int) -> nn.Module:
        answer = self.read + self.code_size
        if kind == "gaussian":
            return GaussianEncoder(self.plan.encoder(self.shape, answer + self.code_size), self.read)
        if kind == "universal":  # the noise joins in front of one more hidden layer
            *hidden, features = self.plan.hidden
            body = replace(self.plan, hidden=tuple(hidden)).encoder(self.shape, features)
            return NoisyEncoder(body, features, noise_size, answer)
        return self.plan.encoder(self.shape, answer)

    def features(self, x: Tensor) -> Tensor:
        """Pictures to codes (B, code_size); for a Gaussian encoder the means, without the draw."""
        return self.posterior(x)[0] if isinstance(self.encoder, GaussianEncoder) else self.encode(x)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z|x), each (B, code_size); for a Gaussian encoder only."""
        self._need("x", x, *self.shape)
        if not isinstance(self.encoder, GaussianEncoder):
            self._cannot("give a posterior", "its encoder is not Gaussian")
        return self.encoder.posterior(x)

    def corrupt(self, x: Tensor) -> Tensor:
        """The pictures with this method's noise on them; without noise, the pictures themselves."""
        self._need("x", x, *self.shape)
        return x + self.noise * torch.randn_like(x) if self.noise else x

    def reconstruction_loss(self, x: Tensor) -> Tensor:
        """Eq. (4.1): a scalar, summed over pixels, mean over the batch."""
        return squared_error(self.reconstruct(self.corrupt(x)), x)


class AAE(Matched):
    """Adversarial autoencoder (Makhzani et al., 2015): a discriminator on codes pulls them to a prior.

    Args:
        network: "dense", "conv", or a `Plan`.
        code_size: numbers in z.
        shape: (C, H, W) of a picture.
        judge: widths of the discriminator's hidden layers.
        options: `encoder`, `prior`, `encoder_noise`, `noise` and `seed` of `Matched`.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    # The discriminators are small and must keep up with the encoder. With a short memory (0.5, 0.9) the players
    # follow each other instead of overshooting; `fit(average=0.998)` smooths what remains of the chase.
    learning_rate = 3e-4
    betas = (0.5, 0.9)
    rates: Mapping[str, float] = {"discriminator": 1e-3}
    seen = 0  # numbers that the judge is shown beside the code

    def __init__(
        self,
        network: str | Plan = "dense",
        code_size: int = 8,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        judge: tuple[int, ...] = (256, 256),
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(network, code_size, shape, seed=seed, **options)
        judge = need_sizes("judge", judge)
        with seeded(seed + 1):
            self._build_judges(judge)

    def _build_judges(self, hidden: tuple[int, ...]) -> None:
        """The discriminators of codes, with these hidden layers."""
        self.discriminator = mlp((self.code_size + self.seen, *hidden, 1))

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """The encoder's weights belong to two players: each phase has its own aim for them."""
        return {
            "autoencoder": [*self.encoder.parameters(), *self.decoder.parameters()],
            "discriminator": self.discriminator.parameters(),
            "encoder": self.encoder.parameters(),
        }

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch: reconstruction, eq. (4.1), the judge, eq. (4.3), and the encoder, eq. (4.4)."""
        a = update("autoencoder", self.reconstruction_loss(x))
        # One pass of the encoder serves both moves of the regularisation phase: between them it stands still.
        z, prior_z = self.encode(x), self.draw(len(x))
        d = update("discriminator", discriminator_loss(self.score(prior_z), self.score(z.detach())))
        e = update("encoder", generator_loss(self.score(z)))
        return {"autoencoder": a, "discriminator": d, "encoder": e}

    def score(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to logits (B,): above zero means "drawn from the prior"."""
        self._need("z", z, self.code_size)
        return self.discriminator(z).squeeze(1)


class WAE(Matched):
    """Wasserstein autoencoder with the MMD penalty (Tolstikhin et al., 2018, algorithm 2), eq. (4.10).

    Encoder and decoder make E‖x − x̂‖² + λ MMD²(codes, prior) small together: no adversary, no game.

    Args:
        network: "dense", "conv", or a `Plan`.
        code_size: numbers in a code.
        shape: (C, H, W) of a picture.
        weight: λ; the squared error is summed over pixels.
        options: `encoder`, `prior`, `encoder_noise`, `noise` and `seed` of `Matched`.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    least_batch = 2  # the unbiased estimate is over pairs

    def __init__(
        self,
        network: str | Plan = "dense",
        code_size: int = 8,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        weight: float = 100.0,
        **options: Any,
    ) -> None:
        need_number("weight", weight, least=0)
        super().__init__(network, code_size, shape, **options)
        self.weight = weight
        # the kernel's scale: for a Gaussian prior its std, for others that of a thousand draws
        draws = self.prior.draw(1000, generator=torch.Generator().manual_seed(0))
        self.std = self.prior.std if isinstance(self.prior, GaussianPrior) else draws.std(0).mean().item()

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: encoder and decoder share the loss."""
        return {"autoencoder": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of eq. (4.10); the MMD is that of the batch's codes and as many draws of the prior."""
        z = self.encode(self.corrupt(x))
        reconstruction = squared_error(self.decode(z), x)
        # pairs of rows: with several processes, those of all of them
        distance = mmd(whole_batch(z), whole_batch(self.draw(len(x))), self.std)
        loss = update("autoencoder", reconstruction + self.weight * distance)
        return {"autoencoder": loss, "reconstruction": reconstruction.detach(), "mmd": distance.detach()}

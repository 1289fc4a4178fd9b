"""Chapter 3: learning from pairs to undo a corruption, and to fill a hole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.errors import (
    need_callable,
    need_number,
    need_same_shape,
    need_shape,
    need_size,
    need_tensor,
    shown,
)
from gencourse.losses import discriminator_loss, gaussian_nll, generator_loss
from gencourse.networks import Plan
from gencourse.training.method import Method, Mover, seeded

__all__ = ["ContextEncoder", "HoleFiller", "PairedAEGAN", "Restorer", "degraded"]


class Restorer(Method):
    """Learns from pairs (corrupted, clean) to undo a corruption, by regression alone: the baseline of eq. (3.24).

    Encoder and decoder make −log N(x; x̂, σ²I) small, in nats a picture, with x̂ = Dec(E(c)) and c = corrupt(x).

    Args:
        corrupt: pictures (B, C, H, W) to what the restorer is given, the same shape. May be random.
        network: "conv", "dense", or a `Plan`.
        code_size: numbers between encoder and decoder.
        shape: (C, H, W) of a picture.
        sigma: σ of a pixel.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 2e-3
    betas = (0.5, 0.99)

    def __init__(
        self,
        corrupt: Callable[[Tensor], Tensor],
        network: str | Plan = "conv",
        code_size: int = 64,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        sigma: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        need_callable("corrupt", corrupt, "from pictures (B, C, H, W) to pictures of the same shape")
        need_size("code_size", code_size)
        need_number("sigma", sigma, above=0)
        self.shape, self.corrupt, self.sigma = need_shape("shape", shape), corrupt, sigma
        self.plan = network if isinstance(network, Plan) else Plan(network, (128,))
        with seeded(seed):
            self.encoder = self.plan.encoder(self.shape, code_size)
            self.decoder = self.plan.decoder(code_size, self.shape)
            self._build()

    def _build(self) -> None:
        """Further networks; the restorer alone needs none."""

    def accepts(self, x: Tensor, labels: Tensor | None) -> None:
        """See `Method.accepts`; the corruption must leave the shape as it is."""
        super().accepts(x, labels)
        given = self.corrupt(x.to(self.device))
        if not isinstance(given, Tensor) or given.shape != x.shape:
            raise ValueError(f"corrupt gives {shown(given)}: give a function that keeps {tuple(x.shape)}.")

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: encoder and decoder."""
        return {"restorer": [*self.encoder.parameters(), *self.decoder.parameters()]}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch: corrupt, restore, compare."""
        return {"restorer": update("restorer", self.reconstruction_loss(self.restore(self.corrupt(x)), x))}

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """−log N(x; x̂, σ²I) in nats a picture: a scalar.

        Args:
            x_hat: restored pictures (B, C, H, W).
            x: clean ones, the same shape.
        """
        self._need("x_hat", x_hat, *self.shape)
        self._need("x", x, *self.shape)
        return gaussian_nll(x_hat, x, math.log(self.sigma))

    def restore(self, given: Tensor) -> Tensor:
        """Corrupted pictures (B, C, H, W) to clean ones of the same shape, in [0, 1]."""
        self._need("given", given, *self.shape)
        return self.decoder(self.encoder(given)).sigmoid()

    def reconstruct(self, x: Tensor) -> Tensor:
        """Clean pictures (B, C, H, W), corrupted and restored."""
        self._need("x", x, *self.shape)
        return self.restore(self.corrupt(x))


class PairedAEGAN(Restorer):
    """A restorer whose results a discriminator judges, eq. (3.24): its loss gains λ·L_adv.

    The discriminator sees the corrupted picture beside the clean one, so that it can judge if they belong
    together (Isola et al., 2017, with a squared error for their L1).

    Args:
        corrupt: as for `Restorer`.
        weight: λ.
        options: of `Restorer`.
    """

    seen = 2  # pictures that the discriminator sees at a time

    def __init__(
        self, corrupt: Callable[[Tensor], Tensor], *networks: Any, weight: float = 1.0, **options: Any
    ) -> None:
        need_number("weight", weight, least=0)
        super().__init__(corrupt, *networks, **options)
        self.weight = weight

    def _build(self) -> None:
        """The discriminator."""
        channels, height, width = self.shape
        self.discriminator = self.plan.discriminator((self.seen * channels, height, width))

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """The discriminator, and the restorer."""
        return {"discriminator": self.discriminator.parameters(), **super().players()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of eq. (3.24): the discriminator moves, then the restorer."""
        given = self.corrupt(x)
        x_hat = self.restore(given)
        real, fake = self.shown(x, given), self.shown(x_hat, given)
        d_loss = discriminator_loss(self.discriminator(real), self.discriminator(fake.detach()))
        d = update("discriminator", d_loss)
        reconstruction = self.reconstruction_loss(x_hat, x)
        adversarial = generator_loss(self.discriminator(fake))
        r = update("restorer", reconstruction + self.weight * adversarial)
        parts = {"reconstruction": reconstruction.detach(), "adversarial": adversarial.detach()}
        return {"discriminator": d, "restorer": r, **parts}

    def shown(self, x: Tensor, given: Tensor) -> Tensor:
        """What the discriminator sees of a clean or restored picture x; `given` is what was corrupted.

        Returns:
            Both, one behind the other: (B, 2C, H, W).
        """
        self._need("x", x, *self.shape)
        self._need("given", given, *self.shape)
        need_same_shape("x", x, "given", given)
        return torch.cat([given, x], dim=1)


class _Hole(Restorer):
    """The corruption is a hole, and the error counts in the hole only, eq. (3.23)."""

    mask: Tensor
    missing: Tensor  # the same as numbers of pixels, so that picking them out waits for no device

    def __init__(self, mask: Tensor | None = None, **options: Any) -> None:
        channels, height, width = need_shape("shape", options.get("shape", (1, 28, 28)))
        if mask is None:
            mask = torch.zeros(height, width)
            mask[height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
        need_tensor("mask", mask, kind="any")
        holes = mask.sum().item()
        if mask.shape != (height, width) or not ((mask == 0) | (mask == 1)).all() or holes == 0:
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and {holes:g} missing pixels: give zeros and at least one "
                f"1, shape ({height}, {width})."
            )
        super().__init__(self.hide, **options)
        self.register_buffer("mask", mask.float(), persistent=False)
        missing = mask.bool().expand(channels, -1, -1).flatten().nonzero().squeeze(1)
        self.register_buffer("missing", missing, persistent=False)

    def hide(self, x: Tensor) -> Tensor:
        """The pictures (B, C, H, W) with zeros in the hole."""
        self._need("x", x, *self.shape)
        return x * (1 - self.mask)

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """−log N(x; x̂, σ²I) of the missing pixels alone, in nats a picture: a scalar."""
        self._need("x_hat", x_hat, *self.shape)
        self._need("x", x, *self.shape)
        x_hat, x = (pictures.flatten(1).index_select(1, self.missing) for pictures in (x_hat, x))
        return gaussian_nll(x_hat, x, math.log(self.sigma))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) with the hole filled; outside it they are left as they are."""
        self._need("x", x, *self.shape)
        return self.hide(x) + self.restore(self.hide(x)) * self.mask


class HoleFiller(_Hole):
    """Fills a hole in a picture from what surrounds it, by regression alone: the baseline of `ContextEncoder`.

    Args:
        mask: 1 where pixels are missing, 0 elsewhere, shape (H, W); the middle quarter when not given.
        options: of `Restorer`, except corrupt.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """


class ContextEncoder(_Hole, PairedAEGAN):
    """Fills a hole under the eyes of a judge who sees nothing but the hole, eq. (3.23) (Pathak et al., 2016).

    Args:
        mask: 1 where pixels are missing, 0 elsewhere, shape (H, W); the middle quarter when not given.
        options: of `PairedAEGAN`, except corrupt.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    seen = 1

    def shown(self, x: Tensor, given: Tensor) -> Tensor:
        """The hole alone, everything around it black: (B, C, H, W)."""
        self._need("x", x, *self.shape)
        return x * self.mask


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
    need_tensor("x", x, "(B, C, H, W)")
    need_size("factor", factor)
    need_number("noise", noise, least=0)
    if x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(f"factor is {factor}: give a divisor of the picture's sides {tuple(x.shape[-2:])}.")
    coarse = F.interpolate(F.avg_pool2d(x, factor), scale_factor=factor)
    return coarse + noise * torch.randn_like(x)

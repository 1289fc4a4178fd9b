"""What the methods with a code share: encoder, decoder, and the law that new codes are drawn from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gencourse.errors import need_shape, need_size
from gencourse.methods.priors import Prior
from gencourse.networks import Plan
from gencourse.training.method import Method

__all__ = ["Coded"]


class Coded(Method):
    """An encoder makes a code of a picture, a decoder makes a picture of a code.

    Attributes:
        encoder: pictures (B, C, H, W) to codes.
        decoder: codes (B, code_size) to logits of pixels.
        code_size: numbers in a code.
        plan: what the networks look like.
        prior: the law that new codes are drawn from; None where the losses say nothing about the codes.
        hidden: hidden widths of the dense networks when only their kind was named.
    """

    encoder: nn.Module
    decoder: nn.Module
    prior: Prior | None = None
    hidden: tuple[int, ...] = (512, 256)
    lawless = "its losses say nothing about the law of the codes"

    def __init__(self, network: str | Plan, code_size: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        need_size("code_size", code_size)
        self.plan = network if isinstance(network, Plan) else Plan(network, self.hidden)
        self.code_size, self.shape = code_size, need_shape("shape", shape)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to codes (B, code_size)."""
        self._need("x", x, *self.shape)
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W) in [0, 1]."""
        self._need("z", z, self.code_size)
        return self.decoder(z).sigmoid()

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n codes from the prior, (n, code_size), on the device of the weights."""
        if self.prior is None:
            self._cannot("draw a code", self.lawless)
        return self.prior.draw(n, generator=generator, device=self.device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n new pictures (n, C, H, W): decoded codes from the prior.

        Raises:
            NotImplementedError: there is no prior.
        """
        if self.prior is None:
            self._cannot("sample", self.lawless)
        return self.decode(self.draw(n, generator))

"""What the networks of a method look like: a small description that the method builds from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from gencourse.errors import need_one_of, need_shape, need_size, need_sizes
from gencourse.networks.conv import ConvDecoder, ConvEncoder
from gencourse.networks.gan import Discriminator, conv_discriminator, dense_discriminator
from gencourse.networks.mlp import mlp

__all__ = ["Plan"]

_KINDS = ("dense", "conv", "linear")


@dataclass(frozen=True)
class Plan:
    """The kind of network and its sizes, for example `Plan("dense", hidden=(88, 64))` or `Plan("conv", width=32)`.

    Args:
        kind: "dense" (hidden ReLU layers), "conv", or "linear" (one matrix each way).
        hidden: widths of the dense encoder's hidden layers; the decoder mirrors them.
        width: channels of the convolutional networks at the side of the picture; see `conv_stages` for the
            pictures that fit.

    Raises:
        ValueError: there is no such kind, or a size is not positive.
    """

    kind: str = "dense"
    hidden: tuple[int, ...] = (512, 256)
    width: int = 16

    def __post_init__(self) -> None:
        need_one_of("kind of network", self.kind, _KINDS)
        need_size("width", self.width)
        object.__setattr__(self, "hidden", need_sizes("hidden", self.hidden))  # a list will do, too

    def encoder(self, shape: tuple[int, int, int], outputs: int) -> nn.Module:
        """Pictures (B, C, H, W) to (B, outputs)."""
        shape = need_shape("shape", shape)
        need_size("outputs", outputs)
        if self.kind == "conv":
            return ConvEncoder(shape, outputs, self.width)
        return nn.Sequential(nn.Flatten(), *mlp((math.prod(shape), *self._layers, outputs)))

    def decoder(self, inputs: int, shape: tuple[int, int, int]) -> nn.Module:
        """The encoder's mirror image, (B, inputs) to (B, C, H, W): any real numbers, a sigmoid makes pixels of them."""
        need_size("inputs", inputs)
        shape = need_shape("shape", shape)
        if self.kind == "conv":
            return ConvDecoder(inputs, shape, self.width)
        layers = mlp((inputs, *reversed(self._layers), math.prod(shape)))
        return nn.Sequential(*layers, nn.Unflatten(1, shape))

    def discriminator(self, shape: tuple[int, int, int]) -> Discriminator:
        """A judge of pictures (C, H, W) in the style of these networks."""
        if self.kind == "conv":
            return conv_discriminator(shape, self.width)
        return dense_discriminator(shape, self.hidden)

    @property
    def _layers(self) -> tuple[int, ...]:
        return () if self.kind == "linear" else self.hidden

"""Encoder and decoder in a pair: what the autoencoders of all chapters are made of."""

from __future__ import annotations

import math

from torch import nn

from gencourse.errors import need_one_of, need_shape, need_size, need_sizes
from gencourse.networks.conv import ConvDecoder, ConvEncoder
from gencourse.networks.mlp import mlp

__all__ = ["coder"]


def coder(
    network: str,
    code_size: int,
    shape: tuple[int, int, int],
    hidden: tuple[int, ...] = (512, 256),
    width: int = 16,
    per_number: int = 1,
) -> tuple[nn.Module, nn.Module]:
    """An encoder (B, C, H, W) -> (B, per_number · code_size) and its mirror image, a decoder back to (B, C, H, W).

    The decoder's output is any real number; a sigmoid makes pixels of it.

    Args:
        network: "dense" or "conv".
        code_size: numbers in the code.
        shape: (C, H, W) of a picture; see `conv_stages` for the sizes that fit a convolutional pair.
        hidden: widths of the dense encoder's hidden layers; the decoder mirrors them.
        width: channels of the convolutional network's first layer.
        per_number: outputs of the encoder for each number of the code: 2 for a mean and a log variance.

    Raises:
        ValueError: there is no such network, or the picture's size does not fit.
    """
    need_one_of("network", network, ("dense", "conv"))
    need_size("code_size", code_size)
    shape = need_shape("shape", shape)
    hidden = need_sizes("hidden", hidden)
    need_size("width", width)
    need_size("per_number", per_number)
    if network == "conv":
        return ConvEncoder(shape, per_number * code_size, width), ConvDecoder(code_size, shape, width)
    pixels = math.prod(shape)
    encoder = nn.Sequential(nn.Flatten(), *mlp((pixels, *hidden, per_number * code_size)))
    decoder = nn.Sequential(*mlp((code_size, *reversed(hidden), pixels)), nn.Unflatten(1, shape))
    return encoder, decoder

"""Convolutional encoder and decoder: halve the picture until it is 4 to 7 pixels wide, and back."""

from __future__ import annotations

import math

from torch import Tensor, nn

from gencourse.errors import need_input, need_kind, need_shape, need_size

__all__ = ["ConvDecoder", "ConvEncoder", "conv_stages", "he_init"]

_SIDES = sorted({m * 2**k for m in (4, 5, 6, 7) for k in range(1, 7) if 28 <= m * 2**k <= 256})


def conv_stages(shape: tuple[int, int, int]) -> int:
    """How often a picture of this shape can be halved before its shorter side is less than 8 pixels.

    Args:
        shape: (C, H, W), 28 to 256 pixels a side. The shorter side decides how often; the longer one must be
            divisible as often.

    Raises:
        ValueError: the picture's size does not fit; the message names those that do.
    """
    _, height, width = need_shape("shape", shape)
    short, long = min(height, width), max(height, width)
    stages = 0
    while short > 7 * 2**stages:
        stages += 1
    if short not in _SIDES or long % 2**stages or long > 256:
        longer = (
            f" and the longer side a multiple of {2**stages}" if short in _SIDES and long != short else ""
        )
        raise ValueError(
            f"shape is {tuple(shape)}: the convolutional networks take pictures whose shorter side is one of "
            f"{', '.join(map(str, _SIDES))}{longer}, up to 256; resize with load_folder(..., size=) or use "
            "network='dense'."
        )
    return stages


def he_init(network: nn.Module) -> None:
    """Start every layer so that the size of its input survives a ReLU (He et al., 2015, eq. 10).

    Torch's own start makes each layer's output smaller than its input. Behind a sigmoid the signal of a
    short code is then too weak, and training can get stuck at one grey picture for all codes.
    """
    need_kind("network", network, nn.Module, "a network")
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            terms = layer.weight[0].numel()  # numbers that are added up for one output
            if isinstance(layer, nn.ConvTranspose2d):
                height, width = layer.stride  # only every stride-th kernel row and column meets an input
                terms = layer.weight[:, 0].numel() // (height * width)
            nn.init.normal_(layer.weight, std=math.sqrt(2 / terms))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ConvEncoder(nn.Module):
    """Picture to code: 4×4 convolutions of stride 2, then one linear layer.

    Args:
        shape: (C, H, W) of a picture.
        code_size: numbers in the code.
        width: channels after the first convolution; each further one doubles them, up to 8·width.
    """

    def __init__(self, shape: tuple[int, int, int], code_size: int, width: int = 32) -> None:
        super().__init__()
        need_size("code_size", code_size)
        need_size("width", width)
        self.takes = f"(B, {', '.join(map(str, need_shape('shape', shape)))})"
        channels, stages = shape[0], conv_stages(shape)
        layers: list[nn.Module] = []
        for stage in range(stages):
            out = width * 2 ** min(stage, 3)
            layers += [nn.Conv2d(channels, out, kernel_size=4, stride=2, padding=1), nn.ReLU()]
            channels = out
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels * (shape[1] >> stages) * (shape[2] >> stages), code_size)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, code_size)."""
        need_input("x", x, self.takes, self)
        return self.head(self.body(x).flatten(1))


class ConvDecoder(nn.Module):
    """Code to picture: the encoder's mirror image, with transposed convolutions. No output activation.

    Args:
        code_size: numbers in the code.
        shape: (C, H, W) of a picture.
        width: channels before the last convolution.
    """

    def __init__(self, code_size: int, shape: tuple[int, int, int], width: int = 32) -> None:
        super().__init__()
        need_size("code_size", code_size)
        need_size("width", width)
        self.takes = f"(B, {code_size})"
        stages = conv_stages(shape)
        widths = [width * 2 ** min(stage, 3) for stage in reversed(range(stages))]
        self.start = (widths[0], shape[1] >> stages, shape[2] >> stages)
        self.head = nn.Linear(code_size, math.prod(self.start))
        layers: list[nn.Module] = [nn.ReLU()]
        for n_in, n_out in zip(widths, [*widths[1:], shape[0]], strict=True):
            layers += [nn.ConvTranspose2d(n_in, n_out, kernel_size=4, stride=2, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers[:-1])
        he_init(self)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_size) to (B, C, H, W), any real number."""
        need_input("z", z, self.takes, self)
        return self.body(self.head(z).unflatten(1, self.start))

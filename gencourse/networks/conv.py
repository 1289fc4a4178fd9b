"""Convolutional encoder and decoder: halve the picture until it is 4 to 7 pixels wide, and back."""

from __future__ import annotations

import math

from torch import Tensor, nn

from gencourse.errors import need_input, need_kind, need_shape, need_size

__all__ = ["ConvDecoder", "ConvEncoder", "conv_stages", "he_init"]

_FITTING = sorted({m * 2**k for m in (4, 5, 6, 7) for k in range(1, 7) if 28 <= m * 2**k <= 256})


def conv_stages(shape: tuple[int, int, int]) -> int:
    """How often a picture of this shape can be halved before it is less than 8 pixels wide.

    Args:
        shape: (C, H, W) with H = W.

    Raises:
        ValueError: the picture is not square or its size does not fit; the message names those that do.
    """
    _, height, width = need_shape("shape", shape)
    if height != width or height not in _FITTING:
        raise ValueError(
            f"shape is {tuple(shape)}: the convolutional networks take square pictures of one of the sizes "
            f"{', '.join(map(str, _FITTING))}; resize with load_folder(..., size=) or use network='dense'."
        )
    stages = 0
    while height > 7:
        height, stages = height // 2, stages + 1
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
        channels, size, layers = shape[0], shape[1], []
        for stage in range(conv_stages(shape)):
            out = width * 2 ** min(stage, 3)
            layers += [nn.Conv2d(channels, out, kernel_size=4, stride=2, padding=1), nn.ReLU()]
            channels, size = out, size // 2
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels * size * size, code_size)
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
        size = shape[1] // 2**stages
        self.start = (widths[0], size, size)
        self.head = nn.Linear(code_size, widths[0] * size * size)
        layers: list[nn.Module] = [nn.ReLU()]
        for n_in, n_out in zip(widths, [*widths[1:], shape[0]], strict=True):
            layers += [nn.ConvTranspose2d(n_in, n_out, kernel_size=4, stride=2, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers[:-1])
        he_init(self)

    def forward(self, z: Tensor) -> Tensor:
        """(B, code_size) to (B, C, H, W), any real number."""
        need_input("z", z, self.takes, self)
        return self.body(self.head(z).unflatten(1, self.start))

"""Generators and discriminators: dense, convolutional, and the sizes of a widely copied DCGAN.

A generator turns noise (B, noise_size) into logits of pixels (B, C, H, W): a sigmoid makes a picture of them. A
discriminator turns pictures into logits (B,). With `classes` above zero both also take labels y (B,).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gencourse.errors import (
    need_input,
    need_kind,
    need_labels,
    need_same_device,
    need_shape,
    need_size,
    need_sizes,
)
from gencourse.networks.conv import conv_stages, he_init

__all__ = [
    "Discriminator",
    "Generator",
    "UpsampleConv2d",
    "conv_discriminator",
    "conv_generator",
    "dcgan_discriminator",
    "dcgan_generator",
    "dense_discriminator",
    "dense_generator",
    "has_batch_norm",
    "normalise_spectrum",
]

# The share of the new batch in the running statistics. It goes by name: torch's second positional
# argument of a batch norm is eps, and 0.8 written there shrinks what comes out.
_MOMENTUM = 0.2


class Generator(nn.Module):
    """Noise to logits of pixels, with or without labels.

    Args:
        body: (B, noise_size + classes) to (B, C, H, W).
        noise_size: numbers of noise for one picture.
        classes: how many labels there are; 0 for a generator without.
    """

    def __init__(self, body: nn.Module, noise_size: int, classes: int = 0) -> None:
        super().__init__()
        need_kind("body", body, nn.Module, "a network")
        need_size("noise_size", noise_size)
        need_size("classes", classes, least=0)
        self.body, self.noise_size, self.classes = body, noise_size, classes

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, noise_size) and, with classes, labels (B,) to (B, C, H, W), any real number."""
        need_input("z", z, f"(B, {self.noise_size})", self)
        if self.classes:
            y = _needed(y, "z", z, self.classes)
            z = torch.cat([z, F.one_hot(y, self.classes).to(z.dtype)], dim=1)
        return self.body(z)


class Discriminator(nn.Module):
    """Pictures to logits, with or without labels.

    A label enters as a projection (Miyato & Koyama, 2018, eq. 3): the logit gains the inner product of the
    last hidden layer with a vector that is learnt for each class.

    Args:
        body: (B, C, H, W) to (B, width), the hidden layers.
        width: numbers in the last hidden layer.
        classes: how many labels there are; 0 for a discriminator without.
    """

    def __init__(self, body: nn.Module, width: int, classes: int = 0) -> None:
        super().__init__()
        need_kind("body", body, nn.Module, "a network")
        need_size("width", width)
        need_size("classes", classes, least=0)
        self.body, self.head = body, nn.Linear(width, 1)
        self.label = nn.Embedding(classes, width) if classes else None
        if self.label is not None:
            nn.init.normal_(self.label.weight, std=0.02)  # labels start with no say

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the last hidden layer, (B, width)."""
        need_input("x", x, "(B, D, ...)", self)
        hidden = self.body(x)
        if hidden.shape[1:] != (self.head.in_features,):
            raise ValueError(
                f"x has shape {tuple(x.shape)}: the body makes {tuple(hidden.shape)} of it in place of "
                f"(B, {self.head.in_features})."
            )
        return hidden

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Pictures (B, C, H, W) and, with classes, labels (B,) to logits (B,)."""
        hidden = self.features(x)
        logits = self.head(hidden).squeeze(1)
        if self.label is not None:
            logits = logits + (self.label(_needed(y, "x", x, self.label.num_embeddings)) * hidden).sum(1)
        return logits


class UpsampleConv2d(nn.Conv2d):
    """Double the picture (nearest neighbour), then convolve 3×3, written as one transposed convolution.

    Of the nine numbers that a 3×3 window sees in a doubled picture, at most four differ. The 4×4 kernel of
    stride 2 adds up the weights that meet the same pixel: the same result for less than half of the work.
    The kernel lies in memory with its channels last, and so do the pictures that come out: processors multiply whole
    rows of channels.

    Args:
        n_in: channels that come in.
        n_out: channels that go out.
    """

    spread: Tensor
    apart = False  # whether the two are done apart, one after the other

    def __init__(self, n_in: int, n_out: int) -> None:
        need_size("n_in", n_in)
        need_size("n_out", n_out)
        super().__init__(n_in, n_out, kernel_size=3, padding=1)
        rows = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
        self.register_buffer("spread", rows, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) to (B, n_out, 2H, 2W)."""
        need_input("x", x, f"(B, {self.in_channels}, H, W)", self)
        if self.apart:
            return super().forward(F.interpolate(x, scale_factor=2.0))
        kernel = torch.einsum("pk,ql,oikl->iopq", self.spread, self.spread, self.weight)
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


def dense_generator(
    noise_size: int,
    shape: tuple[int, int, int],
    hidden: tuple[int, ...] = (128, 256, 512, 1024),
    classes: int = 0,
) -> Generator:
    """Linear layers with batch norm in all but the first; 1 510 032 parameters for 100 numbers and 1×28×28.

    Args:
        noise_size: numbers of noise for one picture.
        shape: (C, H, W) of a picture, any size.
        hidden: widths of the hidden layers.
        classes: how many labels there are; 0 for none.
    """
    shape, hidden = _checked(shape, classes, noise_size), need_sizes("hidden", hidden)
    layers: list[nn.Module] = []
    n_in = noise_size + classes
    for index, n_out in enumerate(hidden):
        layers.append(nn.Linear(n_in, n_out))
        if index > 0:
            layers.append(nn.BatchNorm1d(n_out, momentum=_MOMENTUM))
        layers.append(nn.LeakyReLU(0.2))
        n_in = n_out
    layers += [nn.Linear(n_in, math.prod(shape)), nn.Unflatten(1, shape)]
    return Generator(nn.Sequential(*layers), noise_size, classes)


def dense_discriminator(
    shape: tuple[int, int, int], hidden: tuple[int, ...] = (512, 256), classes: int = 0
) -> Discriminator:
    """Linear layers with leaky ReLUs, no batch norm; 533 505 parameters for 1×28×28.

    Args:
        shape: (C, H, W) of a picture, any size.
        hidden: widths of the hidden layers.
        classes: how many labels there are; 0 for none.
    """
    shape, hidden = _checked(shape, classes), need_sizes("hidden", hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    n_in = math.prod(shape)
    for n_out in hidden:
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2)]
        n_in = n_out
    return Discriminator(nn.Sequential(*layers), n_in, classes)


def conv_generator(
    noise_size: int,
    shape: tuple[int, int, int],
    width: int = 16,
    classes: int = 0,
    batch_norm: bool = False,
) -> Generator:
    """One linear layer, then 4×4 transposed convolutions of stride 2 up to the size of the picture.

    Args:
        noise_size: numbers of noise for one picture.
        shape: (C, H, W) of a picture; see `conv_stages` for the sizes that fit.
        width: channels before the last convolution; each earlier one has twice as many, up to 8·width.
        classes: how many labels there are; 0 for none.
        batch_norm: whether hidden layers are normalised over the batch.

    Raises:
        ValueError: the picture's size does not fit; the message names those that do.
    """
    shape = _checked(shape, classes, noise_size)
    need_size("width", width)
    stages = conv_stages(shape)
    widths = [width * 2 ** min(stage, 3) for stage in reversed(range(stages))]
    start = (widths[0], shape[1] >> stages, shape[2] >> stages)

    def hidden(channels: int) -> list[nn.Module]:
        norm: list[nn.Module] = [nn.BatchNorm2d(channels, momentum=_MOMENTUM)] if batch_norm else []
        return [*norm, nn.ReLU()]

    layers = [nn.Linear(noise_size + classes, math.prod(start)), nn.Unflatten(1, start), *hidden(widths[0])]
    for n_in, n_out in pairwise(widths):
        layers += [nn.ConvTranspose2d(n_in, n_out, kernel_size=4, stride=2, padding=1), *hidden(n_out)]
    layers.append(nn.ConvTranspose2d(widths[-1], shape[0], kernel_size=4, stride=2, padding=1))
    network = Generator(nn.Sequential(*layers), noise_size, classes)
    he_init(network)
    return network


def conv_discriminator(shape: tuple[int, int, int], width: int = 16, classes: int = 0) -> Discriminator:
    """4×4 convolutions of stride 2 with leaky ReLUs, then one linear layer. No batch norm, no dropout.

    It judges each picture by itself, so that `gradient_penalty` and `r1_penalty` mean what they say.

    Args:
        shape: (C, H, W) of a picture; see `conv_stages` for the sizes that fit.
        width: channels after the first convolution; each further one doubles them, up to 8·width.
        classes: how many labels there are; 0 for none.

    Raises:
        ValueError: the picture's size does not fit; the message names those that do.
    """
    shape = _checked(shape, classes)
    need_size("width", width)
    channels, stages = shape[0], conv_stages(shape)
    layers: list[nn.Module] = []
    for stage in range(stages):
        out = width * 2 ** min(stage, 3)
        layers += [nn.Conv2d(channels, out, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels = out
    pixels = (shape[1] >> stages) * (shape[2] >> stages)
    return Discriminator(nn.Sequential(*layers, nn.Flatten()), channels * pixels, classes)


def dcgan_generator(noise_size: int, shape: tuple[int, int, int], classes: int = 0) -> Generator:
    """The DCGAN generator that is copied most often; 1 049 985 parameters for 100 numbers and 1×32×32.

    It stands here to compare speeds with; `conv_generator` is leaner.

    Args:
        noise_size: numbers of noise for one picture.
        shape: (C, H, W) of a picture, both sides multiples of 16.
        classes: how many labels there are; 0 for none.

    Raises:
        ValueError: the picture's size does not fit.
    """
    shape = _checked(shape, classes, noise_size)
    rows, columns = (4 * side for side in _sixteenths(shape))
    body = nn.Sequential(
        nn.Linear(noise_size + classes, 128 * rows * columns),
        nn.Unflatten(1, (128, rows, columns)),
        nn.BatchNorm2d(128),
        UpsampleConv2d(128, 128),
        nn.BatchNorm2d(128, momentum=_MOMENTUM),
        nn.LeakyReLU(0.2),
        UpsampleConv2d(128, 64),
        nn.BatchNorm2d(64, momentum=_MOMENTUM),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, shape[0], kernel_size=3, padding=1),
    )
    return Generator(body, noise_size, classes)


def dcgan_discriminator(shape: tuple[int, int, int], classes: int = 0) -> Discriminator:
    """The discriminator that goes with `dcgan_generator`; 98 113 parameters for 1×32×32.

    It has batch norm: real and generated pictures must come in separate batches, and the gradient penalties
    mean nothing.

    Args:
        shape: (C, H, W) of a picture, both sides multiples of 16.
        classes: how many labels there are; 0 for none.

    Raises:
        ValueError: the picture's size does not fit.
    """
    shape = _checked(shape, classes)
    rows, columns = _sixteenths(shape)
    channels = shape[0]
    layers: list[nn.Module] = []
    for out in (16, 32, 64, 128):
        layers += [nn.Conv2d(channels, out, kernel_size=3, stride=2, padding=1)]
        layers += [nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
        if out > 16:
            layers.append(nn.BatchNorm2d(out, momentum=_MOMENTUM))
        channels = out
    return Discriminator(nn.Sequential(*layers, nn.Flatten()), 128 * rows * columns, classes)


def has_batch_norm(network: nn.Module) -> bool:
    """Whether what the network says of one sample depends on the rest of the batch."""
    need_kind("network", network, nn.Module, "a network")
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


def normalise_spectrum(network: nn.Module) -> None:
    """Divide the weights of every layer by their largest singular value, eq. (2.12): W / σ(W).

    One power iteration a forward pass keeps the singular value up to date (Miyato et al., 2018). A
    convolution's kernel counts as a matrix with one row for each output channel.

    Args:
        network: changed in place.
    """
    need_kind("network", network, nn.Module, "a network")
    for layer in list(network.modules()):
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            spectral_norm(layer)


def _needed(y: Tensor | None, of: str, samples: Tensor, classes: int) -> Tensor:
    if y is None:
        raise ValueError("y is None: this network was built with classes, so give a label for each sample.")
    need_labels("y", y, len(samples), classes, of=of)
    need_same_device("y", y, of, samples)
    return y


def _checked(shape: tuple[int, int, int], classes: int, noise_size: int = 1) -> tuple[int, int, int]:
    """The shape; an error if it or another number of a network cannot be used."""
    need_size("noise_size", noise_size)
    need_size("classes", classes, least=0)
    return need_shape("shape", shape)


def _sixteenths(shape: tuple[int, int, int]) -> tuple[int, int]:
    _, height, width = shape
    if min(height, width) < 16 or height % 16 or width % 16:
        raise ValueError(
            f"shape is {tuple(shape)}: the DCGAN takes pictures whose sides are multiples of 16, for example 32 "
            "or 64."
        )
    return height // 16, width // 16

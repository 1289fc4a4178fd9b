"""Pictures changed at random, in a way that gradients pass: one network input becomes many."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.errors import need_kind, need_number, need_tensor

__all__ = ["Augment"]


@dataclass(frozen=True)
class Augment:
    """Random changes that leave a picture what it is; each picture of a mini-batch gets its own.

    Two uses, and they are not the same. `fit(augment=…)` changes the pictures that any method learns from. A GAN
    would learn to draw changed pictures that way. `GAN(augment=…)` instead shows its discriminator both real and
    generated pictures changed, so that it has less to learn by heart; the changes are differentiable, so the generator
    still learns through them (Zhao et al., 2020, "Differentiable Augmentation for Data-Efficient GAN Training": colour
    1, shift 1/8, cutout 1/2).

    Args:
        flip: turn left and right round, every other time. Not for digits or letters.
        shift: up to this share of the side, up, down, left or right, by whole pixels. What comes in is black.
        crop: stretch a part of the picture to the whole; up to this share of its side is cut off.
        colour: strength of changed brightness (± colour/2), saturation and contrast (factors 1 ± colour and
            1 ± colour/2). Values may leave [0, 1].
        cutout: a black square of this share of the side, anywhere.

    Raises:
        TypeError, ValueError: an argument cannot be used; the sentence says what to give.
    """

    flip: bool = False
    shift: float = 0.0
    crop: float = 0.0
    colour: float = 0.0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        need_kind("flip", self.flip, bool, "True or False")
        for name in ("shift", "crop", "colour", "cutout"):
            value = getattr(self, name)
            need_number(name, value, least=0, most=1)
            object.__setattr__(self, name, float(value))
        need_number("crop", self.crop, least=0, below=1)

    def __call__(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to changed ones of the same shape; torch's own random numbers."""
        need_tensor("x", x, "(B, C, H, W)", empty=True)
        if self.colour:
            x = _recolour(x, self.colour)
        if self.flip:
            x = torch.where(_draw(x) < 0.5, x.flip(3), x)
        if self.crop:
            x = _crop(x, self.crop)
        if self.shift:
            x = _shift(_shift(x, self.shift, axis=2), self.shift, axis=3)
        if self.cutout:
            x = x * _outside_square(x, self.cutout)
        return x


def _draw(x: Tensor) -> Tensor:
    """A number from 0 to 1 for each picture, shape (B, 1, 1, 1)."""
    return torch.rand(len(x), 1, 1, 1, device=x.device, dtype=x.dtype)


def _recolour(x: Tensor, strength: float) -> Tensor:
    x = x + (_draw(x) - 0.5) * strength
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (1 + (2 * _draw(x) - 1) * strength)
    middle = x.mean((1, 2, 3), keepdim=True)
    return middle + (x - middle) * (1 + (_draw(x) - 0.5) * strength)


def _crop(x: Tensor, most: float) -> Tensor:
    """A window of 1 − most to 1 of the side, anywhere inside, stretched to the whole."""
    scale = 1 - most * _draw(x).flatten()
    # in affine_grid's units the picture goes from −1 to 1
    right, down = ((2 * _draw(x).flatten() - 1) * (1 - scale) for _ in range(2))
    nothing = torch.zeros_like(scale)
    rows = torch.stack([torch.stack([scale, nothing, right], 1), torch.stack([nothing, scale, down], 1)], 1)
    grid = F.affine_grid(rows, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _shift(x: Tensor, most: float, axis: int) -> Tensor:
    """Move along one axis. By index, so that the gradient is the same in every run, also on an accelerator."""
    length = x.shape[axis]
    reach = round(most * length)
    by = torch.randint(-reach, reach + 1, (len(x), 1, 1, 1), device=x.device)
    form = [1, 1, 1, 1]
    form[axis] = length
    source = torch.arange(length, device=x.device).view(form) - by
    inside = (source >= 0) & (source < length)
    return x.gather(axis, source.clamp(0, length - 1).expand_as(x)) * inside


def _outside_square(x: Tensor, share: float) -> Tensor:
    """0 in the square and 1 elsewhere, shape (B, 1, H, W)."""
    rows, columns = (
        _inside(torch.arange(n, device=x.device), torch.rand(len(x), 1, device=x.device), share)
        for n in x.shape[2:]
    )
    return (~(rows[:, :, None] & columns[:, None, :]))[:, None].to(x.dtype)


def _inside(places: Tensor, draw: Tensor, share: float) -> Tensor:
    """Which places along one axis the square covers, (B, n): its middle may lie anywhere, also at the edge."""
    middle = (draw * len(places)).floor()
    start = middle - len(places) * share / 2
    return (places >= start) & (places < start + len(places) * share)

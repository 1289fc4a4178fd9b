"""Coloured shapes, drawn by a formula: a set of pictures that ships as code."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gencourse.data.dataset import ImageDataset
from gencourse.errors import need_seed, need_whole

__all__ = ["shapes"]

KINDS = ("circle", "flower", "square", "star", "triangle")
"""The classes, in the order in which `load_folder` numbers folders of these names."""

_CORNERS = {"square": (4, math.cos(math.pi / 4)), "star": (5, 0.45), "triangle": (3, math.cos(math.pi / 3))}
_AT_ONCE = 256  # pictures that are drawn together: floats take four times the bytes of the finished ones


def shapes(count: int, size: int = 64, seed: int = 0) -> ImageDataset:
    """Draw pictures of one coloured shape each, on a light ground, with its kind as label.

    Place, size, turn, colour and light are drawn at random, independently of the kind. An outline is the distance from
    the centre as a function of the angle θ: 1 for a circle, (1 + 0.35 cos 5θ)/1.35 for a flower, and straight lines
    between corners at distance 1 and valleys between them for square, star and triangle.

    Args:
        count: how many pictures.
        size: side of the square in pixels, from 16 to 512.
        seed: of everything random.

    Returns:
        Pictures uint8 (count, 3, size, size), with labels 0 to 4: circle, flower, square, star, triangle.

    Raises:
        TypeError: an argument is not a whole number.
        ValueError: count is not positive, size is not from 16 to 512, or the seed is negative.
    """
    need_whole("count", count, 1, 10**7)
    need_whole("size", size, 16, 512)
    need_seed("seed", seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(KINDS), (count,), generator=generator)
    drawn = torch.rand(count, 9, generator=generator)
    images = torch.empty(count, 3, size, size, dtype=torch.uint8)
    for rows in torch.arange(count).split(_AT_ONCE):
        images[rows] = _draw(labels[rows], drawn[rows], size).mul(255).round().to(torch.uint8)
    return ImageDataset(images, labels, "shapes", KINDS)


def _draw(labels: Tensor, drawn: Tensor, size: int) -> Tensor:
    """Pictures (B, 3, size, size) in [0, 1] from labels (B,) and uniform numbers (B, 9)."""
    radius = 0.26 + 0.12 * drawn[:, 0]  # in sides of the picture
    room = (0.5 - radius - 1 / size).clamp(
        0, 0.06
    )  # how far from the middle; the rim of the picture stays empty
    place = 0.5 + (2 * drawn[:, 1:3] - 1) * room[:, None]
    turn, hue, ground = 2 * math.pi * drawn[:, 3], 0.8 + 0.35 * drawn[:, 4], drawn[:, 5]
    light, slope = 0.75 + 0.25 * drawn[:, 6], 0.3 * (2 * drawn[:, 7:9] - 1)
    at = (torch.arange(size) + 0.5) / size
    dx, dy = at[None, None, :] - place[:, 0, None, None], at[None, :, None] - place[:, 1, None, None]
    angle, distance = torch.atan2(dy, dx) + turn[:, None, None], torch.hypot(dx, dy)
    outline = torch.empty_like(angle)
    for number, kind in enumerate(KINDS):
        own = labels == number
        outline[own] = _outline(kind, angle[own])
    # the share of a pixel that is covered, seen along the ray from the centre
    inside = ((radius[:, None, None] * outline - distance) * size + 0.5).clamp(0, 1)[:, None]
    shade = 1 + (slope[:, 0, None, None] * dx + slope[:, 1, None, None] * dy)[:, None]
    colour = _colour(hue, 0.95) * light[:, None]
    return (inside * colour[:, :, None, None] * shade + (1 - inside) * _paper(ground)).clamp(0, 1)


def _outline(kind: str, angle: Tensor) -> Tensor:
    """Distance of the outline from the centre, at most 1, at each angle."""
    if kind == "circle":
        return torch.ones_like(angle)
    if kind == "flower":
        return (1 + 0.35 * torch.cos(5 * angle)) / 1.35
    corners, valley = _CORNERS[kind]
    half = math.pi / corners
    # folded onto one half of one corner: 0 at the corner, `half` at the valley
    folded = (torch.remainder(angle, 2 * half) - half).abs()
    folded = half - folded
    return valley * math.sin(half) / (valley * torch.sin(half - folded) + torch.sin(folded))


def _colour(hue: Tensor, strength: float) -> Tensor:
    """Hues (B,) in [0, 1] to red, green and blue (B, 3)."""
    thirds = torch.arange(3) / 3
    return 0.5 + strength / 2 * torch.cos(2 * math.pi * (hue[:, None] + thirds))


def _paper(ground: Tensor) -> Tensor:
    """Light colours (B, 3, 1, 1)."""
    return (0.9 + 0.1 * _colour(ground, 1.0))[:, :, None, None]

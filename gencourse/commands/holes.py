"""What `gencourse inpaint` hides."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["HOLES", "hole"]

HOLES = ("middle", "left", "right", "top", "bottom", "random")


def hole(name: str, shape: tuple[int, int, int], share: float, patch: int, n: int, seed: int) -> Tensor:
    """Masks of pixels, (n, 1, H, W), True where something is missing.

    Args:
        name: one of `HOLES`.
        shape: (C, H, W) of the pictures.
        share: of "random": how many of the patches.
        patch: their side in pixels.
        n: how many pictures.
        seed: of "random".
    """
    _, height, width = shape
    mask = torch.zeros(n, 1, height, width, dtype=torch.bool)
    if name == "random":
        rows, columns = height // patch, width // patch
        draws = torch.rand(n, rows * columns, generator=torch.Generator().manual_seed(seed))
        count = min(max(1, round(share * rows * columns)), rows * columns - 1)
        chosen = torch.zeros(n, rows * columns, dtype=torch.bool).scatter(1, draws.topk(count).indices, True)
        return chosen.view(n, 1, rows, columns).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    parts = {
        "middle": (slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)),
        "left": (slice(None), slice(width // 2)),
        "right": (slice(None), slice(width // 2, None)),
        "top": (slice(height // 2), slice(None)),
        "bottom": (slice(height // 2, None), slice(None)),
    }
    mask[:, :, parts[name][0], parts[name][1]] = True
    return mask

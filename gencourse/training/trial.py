"""What short trials of a method share: mini-batches without end, and an honest look at the clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["endless", "wait_for"]


def endless(
    data: Any, batch_size: int, device: torch.device | str, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled whole mini-batches without end; the data as one if there are fewer pictures."""
    shuffle = torch.Generator().manual_seed(seed)
    batch_size = min(batch_size, len(data))
    while True:
        for x, y in data.batches(batch_size, device=device, generator=shuffle):
            if len(x) == batch_size:
                yield x, y


def wait_for(device: torch.device) -> None:
    """Until the device has done what it was given: before a look at the clock."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

"""What short trials of a method share: mini-batches without end, and an honest look at the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gencourse.errors import need_kind, shown
from gencourse.training.method import Method

__all__ = ["endless", "need_watch", "wait_for", "watched"]


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


def need_watch(method: Method, watch: str | None) -> None:
    """With one player the loss that should fall is known; with several it must be said."""
    if watch is not None:
        need_kind("watch", watch, str, "the name of a recorded loss")
    players = list(method.players())
    if watch is None and len(players) > 1:
        raise ValueError(
            f"watch is None: {type(method).__name__} has the players {', '.join(players)}, so say which recorded loss "
            "should fall."
        )


def watched(record: Mapping[str, Any], watch: str | None) -> str:
    """The name of the loss that should fall, in what a step recorded: the first one, if none was said."""
    watch = next(iter(record)) if watch is None else watch
    if watch not in record:
        raise ValueError(f"watch is {shown(watch)}: what is recorded is {', '.join(record)}.")
    return watch

"""One move from several mini-batches: for a batch that is larger than memory.

Their gradients are added up, each with its share of the rows as weight, before the player moves. Where the loss is a
mean over rows that is the gradient of the whole batch, so nothing else changes: the optimiser, clipping and the moving
average see one batch k times as large. Noise is drawn for all rows and each part keeps its own, so that even the noise
is that of the whole batch. Batch norm normalises with the rows of its part, and an MMD between codes becomes the mean
of those of the parts; these two differ from the whole batch.

A method with several players cannot do this. Its second player answers to where the first has just moved: a generator
looks at the discriminator *after* its move. Gradients that are added up over mini-batches would all be taken before
anybody has moved, which is another game; to wait for the first player's move would mean to keep the graphs of all
parts in memory, which is what was to be avoided.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gencourse.errors import need_size
from gencourse.training.method import Method
from gencourse.training.processes import OwnRows
from gencourse.training.update import Update

__all__ = ["need_one_player", "step_in_parts"]


def need_one_player(method: Method, accumulate: int) -> None:
    """See that this method's gradients can be added up over so many mini-batches.

    Raises:
        TypeError, ValueError: accumulate is no size, or the method has several players.
    """
    need_size("accumulate", accumulate)
    players = list(method.players())
    if accumulate > 1 and len(players) > 1:
        raise ValueError(
            f"accumulate is {accumulate}: {type(method).__name__} has {len(players)} players "
            f"({', '.join(players)}), and each answers to the move of the one before, which gradients that wait for "
            "more mini-batches would not see. Give accumulate=1, and a larger batch_size if memory allows."
        )


def step_in_parts(method: Method, x: Tensor, update: Update, y: Tensor, parts: int) -> dict[str, Any]:
    """A method's `step` on a batch, part by part, with one move at the end.

    Args:
        method: with one player, which moves once in a step.
        x: pictures, shape (B, C, H, W).
        update: moves the player.
        y: labels, shape (B,).
        parts: how many; fewer if one of them would be smaller than the method's least mini-batch.

    Returns:
        Means over the rows of what was recorded.
    """
    parts = min(parts, max(1, len(x) // method.least_batch))
    ends = [number * len(x) // parts for number in range(parts + 1)]
    before = _random_state(x.device)
    totals: dict[str, Any] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for start, stop in pairwise(ends):
        _set_random_state(x.device, before)  # each part draws the numbers of all rows
        rows = slice(start, stop)
        share = (stop - start) / len(x)
        with update.part(share, first=start == 0, last=stop == len(x)), OwnRows(rows, len(x)):
            record = method.step(x[rows], update, y[rows])
        for name, value in record.items():
            totals[name] = totals[name] + value * (stop - start)
            counts[name] += stop - start
    return {name: total / counts[name] for name, total in totals.items()}


def _random_state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(device: torch.device, states: list[Tensor]) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)

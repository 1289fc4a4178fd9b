"""In which precision a method makes its steps faster on this machine: a short measurement says."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from gencourse.training.method import Method, seeded
from gencourse.training.trial import wait_for
from gencourse.training.update import NonFiniteLossError, update_for

__all__ = ["PRECISIONS", "autocast", "faster_precision", "step_seconds"]

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}

_GAIN = 0.95  # more than what a measurement scatters
_ROUNDS, _STEPS = 5, 3  # in turn, so that a busy moment of the machine hits both
_SECONDS = 3.0  # after that no further round begins


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Inside, forward passes are computed in this precision; weights stay in float32."""
    dtype = PRECISIONS[precision]
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def step_seconds(method: Method, x: Tensor, y: Tensor, seed: int = 0) -> dict[str, float]:
    """How long a step takes in each precision, at best; infinitely long where it does not work.

    All are measured in turn, on a copy: the method and all random numbers stay as they are.

    Args:
        method: on its device.
        x: a mini-batch, there.
        y: its labels.
        seed: of the method's noise.
    """
    trial = copy.deepcopy(method).train()
    update = update_for(trial)

    def measured(precision: str) -> float:
        wait_for(x.device)
        start = time.perf_counter()
        for _ in range(_STEPS):
            with autocast(x.device, precision):
                trial.step(x, update, y)
        wait_for(x.device)
        update.check()
        return (time.perf_counter() - start) / _STEPS

    best = dict.fromkeys(PRECISIONS, math.inf)
    begin = time.perf_counter()
    with seeded(seed):
        for number in range(_ROUNDS + 1):
            for precision in list(best):
                try:
                    seconds = measured(precision)
                except (NonFiniteLossError, RuntimeError):  # too coarse for it, or unknown to this device
                    if precision == "float32":
                        raise
                    return {**best, precision: math.inf}
                if number:  # the first round warms up
                    best[precision] = min(seconds, best[precision])
            if number and time.perf_counter() - begin > _SECONDS:
                break
    return best


def faster_precision(seconds: Mapping[str, float]) -> str:
    """The faster one; bfloat16 is coarser, so it must gain five percent."""
    return "bfloat16" if seconds["bfloat16"] < _GAIN * seconds["float32"] else "float32"

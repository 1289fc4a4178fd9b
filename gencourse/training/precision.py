"""In which precision and formulation a method makes its steps fastest on this machine: a short measurement says."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from gencourse.training.formulation import FLOAT32_ONLY, formulated
from gencourse.training.method import Method, seeded
from gencourse.training.trial import wait_for
from gencourse.training.update import NonFiniteLossError, update_for

__all__ = ["PRECISIONS", "Way", "autocast", "faster", "fastest_way", "step_seconds"]

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}

_GAIN = 0.95  # more than what a measurement scatters
_ROUNDS, _STEPS = 5, 3  # in turn, so that a busy moment of the machine hits all
_SECONDS = 3.0  # after that no further round begins
_LONG = 0.1  # of a step that is made but once in a round


class Way(NamedTuple):
    """How steps are computed.

    Attributes:
        precision: of the forward passes.
        formulation: names of `FORMULATIONS`; none for everything as written.
    """

    precision: str
    formulation: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            " with ".join((self.precision, " and ".join(self.formulation)))
            if self.formulation
            else self.precision
        )


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Inside, forward passes are computed in this precision; weights stay in float32."""
    dtype = PRECISIONS[precision]
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def step_seconds(
    method: Method, x: Tensor, y: Tensor, ways: Sequence[Way], seed: int = 0
) -> dict[Way, float]:
    """How long a step takes in each way, at best; infinitely long where it does not work.

    All are measured in turn, on a copy: the method and all random numbers stay as they are.

    Args:
        method: on its device.
        x: a mini-batch, there.
        y: its labels.
        ways: what to compare.
        seed: of the method's noise.
    """
    trial = copy.deepcopy(method).train()
    update = update_for(trial)

    def measured(way: Way, steps: int) -> float:
        with formulated(trial, way.formulation):
            wait_for(x.device)
            start = time.perf_counter()
            for _ in range(steps):
                with autocast(x.device, way.precision):
                    trial.step(x, update, y)
            wait_for(x.device)
            update.check()
            return (time.perf_counter() - start) / steps

    best = dict.fromkeys(ways, math.inf)
    steps = 1
    begin = time.perf_counter()
    with seeded(seed):
        for number in range(_ROUNDS + 1):
            for way in ways:
                try:
                    seconds = measured(way, steps)
                except (NonFiniteLossError, RuntimeError):  # too coarse for it, or unknown to this device
                    others = [other for other in ways if other.precision == "float32"]
                    if way in others:
                        raise
                    return best | dict.fromkeys(ways, math.inf) | step_seconds(method, x, y, others, seed)
                if number:  # the first round warms up
                    best[way] = min(seconds, best[way])
                elif seconds < _LONG:
                    steps = _STEPS
            if number and time.perf_counter() - begin > _SECONDS:
                break
    return best


def fastest_way(
    measure: Callable[[Sequence[Way]], Mapping[Way, float]],
    precisions: Sequence[str],
    names: Sequence[str],
    always: Sequence[str] = (),
) -> tuple[Way, dict[Way, float]]:
    """The fastest of these precisions and formulations, and the seconds of a step in each that was measured.

    Each formulation is tried by itself, and those that help then together.

    Args:
        measure: ways to seconds, as `step_seconds` does.
        precisions: to compare, the finer one first.
        names: of formulations to try.
        always: those in force anyway.
    """
    tries = {p: [name for name in names if p == "float32" or name not in FLOAT32_ONLY] for p in precisions}
    plain = {p: Way(p, tuple(always)) for p in precisions}
    single = {
        (p, name): Way(p, (*always, name)) for p in precisions for name in tries[p] if name not in always
    }
    seconds = dict(measure([*plain.values(), *single.values()]))
    together = []
    for p in precisions:
        helping = [n for (q, n), way in single.items() if q == p and seconds[way] < _GAIN * seconds[plain[p]]]
        if len(helping) > 1:
            together.append(Way(p, (*always, *helping)))
    if together:
        seconds |= measure(together)
    return faster(seconds), seconds


def faster(seconds: Mapping[Way, float]) -> Way:
    """The fastest one; whichever comes later must gain five percent on those before it."""
    chosen = next(iter(seconds))
    for way, value in seconds.items():
        if value < _GAIN * seconds[chosen]:
            chosen = way
    return chosen

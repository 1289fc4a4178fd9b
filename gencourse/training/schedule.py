"""How large a step to take, and how that changes in the course of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

from gencourse.errors import need_number, need_size, shown

__all__ = ["Schedule", "WarmupCosine", "factor_of", "scaled_learning_rate", "warmup_cosine"]

Schedule = Callable[[int, int], float]
"""(number of the mini-batch from 0, number of mini-batches in the whole run) to a factor of the learning rate."""


def scaled_learning_rate(base: float, batch_size: int) -> float:
    """The linear scaling rule, eq. (5.16): base · batch size / 256 (Goyal et al., 2017).

    A mini-batch of twice the size is one step where there were two, so the step is made twice as long.

    Args:
        base: learning rate of a mini-batch of 256, for example 1.5e-4.
        batch_size: pictures in a mini-batch, over all devices and accumulated gradients.

    Raises:
        TypeError: base is no number, or batch_size not a whole one.
        ValueError: a number is not positive.
    """
    need_number("base", base, above=0)
    need_size("batch_size", batch_size)
    return base * batch_size / 256


def warmup_cosine(warmup: float = 0.05) -> Schedule:
    """Up in a straight line, then down along half a cosine, eq. (5.17) (Loshchilov & Hutter, 2017).

    With T mini-batches and T_w = warmup·T of them to warm up, mini-batch t = 0, 1, … has the factor

        min(1, (t + 1)/T_w)                    while t < T_w,
        ½(1 + cos(π(t − T_w)/(T − T_w)))       afterwards.

    Args:
        warmup: share of the run that warms up, 0 ≤ warmup < 1.

    Returns:
        A schedule for `fit`; its factors are above 0 and at most 1.

    Raises:
        ValueError: warmup is not in [0, 1).
    """
    return WarmupCosine(warmup)


@dataclass(frozen=True)
class WarmupCosine:
    """What `warmup_cosine` gives: a schedule that a saved run can compare with another.

    Attributes:
        warmup: share of the run that warms up.
    """

    warmup: float

    def __post_init__(self) -> None:
        fix = "the share of the run, at least 0 and less than 1"
        need_number("warmup", self.warmup, least=0, below=1, fix=fix)
        object.__setattr__(self, "warmup", float(self.warmup))

    def __call__(self, step: int, steps: int) -> float:
        """The factor of mini-batch `step`, counted from 0, of `steps`."""
        rising = self.warmup * steps
        if step < rising:
            return min(1.0, (step + 1) / rising)  # not 0: the first mini-batch is to count, too
        return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


def factor_of(schedule: Schedule, step: int, steps: int) -> float:
    """What a schedule says of mini-batch `step` of `steps`.

    Raises:
        ValueError: it is no number, negative, NaN or infinite.
    """
    factor = schedule(step, steps)
    if isinstance(factor, bool) or not isinstance(factor, Real) or not 0 <= factor < math.inf:
        raise ValueError(
            f"schedule gives {shown(factor)} for mini-batch {step} of {steps}: let it give a finite number that is "
            "not negative."
        )
    return float(factor)

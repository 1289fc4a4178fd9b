"""A learning rate by a short test: raise it step by step, and see where the loss falls and where it blows up."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

from gencourse.data import as_dataset
from gencourse.errors import need_kind, need_number, need_seed, need_size
from gencourse.training.method import Method, seeded
from gencourse.training.trial import endless, need_watch, watched
from gencourse.training.update import NonFiniteLossError, update_for

__all__ = ["RateTest", "find_learning_rate"]

_SMOOTH = 0.9  # of the losses: how much of the mean so far is kept
_BLOWN_UP = 2.0  # the test ends when the loss is so many times its first value


@dataclass(frozen=True)
class RateTest:
    """What `find_learning_rate` found.

    Attributes:
        rates: the learning rates that were tried, rising.
        losses: the loss at each of them, smoothed; `gencourse.figures.rate_curve(test)` draws them.
        suggestion: a tenth of the rate where the loss was lowest.
        watched: which recorded loss it is.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float
    watched: str


def find_learning_rate(
    method: Method,
    data: Any,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    batch_size: int = 64,
    watch: str | None = None,
    seed: int = 0,
) -> RateTest:
    """Try rising learning rates on a copy of a method; the method itself and all random numbers stay as they are.

    Mini-batch t = 0, 1, … of T is learnt from with the rate lowest · (highest/lowest)^(t/(T − 1)). The losses are
    smoothed by an exponential mean with bias correction, and the test ends early when they are twice the first one
    or not finite. A tenth of the rate of the lowest loss is suggested: at that rate itself the run is about to
    blow up (Smith, 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3).

    Args:
        method: what is to be trained; on the device where it is.
        data: what it is to be trained on.
        lowest: first rate.
        highest: last rate.
        steps: mini-batches in all.
        batch_size: pictures in a mini-batch.
        watch: which recorded loss should fall. With several players it must be said, since not every player's loss
            falls when a game goes well; a plain GAN has none that does.
        seed: of the shuffling and of the method's noise.

    Raises:
        TypeError, ValueError: an argument cannot be used, the loss blows up at the lowest rates, or `watch` is
            missing.
    """
    need_kind("method", method, Method, "a method, for example gencourse.methods.Autoencoder()")
    data = as_dataset(data)
    need_number("highest", highest, above=0)
    fix = f"a positive number below highest, which is {highest}"
    need_number("lowest", lowest, above=0, below=highest, fix=fix)
    need_size("steps", steps, 10)
    need_size("batch_size", batch_size)
    need_seed("seed", seed)
    need_watch(method, watch)
    trial = copy.deepcopy(method).train()
    method.accepts(*next(endless(data, 1, "cpu", 0)))
    update = update_for(trial)
    rates, losses, mean = [], [], 0.0
    with seeded(seed):
        for step, (x, y) in zip(range(steps), endless(data, batch_size, method.device, seed), strict=False):
            rate = lowest * (highest / lowest) ** (step / (steps - 1))
            for optimizer in update.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate
            try:
                record = trial.step(x, update, y)
                update.check()
            except NonFiniteLossError:
                break
            watch = watched(record, watch)
            mean = _SMOOTH * mean + (1 - _SMOOTH) * float(record[watch])
            smooth = mean / (1 - _SMOOTH ** (step + 1))
            if not math.isfinite(smooth):
                break
            rates.append(rate)
            losses.append(smooth)
            if smooth > losses[0] + (_BLOWN_UP - 1) * abs(losses[0]):
                break
    if len(losses) < 3:
        raise ValueError(f"lowest is {lowest}: the loss blows up at once; give a lower rate to begin with.")
    best = min(range(len(losses)), key=losses.__getitem__)
    return RateTest(tuple(rates), tuple(losses), max(lowest, rates[best] / 10), str(watch))

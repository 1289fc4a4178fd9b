"""Where the time of a step goes: the data, and each player's forward pass, backward pass and optimiser."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gencourse.data import as_dataset
from gencourse.errors import need_kind, need_one_of, need_seed, need_size
from gencourse.training.fit import choose_device
from gencourse.training.method import Method, seeded
from gencourse.training.precision import PRECISIONS, autocast
from gencourse.training.trial import endless, wait_for
from gencourse.training.update import Update, update_for

__all__ = ["Profile", "profile"]

_WARM_UP = 3  # steps that are not counted: the first ones allocate memory and choose kernels


@dataclass(frozen=True)
class Profile:
    """What `profile` measured. `print` shows it as a table.

    Attributes:
        title: method, device, precision and mini-batch.
        seconds: of one step, by part: "data", then for each player "NAME: forward", "NAME: backward" and
            "NAME: optimiser", and what is "left over". They add up to the whole step.
        pictures_per_second: of training.
    """

    title: str
    seconds: dict[str, float]
    pictures_per_second: float

    def __str__(self) -> str:
        total = sum(self.seconds.values())
        wide = max(map(len, self.seconds))
        lines = [
            f"{self.title}: {1e3 * total:.2f} ms a step, {self.pictures_per_second:.0f} pictures a second"
        ]
        for name, value in self.seconds.items():
            lines.append(f"  {name:<{wide}} {1e3 * value:9.2f} ms {value / total:6.1%}")
        return "\n".join(lines)


class _Clock:
    """Adds up, under the name of what has just ended, the time since the last look."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.totals: dict[str, float] = defaultdict(float)
        self.restart()

    def restart(self) -> None:
        wait_for(self.device)
        self.last = time.perf_counter()

    def ended(self, name: str) -> None:
        wait_for(self.device)
        now = time.perf_counter()
        self.totals[name] += now - self.last
        self.last = now


def profile(
    method: Method,
    data: Any,
    *,
    batch_size: int = 64,
    steps: int = 20,
    device: torch.device | str = "auto",
    precision: str = "float32",
    seed: int = 0,
) -> Profile:
    """Make some steps with a copy of a method, print where the time goes, and give it back as numbers.

    A player's forward pass is all that happens before its move: also another player's networks, if its loss goes
    through them. Its backward pass includes the check that the gradient is finite. An accelerator is waited for at
    each look at the clock, so the sum is a little more than what a step of `fit` takes there.

    Args:
        method: stays as it is, and where it is.
        data: what to learn from.
        batch_size: pictures in a mini-batch.
        steps: how many to average over, after three to warm up.
        device: "auto", or the name of a device.
        precision: "float32" or "bfloat16".
        seed: of shuffling and noise; random numbers outside stay as they are.

    Raises:
        TypeError, ValueError: an argument cannot be used.
    """
    need_kind("method", method, Method, "a method, for example gencourse.methods.Autoencoder()")
    data = as_dataset(data)
    need_size("batch_size", batch_size)
    need_size("steps", steps)
    need_one_of("precision", precision, PRECISIONS)
    need_seed("seed", seed)
    target = choose_device(device)
    method.accepts(*next(endless(data, 1, "cpu", 0)))
    trial = copy.deepcopy(method).to(target).train()
    update, clock = update_for(trial), _Clock(target)
    moving = _timed(update, clock)
    if hasattr(data, "to"):
        data = data.to(target)
    pictures = 0
    with seeded(seed):
        batches = endless(data, batch_size, target, seed)
        for number in range(_WARM_UP + steps):
            if number == _WARM_UP:
                clock.totals.clear()
                pictures = 0
                clock.restart()
            x, y = next(batches)
            clock.ended("data")
            with autocast(target, precision):
                trial.step(x, moving, y)
            clock.ended("left over")
            pictures += len(x)
    update.check()
    total = sum(clock.totals.values())
    order = ["data", *(name for name in clock.totals if name not in ("data", "left over")), "left over"]
    seconds = {name: clock.totals[name] / steps for name in order}
    title = f"{type(method).__name__} on {target.type}, {precision}, mini-batches of {pictures // steps}"
    found = Profile(title, seconds, pictures / total)
    print(found)
    return found


def _timed(update: Update, clock: _Clock) -> Any:
    """The same update, with a look at the clock before the backward pass, before the optimiser and after it."""

    def move(player: str, loss: Tensor) -> Tensor:
        clock.ended(f"{player}: forward")
        value = update(player, loss)
        clock.ended(f"{player}: optimiser")
        return value

    for player, optimizer in update.optimizers.items():
        optimizer.register_step_pre_hook(lambda *_, name=player: clock.ended(f"{name}: backward"))
    return move

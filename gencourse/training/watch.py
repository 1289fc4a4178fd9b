"""Looking at pictures that a method does not learn from: after each epoch, and until it gets no better."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from gencourse.data import as_dataset
from gencourse.errors import need_kind, need_named, need_number, need_size, shown
from gencourse.training.history import History
from gencourse.training.method import Method, seeded

__all__ = ["Metric", "Watch", "validate"]

Metric = Callable[[Method, Any], float]
"""Something to measure of a method on data that it does not learn from: a number."""

PREFIX = "validation "


def validate(
    method: Method,
    data: Any,
    *,
    batch_size: int = 256,
    seed: int = 0,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, float]:
    """The losses that a method's `step` would go down, on other data; nobody moves, and no random state changes.

    The same noise is drawn in each call, so that two calls can be compared. Layers behave as in use, not as in
    training: batch norm takes its running mean and variance.

    Args:
        method: what to look at.
        data: pictures that it does not learn from, with a length and `batches`.
        batch_size: pictures at a time.
        seed: of the noise.
        metrics: more to measure, by name: functions of the method and the data.

    Returns:
        Means over the pictures, as "validation NAME".

    Raises:
        TypeError, ValueError: an argument cannot be used, or a metric gives no number.
    """
    need_kind("method", method, Method, "a method, for example gencourse.methods.Autoencoder()")
    data = as_dataset(data)
    need_size("batch_size", batch_size)
    metrics = _need_metrics(metrics)
    totals: dict[str, Tensor | float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    training = method.training
    method.eval()
    try:
        with seeded(seed):
            # with gradients: a gradient penalty takes some of its own
            for x, y in data.batches(batch_size, device=method.device, generator=None):
                for name, value in method.step(x, _stand_still, y).items():
                    totals[name] = totals[name] + torch.as_tensor(value).detach().double() * len(x)
                    counts[name] += len(x)
            found = {PREFIX + name: float(total) / counts[name] for name, total in totals.items()}
            for name, metric in metrics.items():
                measured = metric(method, data)
                need_number(f"the value of metrics[{name!r}]", measured)
                found[PREFIX + name] = float(measured)
    finally:
        method.train(training)
    return found


class Watch:
    """What `fit` looks at after each epoch, and the best weights so far.

    Args:
        data: pictures to validate on.
        batch_size: of the validation.
        metrics: see `validate`.
        watch: which of the validated values tells a gain, smaller being better; the first when not given.
        stop_after: end the run after so many epochs without gain; None to go on to the end.
    """

    def __init__(
        self,
        data: Any,
        batch_size: int,
        metrics: Mapping[str, Metric] | None = None,
        watch: str | None = None,
        stop_after: int | None = None,
    ) -> None:
        if stop_after is not None:
            need_size("stop_after", stop_after)
        if watch is not None:
            need_kind("watch", watch, str, "the name of a validated value")
        self.data, self.batch_size, self.metrics = data, batch_size, _need_metrics(metrics)
        self.watch, self.stop_after = watch, stop_after
        self.best: dict[str, Tensor] = {}

    def look(self, method: Method, averaged: AveragedModel | None) -> dict[str, float]:
        """The validated values, of the averaged weights if there are any: those are what will be used."""
        shown: Any = method if averaged is None else averaged.module
        return validate(shown, self.data, batch_size=self.batch_size, metrics=self.metrics)

    def check(self, method: Method) -> None:
        """Try it on a few pictures, before any time is spent.

        Raises:
            ValueError: nothing of the name `watch` is validated.
        """
        few = _Few(*next(iter(self.data.batches(min(len(self.data), 2), device="cpu", generator=None))))
        names = [
            *validate(method, few, batch_size=self.batch_size),
            *(PREFIX + name for name in self.metrics),
        ]
        for name in self.metrics:
            if names.count(PREFIX + name) > 1:
                raise ValueError(f"metrics has {name!r}, which is the name of a loss: give it another name.")
        if self.watch is not None and PREFIX + self.watch not in names:
            known = ", ".join(name.removeprefix(PREFIX) for name in names)
            raise ValueError(f"watch is {shown(self.watch)}: what is validated is {known}.")

    def best_epoch(self, history: History) -> int:
        """The number of the best epoch so far, from 0; NaN is never the best."""
        name = next(n for n in history.epochs[0] if n.startswith(PREFIX))
        values = history[name if self.watch is None else PREFIX + self.watch]
        return min(range(len(values)), key=lambda i: (math.isnan(values[i]), values[i]))

    def keep(self, history: History, method: Method, averaged: AveragedModel | None) -> None:
        """Note the weights if the last epoch was the best."""
        if self.stop_after is not None and self.best_epoch(history) == len(history) - 1:
            self.best = {name: value.clone() for name, value in _weights(method, averaged).items()}

    def is_over(self, history: History) -> bool:
        """Whether there was no gain for so many epochs."""
        if self.stop_after is None or not len(history):
            return False
        return len(history) - 1 - self.best_epoch(history) >= self.stop_after

    def put_back(self, method: Method, averaged: AveragedModel | None) -> None:
        """The best weights into the method, and into its average."""
        own = _weights(method, averaged)
        with torch.no_grad():
            for name, value in self.best.items():
                own[name].copy_(value)


class _Few:
    """One mini-batch as a dataset: a stream has no first rows that could be taken."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def batches(self, batch_size: int, *, device: Any, generator: Any) -> Iterator[tuple[Tensor, Tensor]]:
        yield self.x.to(device), self.y.to(device)


def _weights(method: Method, averaged: AveragedModel | None) -> dict[str, Tensor]:
    """All weights under the names that they have in a file."""
    found = {f"method/{name}": value for name, value in method.state_dict().items()}
    if averaged is not None:
        found |= {f"average/{name}": value for name, value in averaged.state_dict().items()}
    return found


def _stand_still(player: str, loss: Tensor) -> Tensor:
    return loss.detach()


def _need_metrics(metrics: Mapping[str, Metric] | None) -> Mapping[str, Metric]:
    if not metrics and isinstance(metrics, Mapping | None):
        return {}
    need_named("metrics", metrics, "names to functions of a method and data")
    for name, metric in metrics.items():
        if not callable(metric):
            raise TypeError(f"metrics[{name!r}] is {metric!r}: give a function of a method and data.")
    return metrics

"""What a training run did, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from gencourse.errors import need_kind, need_named, need_number, need_sequence

__all__ = ["History"]


@dataclass
class History:
    """Means over each epoch of what `step` returned, and the time it took.

    Attributes:
        epochs: one dictionary an epoch: the recorded names, and "seconds".
        averaged: the moving average of the weights as a method of its own, if `fit` was asked for one.

    Raises:
        TypeError, ValueError: an attribute is none of that; the sentence says what to give.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    averaged: Any = None

    def __post_init__(self) -> None:
        need_sequence("epochs", self.epochs, "dictionaries, one an epoch", 0)
        for index, epoch in enumerate(self.epochs):
            need_named(f"epochs[{index}]", epoch, "names to numbers")
            for name, value in epoch.items():
                need_number(f"epochs[{index}][{name!r}]", value)
        if self.averaged is not None:
            need_kind("averaged", self.averaged, nn.Module, "a method, or None")

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, name: str) -> list[float]:
        """One recorded quantity over the epochs, for example history["autoencoder"]."""
        if self.epochs and name not in self.epochs[-1]:
            raise KeyError(f"{name!r} was not recorded; there is {', '.join(self.epochs[-1])}.")
        return [epoch[name] for epoch in self.epochs]

    @property
    def names(self) -> list[str]:
        """What was recorded, without the time."""
        return [name for name in (self.epochs[-1] if self.epochs else ()) if name != "seconds"]

    @property
    def seconds(self) -> float:
        """Time spent in all epochs together."""
        return sum(self["seconds"])

"""What a training run did, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["History"]


@dataclass
class History:
    """Means over each epoch of what `step` returned, and the time it took.

    Attributes:
        epochs: one dictionary an epoch: the recorded names, and "seconds".
        averaged: the moving average of the weights as a method of its own, if `fit` was asked for one.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    averaged: Any = None

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

"""The one idea in the code: a method says who plays and in which order they move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn, Protocol

import torch
from torch import Tensor, nn

__all__ = ["Method", "Mover", "seeded"]


class Mover(Protocol):
    """What `step` is handed: call it to move one player down one loss."""

    def __call__(self, player: str, loss: Tensor) -> float:
        """Move `player` one optimiser step down `loss`, touch nobody else, and return the loss's value."""
        ...


class Method(nn.Module, ABC):
    """A learning method: networks, losses, and the order of the updates.

    A subclass defines `players` and `step`. It also defines those of `encode`, `decode`, `reconstruct`,
    `sample` and `features` that make sense for it, and no others: the ones here say why they are missing.

    Attributes:
        shape: (C, H, W) of the pictures.
        learning_rate: default step size of every player's Adam optimiser.
        betas: its default decay rates.
        rates: step sizes of the players, by name, that should not have the common one.
        weight_decay: how fast AdamW shrinks the weights; 0 for plain Adam.
    """

    shape: tuple[int, int, int]
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    rates: Mapping[str, float] = {}
    weight_decay: float = 0.0

    @abstractmethod
    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Name of each player, and the parameters that this player owns."""

    @abstractmethod
    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch: compute losses and call `update(player, loss)` in the order of the algorithm.

        Args:
            x: pictures in [0, 1], shape (B, C, H, W).
            update: moves one player.
            y: labels, shape (B,); a method that needs them says so when they are missing.

        Returns:
            What to record of this mini-batch, by name.
        """

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def encode(self, x: Tensor) -> Tensor:
        """Pictures to codes."""
        self._cannot("encode", "it has no encoder")

    def decode(self, z: Tensor) -> Tensor:
        """Codes to pictures."""
        self._cannot("decode", "it has no decoder")

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures to codes and back."""
        return self.decode(self.encode(x))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n new pictures."""
        self._cannot("sample", "it has no distribution to draw from")

    def features(self, x: Tensor) -> Tensor:
        """What a classifier may use of a picture: a vector for each."""
        return self.encode(x).flatten(1)

    def _cannot(self, verb: str, why: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} cannot {verb}: {why}.")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with its own random numbers; those outside go on as if nothing had happened."""
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield

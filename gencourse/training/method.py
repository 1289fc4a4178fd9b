"""The one idea in the code: a method says who plays and in which order they move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, NoReturn, Protocol, TypeVar

import torch
from torch import Tensor, nn

from gencourse.errors import need_finite, need_kind, need_labels, need_pictures, need_tensor, need_whole
from gencourse.training.identity import describe_call, signature_of

__all__ = ["Method", "Mover", "built_with", "seeded"]

_Self = TypeVar("_Self", bound="Method")
_ONE_AT_A_TIME = RLock()


class Mover(Protocol):
    """What `step` is handed: call it to move one player down one loss."""

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        """Move `player` one optimiser step down `loss`, touch nobody else, and return the detached loss."""
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
        labels: lowest and highest label that `step` reads; None if it reads none.
    """

    shape: tuple[int, int, int]
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    rates: Mapping[str, float] = {}
    weight_decay: float = 0.0
    labels: tuple[int, int] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Show all arguments of a class in its help, also those that go on to its base classes."""
        super().__init_subclass__(**options)
        # mypy: `inspect` reads this attribute, classes do not declare it
        cls.__signature__ = signature_of(cls)  # type: ignore[attr-defined]

    def __new__(cls: type[_Self], *args: Any, **options: Any) -> _Self:
        """Note what the constructor is called with; `built_with` tells, and a saved run carries it."""
        made = super().__new__(cls)
        # straight into the dictionary: before nn.Module.__init__ no attribute can be set
        made.__dict__["_built_with"] = describe_call(cls, args, options)
        return made

    @abstractmethod
    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Name of each player, and the parameters that this player owns."""

    @abstractmethod
    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch: compute losses and call `update(player, loss)` in the order of the algorithm.

        Nothing in here may wait for the device: no `.item()`, no `bool()` of a tensor. What could be wrong with
        the data is looked at once, before the first step, by `accepts`.

        Args:
            x: pictures in [0, 1], shape (B, C, H, W).
            update: moves one player.
            y: labels, shape (B,).

        Returns:
            What to record of this mini-batch: detached scalars, by name.
        """

    @property
    def least_batch(self) -> int:
        """Fewest pictures that a step can learn from: batch norm needs two to tell a spread."""
        norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
        return 2 if any(isinstance(layer, norms) for layer in self.modules()) else 1

    def accepts(self, x: Tensor, labels: Tensor | None) -> None:
        """Say in one sentence why this method cannot learn from some data; silent if it can.

        `fit` asks once, before the first step and before any time is spent.

        Args:
            x: a few samples, as `step` will get them.
            labels: all labels of the data, as far as they are known.

        Raises:
            ValueError: shape, range or labels do not fit.
        """
        form = "(B, " + ", ".join(map(str, self.shape)) + ")"
        if len(self.shape) == 3:
            need_pictures("data", x, form)
        else:
            need_tensor("data", x, form)
            need_finite("data", x)
        if self.labels is None:
            return
        least, most = self.labels
        if labels is None:
            raise ValueError(
                f"data has no labels: {type(self).__name__} learns from labels, {least} to {most}."
            )
        need_labels("data", labels.cpu(), len(labels), most + 1, least=least)

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

    def _need(self, name: str, value: Tensor, *shape: int) -> None:
        """One argument of a call by hand: a tensor (B, *shape), of the type and on the device of the weights."""
        weight = next(self.parameters())
        fits = isinstance(value, Tensor) and value.shape[1:] == shape and len(value) > 0
        if fits and value.dtype == weight.dtype and value.device == weight.device:
            return  # every step comes by here: quickly on, if all is well
        need_tensor(name, value, f"(B, {', '.join(map(str, shape))})")
        if value.device != weight.device:
            raise ValueError(
                f"{name} is on {value.device}, the weights are on {weight.device}: give x.to(method.device)."
            )
        if value.dtype != weight.dtype and not torch.is_autocast_enabled(weight.device.type):
            raise TypeError(
                f"{name} is {value.dtype}, the weights are {weight.dtype}: give {name}.to({weight.dtype})."
            )

    def _told(self, y: Tensor | None) -> Tensor:
        """The labels of a step, or the sentence that says there are none."""
        if y is None:
            raise ValueError(
                f"y is None: {type(self).__name__} learns from labels, so give one for each picture."
            )
        return y

    def _cannot(self, verb: str, why: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} cannot {verb}: {why}.")


def built_with(method: nn.Module) -> dict[str, Any] | None:
    """The constructor arguments of a method by name, defaults included, in words that JSON can hold.

    They are noted when the method is built, so later changes do not show. None for a plain module.

    Raises:
        TypeError: method is no module.
    """
    need_kind("method", method, nn.Module, "a method, or another torch.nn.Module")
    return method.__dict__.get("_built_with")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with its own random numbers; those outside go on as if nothing had happened.

    Torch has one source of random numbers for all threads. So only one thread at a time can be in such a
    block: another one waits at its door until the first has left, and both get the numbers of their seed.
    A thread that draws numbers without a block of its own, or a generator of its own, still disturbs them.

    Args:
        seed: of the numbers inside.

    Raises:
        TypeError, ValueError: seed is not a whole number from 0 to 2⁶³ − 1.
    """
    need_whole("seed", seed, least=0, most=2**63 - 1)
    devices = list(range(torch.cuda.device_count()))
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield

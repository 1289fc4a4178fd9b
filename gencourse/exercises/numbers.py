"""What the checks share: hints, reproducible numbers, equality up to rounding, reading what a learner returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["NotYet", "agree", "close", "expect", "number", "parts", "plain", "random", "shifted", "slopes"]

_shift = 0


class NotYet(Exception):
    """An answer is not right; the message is the hint that the learner reads."""


def expect(condition: object, hint: str) -> None:
    """Raise `NotYet` with the hint unless the condition holds."""
    if not bool(condition):
        raise NotYet(hint)


@contextmanager
def shifted(by: int) -> Iterator[None]:
    """Draw other numbers in a block: a check must not depend on the ones that it happens to draw."""
    global _shift
    before, _shift = _shift, by
    try:
        yield
    finally:
        _shift = before


def random(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers, the same at every call."""
    # far from the seeds that a learner may set: the same numbers twice would not be independent
    generator = torch.Generator().manual_seed(987_654_321 + 1000 * _shift + seed)
    return torch.randn(*shape, generator=generator)


def close(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    """Whether two arrays have the same shape and agree to within the tolerance, relative to the larger."""
    a = torch.as_tensor(a).detach().to(torch.float64)
    b = torch.as_tensor(b).detach().to(torch.float64)
    return a.shape == b.shape and bool((a - b).abs().max() <= tolerance * (1 + b.abs().max()))


def agree(value: Any, right: Any, otherwise: str, *known: tuple[Any, str], tolerance: float = 1e-4) -> None:
    """Raise `NotYet` unless two arrays are close: with the hint of the known mistake that the value agrees with.

    The right value is compared first, so that no right answer is accused when it happens to agree with a mistake.
    """
    if close(value, right, tolerance):
        return
    for mistaken, hint in known:
        expect(not close(value, mistaken, tolerance), hint)
    raise NotYet(otherwise)


def number(value: Any, hint: str = "Return one number.") -> Tensor:
    """One number, whether it came as a float or as a tensor with one element; its gradient is kept."""
    found = torch.as_tensor(value)
    if found.numel() != 1 or found.is_complex():
        raise NotYet(hint)
    return found.reshape(()).float()


def plain(value: Any, hint: str = "Return one number.") -> float:
    """The same as a Python number. Without `detach` torch warns of a graph that is left behind."""
    return float(number(value, hint).detach())


def parts(made: Any, count: int, hint: str) -> list[Any]:
    """The things that a learner returned together: a tuple, a list, or a tensor with so many rows."""
    if isinstance(made, (str, Mapping, Set)) or not hasattr(made, "__iter__"):
        raise NotYet(hint)
    if isinstance(made, Tensor) and made.dim() == 0:
        raise NotYet(hint)
    found = list(made)
    if len(found) != count:
        raise NotYet(hint)
    return found


def slopes(value: Any, *at: Tensor) -> tuple[Tensor, ...]:
    """Gradients of a number, zero where it does not depend on something."""
    if not (isinstance(value, Tensor) and value.requires_grad):
        return tuple(torch.zeros_like(v) for v in at)
    found = torch.autograd.grad(value, at, retain_graph=True, allow_unused=True)
    return tuple(torch.zeros_like(v) if g is None else g for v, g in zip(at, found, strict=True))

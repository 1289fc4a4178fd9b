"""The sentences that bad input gets: one place, used by all rooms.

Each function looks at one argument and is silent, or raises with one sentence that names the argument, the
value and what to give instead: a `TypeError` for the wrong kind of thing, a `ValueError` for a wrong value.

Looking at the *values* of a tensor makes the program wait for its device. The losses, which run in every step,
therefore look at values on a CPU only (`on_cpu`); what is called by hand looks always.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "need_finite",
    "need_labels",
    "need_number",
    "need_one_of",
    "need_pictures",
    "need_same_shape",
    "need_tensor",
    "need_whole",
    "on_cpu",
    "shown",
]

_KINDS = {
    "float": lambda x: x.is_floating_point(),
    "whole": lambda x: not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool),
    "any": lambda x: True,
}
_GIVE = {"float": "float32, for example x.float()", "whole": "int64, for example y.long()"}
_SLACK = 1e-3  # rounding may carry a pixel this far out of [0, 1]


def shown(value: Any, most: int = 60) -> str:
    """A value as an error message shows it: short, on one line, and never an error of its own."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def on_cpu(*tensors: Tensor) -> bool:
    """Whether looking at the values of these tensors costs no wait for a device."""
    return all(x.device.type == "cpu" for x in tensors)


def need_number(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
    fix: str = "",
) -> None:
    """A finite number with least ≤ value ≤ most and above < value < below.

    Args:
        name: of the argument.
        value: what was given.
        least: smallest number allowed.
        above: largest number not allowed.
        most: largest number allowed.
        below: smallest number not allowed.
        fix: what to give, when there is a better sentence than one made of the bounds.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {shown(value)}: give {fix or 'a number'}.")
    number = float(value)
    if not (math.isfinite(number) and least <= number <= most and above < number < below):
        raise ValueError(f"{name} is {value}: give {fix or _range(least, above, most, below)}.")


def need_whole(name: str, value: Any, least: int = 1, most: float = math.inf) -> None:
    """A whole number, at least `least` and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {shown(value)}: give a whole number, at least {least}.")
    if not least <= int(value) <= most:
        end = f"at least {least}" if most == math.inf else f"{least} to {most}"
        raise ValueError(f"{name} is {value}: give {end}.")


def need_one_of(name: str, value: Any, known: Iterable[str]) -> None:
    """One of some words."""
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {shown(value)}: choose one of {', '.join(known)}.")


def need_tensor(name: str, value: Any, form: str = "", *, kind: str = "float", empty: bool = False) -> None:
    """A tensor of one kind of numbers and one form.

    Args:
        name: of the argument.
        value: what was given.
        form: its axes, for example "(B, D)" or "(B, 1, 28, 28)": letters stand for any length, "..." for any
            further axes. Anything will do without it.
        kind: "float", "whole" or "any".
        empty: whether it may have no element.
    """
    wanted = f" of shape {form}" if form else ""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} is {shown(value)}: give a tensor{wanted}.")
    if not _KINDS[kind](value):
        raise TypeError(f"{name} is {value.dtype}: give {_GIVE[kind]}{wanted}.")
    if form and not _fits(tuple(value.shape), form):
        raise ValueError(f"{name} has shape {tuple(value.shape)}: give {form}.")
    if not empty and value.numel() == 0:
        raise ValueError(f"{name} is empty, of shape {tuple(value.shape)}: give at least one.")


def need_same_shape(first: str, a: Tensor, second: str, b: Tensor) -> None:
    """Two tensors of the same shape: otherwise torch would stretch one of them in silence."""
    if a.shape != b.shape:
        raise ValueError(
            f"{first} has shape {tuple(a.shape)} and {second} has shape {tuple(b.shape)}: give both the same "
            "shape."
        )


def need_finite(name: str, x: Tensor) -> None:
    """No NaN and no infinity. Waits for the device."""
    if x.is_floating_point() and not bool(x.isfinite().all()):
        bad = int((~x.isfinite()).sum())
        raise ValueError(
            f"{name} has {bad} of {x.numel()} numbers that are NaN or infinite: find out where they come from, "
            "or leave them out."
        )


def need_pictures(name: str, x: Any, form: str = "(B, C, H, W)", *, values: bool = True) -> None:
    """Pictures: floats in [0, 1], not empty.

    Args:
        name: of the argument.
        x: what was given.
        form: its shape, as in `need_tensor`.
        values: also look at the pixels, which waits for the device.
    """
    if isinstance(x, Tensor) and x.dtype == torch.uint8:
        raise TypeError(f"{name} is torch.uint8: give floats in [0, 1], for example {name}.float() / 255.")
    need_tensor(name, x, form)
    if not values:
        return
    need_finite(name, x)
    low, high = x.min().item(), x.max().item()
    if low < -_SLACK or high > 1 + _SLACK:
        hint = f"{name} / 255" if low >= 0 and high > 2 else f"({name} + 1) / 2" if low >= -1.1 else "clamp(0, 1)"
        raise ValueError(
            f"{name} goes from {low:.4g} to {high:.4g}: give pictures in [0, 1], for example by {hint}."
        )


def need_labels(name: str, y: Any, count: int, classes: int | None = None, *, least: int = 0) -> None:
    """One label for each of `count` things, int64, from `least` to classes − 1. On a CPU values are looked at."""
    need_tensor(name, y, kind="whole", empty=count == 0)
    if y.shape != (count,):
        raise ValueError(f"{name} has shape {tuple(y.shape)}: give {count} labels, shape ({count},).")
    if classes is None or not count or not on_cpu(y):
        return
    low, high = int(y.min()), int(y.max())
    if low < least or high >= classes:
        raise ValueError(f"{name}: the labels go from {low} to {high}: give {least} to {classes - 1}.")


def _fits(shape: tuple[int, ...], form: str) -> bool:
    axes = [axis.strip() for axis in form.strip("()").split(",") if axis.strip()]
    if "..." in axes:
        axes.remove("...")  # it stands at the end
        shape = shape[: len(axes)] if len(shape) >= len(axes) else shape
    return len(shape) == len(axes) and all(
        not axis.isdigit() or int(axis) == length for axis, length in zip(axes, shape, strict=True)
    )


def _range(least: float, above: float, most: float, below: float) -> str:
    low = f"above {above:g}" if above > -math.inf else f"at least {least:g}" if least > -math.inf else ""
    high = f"below {below:g}" if below < math.inf else f"at most {most:g}" if most < math.inf else ""
    if above == 0 and not high:
        return "a positive number"
    if least == 0 and not high:
        return "a number that is not negative"
    return "a finite number" if not (low or high) else f"a number {' and '.join(filter(None, (low, high)))}"

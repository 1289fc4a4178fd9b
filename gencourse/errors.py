"""The sentences that bad input gets: one place, used by all rooms.

Each function looks at one argument and is silent, or raises with one sentence that names the argument, the
value and what to give instead: a `TypeError` for the wrong kind of thing, a `ValueError` for a wrong value.

Looking at the *values* of a tensor makes the program wait for its device. The losses, which run in every step,
therefore look at values on a CPU only (`on_cpu`); what is called by hand looks always.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "as_tensor",
    "need_callable",
    "need_data",
    "need_device",
    "need_finite",
    "need_generator",
    "need_input",
    "need_kind",
    "need_labels",
    "need_named",
    "need_number",
    "need_one_of",
    "need_path",
    "need_pictures",
    "need_records",
    "need_same_device",
    "need_same_shape",
    "need_seed",
    "need_sequence",
    "need_shape",
    "need_size",
    "need_sizes",
    "need_table",
    "need_tensor",
    "need_whole",
    "on_cpu",
    "shown",
]

_KINDS = {
    "float": lambda x: x.is_floating_point(),
    "whole": lambda x: not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool),
    "any": lambda x: not x.is_complex(),
}
_AXES: dict[str, tuple[tuple[int | None, ...], bool]] = {}  # forms that were read already, see `_axes`
_SLACK = 1e-3  # rounding may carry a pixel this far out of [0, 1]
_LARGEST = 1e15  # whose square is far from the end of float32
_MOST = 10_000_000  # more units, channels, classes or samples than any program of this course can hold


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
    return all(isinstance(x, Tensor) and x.device.type == "cpu" for x in tensors)


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


def need_size(name: str, value: Any, least: int = 1) -> None:
    """How many units, channels, classes or samples there are to be: a whole number that a machine can hold."""
    need_whole(name, value, least)
    if value > _MOST:
        raise ValueError(f"{name} is {shown(value)}: give at most {_MOST}.")


def need_seed(name: str, value: Any) -> None:
    """A seed of random numbers, as torch, NumPy and scikit-learn all take it: 0 to 2³² − 1."""
    need_whole(name, value, 0, 2**32 - 1)


def need_sizes(name: str, value: Any, least: int = 0) -> tuple[int, ...]:
    """Widths of layers: a sequence of at least `least` sizes. Gives them as a tuple."""
    need_sequence(name, value, "whole numbers, for example (128, 32)", least)
    for index, size in enumerate(value):
        need_size(f"{name}[{index}]", size)
    return tuple(value)


def need_shape(name: str, value: Any) -> tuple[int, int, int]:
    """The shape (C, H, W) of a picture. Gives it as a tuple: a list will do, too."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 3:
        raise TypeError(f"{name} is {shown(value)}: give (C, H, W), for example (1, 28, 28).")
    for index, size in enumerate(value):
        need_size(f"{name}[{index}]", size)
    return value[0], value[1], value[2]


def need_one_of(name: str, value: Any, known: Iterable[str]) -> None:
    """One of some words."""
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {shown(value)}: choose one of {', '.join(known)}.")


def need_kind(name: str, value: Any, kind: type | tuple[type, ...], fix: str) -> None:
    """An object of one class or of several; `fix` says what to give."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {shown(value)}: give {fix}.")


def need_callable(name: str, value: Any, fix: str) -> None:
    """Something to call; `fix` says from what to what."""
    if not callable(value):
        raise TypeError(f"{name} is {shown(value)}: give a function {fix}.")


def need_generator(name: str, value: Any) -> None:
    """A `torch.Generator`, or None for torch's own."""
    if value is not None:
        need_kind(name, value, torch.Generator, "a torch.Generator, or None for torch's own")


def need_device(name: str, value: Any) -> None:
    """A device that this machine has, or its name."""
    try:
        torch.empty(0, device=value)
        known = value is not None
    except (RuntimeError, AssertionError, ImportError, TypeError, ValueError):
        known = False
    if not known:
        raise ValueError(
            f"{name} is {shown(value)}: this machine has no such device; give 'cpu' or 'cuda', say."
        )


def need_path(name: str, value: Any) -> None:
    """The path of a file or folder, as text or as a `Path`."""
    need_kind(name, value, (str, os.PathLike), "a path")


def need_data(name: str, value: Any) -> None:
    """A dataset with at least one thing in it."""
    if not (hasattr(value, "batches") and hasattr(value, "__len__")):
        raise TypeError(
            f"{name} is {shown(value)}: give a dataset, for example gencourse.data.load('mnist')."
        )
    if len(value) == 0:
        raise ValueError(f"{name} is empty: give at least one picture.")


def need_sequence(name: str, value: Any, fix: str, least: int = 1) -> None:
    """A list or a tuple with at least `least` entries; `fix` says of what."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}: give a list of {fix}.")
    if len(value) < least:
        raise ValueError(f"{name} has {len(value)} entries: give at least {least}, {fix}.")


def need_pair(name: str, value: Any, fix: str) -> None:
    """A list or a tuple with exactly two entries; `fix` says which."""
    need_sequence(name, value, fix)
    if len(value) != 2:
        raise ValueError(f"{name} has {len(value)} entries: give {fix}.")


def need_named(name: str, value: Any, fix: str) -> None:
    """A dictionary with text as keys, not empty; `fix` says of what to what."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{name} is {shown(value)}: give a dictionary of {fix}.")
    if not value:
        raise ValueError(f"{name} is empty: give at least one entry, {fix}.")


def need_records(name: str, rows: Any, **columns: Callable[[str, Any], None]) -> None:
    """A list of dictionaries, not empty, each with all of these columns; other columns do not matter.

    Args:
        name: of the argument.
        rows: what was given.
        columns: name of a column to what looks at its values, for example `need_number`.
    """
    wanted = f"dictionaries with {', '.join(columns)}" if columns else "dictionaries"
    need_sequence(name, rows, wanted)
    for index, row in enumerate(rows):
        need_kind(f"{name}[{index}]", row, Mapping, f"{wanted}, one a row")
        if not row:
            raise ValueError(f"{name}[{index}] is empty: give {wanted}.")
        for column, look in columns.items():
            if column not in row:
                raise ValueError(f"{name}[{index}] has no {column!r}: give {', '.join(columns)}.")
            look(f"{name}[{index}][{column!r}]", row[column])


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
        cure = f"int64{wanted}, for example {name}.long()"
        if kind != "whole":
            cure = f"float32{wanted}, for example {name}.float()" + " / 255" * (value.dtype == torch.uint8)
        raise TypeError(f"{name} is {value.dtype}: give {cure}.")
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


def need_same_device(first: str, a: Tensor, second: str, b: Tensor) -> None:
    """Two tensors on one device."""
    if a.device != b.device:
        raise ValueError(
            f"{first} lies on {a.device} and {second} on {b.device}: give both on one device, for example "
            f"{first}.to({second}.device)."
        )


def need_input(name: str, x: Any, form: str, network: nn.Module) -> None:
    """What goes into a network: floats of its form, on its device, in its precision. An empty batch will do.

    Args:
        name: of the argument.
        x: what was given.
        form: its shape, as in `need_tensor`.
        network: what it goes into.
    """
    need_tensor(name, x, form, empty=True)
    weight = next(network.parameters(), x)
    if x.device != weight.device:
        raise ValueError(f"{name} lies on {x.device} and the network on {weight.device}: move one of them.")
    # half precision is left alone: autocast mixes it with float32, and never with float64
    if x.dtype != weight.dtype and torch.float64 in (x.dtype, weight.dtype):
        raise TypeError(
            f"{name} is {x.dtype} and the network {weight.dtype}: give {name}.to({weight.dtype})."
        )


def need_finite(name: str, x: Tensor) -> None:
    """No NaN and no infinity. Waits for the device."""
    if x.is_floating_point() and not bool(x.isfinite().all()):
        bad = int((~x.isfinite()).sum())
        raise ValueError(
            f"{name} has {bad} of {x.numel()} numbers that are NaN or infinite: find out where they come from, "
            "or leave them out."
        )


def need_table(name: str, x: Any, form: str = "(N, F)", *, least: int = 1) -> None:
    """Finite numbers, one row a sample, at least `least` rows. Waits for the device."""
    need_tensor(name, x, form)
    if len(x) < least:
        raise ValueError(f"{name} has shape {tuple(x.shape)}: give at least {least} rows.")
    need_finite(name, x)
    most = x.detach().abs().max().item()
    if most > _LARGEST:
        raise ValueError(
            f"{name} goes up to {most:.3g}: scale it first, its squares leave the range of floats."
        )


def as_tensor(name: str, values: Any) -> Tensor:
    """A tensor, or what one can be made of (a list of numbers, a NumPy array), on the CPU."""
    try:
        return torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} is {shown(values)}: give a tensor of numbers.") from None


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
        hint = (
            f"{name} / 255"
            if low >= 0 and high > 2
            else f"({name} + 1) / 2"
            if low >= -1.1
            else "clamp(0, 1)"
        )
        raise ValueError(
            f"{name} goes from {low:.4g} to {high:.4g}: give pictures in [0, 1], for example by {hint}."
        )


def need_labels(
    name: str, y: Any, count: int, classes: int | None = None, *, least: int = 0, of: str = ""
) -> None:
    """One label for each of `count` things, int64, from `least` to classes − 1. On a CPU values are looked at.

    Args:
        name: of the argument.
        y: what was given.
        count: how many labels there must be.
        classes: how many there are; any label will do without it.
        least: smallest label.
        of: the argument that has so many entries.
    """
    need_tensor(name, y, kind="whole", empty=count == 0)
    if y.dtype != torch.int64:
        raise TypeError(f"{name} is {y.dtype}: give int64, for example {name}.long().")
    if y.shape != (count,):
        each = f", one for each of {of}" if of else ""
        raise ValueError(f"{name} has shape {tuple(y.shape)}: give {count} labels{each}, shape ({count},).")
    if classes is None or not count or not on_cpu(y):
        return
    low, high = int(y.min()), int(y.max())
    if low < least or high >= classes:
        raise ValueError(f"{name}: the labels go from {low} to {high}: give {least} to {classes - 1}.")


def _fits(shape: tuple[int, ...], form: str) -> bool:
    axes, more = _axes(form)
    if len(shape) < len(axes) or (len(shape) > len(axes) and not more):
        return False
    return all(axis is None or axis == length for axis, length in zip(axes, shape, strict=False))


def _axes(form: str) -> tuple[tuple[int | None, ...], bool]:
    """Lengths of the axes, None for any, and whether more may follow: "(B, 3, ...)" is (None, 3) and True."""
    if form not in _AXES:
        names = [axis.strip() for axis in form.strip("()").split(",") if axis.strip()]
        _AXES[form] = tuple(int(n) if n.isdigit() else None for n in names if n != "..."), "..." in names
    return _AXES[form]


def _range(least: float, above: float, most: float, below: float) -> str:
    low = f"above {above:g}" if above > -math.inf else f"at least {least:g}" if least > -math.inf else ""
    high = f"below {below:g}" if below < math.inf else f"at most {most:g}" if most < math.inf else ""
    if above == 0 and not high:
        return "a positive number"
    if least == 0 and not high:
        return "a number that is not negative"
    return "a finite number" if not (low or high) else f"a number {' and '.join(filter(None, (low, high)))}"

"""Checked claims: a result that the prose states is a call that fails when the result is not so."""

from __future__ import annotations

import math
from numbers import Real
from typing import SupportsFloat

from gencourse.presets import preset

__all__ = ["ClaimError", "claim"]


class ClaimError(AssertionError):
    """A result that a chapter states did not come out."""


def claim(
    text: str,
    value: SupportsFloat,
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    always: bool = False,
    short: bool = False,
) -> None:
    """Stop the notebook, and so the book, when a stated result leaves its band. Silent otherwise.

    Args:
        text: the claim in words, as the chapter states it.
        value: what was measured; a number or a tensor with one element.
        at_least: lower end of the band (inclusive).
        at_most: upper end of the band (inclusive).
        always: check under every preset. Results of training are checked only where the preset
            trains for long enough (`Preset.proves`); mathematics holds always.
        short: the statement is about a run as short as the book's, or repeats such a record: the preset "full" trains
            longer, and does not check it.

    Raises:
        ClaimError: the value is not a number, or lies outside its band.
        ValueError: no band was given, or an empty one.
        TypeError: an argument is of another type.
    """
    from gencourse.errors import need_kind, shown  # here: the package itself is to load without torch

    need_kind("text", text, str, "the claim in words")
    for name, end in (("at_least", at_least), ("at_most", at_most)):
        if not isinstance(end, Real) or math.isnan(end):
            raise TypeError(f"{name} is {shown(end)}: give a number.")
    if at_least == -math.inf and at_most == math.inf:
        raise ValueError(f"claim({text!r}) has no band: give at_least, at_most or both.")
    if at_least > at_most:
        raise ValueError(
            f"claim({text!r}) has an empty band: at_least={at_least} is above at_most={at_most}."
        )
    try:
        number = float(getattr(value, "detach", lambda: value)())
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"value is {shown(value)}: give a number, or a tensor with one element.") from None
    if math.isnan(number):
        raise ClaimError(f"Not a number: {text}")
    if short and preset().name == "full":
        return
    if (always or preset().proves) and not at_least <= number <= at_most:
        raise ClaimError(
            f"The book states: {text}. Measured {number:.6g}, outside [{at_least:g}, {at_most:g}]."
        )

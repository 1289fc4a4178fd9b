"""Checked claims: a result that the prose states is a call that fails when the result is not so."""

from __future__ import annotations

import math
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
) -> None:
    """Stop the notebook, and so the book, when a stated result leaves its band. Silent otherwise.

    Args:
        text: the claim in words, as the chapter states it.
        value: what was measured; a number or a tensor with one element.
        at_least: lower end of the band (inclusive).
        at_most: upper end of the band (inclusive).
        always: check under every preset. Results of training are checked only where the preset
            trains for long enough (`Preset.proves`); mathematics holds always.

    Raises:
        ClaimError: the value is not a number, or lies outside its band.
        ValueError: no band was given, or an empty one.
    """
    if at_least == -math.inf and at_most == math.inf:
        raise ValueError(f"claim({text!r}) has no band: give at_least, at_most or both.")
    if at_least > at_most:
        raise ValueError(
            f"claim({text!r}) has an empty band: at_least={at_least} is above at_most={at_most}."
        )
    number = float(getattr(value, "detach", lambda: value)())
    if math.isnan(number):
        raise ClaimError(f"Not a number: {text}")
    if (always or preset().proves) and not at_least <= number <= at_most:
        raise ClaimError(
            f"The book states: {text}. Measured {number:.6g}, outside [{at_least:g}, {at_most:g}]."
        )

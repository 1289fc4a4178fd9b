"""What the traits of several live figures check."""

from __future__ import annotations

import math
from typing import Any

import traitlets as t

__all__ = ["Finite"]


class Finite(t.Float):
    """A number that is not NaN, which is neither below nor above any bound."""

    def validate(self, obj: Any, value: Any) -> Any:
        """The value, or a TraitError that names the trait."""
        value = super().validate(obj, value)
        if not math.isfinite(value):
            self.error(obj, value)
        return value

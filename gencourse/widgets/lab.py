"""What the laboratories share: settings of two runs, a seed, and points that were drawn by hand."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from gencourse.widgets.text import style
from gencourse.widgets.traits import Finite

__all__ = ["Choices", "Laboratory", "Run"]

Choices = dict[str, tuple[Any, ...]]


class Run(t.Dict):
    """The settings of one run, each one of its choices; what is left out is as in `first`."""

    def __init__(self, choices: Choices, first: dict[str, Any], **changes: Any) -> None:
        self.choices, self.first = choices, first
        super().__init__({**first, **changes})

    def validate(self, obj: Any, value: Any) -> Any:
        """The settings, whole, or a TraitError that names the trait and the setting."""
        value = super().validate(obj, value)
        for name, setting in value.items():
            if name not in self.choices:
                raise t.TraitError(f"'{self.name}' has no setting {name!r}: give {', '.join(self.choices)}.")
            if isinstance(setting, bool) or setting not in self.choices[name]:
                raise t.TraitError(
                    f"'{self.name}' has {name}={setting!r}: give one of "
                    f"{', '.join(map(repr, self.choices[name]))}."
                )
        return {**self.first, **value}


class Laboratory(anywidget.AnyWidget):
    """Two runs of small networks on points in the plane, trained in the page itself. A subclass adds its text."""

    _css = style("lab")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    seed = t.Int(1, min=1, max=999_999).tag(sync=True)
    drawn = t.List(t.List(Finite(min=-3, max=3), minlen=2, maxlen=2), maxlen=150).tag(sync=True)

    def __repr__(self) -> str:
        values = self.trait_values()
        a, b = values["a"], values["b"]
        different = ", ".join(name for name in a if a[name] != b[name]) or "nothing"
        return (
            f"{type(self).__name__}({values['data']}, units={values['units']}, seed={self.seed}, "
            f"the runs differ in {different})"
        )

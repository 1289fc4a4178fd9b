"""The live figure of chapter 6: how far more processes carry, from two measured numbers of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anywidget
import traitlets as t

from gencourse.errors import need_named, need_number, need_sequence
from gencourse.widgets.text import module, style

__all__ = ["ProcessGain"]


class ProcessGain(anywidget.AnyWidget):
    """Choose a network, a mini-batch and a number of processes, and see the gain of eq. (6.5) and its ceiling.

    The browser computes it, without a kernel, from measured seconds. In a notebook the traits follow the controls, and
    setting one moves its control.
    """

    _esm = module("process_gain")
    _css = style("process_gain")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    kind = t.Int(0, min=0).tag(sync=True)  # which of the networks is shown
    batch = t.Int(6, min=2, max=12).tag(
        sync=True
    )  # log₂ of the pictures in a mini-batch of all processes together
    processes = t.Int(3, min=0, max=7).tag(sync=True)  # log₂ of their number
    names = t.List(t.Unicode()).tag(sync=True)  # of the networks
    fixed = t.List(t.Float()).tag(
        sync=True
    )  # seconds of a step that do not depend on the mini-batch, of each
    each = t.List(t.Float()).tag(sync=True)  # seconds for one picture, of each

    @classmethod
    def from_times(cls, times: Mapping[str, Sequence[float]]) -> ProcessGain:
        """The figure of measured networks.

        Args:
            times: name of the network to (a, b): a step on B pictures takes one process a + bB seconds, a ≥ 0, b > 0.

        Raises:
            TypeError, ValueError: times is none of that.
        """
        need_named("times", times, "names to (a, b) in seconds")
        for name, pair in times.items():
            need_sequence(f"times[{name!r}]", pair, "two numbers, (a, b)", 2)
            if len(pair) != 2:
                raise ValueError(f"times[{name!r}] has {len(pair)} numbers: give two, (a, b).")
            need_number(f"a of times[{name!r}]", pair[0], least=0)
            need_number(f"b of times[{name!r}]", pair[1], above=0)
        return cls(
            names=list(times),
            fixed=[float(a) for a, _ in times.values()],
            each=[float(b) for _, b in times.values()],
        )

    def __repr__(self) -> str:
        return f"ProcessGain({', '.join(self.names)})"

"""Figures of chapter 6."""

from __future__ import annotations

from collections.abc import Mapping

from gencourse.errors import need_named, need_number, need_whole
from gencourse.figures.style import DIGIT_COLOURS, chart, drawn, show, style

__all__ = ["step_times"]


@drawn
def step_times(measured: Mapping[str, Mapping[int, float]]) -> None:
    """Time for one picture against the size of the mini-batch, both on logarithmic axes: a line for each method.

    Args:
        measured: name of the method to {pictures in a mini-batch: seconds for the mini-batch}.

    Raises:
        TypeError, ValueError: measured is none of that, or a number is not positive.
    """
    need_named("measured", measured, "names to {pictures: seconds}")
    for name, times in measured.items():
        if not isinstance(times, Mapping) or not times:
            raise TypeError(f"measured[{name!r}] is {times!r}: give {{pictures in a mini-batch: seconds}}.")
        for batch, seconds in times.items():
            need_whole(f"a mini-batch of measured[{name!r}]", batch)
            need_number(f"the seconds of measured[{name!r}]", seconds, above=0)
    with style():
        _, axis = chart(6.4, 3.4)
        for colour, (name, times) in zip(DIGIT_COLOURS, measured.items(), strict=False):
            batches = sorted(times)
            each = [1000 * times[batch] / batch for batch in batches]
            axis.plot(batches, each, "o-", color=colour, label=name)
        axis.set(
            xscale="log", yscale="log", xlabel="pictures in a mini-batch", ylabel="milliseconds for a picture"
        )
        ticks = sorted({batch for times in measured.values() for batch in times})
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.legend()
        show()

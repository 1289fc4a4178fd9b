"""Figures of chapter 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from gencourse.errors import (
    need_kind,
    need_named,
    need_number,
    need_pair,
    need_records,
    need_sequence,
    need_whole,
)
from gencourse.figures.style import style

__all__ = ["distance_line", "panel_points", "task_chart"]

_BLUE, _GREY, _RED, _AMBER = "#4477aa", "#666666", "#c0392b", "#e0a526"


def panel_points(
    rows: Sequence[Mapping[str, Any]],
    across: str,
    up: str,
    labels: Sequence[str] = ("", ""),
    baselines: Sequence[str] = (),
) -> None:
    """Two figures of the panel against each other: a point a method, with bars from its worst to its best seed.

    Args:
        rows: records with "method"; those that lack one of the two figures are left out.
        across: name of the figure on the horizontal axis.
        up: name of the figure on the vertical axis, above 0, for it is logarithmic.
        labels: of the axes; the names of the figures when empty.
        baselines: methods to be drawn in grey.

    Raises:
        ValueError: a number cannot be drawn, or no row has both figures.
    """
    need_records("rows", rows, method=_need_text)
    need_kind("across", across, str, "the name of a figure")
    need_kind("up", up, str, "the name of a figure")
    need_pair("labels", labels, "two texts")
    need_sequence("baselines", baselines, "names of methods", 0)
    for name, texts in (("labels", labels), ("baselines", baselines)):
        for index, text in enumerate(texts):
            need_kind(f"{name}[{index}]", text, str, "text")
    found: dict[str, list[tuple[float, float]]] = {}
    for index, row in enumerate(rows):
        if across in row and up in row:
            need_number(f"rows[{index}][{across!r}]", row[across])
            need_number(f"rows[{index}][{up!r}]", row[up], above=0)
            found.setdefault(row["method"], []).append((row[across], row[up]))
    if not found:
        raise ValueError(
            f"across is {across!r} and up is {up!r}, and rows has none with both: give names that a row has."
        )
    with style():
        _, axis = plt.subplots(figsize=(7.2, 4.6))
        for method, pairs in found.items():
            colour = _GREY if method in baselines else _BLUE
            x, y = (sorted(values) for values in zip(*pairs, strict=True))
            middle = (sum(x) / len(x), sum(y) / len(y))
            axis.errorbar(
                *middle,
                # a mean of equal numbers may differ from them in the last digit
                xerr=[[max(0.0, middle[0] - x[0])], [max(0.0, x[-1] - middle[0])]],
                yerr=[[max(0.0, middle[1] - y[0])], [max(0.0, y[-1] - middle[1])]],
                fmt="s" if method in baselines else "o",
                color=colour,
                capsize=2,
                lw=1,
            )
            axis.annotate(method, middle, (6, 5), textcoords="offset points", color=colour, fontsize=9)
        axis.set(yscale="log", xlabel=labels[0] or across, ylabel=labels[1] or up)
        axis.margins(x=0.14, y=0.08)
        plt.tight_layout()
        plt.show()


def task_chart(
    rows: Sequence[Mapping[str, Any]], tasks: Mapping[str, tuple[str, bool]], digits: int = 3
) -> None:
    """Tasks across, methods down: the mean over seeds in each field, darker the better its place in the column.

    Args:
        rows: records with "method".
        tasks: title of a column to the name of its figure, and whether more is better.
        digits: significant digits.

    Raises:
        ValueError: a figure is in no row, or not a finite number.
    """
    need_records("rows", rows, method=_need_text)
    need_named("tasks", tasks, "titles to (name of a figure, whether more is better)")
    need_whole("digits", digits, 1, 17)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    with style():
        _, axis = plt.subplots(figsize=(1.7 + 1.25 * len(tasks), 0.9 + 0.36 * len(methods)))
        for column, (title, task) in enumerate(tasks.items()):
            need_pair(f"tasks[{title!r}]", task, "the name of a figure, and whether more is better")
            name, more = task
            need_kind(f"tasks[{title!r}][0]", name, str, "the name of a figure")
            need_kind(f"tasks[{title!r}][1]", more, bool, "True if more is better, or False")
            means = {}
            for method in methods:
                values = [row[name] for row in rows if row["method"] == method and name in row]
                for value in values:
                    need_number(f"rows' {name!r}", value)
                if values:
                    means[method] = sum(values) / len(values)
            if not means:
                raise ValueError(f"rows has no {name!r}, which tasks[{title!r}] asks for.")
            order = sorted(means, key=lambda m: means[m], reverse=more)
            for line, method in enumerate(methods):
                place = order.index(method) / max(1, len(order) - 1) if method in means else None
                shade = "white" if place is None else plt.get_cmap("Blues")(0.75 * (1 - place) + 0.03)
                axis.add_patch(Rectangle((column, line), 1, 1, fc=shade, ec="white", lw=1.5))
                text = "–" if place is None else f"{means[method]:.{digits}g}"
                axis.text(
                    column + 0.5,
                    line + 0.5,
                    text,
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if place is not None and place < 0.3 else "black",
                )
        axis.set(xlim=(0, len(tasks)), ylim=(len(methods), 0))
        axis.set_xticks([c + 0.5 for c in range(len(tasks))], list(tasks), fontsize=9)
        axis.set_yticks([m + 0.5 for m in range(len(methods))], methods, fontsize=9)
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.grid(False)
        for side in axis.spines.values():
            side.set_visible(False)
        plt.tight_layout()
        plt.show()


def distance_line(distances: Mapping[str, Mapping[int, float]], limits: Mapping[str, float]) -> None:
    """Distances against 1/N, and the lines of eq. (7.3) that lead to infinitely many samples.

    Args:
        distances: name of a set to N and the distance that was measured with N samples.
        limits: name to where its line meets the axis.

    Raises:
        ValueError: a number is not finite, an N is not positive, or a set has no limit.
    """
    need_named("distances", distances, "names to {N: distance}")
    need_named("limits", limits, "names to numbers")
    with style():
        _, axis = plt.subplots(figsize=(6.2, 3.8))
        for (name, points), colour in zip(
            distances.items(), (_BLUE, _RED, _AMBER, _GREY) * len(distances), strict=False
        ):
            need_kind(f"distances[{name!r}]", points, Mapping, "a dictionary of N to distance")
            if name not in limits:
                raise ValueError(f"limits has no {name!r}: give one for each set of distances.")
            need_number(f"limits[{name!r}]", limits[name])
            for n, value in points.items():
                need_number(f"distances[{name!r}], an N,", n, above=0)
                need_number(f"distances[{name!r}][{n}]", value)
            x = [1 / n for n in points]
            axis.plot(x, list(points.values()), "o", color=colour, label=name)
            far = max(x, default=0.0)
            end = points[min(points)] if points else limits[name]
            axis.plot([0, far], [limits[name], end], color=colour, lw=1)
        axis.set(xlabel="1 / N, samples in a set", ylabel="distance", xlim=(0, None))
        axis.legend()
        plt.tight_layout()
        plt.show()


def _need_text(name: str, value: Any) -> None:
    need_kind(name, value, str, "the name of a method")

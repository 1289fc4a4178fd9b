"""Figures of chapter 7."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from gencourse.errors import (
    need_kind,
    need_named,
    need_number,
    need_pair,
    need_records,
    need_sequence,
    need_whole,
)
from gencourse.figures.style import PHONE, chart, drawn, on_a_phone, panels, show, style

__all__ = ["checkup_chart", "distance_line", "panel_points", "search_curves", "task_chart"]

_ON_A_PHONE = 4  # columns of a chart of tasks
_BLUE, _GREY, _RED, _AMBER = "#4477aa", "#666666", "#c0392b", "#e0a526"


@drawn
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
        _, axis = chart(7.2, 4.6)
        names: dict[str, tuple[float, float, str]] = {}
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
            names[method] = (*middle, colour)
        axis.set(yscale="log", xlabel=labels[0] or across, ylabel=labels[1] or up)
        axis.margins(x=0.35 if on_a_phone() else 0.14, y=0.08)
        plt.tight_layout()
        _name_points(axis, names)
        show()


def _name_points(axis: Axes, names: Mapping[str, tuple[float, float, str]]) -> None:
    """Write names beside their points, (x, y, colour); on a phone, where they would cover each other, moved apart."""
    axis.autoscale_view()  # else places are known only when the figure is drawn
    point = 72 / axis.figure.dpi  # of a pixel
    lowest = -math.inf
    for name, (x, y, colour) in sorted(names.items(), key=lambda one: one[1][1]):
        height = float(axis.transData.transform((x, y))[1]) * point
        place = max(height + 5, lowest + 10) if on_a_phone() else height + 5
        lowest = place
        line = {"arrowstyle": "-", "color": colour, "lw": 0.5} if place > height + 9 else None
        axis.annotate(
            name,
            (x, y),
            (8 if line else 6, place - height),
            textcoords="offset points",
            color=colour,
            fontsize=9,
            arrowprops=line,
        )


@drawn
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
    for title, task in tasks.items():
        need_pair(f"tasks[{title!r}]", task, "the name of a figure, and whether more is better")
        need_kind(f"tasks[{title!r}][0]", task[0], str, "the name of a figure")
        need_kind(f"tasks[{title!r}][1]", task[1], bool, "True if more is better, or False")
    methods = list(dict.fromkeys(row["method"] for row in rows))
    titles = list(tasks)
    # a phone has room for four columns beside the names: the others stand below them
    columns = _ON_A_PHONE if on_a_phone() else max(1, len(titles))
    parts = [titles[i : i + columns] for i in range(0, len(titles), columns)]
    # a long name would take the columns' room
    names = [name.replace(" + ", "\n+ ") if on_a_phone() else name for name in methods]
    with style():
        size = (1.7 + 1.25 * len(titles), 0.9 + 0.36 * len(methods))
        if on_a_phone():
            size = (PHONE, len(parts) * (1.1 + 0.31 * len(methods)))
        _, axes = plt.subplots(len(parts), 1, figsize=size, squeeze=False)
        for axis, part in zip(axes[:, 0], parts, strict=True):
            for column, title in enumerate(part):
                _task_column(axis, column, rows, methods, (title, *tasks[title]), digits)
            axis.set(xlim=(0, columns), ylim=(len(methods), 0))
            turned = 90 if on_a_phone() else 0
            axis.set_xticks([c + 0.5 for c in range(len(part))], part, fontsize=9, rotation=turned)
            axis.set_yticks([m + 0.5 for m in range(len(methods))], names, fontsize=9, linespacing=0.9)
            axis.xaxis.tick_top()
            axis.tick_params(length=0)
            axis.grid(False)
            for side in axis.spines.values():
                side.set_visible(False)
        plt.tight_layout()
        show()


def _task_column(
    axis: Axes,
    column: int,
    rows: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
    task: tuple[str, str, bool],
    digits: int,
) -> None:
    """One column of `task_chart`: a field for each method that has the figure, darker the better its place."""
    title, name, more = task
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
        axis.text(
            column + 0.5,
            line + 0.5,
            "–" if place is None else f"{means[method]:.{digits}g}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if place is not None and place < 0.3 else "black",
        )


@drawn
def distance_line(
    distances: Mapping[str, Mapping[int, float]], lines: Mapping[str, tuple[float, float]]
) -> None:
    """Distances against 1/N, and the lines of eq. (7.3) that lead to infinitely many samples.

    Args:
        distances: name of a set to N and the distance that was measured with N samples.
        lines: name to the limit and the slope c of its line, limit + c/N, as `extrapolated_distance` gives them.

    Raises:
        ValueError: a number is not finite, an N is not positive, or a set has no line.
    """
    need_named("distances", distances, "names to {N: distance}")
    need_named("lines", lines, "names to (limit, slope)")
    with style():
        _, axis = chart(6.2, 3.8)
        for (name, points), colour in zip(
            distances.items(), (_BLUE, _RED, _AMBER, _GREY) * len(distances), strict=False
        ):
            need_kind(f"distances[{name!r}]", points, Mapping, "a dictionary of N to distance")
            if name not in lines:
                raise ValueError(f"lines has no {name!r}: give one for each set of distances.")
            need_pair(f"lines[{name!r}]", lines[name], "a limit and a slope")
            limit, slope = lines[name]
            need_number(f"lines[{name!r}], the limit,", limit)
            need_number(f"lines[{name!r}], the slope,", slope)
            for n, value in points.items():
                need_number(f"distances[{name!r}], an N,", n, above=0)
                need_number(f"distances[{name!r}][{n}]", value)
            x = [1 / n for n in points]
            axis.plot(x, list(points.values()), "o", color=colour, label=name)
            far = max(x, default=0.0)
            axis.plot([0, far], [limit, limit + slope * far], color=colour, lw=1)
        axis.set(xlabel="1 / N, samples in a set", ylabel="distance", xlim=(0, None))
        axis.legend()
        plt.tight_layout()
        show()


@drawn
def search_curves(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str] | None = None) -> None:
    """Regret of searches, after each share of the budget above, after each trial below.

    Regret is how far the best value so far is above the least value of all searches of the problem, in percent of
    that. The axis is straight up to one percent, and logarithmic above.

    Args:
        rows: records with "problem" (a column each), "searcher" (a colour each), and the values "after_1", "after_2",
            … and "trial_1", "trial_2", …; a line is the median over the rows of a searcher, a band their range.
        labels: name of a problem to what its value is, for the title.

    Raises:
        ValueError: a value is not positive, a row lacks a value, or it is not a finite number.
    """
    need_records("rows", rows, problem=_need_text, searcher=_need_text)
    labels = {} if labels is None else labels
    if labels:
        need_named("labels", labels, "names of problems to texts")
        for name, text in labels.items():
            need_kind(f"labels[{name!r}]", text, str, "text")
    problems, searchers = (list(dict.fromkeys(row[k] for row in rows)) for k in ("problem", "searcher"))
    titles = {"after": "share of the budget spent, in pictures", "trial": "trials"}
    counts = {kind: sum(name.startswith(f"{kind}_") for name in rows[0]) for kind in titles}
    if not all(counts.values()):
        raise ValueError("rows[0] has no 'after_1' or no 'trial_1': give records of searches.")
    with style():
        _, axes = panels(2, len(problems), (3.7 * len(problems), 5.6))
        for line, (kind, title) in enumerate(titles.items()):
            n = counts[kind]
            for column, problem in enumerate(problems):
                axis = axes[line][column]
                own = [row for row in rows if row["problem"] == problem]
                values = [v for row in own for k, v in row.items() if k.startswith(("after_", "trial_"))]
                for value in values:
                    need_number("a value of rows", value, above=0)
                least = min(values)
                for searcher, colour in zip(
                    searchers, (_GREY, _BLUE, _RED, _AMBER) * len(searchers), strict=False
                ):
                    found = [row for row in own if row["searcher"] == searcher]
                    curves = []
                    for row in found:
                        for k in range(1, n + 1):
                            need_number(f"rows' '{kind}_{k}'", row.get(f"{kind}_{k}"), above=0)
                        curves.append([100 * (row[f"{kind}_{k}"] / least - 1) for k in range(1, n + 1)])
                    if not curves:
                        continue
                    x = [k / n if kind == "after" else k for k in range(1, n + 1)]
                    middle, low, high = (
                        [f(v) for v in zip(*curves, strict=True)] for f in (median, min, max)
                    )
                    axis.fill_between(x, low, high, color=colour, alpha=0.13, lw=0)
                    axis.plot(x, middle, color=colour, label=searcher)
                axis.set_yscale("symlog", linthresh=1.0)
                axis.set(xlabel=title, ylabel="above the best, %", ylim=(0, None))
                if line == 0 or on_a_phone():
                    axis.set_title(f"{problem}: {labels[problem]}" if problem in labels else problem)
                axis.yaxis.set_major_formatter("{x:.3g}")
        axes[0][0].legend()
        plt.tight_layout()
        show()


@drawn
def checkup_chart(answers: Mapping[str, str]) -> None:
    """Questions one below the other, each with its answer: go down while it is fine, and stop where it is not.

    Args:
        answers: question to answer; an answer that begins with "Fine" is drawn in blue, any other in amber.

    Raises:
        TypeError, ValueError: that is no dictionary of texts, or it is empty.
    """
    need_named("answers", answers, "questions to answers")
    for question, answer in answers.items():
        need_kind(f"answers[{question!r}]", answer, str, "a sentence")
    with style():
        phone = on_a_phone()
        # on a phone the answer stands below its question
        tall, wide, high, chars = (1.35, 7.9, 0.36, 42) if phone else (0.78, 2.2, 0.62, 26)
        _, axes = panels(1, 1, (PHONE if phone else 7.6, 0.2 + tall * len(answers)), stack=False)
        axis = axes[0, 0]
        for line, (question, answer) in enumerate(answers.items()):
            fine = answer.startswith("Fine")
            box = FancyBboxPatch(
                (0.05, line + 0.14),
                wide,
                high,
                boxstyle="round,pad=0.02,rounding_size=0.1",
                fc="#dbe7f3" if fine else "#f8e6bd",
                ec=_BLUE if fine else _AMBER,
            )
            axis.add_patch(box)
            centre: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9}
            asked, said = (
                "\n".join(textwrap.wrap(question, chars)),
                "\n".join(textwrap.wrap(answer, 48 if phone else 68)),
            )
            axis.text(0.05 + wide / 2, line + 0.14 + high / 2, asked, **centre)
            if phone:
                axis.text(0.4, line + 0.76, said, va="center", fontsize=9)
            else:
                axis.text(2.5, line + 0.45, said, va="center", fontsize=9)
            if line + 1 < len(answers):
                axis.annotate(
                    "",
                    (0.2 if phone else 1.15, line + 1.12),
                    (0.2 if phone else 1.15, line + 0.16 + high),
                    arrowprops={"arrowstyle": "->", "color": _GREY},
                )
        axis.set(xlim=(0, 8.2), ylim=(len(answers), 0))
        axis.axis("off")
        plt.tight_layout()
        show()


def _need_text(name: str, value: Any) -> None:
    need_kind(name, value, str, "a name")

"""The map on the first page of the book: five methods made of the same few parts."""

from __future__ import annotations

import itertools
from collections.abc import Collection

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from gencourse.errors import need_kind, need_one_of, shown
from gencourse.figures.style import chart, drawn, on_a_phone, show, sketch, style

__all__ = ["method_map"]

_LOSS, _NETWORK, _JUDGE, _QUIET = "#c0392b", "#4477aa", "#8a5a9e", "#555555"

# name, what is special, parts from left to right in fixed columns, where the judge sits
_ROWS = (
    (
        "autoencoder",
        "squeeze and redraw",
        {0: "$x$", 1: "E", 2: "$z$", 3: "Dec", 4: "$\\hat{x}$"},
        None,
        True,
    ),
    ("GAN", "draw noise, fool a judge", {2: "$z \\sim p$", 3: "G", 4: "$\\hat{x}$"}, 5, False),
    (
        "AE-GAN hybrid",
        "redraw, and fool a judge",
        {0: "$x$", 1: "E", 2: "$z$", 3: "Dec", 4: "$\\hat{x}$"},
        5,
        True,
    ),
    (
        "adversarial AE",
        "a judge for the codes",
        {0: "$x$", 1: "E", 2: "$z$", 3: "Dec", 4: "$\\hat{x}$"},
        2,
        True,
    ),
    (
        "masked AE",
        "redraw what was hidden",
        {0: "$x$, hidden in part", 1: "E", 2: "$z$", 3: "Dec", 4: "$\\hat{x}$"},
        None,
        True,
    ),
)


@drawn
def method_map(
    in_the_book: Collection[str] = ("autoencoder", "GAN", "AE-GAN hybrid", "adversarial AE", "masked AE"),
) -> None:
    """The five methods of this family, one row each.

    Args:
        in_the_book: names of the methods that have a chapter; they are drawn in full strength.

    Raises:
        ValueError: there is no method of that name.
    """
    need_kind("in_the_book", in_the_book, Collection, "names of methods")
    if isinstance(in_the_book, str):
        raise TypeError(f"in_the_book is {shown(in_the_book)}: give a list of names.")
    for name in in_the_book:
        need_one_of("in_the_book", name, [known for known, *_ in _ROWS])
    with style():
        phone = on_a_phone()
        # on a phone the name stands above its row
        left, name_above, motto_above, pitch = (-0.85, 1.95, 1.4, 3.5) if phone else (-5.5, 0.18, -0.4, 2.3)
        if phone:
            axis = sketch(13.4, 27.5)
            axis.set(xlim=(-0.95, 12.45), ylim=(-4 * pitch - 1.5, 2.4))
        else:
            _, axis = chart(9, 6.6)
            axis.set(xlim=(-5.6, 12.4), ylim=(-10.9, 1.5))
        axis.set_axis_off()
        for row, (name, motto, parts, judge, redraws) in enumerate(_ROWS):
            strength = 1.0 if name in in_the_book else 0.45
            y = -pitch * row - 0.9 * (row == len(_ROWS) - 1)  # room for the judge of the row above
            axis.text(left, y + name_above, name, weight="bold", fontsize=11, alpha=strength, va="center")
            axis.text(left, y + motto_above, motto, fontsize=9, color=_QUIET, alpha=strength, va="center")
            _row(axis, y, parts, judge, redraws, strength)
        show()


def _row(
    axis: Axes, y: float, parts: dict[int, str], judge: int | None, redraws: bool, strength: float
) -> None:
    columns = sorted(parts)
    gap, letters = (0.72, 10) if on_a_phone() else (0.62, 12)  # from a middle to its arrow
    for column in columns:
        text, _, note = parts[column].partition(", ")
        if "$" in text:
            axis.text(2 * column, y, text, ha="center", va="center", fontsize=letters, alpha=strength)
            # below the arrow, which begins beside the letter
            axis.text(
                2 * column,
                y - (0.75 if on_a_phone() else 0.58),
                note,
                ha="center",
                va="center",
                fontsize=9,
                alpha=strength,
            )
        else:
            _network(axis, 2 * column, y, text, _NETWORK, strength)
    for left, right in itertools.pairwise(columns):
        _arrow(axis, (2 * left + gap, y), (2 * right - gap, y), _QUIET, strength)
    if redraws:
        _arrow(axis, (8, y + 0.45), (0, y + 0.45), _LOSS, strength, style="<|-|>", curve=0.12)
    if judge == 5:
        _arrow(axis, (8 + gap, y), (10 - gap, y), _QUIET, strength)
        _network(axis, 10, y, "D", _JUDGE, strength)
        axis.text(11.7, y, "$x$", ha="center", va="center", fontsize=letters, alpha=strength)
        _arrow(axis, (11.4, y), (10 + gap, y), _QUIET, strength)
    elif judge is not None:
        below = y - 1.15
        _arrow(axis, (2 * judge, y - 0.35), (2 * judge, below + 0.42), _QUIET, strength)
        _network(axis, 2 * judge, below, "D", _JUDGE, strength)
        axis.text(
            2 * judge + 2, below, "$z \\sim p$", ha="center", va="center", fontsize=letters, alpha=strength
        )
        _arrow(axis, (2 * judge + 2 - gap - 0.08, below), (2 * judge + gap, below), _QUIET, strength)


def _network(axis: Axes, x: float, y: float, text: str, colour: str, strength: float) -> None:
    wide = 1.16 if on_a_phone() else 1.0
    box = FancyBboxPatch(
        (x - wide / 2, y - 0.36),
        wide,
        0.72,
        boxstyle="round,pad=0.04,rounding_size=0.12",
        color=colour,
        alpha=strength,
    )
    axis.add_patch(box)
    size = 9 if on_a_phone() else 10
    axis.text(x, y, text, ha="center", va="center", color="white", fontsize=size)


def _arrow(
    axis: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str,
    strength: float,
    style: str = "-|>",
    curve: float = 0.0,
) -> None:
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=7 if on_a_phone() else 11,
            color=colour,
            alpha=strength,
            connectionstyle=f"arc3,rad={curve}",
        )
    )

"""What all figures of the course share."""

from __future__ import annotations

import base64
import functools
import io
import os
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

__all__ = [
    "DIGIT_COLOURS",
    "PHONE",
    "arrow",
    "box",
    "chart",
    "draw_pictures",
    "drawn",
    "flow",
    "for_a_phone",
    "legend",
    "need_seeds",
    "on_a_phone",
    "panels",
    "show",
    "sketch",
    "style",
    "tile",
]

P = ParamSpec("P")
PHONE = 3.3
"""Inches across the text of a phone: letters then keep their size there."""
BOTH = "GENCOURSE_DRAW_FOR_PHONES"
"""Environment variable, set for the kernels that make the book: each figure is drawn once more, for a phone."""

# Ten colours that stay apart for colour-blind readers and on light and dark pages.
DIGIT_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#994f00",
    "#40b0a6",
    "#e66100",
    "#5d3a9b",
)

_STYLE: Any = {
    "figure.dpi": 110,
    "savefig.bbox": "tight",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
}


_phone: ContextVar[bool] = ContextVar("phone", default=False)


def on_a_phone() -> bool:
    """Whether the figure that is being drawn is as wide as a phone."""
    return _phone.get()


@contextmanager
def for_a_phone() -> Iterator[None]:
    """Draw as wide as a phone: panels stand below each other."""
    token = _phone.set(True)
    try:
        yield
    finally:
        _phone.reset(token)


def drawn(draw: Callable[P, None]) -> Callable[P, None]:
    """A figure's function, which draws once more, for a phone, where a book is made."""

    @functools.wraps(draw)
    def twice(*args: P.args, **kwargs: P.kwargs) -> None:
        draw(*args, **kwargs)
        if os.environ.get(BOTH):
            with for_a_phone():
                draw(*args, **kwargs)

    return twice


def panels(
    rows: int, columns: int, size: tuple[float, float], *, stack: bool = True, **options: Any
) -> tuple[Figure, Any]:
    """Axes in rows and columns, shape (rows, columns), like those of `plt.subplots`.

    Args:
        rows: of panels.
        columns: of panels.
        size: of the whole figure, in inches.
        stack: on a phone the panels stand below each other; otherwise they stay where they are and get smaller.
        options: for `plt.subplots`.
    """
    if not on_a_phone():
        return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    shape = size[1] / rows / (size[0] / columns)  # of a panel
    if not stack:
        height = PHONE / columns * shape * rows + 0.4
        return plt.subplots(rows, columns, figsize=(PHONE, height), squeeze=False, **options)
    count = rows * columns
    height = count * PHONE * min(1.0, max(0.75, shape))
    figure, axes = plt.subplots(count, 1, figsize=(PHONE, height), squeeze=False, **options)
    for axis in axes[:, 0]:  # shared axes would have their numbers at one panel only
        axis.tick_params(labelbottom=True, labelleft=True)
    return figure, axes.reshape(rows, columns)


def chart(width: float, height: float) -> tuple[Figure, Axes]:
    """One pair of axes, of this size in inches; on a phone smaller, and not too flat."""
    figure, axes = panels(1, 1, (width, height))
    return figure, axes[0, 0]


def legend(axis: Axes, *, below: float = 0.34, **options: Any) -> None:
    """A legend inside the axes; on a phone, where it would cover the curves, so far below them, in their height."""
    if on_a_phone():
        options |= {"loc": "upper center", "bbox_to_anchor": (0.45, -below), "fontsize": 9}
    axis.legend(**options)


def show() -> None:
    """Show the figure, or on a phone publish it as one that figures.py of the book knows by its title."""
    if not on_a_phone():
        plt.show()
        return
    figure = plt.gcf()
    publish({kind: _file(figure, kind) for kind in ("png", "svg")})
    plt.close(figure)


def publish(files: Mapping[str, bytes]) -> None:
    """Give a notebook a figure as PNG and as SVG."""
    from IPython.display import display

    png = base64.b64encode(files["png"]).decode()
    display({"image/png": png, "image/svg+xml": files["svg"].decode()}, raw=True)


def _file(figure: Figure, kind: str) -> bytes:
    out = io.BytesIO()
    figure.savefig(
        out, format=kind, dpi=2 * figure.dpi if kind == "png" else figure.dpi, metadata={"Title": "phone"}
    )
    return out.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Draw in the course's style, and leave the reader's own settings alone."""
    with plt.rc_context(_STYLE):
        yield


def need_seeds(name: str, rows: Sequence[Mapping[str, Any]], key: str) -> None:
    """Records that have as many seeds at each value of a column, so that means can be taken."""
    counts = Counter(row[key] for row in rows)
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{n} at {value}" for value, n in sorted(counts.items()))
        raise ValueError(
            f"{name} has records of different number for each {key!r} ({found}): give as many of each."
        )


def tile(pictures: Tensor, columns: int) -> Tensor:
    """Pictures side by side in rows, one pixel apart: (N, C, H, W) to (H', W') or (H', W', 3), in [0, 1]."""
    from torchvision.utils import make_grid

    grid = make_grid(pictures.detach().cpu().float().clamp(0, 1), nrow=columns, padding=1, pad_value=0.35)
    return grid[0] if pictures.shape[1] == 1 else grid.permute(1, 2, 0)


def draw_pictures(axes: Axes, pictures: Tensor, columns: int, title: str = "") -> None:
    """Draw a grid of pictures without axes."""
    axes.imshow(tile(pictures, columns).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    if title:
        axes.set_title(textwrap.fill(title, 40) if on_a_phone() else title, loc="left")


def rows_of_pictures(rows: Sequence[tuple[str, Tensor]], width: float = 7.5) -> None:
    """One labelled row for each (name, pictures); pictures of a column belong together."""
    columns = len(rows[0][1])
    cell = width / columns
    if on_a_phone():
        _rows_for_a_phone(rows)
        return
    with style():
        figure, axes = plt.subplots(
            len(rows), 1, figsize=(width + 1.3, cell * len(rows) * 1.06), squeeze=False
        )
        for axis, (name, pictures) in zip(axes[:, 0], rows, strict=True):
            draw_pictures(axis, torch.as_tensor(pictures)[:columns], columns)
            axis.text(-0.01, 0.5, name, transform=axis.transAxes, ha="right", va="center")
        figure.subplots_adjust(hspace=0.04, left=0.17, right=1, top=1, bottom=0)
        show()


def _rows_for_a_phone(rows: Sequence[tuple[str, Tensor]]) -> None:
    """The names stand above their rows, which then are as wide as the phone."""
    strips = [tile(torch.as_tensor(pictures), len(pictures)) for _, pictures in rows]
    heights = [PHONE * strip.shape[0] / strip.shape[1] for strip in strips]
    above = [0.05 + 0.2 * len(name.splitlines()) * bool(name.strip()) for name, _ in rows]
    whole = sum(heights) + sum(above)
    with style():
        figure = plt.figure(figsize=(PHONE, whole))
        top = 1.0
        for (name, _), strip, height, gap in zip(rows, strips, heights, above, strict=True):
            bottom = top - (height + gap) / whole
            axis = figure.add_axes((0, bottom, 1, height / whole))
            axis.imshow(strip.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
            axis.set_axis_off()
            axis.set_title(name.strip(), loc="left", pad=3, fontsize=9.5)
            top = bottom
        show()


def box(
    axis: Axes, x: float, y: float, w: float, h: float, colour: str, text: str, filled: bool = False
) -> None:
    """A rounded box with text, for drawings: a network when filled, data when not."""
    axis.add_patch(
        FancyBboxPatch(
            (x, y),
            w,
            h,
            boxstyle="round,pad=0.02,rounding_size=0.15",
            fc=colour if filled else "white",
            ec=colour,
        )
    )
    axis.text(x + w / 2, y + h / 2, text, ha="center", va="center", color="white" if filled else "black")


def flow(
    axis: Axes,
    boxes: Mapping[str, tuple[float, float, float, str, str, bool]],
    arrows: Sequence[tuple[str, str]],
    high: float = 1.4,
) -> None:
    """Boxes and the grey arrows between them, for drawings that are as wide as a phone.

    Args:
        axis: where to draw.
        boxes: name to the middle (x, y), the width, colour and text, and whether it is filled.
        arrows: from the edge of one box to that of another.
        high: height of all boxes.
    """
    for x, y, wide, colour, text, filled in boxes.values():
        box(axis, x - wide / 2, y - high / 2, wide, high, colour, text, filled)
    for first, last in arrows:
        (x, y, wide, *_), (to_x, to_y, to_wide, *_) = boxes[first], boxes[last]
        if abs(to_y - y) < high:  # beside each other
            side = 1 if to_x > x else -1
            start, end = (x + side * (wide / 2 + 0.05), y), (to_x - side * (to_wide / 2 + 0.05), to_y)
        else:
            side = 1 if to_y > y else -1
            start, end = (x, y + side * (high / 2 + 0.05)), (to_x, to_y - side * (high / 2 + 0.05))
        arrow(axis, start, end, "#666666")


def arrow(
    axis: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str,
    bend: float = 0.0,
    ends: str = "-|>",
) -> None:
    """An arrow, which may be bent."""
    axis.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle=ends, mutation_scale=12, color=colour, connectionstyle=f"arc3,rad={bend}"
        )
    )


def sketch(wide: float, high: float) -> Axes:
    """Empty axes for a drawing on a phone, `wide` units across the phone, from (0, 0) at the bottom left."""
    figure = plt.figure(figsize=(PHONE, PHONE * high / wide))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, wide), ylim=(0, high))
    axis.set_axis_off()
    return axis

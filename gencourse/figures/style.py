"""What all figures of the course share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

__all__ = ["DIGIT_COLOURS", "box", "draw_pictures", "need_seeds", "style", "tile"]

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
        axes.set_title(title, loc="left")


def rows_of_pictures(rows: Sequence[tuple[str, Tensor]], width: float = 7.5) -> None:
    """One labelled row for each (name, pictures); pictures of a column belong together."""
    columns = len(rows[0][1])
    cell = width / columns
    with style():
        figure, axes = plt.subplots(
            len(rows), 1, figsize=(width + 1.3, cell * len(rows) * 1.06), squeeze=False
        )
        for axis, (name, pictures) in zip(axes[:, 0], rows, strict=True):
            draw_pictures(axis, torch.as_tensor(pictures)[:columns], columns)
            axis.text(-0.01, 0.5, name, transform=axis.transAxes, ha="right", va="center")
        figure.subplots_adjust(hspace=0.04, left=0.17, right=1, top=1, bottom=0)
        plt.show()


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

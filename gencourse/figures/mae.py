"""Figures of chapter 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from gencourse.errors import (
    need_kind,
    need_named,
    need_number,
    need_pair,
    need_pictures,
    need_records,
    need_sequence,
    need_size,
    need_table,
    need_whole,
)
from gencourse.figures.style import (
    arrow,
    box,
    chart,
    drawn,
    flow,
    legend,
    need_seeds,
    on_a_phone,
    panels,
    show,
    sketch,
    style,
)

__all__ = ["hidden_curves", "mae_idea", "mask_ratio_curves", "position_map"]

_BLUE, _PURPLE, _AMBER, _GREY, _RED = "#4477aa", "#8a5a9e", "#e0a526", "#666666", "#c0392b"


@drawn
def mae_idea(picture: Tensor) -> None:
    """A picture's way through a masked autoencoder.

    Args:
        picture: a digit (1, 28, 28).

    Raises:
        ValueError: it is no digit in [0, 1].
    """
    need_pictures("picture", picture, "(1, 28, 28)")
    picture = picture.detach().cpu()
    kept = (5, 7, 10, 13)  # places of the visible ones among 16
    with style():
        if on_a_phone():
            axis = sketch(11, 14)
            _grid(axis, picture, 1.0, 10.2, 3.5, range(16))
            _grid(axis, picture, 6.8, 10.2, 3.5, kept)
            _tokens(axis, 5.4, 5.5, kept)
            _grid(axis, picture, 1.0, 0.8, 3.5, range(16))
            boxes = {
                "encoder": (8.55, 7.4, 2.9, _BLUE, "encoder", True),
                "decoder": (2.75, 7.4, 2.9, _BLUE, "small\ndecoder", True),
            }
            flow(axis, boxes, [])
            for start, end in (
                ((4.7, 11.95), (6.6, 11.95)),
                ((8.55, 9.3), (8.55, 8.2)),
                ((7.0, 7.4), (6.3, 7.4)),
                ((5.3, 7.4), (4.3, 7.4)),
                ((2.75, 6.6), (2.75, 4.5)),
            ):
                arrow(axis, start, end, _GREY)
            arrow(axis, (0.9, 11.95), (0.9, 2.55), _RED, 0.08, "<|-|>")
            axis.text(7.6, 2.55, "compare what\nwas hidden", ha="center", va="center", color=_RED)
            for x, y, text in (
                (2.75, 9.7, "16 patches"),
                (8.55, 9.7, "4 are left"),
                (8.55, 6.2, "sees 4 tokens"),
                (5.8, 5.0, "16 tokens"),
                (2.75, 0.3, "16 predictions"),
            ):
                axis.text(x, y, text, ha="center", va="center", fontsize=9)
            axis.set(xlim=(0, 11), ylim=(0, 14), aspect="auto")
            show()
            return
        _, axis = chart(8.8, 2.9)
        axis.set(xlim=(0, 21), ylim=(-0.9, 6.0), aspect="equal")
        axis.set_axis_off()
        _grid(axis, picture, 0.1, 0.6, 3.9, range(16))
        _grid(axis, picture, 5.0, 0.6, 3.9, kept)
        box(axis, 9.9, 1.6, 2.3, 1.8, _BLUE, "encoder", filled=True)
        _tokens(axis, 13.0, 0.7, kept)
        box(axis, 14.6, 1.6, 2.1, 1.8, _BLUE, "small\ndecoder", filled=True)
        _grid(axis, picture, 17.6, 0.9, 3.2, range(16))
        for start, end in (
            ((4.1, 2.5), (4.9, 2.5)),
            ((9.0, 2.5), (9.8, 2.5)),
            ((12.3, 2.5), (12.9, 2.5)),
            ((13.9, 2.5), (14.5, 2.5)),
            ((16.8, 2.5), (17.5, 2.5)),
        ):
            axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=_GREY))
        axis.add_patch(
            FancyArrowPatch(
                (2.0, 4.65),
                (19.2, 4.25),
                arrowstyle="<|-|>",
                mutation_scale=12,
                color=_RED,
                connectionstyle="arc3,rad=-0.07",
            )
        )
        axis.text(11.0, 5.5, "compare what was hidden", ha="center", color=_RED)
        for x, text in (
            (2.0, "16 patches"),
            (6.95, "4 are left"),
            (11.05, "sees 4 tokens"),
            (13.4, "16 tokens"),
            (19.2, "16 predictions"),
        ):
            axis.text(x, -0.1 if x != 13.4 else -0.7, text, ha="center", va="center", fontsize=9)
        show()


@drawn
def position_map(positions: Tensor, side: int, places: Sequence[tuple[int, int]]) -> None:
    """Inner products of one place's position with those of all places, eq. (5.8).

    Args:
        positions: (side², D).
        side: patches along a side.
        places: (row, column) of each panel's place.

    Raises:
        ValueError: positions has no side² rows, or a place is not in the grid.
    """
    need_size("side", side)
    need_table("positions", positions, "(N, D)")
    if side * side != len(positions):
        raise ValueError(f"side is {side} and positions has {len(positions)} rows: give side² rows.")
    need_sequence("places", places, "pairs (row, column)")
    for index, place in enumerate(places):
        need_pair(f"places[{index}]", place, "two numbers, row and column")
        for number in place:
            need_whole(f"places[{index}]", number, 0, side - 1)
    positions = positions.detach().cpu()
    with style():
        _, axes = panels(1, len(places), (2.5 * len(places), 2.6), stack=False)
        for axis, (row, column) in zip(axes[0], places, strict=True):
            product = positions @ positions[row * side + column]
            axis.imshow(product.view(side, side).numpy(), cmap="viridis")
            axis.plot(column, row, "o", color="white", markeredgecolor="black")
            axis.set(
                title=f"row {row},\ncolumn {column}" if on_a_phone() else f"row {row}, column {column}",
                xticks=[],
                yticks=[],
            )
            axis.grid(visible=False)
        plt.tight_layout()
        show()


@drawn
def mask_ratio_curves(rows: Sequence[Mapping[str, float]]) -> None:
    """Error of painted patches, and what the encoder is worth, against the mask ratio; dots are seeds.

    Args:
        rows: records with "ratio", "error_at_three_quarters", "fine_tuned" and "probed".

    Raises:
        ValueError: a number is missing or not finite, or there are not as many seeds for each ratio.
    """
    columns = dict.fromkeys(("ratio", "error_at_three_quarters", "fine_tuned", "probed"), need_number)
    need_records("rows", rows, **columns)
    need_seeds("rows", rows, "ratio")
    ratios = sorted({r["ratio"] for r in rows})
    with style():
        _, axes = panels(1, 2, (8.8, 3.3))
        for axis, names, title in (
            (
                axes[0, 0],
                {"error_at_three_quarters": ("painting", _RED)},
                "error of hidden pixels, same masks for all",
            ),
            (
                axes[0, 1],
                {"fine_tuned": ("fine-tuned, 1000 labels", _BLUE), "probed": ("linear probe", _PURPLE)},
                "test accuracy",
            ),
        ):
            for name, (label, colour) in names.items():
                found = torch.tensor([[r[name] for r in rows if r["ratio"] == q] for q in ratios])
                axis.plot(ratios, found.mean(1), color=colour, label=label)
                for q, values in zip(ratios, found, strict=True):
                    axis.plot([q] * len(values), values, "o", color=colour, markersize=3)
            axis.set(title=title, xlabel="share of patches hidden in training", xticks=ratios)
            axis.set_xticks(ratios, [f"{q:g}" for q in ratios], rotation=30)
        legend(axes[0, 1], below=0.55)  # the numbers are turned
        plt.tight_layout()
        show()


@drawn
def hidden_curves(errors: Mapping[str, Mapping[float, float]]) -> None:
    """Error of hidden patches in units of the mean picture's, against the share of patches that is hidden.

    Args:
        errors: name of a network to its errors, by share.
    """
    need_named("errors", errors, "names to errors by share")
    for label, found in errors.items():
        need_kind(f"errors[{label!r}]", found, Mapping, "errors by share, for example {0.5: 0.8}")
        for share, error in found.items():
            need_number(f"errors[{label!r}]", share)
            need_number(f"errors[{label!r}][{share}]", error)
    with style():
        _, axis = chart(6.4, 6.4 if on_a_phone() else 3.3)  # there the legend takes some of it
        for (label, found), colour in zip(errors.items(), (_GREY, _BLUE, _AMBER, _PURPLE), strict=False):
            axis.plot(list(found), list(found.values()), "o-", color=colour, markersize=3, label=label)
        axis.axhline(1, color=_RED, linestyle=":", label="mean picture")
        axis.set(xlabel="share of patches hidden", ylabel="error / the mean picture's")
        legend(axis)
        plt.tight_layout()
        show()


def _grid(axis: Axes, picture: Tensor, x: float, y: float, size: float, shown: Sequence[int]) -> None:
    """A digit cut into 4×4 patches, of which some are shown."""
    cell = size / 4
    for n in range(16):
        row, column = divmod(n, 4)
        left, bottom = x + column * cell, y + (3 - row) * cell
        if n in shown:
            patch = picture[0, 7 * row : 7 * row + 7, 7 * column : 7 * column + 7]
            axis.imshow(
                patch.numpy(),
                cmap="gray",
                vmin=0,
                vmax=1,
                extent=(left, left + cell, bottom, bottom + cell),
                interpolation="nearest",
            )
            axis.add_patch(Rectangle((left, bottom), cell, cell, fill=False, lw=0.8, ec="#bbbbbb"))
        else:
            axis.add_patch(Rectangle((left, bottom), cell, cell, fc="#f3f3f3", lw=0.8, ec="#bbbbbb"))
    axis.set(xlim=(0, 21), ylim=(-0.9, 6.0), aspect="equal")


def _tokens(axis: Axes, x: float, y: float, kept: Sequence[int]) -> None:
    """A column of sixteen tokens: visible ones and mask tokens."""
    for n in range(16):
        colour = _AMBER if n in kept else "#dddddd"
        axis.add_patch(Rectangle((x, y + 0.23 * (15 - n)), 0.8, 0.19, fc=colour, ec="none"))

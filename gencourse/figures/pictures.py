"""Rows of pictures, and the panel that every chapter shows under "Look"."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.errors import (
    as_tensor,
    need_finite,
    need_kind,
    need_labels,
    need_named,
    need_number,
    need_pictures,
    need_size,
    need_table,
)
from gencourse.evaluation import features_of
from gencourse.figures.style import (
    DIGIT_COLOURS,
    draw_pictures,
    drawn,
    on_a_phone,
    panels,
    rows_of_pictures,
    show,
    style,
)
from gencourse.training import History, Method

__all__ = ["panel", "picture_rows"]


@drawn
def picture_rows(rows: Mapping[str, Tensor], width: float = 7.5) -> None:
    """Labelled rows of pictures; a column shows the same picture treated in different ways.

    Args:
        rows: name of the row to pictures (N, C, H, W), the same N in every row.
        width: of the pictures in inches.

    Raises:
        ValueError: the rows are empty or of different lengths, or a row holds no pictures.
    """
    need_named("rows", rows, "name to pictures, shape (N, C, H, W)")
    need_number("width", width, above=0, most=100)
    rows = {name: as_tensor(f"rows[{name!r}]", pictures) for name, pictures in rows.items()}
    for name, pictures in rows.items():
        _need_drawable(f"rows[{name!r}]", pictures)
    lengths = {name: len(pictures) for name, pictures in rows.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"rows have these lengths: {lengths}; give rows of the same length.")
    rows_of_pictures(list(rows.items()), width)


@torch.no_grad()
@drawn
def panel(method: Method, history: History, test: ImageDataset, *, points: int = 2000) -> None:
    """The course's diagnostics panel: the same four pictures for every method.

    Training curves; test pictures above their reconstructions; codes or features on their two widest directions;
    drawn samples. What a method cannot do is said in place of its picture.

    Args:
        method: a trained method.
        history: what `fit` returned for it; an empty one for a network that was loaded.
        test: test pictures with labels.
        points: how many codes to draw.

    Raises:
        ValueError: there are fewer than 24 test pictures.
    """
    need_kind("method", method, Method, "a trained method")
    need_kind("history", history, History, "what fit returned")
    need_kind("test", test, ImageDataset, "test pictures as an ImageDataset")
    if len(test) < 24:
        raise ValueError(f"test has {len(test)} pictures: give at least 24.")
    need_size("points", points)
    with style():
        figure, axes = panels(2, 2, (9.2, 7.4))
        _losses(axes[0, 0], history)
        _reconstructions(axes[0, 1], method, test)
        _codes(axes[1, 0], method, test.take(min(points, len(test))))
        _samples(axes[1, 1], method)
        figure.tight_layout()
        show()


def _losses(axis: Axes, history: History) -> None:
    if not len(history):
        _say(axis, "training loss", "this network was trained before, and loaded")
        return
    for name in history.names:
        axis.plot(range(1, len(history) + 1), history[name], marker="o", markersize=3, label=name)
    axis.set(xlabel="epoch", title="training loss, in units of its own")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    sizes = [value for name in history.names for value in history[name]]
    if min(sizes) > 0 and max(sizes) > 30 * min(sizes):  # or the small curves lie on the axis
        axis.set_yscale("log")
    axis.legend()


def _reconstructions(axis: Axes, method: Method, test: ImageDataset) -> None:
    x = next(test.batches(24, device=method.device))[0]
    try:
        x_hat = method.reconstruct(x)
    except NotImplementedError as reason:
        _say(axis, "reconstructions", reason)
        return
    # a row of pictures, the row of their reconstructions, and again
    both = torch.stack([x.unflatten(0, (3, 8)), x_hat.unflatten(0, (3, 8))], 1).flatten(0, 2)
    draw_pictures(axis, both, 8, "test pictures, each above its reconstruction")


def _codes(axis: Axes, method: Method, test: ImageDataset) -> None:
    try:
        codes = features_of(method.features, test, device=method.device)
    except NotImplementedError as reason:
        _say(axis, "codes", reason)
        return
    # a method without an encoder has features, of its judge or its classifier, but no codes
    title = "features" if type(method).encode is Method.encode else "codes"
    if codes.shape[1] > 2:
        centred = codes - codes.mean(0)
        codes = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T
        title += ", on their two widest directions"
    scatter_codes(axis, codes, test.labels)
    axis.set_title(title)


def scatter_codes(axis: Axes, codes: Tensor, labels: Tensor) -> None:
    """Scatter of two-dimensional codes, coloured by digit.

    Args:
        axis: where to draw.
        codes: shape (N, 2).
        labels: digit of each, int64 (N,); what is not 0 to 9 is left out.

    Raises:
        ValueError: a shape is another, or a code is not finite.
    """
    need_kind("axis", axis, Axes, "the axes of a matplotlib figure")
    need_table("codes", codes, "(N, 2)")
    need_labels("labels", labels, len(codes), of="codes")
    codes, labels = codes.detach().cpu(), labels.cpu()
    for digit, colour in enumerate(DIGIT_COLOURS):
        rows = labels == digit
        axis.scatter(codes[rows, 0], codes[rows, 1], s=4, color=colour, label=str(digit), linewidths=0)
    where: dict[str, Any] = {"ncols": 1, "loc": "center left", "bbox_to_anchor": (1, 0.5)}
    if on_a_phone():
        where = {"ncols": 5, "loc": "upper center", "bbox_to_anchor": (0.5, -0.1), "columnspacing": 1.0}
    axis.legend(markerscale=4, handletextpad=0.1, **where)


def _need_drawable(name: str, pictures: Tensor) -> None:
    """Pictures that may leave [0, 1] a little, as those of a linear decoder do: they are cut off there."""
    need_pictures(name, pictures, values=False)
    need_finite(name, pictures)
    if pictures.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} has shape {tuple(pictures.shape)}: give one channel or three, (N, C, H, W)."
        )
    if pictures.max() > 20:  # no decoder's error: it counts from 0 to 255
        need_pictures(name, pictures)


def _samples(axis: Axes, method: Method) -> None:
    try:
        generator = torch.Generator(method.device).manual_seed(0)
        draw_pictures(axis, method.sample(48, generator), 8, "drawn samples")
    except NotImplementedError as reason:
        _say(axis, "drawn samples", reason)


def _say(axis: Axes, title: str, reason: Exception | str) -> None:
    axis.set_axis_off()
    axis.set_title(title, loc="left")
    axis.text(0.5, 0.5, textwrap.fill(str(reason), 40), ha="center", va="center", transform=axis.transAxes)

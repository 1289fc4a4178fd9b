"""Figures of chapter 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.patches import FancyArrowPatch, Polygon
from torch import Tensor

from gencourse.errors import (
    need_labels,
    need_named,
    need_number,
    need_one_of,
    need_pictures,
    need_records,
    need_same_shape,
    need_size,
    need_table,
)
from gencourse.figures.pictures import scatter_codes
from gencourse.figures.style import arrow, box, chart, drawn, flow, on_a_phone, panels, show, sketch, style

__all__ = [
    "autoencoder_idea",
    "code_planes",
    "conditional_mean",
    "cross_entropy_floor",
    "rate_distortion",
    "score_field",
    "score_histograms",
]


@drawn
def autoencoder_idea() -> None:
    """The autoencoder as a drawing: a picture squeezed through a short code and opened again."""
    with style():
        if on_a_phone():
            axis = sketch(10, 9.2)
            grey, blue, amber, red = "#666666", "#4477aa", "#e0a526", "#c0392b"
            boxes = {
                "x": (2.4, 6.6, 4.2, grey, "picture $x$\n784 numbers", False),
                "E": (2.4, 4.0, 4.2, blue, "encoder $E$", True),
                "z": (5.0, 1.2, 4.2, amber, "code $z$\n32 numbers", False),
                "Dec": (7.6, 4.0, 4.2, blue, "decoder $\\mathrm{Dec}$", True),
                "x_hat": (7.6, 6.6, 4.2, grey, "reconstruction $\\hat{x}$\n784 numbers", False),
            }
            flow(axis, boxes, [("x", "E"), ("E", "z"), ("z", "Dec"), ("Dec", "x_hat")])
            arrow(axis, (2.4, 7.4), (7.6, 7.4), red, -0.12, "<|-|>")
            axis.text(
                5, 8.7, "one loss: how far is $\\hat{x}$ from $x$?", ha="center", va="center", color=red
            )
            show()
            return
        _, axis = chart(8.6, 2.7)
        axis.set(xlim=(0, 17), ylim=(-1, 3.7), aspect="equal")
        axis.set_axis_off()
        blue, amber, grey, red = "#4477aa", "#e0a526", "#666666", "#c0392b"
        box(axis, 0.1, 0.9, 3.2, 2.2, grey, "picture $x$\n784 numbers")
        axis.add_patch(Polygon([(4.2, 0.6), (4.2, 3.4), (6.6, 2.6), (6.6, 1.4)], color=blue, lw=0))
        axis.text(5.35, 2, "encoder\n$E$", ha="center", va="center", color="white")
        box(axis, 7.5, 1.3, 2.0, 1.4, amber, "code $z$\n32")
        axis.add_patch(Polygon([(10.4, 1.4), (10.4, 2.6), (12.8, 3.4), (12.8, 0.6)], color=blue, lw=0))
        axis.text(11.65, 2, "decoder\n$\\mathrm{Dec}$", ha="center", va="center", color="white")
        box(axis, 13.7, 0.9, 3.2, 2.2, grey, "reconstruction $\\hat{x}$\n784 numbers")
        for start, end in ((3.35, 4.2), (6.6, 7.45), (9.55, 10.4), (12.8, 13.65)):
            axis.add_patch(
                FancyArrowPatch((start, 2), (end, 2), arrowstyle="-|>", mutation_scale=12, color=grey)
            )
        both_ways = FancyArrowPatch(
            (1.7, 0.8),
            (15.3, 0.8),
            arrowstyle="<|-|>",
            mutation_scale=12,
            color=red,
            connectionstyle="arc3,rad=0.1",
        )
        axis.add_patch(both_ways)
        axis.text(8.5, -0.25, "one loss: how far is $\\hat{x}$ from $x$?", ha="center", va="top", color=red)
        show()


@drawn
def cross_entropy_floor() -> None:
    """Cross-entropy of one pixel against the prediction, for three grey levels: the curves do not reach zero."""
    p = torch.linspace(0.01, 0.99, 300)
    with style():
        figure, axis = chart(6, 3.2)
        for t, colour in ((0.0, "#666666"), (0.1, "#4477aa"), (0.3, "#e66100")):
            loss = -(t * torch.log(p) + (1 - t) * torch.log1p(-p))
            axis.plot(p, loss, color=colour, label=f"pixel $x$ = {t:g}")
            lowest = loss.argmin()
            axis.plot(p[lowest], loss[lowest], "o", color=colour)
        axis.set(xlabel="prediction $\\hat{x}$", ylabel="cross-entropy (nats)", ylim=(0, 2.2))
        axis.legend()
        figure.tight_layout()
        show()


@drawn
def conditional_mean(sharp: Tensor, mean: Tensor) -> None:
    """Sharp pictures whose codes are neighbours, and the average that squared error asks for.

    Args:
        sharp: pictures, shape (N, 1, H, W).
        mean: their average, shape (1, 1, H, W).

    Raises:
        ValueError: the pictures are not in [0, 1], or the shapes do not fit.
    """
    need_pictures("sharp", sharp, "(N, 1, H, W)")
    need_pictures("mean", mean, "(1, 1, H, W)")
    need_same_shape("mean", mean, "sharp[:1]", sharp[:1])
    with style():
        figure, axes = panels(1, len(sharp) + 1, (1.25 * (len(sharp) + 1), 1.6), stack=False)
        for axis, picture in zip(axes[0], [*sharp, mean[0]], strict=True):
            axis.imshow(picture[0].detach().cpu().numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
        axes[0, len(sharp) // 2].set_title("pictures with neighbouring codes", fontsize=9)
        axes[0, -1].set_title("best\nanswer" if on_a_phone() else "best answer", fontsize=9, color="#c0392b")
        figure.tight_layout()
        show()


@drawn
def score_field(points: Tensor, learned: Tensor, exact: Tensor) -> None:
    """Arrows from noisy points to where a denoiser moves them, learned beside exact.

    Args:
        points: noisy points in the plane, shape (N, 2).
        learned: displacement r(y) − y of the trained denoiser, shape (N, 2).
        exact: σ² times the score of the noisy density, shape (N, 2).

    Raises:
        ValueError: a shape is another, or a number is not finite.
    """
    for name, rows in (("points", points), ("learned", learned), ("exact", exact)):
        need_table(name, rows, "(N, 2)")
        need_same_shape(name, rows, "points", points)
    points, learned, exact = (rows.detach().cpu() for rows in (points, learned, exact))
    with style():
        figure, axes = panels(1, 2, (8, 3.6), sharex=True, sharey=True)
        for axis, arrows, title in (
            (axes[0, 0], learned, "what the denoiser learned: $r(y) - y$"),
            (axes[0, 1], exact, "the density's own slope: $\\sigma^2\\,\\nabla\\log p_\\sigma(y)$"),
        ):
            axis.quiver(
                *points.T.numpy(), *arrows.T.numpy(), angles="xy", scale_units="xy", scale=1, width=0.004
            )
            axis.set(title=title, aspect="equal")
        figure.tight_layout()
        show()


@drawn
def code_planes(planes: Mapping[str, Tensor], labels: Tensor) -> None:
    """Two-dimensional codes side by side, coloured by digit.

    Args:
        planes: title to codes, shape (N, 2).
        labels: shape (N,).

    Raises:
        ValueError: there is no plane, a shape is another, or a number is not finite.
    """
    need_named("planes", planes, "title to codes, shape (N, 2)")
    for title, codes in planes.items():
        need_table(f"planes[{title!r}]", codes, "(N, 2)")
        need_labels("labels", labels, len(codes), of=f"planes[{title!r}]")
    with style():
        figure, axes = panels(1, len(planes), (4.6 * len(planes), 4))
        for axis, (title, codes) in zip(axes[0], planes.items(), strict=True):
            scatter_codes(axis, codes, labels)
            axis.set_title(title)
            if axis is not axes[0, -1]:
                axis.get_legend().remove()
        figure.tight_layout()
        show()


@drawn
def rate_distortion(rows: Sequence[Mapping[str, float]]) -> None:
    """Test error against the size of the code, one line a coder; dots are seeds.

    Args:
        rows: records with "coder" ("pca" or "conv"), "code_size" and "error".

    Raises:
        ValueError: a value is missing or cannot be drawn.
    """
    need_records(
        "rows",
        rows,
        coder=lambda name, value: need_one_of(name, value, ("pca", "conv")),
        code_size=need_size,
        error=lambda name, value: need_number(name, value, above=0),
    )
    with style():
        figure, axis = chart(6.4, 3.8)
        for coder, colour in (("pca", "#666666"), ("conv", "#4477aa")):
            own = [r for r in rows if r["coder"] == coder]
            sizes = sorted({r["code_size"] for r in own})
            means = [_mean([r["error"] for r in own if r["code_size"] == k]) for k in sizes]
            name = {"pca": "PCA", "conv": "convolutional autoencoder"}[coder]
            axis.plot(sizes, means, color=colour, label=name)
            axis.plot(
                [r["code_size"] for r in own], [r["error"] for r in own], "o", color=colour, markersize=4
            )
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
        axis.minorticks_off()
        axis.set_xticks(sizes, [f"{k}" for k in sizes])
        axis.set(xlabel="rate: numbers in the code", ylabel="distortion: squared error a test picture")
        axis.legend()
        figure.tight_layout()
        show()


@drawn
def score_histograms(normal: Tensor, anomalies: Tensor, threshold: float) -> None:
    """Histograms of anomaly scores, with the threshold.

    Args:
        normal: scores of normal test pictures, shape (N,).
        anomalies: scores of anomalies, shape (M,).
        threshold: alarm above this score.

    Raises:
        ValueError: there is no score, or a number is not finite.
    """
    need_table("normal", normal, "(N,)")
    need_table("anomalies", anomalies, "(M,)")
    need_number("threshold", threshold)
    normal, anomalies = normal.detach().cpu(), anomalies.detach().cpu()
    with style():
        figure, axis = chart(6.4, 3)
        both = torch.cat([normal, anomalies]).float()
        low, top = min(0.0, both.min().item()), torch.quantile(both, 0.995).item()
        bins = torch.linspace(low, top if top > low else low + 1, 50).tolist()
        for scores, colour, name in ((normal, "#4477aa", "normal"), (anomalies, "#e66100", "anomaly")):
            axis.hist(scores.numpy(), bins=bins, density=True, alpha=0.55, color=colour, label=name)
        axis.axvline(threshold, color="black", linestyle="--", linewidth=1.2, label="threshold")
        axis.set(xlabel="reconstruction error", yticks=[])
        axis.legend()
        figure.tight_layout()
        show()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

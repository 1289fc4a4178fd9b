"""Figures of chapter 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import FancyArrowPatch
from torch import Tensor

from gencourse.errors import (
    need_finite,
    need_kind,
    need_named,
    need_number,
    need_pair,
    need_records,
    need_tensor,
)
from gencourse.figures.style import (
    arrow,
    box,
    chart,
    drawn,
    flow,
    need_seeds,
    on_a_phone,
    panels,
    show,
    sketch,
    style,
)

__all__ = ["ae_gan_idea", "dirac_paths", "gaussian_frontier", "trade_off"]

_BLUE, _PURPLE, _AMBER, _GREY, _RED = "#4477aa", "#8a5a9e", "#e0a526", "#666666", "#c0392b"


@drawn
def ae_gan_idea() -> None:
    """An autoencoder between two teachers: its own picture, and a judge of pictures."""
    with style():
        if on_a_phone():
            axis = sketch(10, 12)
            boxes = {
                "x": (2.1, 8.0, 3.6, _GREY, "picture\n$x$", False),
                "E": (2.1, 5.2, 3.6, _BLUE, "encoder\n$E$", True),
                "z": (4.7, 2.2, 3.6, _AMBER, "code\n$z$", False),
                "Dec": (7.3, 5.2, 3.6, _BLUE, "decoder\nDec", True),
                "x_hat": (7.3, 8.0, 3.6, _GREY, "redrawn\n$\\hat{x}$", False),
                "D": (7.3, 11.0, 3.6, _PURPLE, "discriminator\n$D$", True),
            }
            flow(axis, boxes, [("x", "E"), ("E", "z"), ("z", "Dec"), ("Dec", "x_hat"), ("x_hat", "D")])
            arrow(axis, (4.0, 8.0), (5.4, 8.0), _RED, ends="<|-|>")
            arrow(axis, (9.2, 11.0), (9.2, 5.2), _RED, -0.2)
            axis.text(2.1, 9.2, "↔ how far from\nthe original?", ha="center", va="bottom", color=_RED)
            question = "$\\lambda$ × adversary:\ndoes it look real?"
            axis.text(2.6, 11.3, question, ha="center", va="center", color=_RED)
            show()
            return
        _, axis = chart(8.8, 3.2)
        axis.set(xlim=(0, 17.6), ylim=(-0.9, 5.4), aspect="equal")
        axis.set_axis_off()
        box(axis, 0.1, 1.6, 1.9, 1.4, _GREY, "picture\n$x$")
        box(axis, 3.0, 1.6, 2.1, 1.4, _BLUE, "encoder\n$E$", filled=True)
        box(axis, 6.1, 1.6, 1.5, 1.4, _AMBER, "code\n$z$")
        box(axis, 8.6, 1.6, 2.1, 1.4, _BLUE, "decoder\nDec", filled=True)
        box(axis, 11.7, 1.6, 1.9, 1.4, _GREY, "redrawn\n$\\hat{x}$")
        box(axis, 15.0, 1.6, 2.5, 1.4, _PURPLE, "discriminator\n$D$", filled=True)
        for start, end in (
            ((2.05, 2.3), (2.95, 2.3)),
            ((5.15, 2.3), (6.05, 2.3)),
            ((7.65, 2.3), (8.55, 2.3)),
            ((10.75, 2.3), (11.65, 2.3)),
            ((13.65, 2.3), (14.95, 2.3)),
        ):
            axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=_GREY))
        for start, end, bend in (((1.0, 3.1), (12.6, 3.1), -0.22), ((16.2, 1.5), (9.7, 1.5), -0.3)):
            axis.add_patch(
                FancyArrowPatch(
                    start,
                    end,
                    arrowstyle="<|-|>" if bend == -0.22 else "-|>",
                    mutation_scale=12,
                    color=_RED,
                    connectionstyle=f"arc3,rad={bend}",
                )
            )
        axis.text(6.8, 4.75, "reconstruction: how far from the original?", ha="center", color=_RED)
        axis.text(12.9, -0.45, "$\\lambda$ × adversary: does it look real?", ha="center", color=_RED)
        show()


@drawn
def trade_off(rows: Sequence[Mapping[str, float]], highlight: Mapping[str, tuple[float, float]]) -> None:
    """Distance of reconstructions from the law of the data against their error, as λ grows.

    Args:
        rows: records with "weight", "psnr" and "distance"; one line joins the means over seeds.
        highlight: name to (psnr, distance) of single runs, drawn as crosses.

    Raises:
        ValueError: a number is missing or not finite, a distance is not above 0 (its axis is logarithmic), or
            there are not as many seeds for each weight.
    """
    need_records("rows", rows, weight=need_number, psnr=need_number, distance=_need_positive)
    need_seeds("rows", rows, "weight")
    need_kind("highlight", highlight, Mapping, "a dictionary of name to (psnr, distance)")
    for name, pair in highlight.items():
        need_kind(f"highlight[{name!r}]", name, str, "names as text")
        need_pair(f"highlight[{name!r}]", pair, "two numbers, psnr and distance")
        need_number(f"highlight[{name!r}][0]", pair[0])
        _need_positive(f"highlight[{name!r}][1]", pair[1])
    weights = sorted({r["weight"] for r in rows})
    with style():
        _, axis = chart(6.6, 4.0)
        mean = torch.tensor(
            [[[r["psnr"], r["distance"]] for r in rows if r["weight"] == w] for w in weights]
        ).mean(1)
        axis.plot(*mean.T, color=_BLUE, zorder=1)
        axis.scatter(
            [r["psnr"] for r in rows], [r["distance"] for r in rows], s=14, color=_BLUE, label="one seed each"
        )
        for weight, (psnr, distance) in zip(weights, mean.tolist(), strict=True):
            axis.annotate(
                f"$\\lambda$ = {weight:g}", (psnr, distance), (6, 6), textcoords="offset points", fontsize=9
            )
        for name, (psnr, distance) in highlight.items():
            axis.plot(psnr, distance, "x", color=_RED, markersize=9, markeredgewidth=2)
            axis.annotate(
                name,
                (psnr, distance),
                (-8, -12),
                textcoords="offset points",
                color=_RED,
                ha="right",
                fontsize=9,
            )
        axis.set_yscale("log")
        axis.set(
            xlabel="faithful: PSNR of reconstructions (dB)  $\\rightarrow$",
            ylabel=f"$\\leftarrow$  {'distance' if on_a_phone() else 'real-looking: classifier distance'}",
        )
        axis.legend()
        plt.tight_layout()
        show()


@drawn
def gaussian_frontier() -> None:
    """The exact frontier of eq. (3.20) for the scalar Gaussian, and the three estimators of eq. (3.19)."""
    apart = torch.linspace(0, 0.42, 200, dtype=torch.float64)
    of_mean = 1 - 0.5**0.5
    with style():
        _, axis = chart(6.2, 3.6)
        error = 0.5 + (of_mean - apart).clamp(min=0).square()
        axis.plot(error, apart, color=_BLUE)
        axis.fill_betweenx(apart, error, 1.2, color=_BLUE, alpha=0.08, lw=0)
        axis.fill_betweenx(apart, 0.4, error, color=_GREY, alpha=0.12, lw=0)
        for name, at, shift, colour in (
            ("conditional mean $y/2$", (0.5, of_mean), (8, 6), _GREY),
            ("stretched mean $y/\\sqrt{2}$", (2 - 2**0.5, 0.0), (6, 12), _RED),
            ("draw from $p(x \\mid y)$", (1.0, 0.0), (-72, 28) if on_a_phone() else (-60, 12), _PURPLE),
        ):
            axis.plot(*at, "o", color=colour, clip_on=False, zorder=3)
            axis.annotate(name, at, shift, textcoords="offset points", color=colour)
        axis.text(0.45, 0.2, "nobody", rotation=90, ha="center", va="center", color=_GREY)
        axis.set(
            xlim=(0.4, 1.1),
            ylim=(0, 0.42),
            xlabel="distortion: mean squared error",
            ylabel="Wasserstein distance to the data",
        )
        plt.tight_layout()
        show()


@drawn
def dirac_paths(paths: Mapping[str, Tensor]) -> None:
    """Runs of the Dirac-GAN in its plane, side by side.

    Args:
        paths: title to (θ, ψ) of each step, shape (steps + 1, 2).

    Raises:
        ValueError: there is no path, or one of another shape or with a number that is not finite.
    """
    need_named("paths", paths, "title to (θ, ψ) of each step, shape (steps + 1, 2)")
    for title, path in paths.items():
        need_tensor(f"paths[{title!r}]", path, "(T, 2)")
        need_finite(f"paths[{title!r}]", path)
    with style():
        _, axes = panels(1, len(paths), (2.9 * len(paths), 3.0), sharex=True, sharey=True)
        for axis, (title, path) in zip(axes[0], paths.items(), strict=True):
            path = path.detach().cpu()
            axis.plot(*path.T, color=_BLUE, lw=1)
            axis.plot(*path[0], "o", color=_AMBER)
            axis.plot(0, 0, "+", color=_RED, markersize=9)
            axis.set(title=title, aspect="equal", xlabel="generator $\\theta$")
        axes[0, 0].set_ylabel("discriminator $\\psi$")
        plt.tight_layout()
        show()


def _need_positive(name: str, value: Any) -> None:
    need_number(name, value, above=0)

"""Figures of chapter 4."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch

from gencourse.figures.style import box, style

__all__ = ["aae_idea"]

_BLUE, _PURPLE, _AMBER, _GREY, _RED = "#4477aa", "#8a5a9e", "#e0a526", "#666666", "#c0392b"


def aae_idea() -> None:
    """An autoencoder, and a judge that compares its codes with draws of a prior."""
    with style():
        _, axis = plt.subplots(figsize=(8.6, 3.7))
        axis.set(xlim=(0, 15), ylim=(-0.2, 5.9), aspect="equal")
        axis.set_axis_off()
        box(axis, 0.1, 3.6, 1.9, 1.4, _GREY, "picture\n$x$")
        box(axis, 3.1, 3.6, 2.1, 1.4, _BLUE, "encoder\n$E$", filled=True)
        box(axis, 6.4, 3.6, 2.0, 1.4, _AMBER, "code\n$z = E(x)$")
        box(axis, 9.6, 3.6, 2.1, 1.4, _BLUE, "decoder\nDec", filled=True)
        box(axis, 12.9, 3.6, 1.9, 1.4, _GREY, "redrawn\n$\\hat{x}$")
        box(axis, 6.4, 0.2, 2.0, 1.4, _AMBER, "draw\n$z \\sim p(z)$")
        box(axis, 9.6, 0.9, 2.5, 1.4, _PURPLE, "discriminator\n$D$", filled=True)
        axis.text(12.5, 1.6, "logit\n“prior” or “code”", ha="left", va="center")
        for start, end in (
            ((2.05, 4.3), (3.05, 4.3)),
            ((5.25, 4.3), (6.35, 4.3)),
            ((8.45, 4.3), (9.55, 4.3)),
            ((11.75, 4.3), (12.85, 4.3)),
            ((7.9, 3.5), (9.9, 2.35)),
            ((8.45, 1.0), (9.55, 1.35)),
        ):
            axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=_GREY))
        for start, end, bend, ends in (
            ((1.0, 5.1), (13.8, 5.1), -0.09, "<|-|>"),
            ((9.5, 1.9), (4.6, 3.5), -0.16, "-|>"),
        ):
            axis.add_patch(
                FancyArrowPatch(
                    start,
                    end,
                    arrowstyle=ends,
                    mutation_scale=12,
                    color=_RED,
                    connectionstyle=f"arc3,rad={bend}",
                )
            )
        axis.text(7.4, 5.25, "compare", ha="center", color=_RED)
        axis.text(
            2.9, 0.6, "how must $E$ change\nto pass for the prior?", ha="center", va="center", color=_RED
        )
        plt.show()

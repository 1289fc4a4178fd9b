"""Figures of chapter 4."""

from __future__ import annotations

from matplotlib.patches import FancyArrowPatch

from gencourse.figures.style import arrow, box, chart, drawn, flow, on_a_phone, show, sketch, style

__all__ = ["aae_idea"]

_BLUE, _PURPLE, _AMBER, _GREY, _RED = "#4477aa", "#8a5a9e", "#e0a526", "#666666", "#c0392b"


@drawn
def aae_idea() -> None:
    """An autoencoder, and a judge that compares its codes with draws of a prior."""
    with style():
        if on_a_phone():
            axis = sketch(10, 11.6)
            boxes = {
                "x": (2.7, 9.6, 3.8, _GREY, "picture\n$x$", False),
                "E": (2.7, 7.2, 3.8, _BLUE, "encoder\n$E$", True),
                "z": (2.7, 4.8, 3.8, _AMBER, "code\n$z = E(x)$", False),
                "Dec": (7.8, 7.2, 3.8, _BLUE, "decoder\nDec", True),
                "x_hat": (7.8, 9.6, 3.8, _GREY, "redrawn\n$\\hat{x}$", False),
                "D": (2.7, 2.2, 3.8, _PURPLE, "discriminator\n$D$", True),
                "draw": (7.8, 2.2, 3.8, _AMBER, "draw\n$z \\sim p(z)$", False),
            }
            flow(axis, boxes, [("x", "E"), ("E", "z"), ("Dec", "x_hat"), ("z", "D"), ("draw", "D")])
            arrow(axis, (4.65, 4.9), (7.8, 6.45), _GREY)
            arrow(axis, (2.7, 10.4), (7.8, 10.4), _RED, -0.12, "<|-|>")
            arrow(axis, (0.7, 2.2), (0.7, 7.2), _RED, -0.2)
            axis.text(5.25, 11.2, "compare", ha="center", va="center", color=_RED)
            axis.text(2.7, 0.7, "logit: “prior”\nor “code”", ha="center", va="center")
            question = "how must $E$\nchange to pass\nfor the prior?"
            axis.text(7.8, 4.3, question, ha="center", va="center", color=_RED)
            show()
            return
        _, axis = chart(8.6, 3.7)
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
        show()

"""Figures of chapter 2."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from torch import Tensor

from gencourse.data import PointDataset
from gencourse.errors import need_kind, need_named, need_number, need_records, need_seed, need_table
from gencourse.figures.style import (
    arrow,
    box,
    chart,
    drawn,
    flow,
    legend,
    on_a_phone,
    panels,
    show,
    sketch,
    style,
)
from gencourse.losses import generator_loss

__all__ = ["best_discriminator", "distance_over_time", "gan_idea", "generator_pulls", "point_clouds"]

_BLUE, _PURPLE, _AMBER, _GREY, _RED = "#4477aa", "#8a5a9e", "#e0a526", "#666666", "#c0392b"


@drawn
def gan_idea() -> None:
    """The game as a drawing: noise becomes a picture, and a judge sees it beside a real one."""
    with style():
        if on_a_phone():
            axis = sketch(10, 10.2)
            boxes = {
                "z": (3.1, 9.2, 3.8, _AMBER, "noise $z$\n64 numbers", False),
                "G": (3.1, 6.8, 3.8, _BLUE, "generator\n$G$", True),
                "made": (3.1, 4.4, 3.8, _GREY, "made: $G(z)$\n784 numbers", False),
                "real": (7.9, 4.4, 3.8, _GREY, "real: $x$\n784 numbers", False),
                "D": (5.5, 1.9, 3.8, _PURPLE, "discriminator\n$D$", True),
            }
            flow(axis, boxes, [("z", "G"), ("G", "made"), ("made", "D"), ("real", "D")])
            arrow(axis, (3.5, 1.9), (1.15, 6.8), _RED, -0.6)
            axis.text(5.4, 0.5, "logit $a$, and $a > 0$: “real”", ha="center", va="center")
            question = "how must $G(z)$\nchange to look\nmore real?"
            axis.text(7.6, 7.4, question, ha="center", va="center", color=_RED)
            show()
            return
        _, axis = chart(8.6, 3.1)
        axis.set(xlim=(0, 17), ylim=(-0.9, 5.2), aspect="equal")
        axis.set_axis_off()
        box(axis, 0.1, 0.7, 2.2, 1.4, _AMBER, "noise $z$\n64 numbers")
        box(axis, 3.4, 0.7, 2.6, 1.4, _BLUE, "generator\n$G$", filled=True)
        box(axis, 7.1, 0.7, 2.8, 1.4, _GREY, "made: $G(z)$\n784 numbers")
        box(axis, 7.1, 3.5, 2.8, 1.4, _GREY, "real: $x$\n784 numbers")
        box(axis, 11.4, 2.1, 2.6, 1.4, _PURPLE, "discriminator\n$D$", filled=True)
        axis.text(15.2, 2.8, "logit $a$\n$a > 0$: “real”", ha="left", va="center")
        for start, end in (
            ((2.35, 1.4), (3.35, 1.4)),
            ((6.05, 1.4), (7.05, 1.4)),
            ((9.95, 1.5), (11.35, 2.5)),
            ((9.95, 4.1), (11.35, 3.1)),
            ((14.05, 2.8), (15.05, 2.8)),
        ):
            _arrow(axis, start, end, _GREY)
        back = FancyArrowPatch(
            (12.7, 2.0),
            (4.7, 0.6),
            arrowstyle="-|>",
            mutation_scale=12,
            color=_RED,
            connectionstyle="arc3,rad=-0.32",
        )
        axis.add_patch(back)
        axis.text(
            9.6, -0.75, "how must $G(z)$ change to look more real?", ha="center", va="center", color=_RED
        )
        show()


@drawn
def best_discriminator() -> None:
    """Two densities on a line, and the discriminator that tells them apart best, eq. (2.3)."""
    x = torch.linspace(-4, 5, 400)
    p = _normal(x, 0.0, 1.0)
    with style():
        _, axes = panels(1, 2, (8.8, 3.0), sharey=True)
        for axis, centre, title in zip(
            axes[0], (2.0, 0.4), ("generated points far off", "generated points close by"), strict=True
        ):
            q = _normal(x, centre, 1.0)
            axis.fill_between(x, p, alpha=0.25, color=_BLUE, lw=0)
            axis.fill_between(x, q, alpha=0.25, color=_AMBER, lw=0)
            axis.plot(x, p, color=_BLUE, label="real, $p$")
            axis.plot(x, q, color=_AMBER, label="generated, $q$")
            axis.plot(x, p / (p + q), color=_PURPLE, ls="--", label="best $D = p/(p+q)$")
            axis.set(title=title, xlabel="$x$", ylim=(0, 1.02))
        legend(axes[0, 1], loc="upper right")
        plt.tight_layout()
        show()


@drawn
def generator_pulls() -> None:
    """How strongly each generator loss pulls a sample's logit up, against that logit."""
    a = torch.linspace(-8, 8, 321)
    kinds = {
        "minimax": ("minimax, eq. (2.5)", _GREY, "-"),
        "non_saturating": ("non-saturating, eq. (2.6)", _RED, "-"),
        "least_squares": ("least squares, eq. (2.8)", _BLUE, "-."),
        "wasserstein": ("Wasserstein and hinge", _PURPLE, "--"),
    }
    with style():
        _, axis = chart(6.6, 3.4)
        for kind, (name, colour, line) in kinds.items():
            logit = a.clone().requires_grad_()
            (slope,) = torch.autograd.grad(generator_loss(logit, kind) * len(a), logit)
            axis.plot(a, -slope, color=colour, ls=line, label=name)
        axis.axvline(0, color=_GREY, lw=0.8)
        axis.set(
            xlabel="logit $a$ of a generated sample (left: $D$ is sure that it is fake)".replace(
                " (", "\n(" if on_a_phone() else " ("
            ),
            ylabel="pull upwards, $-\\partial L_G / \\partial a$",
            ylim=(-1.3, 2.6),
        )
        legend(axis, fontsize=9)
        show()


@drawn
def point_clouds(clouds: Mapping[str, Tensor], data: PointDataset) -> None:
    """Samples in the plane beside each other, each over the real points.

    Args:
        clouds: title to samples (N, 2).
        data: the real points.

    Raises:
        ValueError: there is no cloud, a shape is another, or a number is not finite.
    """
    need_named("clouds", clouds, "title to samples, shape (N, 2)")
    for title, points in clouds.items():
        need_table(f"clouds[{title!r}]", points, "(N, 2)")
    need_kind("data", data, PointDataset, "a PointDataset, for example gencourse.data.ring(1000)")
    with style():
        _, axes = panels(1, len(clouds), (3.0 * len(clouds), 3.2), stack=False)
        for axis, (title, points) in zip(axes[0], clouds.items(), strict=True):
            axis.scatter(*data.points[:1000].T, s=3, color=_GREY, alpha=0.35, linewidths=0)
            axis.scatter(*points.detach().cpu().T, s=4, color=_RED, linewidths=0)
            # beside each other on a phone, too: their titles take two lines there
            axis.set_title(
                textwrap.fill(title, 20) if on_a_phone() else title, fontsize=9 if on_a_phone() else None
            )
            axis.set(aspect="equal", xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
        plt.tight_layout()
        show()


@drawn
def distance_over_time(rows: Sequence[Mapping[str, float]]) -> None:
    """Distance from real digits every sixth of a pass, of the weights that play and of their average.

    Args:
        rows: one for each seed, with "last_1", "last_2", ... and "averaged_1", "averaged_2", ...
    """
    need_records("rows", rows, seed=need_seed, last_1=need_number, averaged_1=need_number)
    with style():
        figure, axes = panels(1, len(rows), (3.1 * len(rows), 2.9), sharey=True)
        for axis, row in zip(axes[0], rows, strict=True):
            for kind, colour, line in (("last", _AMBER, "-"), ("averaged", _BLUE, "--")):
                values = [value for name, value in row.items() if name.startswith(f"{kind}_")]
                sixths = range(1, len(values) + 1)
                axis.plot(sixths, values, color=colour, ls=line, marker="o", markersize=3, label=kind)
            axis.set(xlabel="sixths of a pass", title=f"seed {row['seed']:g}")
        axes[0, 0].set(ylabel="classifier distance", ylim=(0, None))
        axes[0, 0].legend()
        figure.tight_layout()
        show()


def _normal(x: Tensor, mean: float, spread: float) -> Tensor:
    return torch.distributions.Normal(mean, spread).log_prob(x).exp()


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=colour))

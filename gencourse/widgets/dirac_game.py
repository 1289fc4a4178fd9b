"""The first live figure of chapter 2: two players, one number each, and where their steps lead."""

from __future__ import annotations

import anywidget
import traitlets as t

from gencourse.widgets.text import module, style
from gencourse.widgets.traits import Finite

__all__ = ["DiracGame"]


class DiracGame(anywidget.AnyWidget):
    """Choose where the generator and the discriminator of a Dirac-GAN start, and see 400 steps of both.

    The browser computes the steps of `gencourse.methods.dirac.dirac_step`, without a kernel. In a notebook the
    traits follow the controls, and setting one moves its control: `DiracGame(mode="alternating", gamma=0.5)`.
    """

    # Text, not a path: it is then saved with the notebook, and the book needs no other file.
    _esm = module("dirac_game")
    _css = style("dirac_game")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    start = t.List(Finite(min=-4, max=4), [1.0, 0.0], minlen=2, maxlen=2).tag(sync=True)  # θ and ψ
    loss = t.Enum(["logistic", "wasserstein"], "logistic").tag(sync=True)
    mode = t.Enum(["simultaneous", "alternating"], "simultaneous").tag(sync=True)
    h = Finite(0.2, min=0.01, max=0.5).tag(sync=True)  # step size of both players
    gamma = Finite(0.0, min=0, max=2).tag(sync=True)  # weight of the penalty R1

    def __repr__(self) -> str:
        return (
            f"DiracGame({self.loss}, {self.mode}, h={self.h:g}, gamma={self.gamma:g}, "
            f"start=({self.start[0]:g}, {self.start[1]:g}))"
        )

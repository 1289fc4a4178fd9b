"""The laboratory of chapter 2: two pairs of small networks that are trained in the page itself."""

from __future__ import annotations

from typing import Any

import traitlets as t

from gencourse.losses import ADVERSARIAL_KINDS
from gencourse.widgets.lab import Choices, Laboratory, Run
from gencourse.widgets.text import module

__all__ = ["GanLab"]

_CHOICES: Choices = {
    "loss": ADVERSARIAL_KINDS,
    "momentum": ("plain", 0, 0.5, 0.9),  # plain gradient steps, or the first of Adam's two numbers
    "rate": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "r1": (0, 0.01, 0.1, 0.3, 1),  # γ of eq. (2.14)
    "gp": (0, 0.1, 1, 10),  # weight of eq. (2.11)
    "moves": (0, 1, 2, 5),  # of the judge before each of the generator; 0: both at once
    "average": (0, 0.9, 0.99, 0.999),  # decay of the moving average of the generator's weights
}
_CIRCLE: dict[str, Any] = {
    "loss": "minimax",
    "momentum": "plain",
    "rate": 0.2,
    "r1": 0,
    "gp": 0,
    "moves": 1,
    "average": 0,
}


class GanLab(Laboratory):
    """Train two small GANs on points in the plane, side by side, in the browser: no kernel, no network.

    The steps are those of `gencourse.methods.GAN.step`, in plain JavaScript and double precision, with mini-batches
    of 32. The figure starts with the smallest game, eq. (2.16). In a notebook the traits follow the controls, and
    setting one moves its control: `GanLab(data="ring", units=24, a={"momentum": 0.9}, b={"r1": 0.1})`. In the book
    the address follows the controls, so that it can be handed out.
    """

    # Text, not a path: it is then saved with the notebook, and the book needs no other file. The page starts a
    # worker from the same text.
    _esm = module("engine", "gan_engine", "lab", "gan_lab")

    data = t.Enum(["point", "ring", "grid", "rings", "moons", "drawn"], "point").tag(sync=True)
    units = t.Enum([0, 16, 24, 32], 0).tag(sync=True)  # in each hidden layer; 0: one point against one line
    a = Run(_CHOICES, _CIRCLE).tag(sync=True)
    b = Run(_CHOICES, _CIRCLE, r1=0.3).tag(sync=True)

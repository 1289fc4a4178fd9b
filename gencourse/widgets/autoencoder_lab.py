"""The laboratory of chapter 1: two small autoencoders that are trained in the page itself."""

from __future__ import annotations

from typing import Any

import traitlets as t

from gencourse.widgets.lab import Choices, Laboratory, Run
from gencourse.widgets.text import module

__all__ = ["AutoencoderLab"]

_CHOICES: Choices = {
    "net": ("linear", "tanh"),  # one linear layer each way, or two hidden layers with tanh
    "code": (1, 2),  # numbers in it
    "noise": (0, 0.1, 0.2, 0.5, 1),  # σ of eq. (1.11)
    "rate": (0.001, 0.003, 0.01, 0.03),  # of Adam, with the pair (0.9, 0.999)
}
_LINE: dict[str, Any] = {"net": "linear", "code": 1, "noise": 0, "rate": 0.01}


class AutoencoderLab(Laboratory):
    """Train two small autoencoders on points in the plane, side by side, in the browser: no kernel, no network.

    The steps are those of `gencourse.methods.Autoencoder.step`, eqs. (1.1) and (1.11), in plain JavaScript and double
    precision, with mini-batches of 32. Beside each run stands the least error that it could reach: eq. (1.8) if it
    is linear, the first term of eq. (1.7) if its input is noisy. In a notebook the traits follow the controls, and
    setting one moves its control: `AutoencoderLab(data="ring", a={"net": "tanh"}, b={"noise": 0.5})`. In the book
    the address follows the controls, so that it can be handed out.
    """

    # Text, not a path: it is then saved with the notebook, and the book needs no other file. The page starts a
    # worker from the same text.
    _esm = module("engine", "lab", "autoencoder_lab")

    data = t.Enum(["moons", "ring", "grid", "rings", "cloud", "drawn"], "moons").tag(sync=True)
    units = t.Enum([8, 16, 24], 16).tag(sync=True)  # in each hidden layer
    a = Run(_CHOICES, _LINE).tag(sync=True)
    b = Run(_CHOICES, _LINE, net="tanh").tag(sync=True)

"""How much work a chapter does: one table, chosen by the environment variable GENCOURSE_PRESET.

A chapter reads sizes from `gencourse.preset()` and never asks which preset it runs under.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["PRESETS", "Preset", "preset"]


@dataclass(frozen=True)
class Preset:
    """The sizes of one run of the course.

    Attributes:
        name: "smoke", "book" or "full".
        train_images: how many training images a chapter uses.
        test_images: how many test images a chapter uses.
        short_epochs: passes over the training images for a quick model.
        epochs: passes over the training images for a chapter's main model.
        toy_steps: mini-batches for a network in the plane.
        proves: whether the results that the prose states can be expected, and are therefore checked.
    """

    name: str
    train_images: int
    test_images: int
    short_epochs: int
    epochs: int
    toy_steps: int
    proves: bool


PRESETS = {
    # seconds a chapter: every cell runs, no result is worth reading
    "smoke": Preset(
        "smoke", train_images=1_024, test_images=512, short_epochs=1, epochs=1, toy_steps=100, proves=False
    ),
    # two CPU cores, under two minutes a chapter: what the book shows
    "book": Preset(
        "book",
        train_images=60_000,
        test_images=10_000,
        short_epochs=3,
        epochs=5,
        toy_steps=1_500,
        proves=True,
    ),
    # a GPU and minutes: the same cells, trained until they stop improving
    "full": Preset(
        "full",
        train_images=60_000,
        test_images=10_000,
        short_epochs=30,
        epochs=60,
        toy_steps=5_000,
        proves=True,
    ),
}


def preset() -> Preset:
    """The preset named by GENCOURSE_PRESET; "book" when the variable is not set.

    Raises:
        ValueError: the variable names no preset.
    """
    name = os.environ.get("GENCOURSE_PRESET", "book")
    if name not in PRESETS:
        raise ValueError(f"GENCOURSE_PRESET is {name!r}: set it to one of {', '.join(PRESETS)}.")
    return PRESETS[name]

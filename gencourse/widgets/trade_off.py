"""The live figure of chapter 3: what a heavier adversarial loss gives to reconstructions, and what it takes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets as t
from torch import Tensor

from gencourse.errors import (
    as_tensor,
    need_labels,
    need_number,
    need_path,
    need_pictures,
    need_sequence,
    need_size,
    need_tensor,
)
from gencourse.training import read_checkpoint
from gencourse.widgets.text import module, style

__all__ = ["TRADE_OFF_FRAMES", "TradeOff"]

TRADE_OFF_FRAMES = Path(__file__).resolve().parent.parent / "checkpoints" / "trade_off.safetensors"
"""Where the recorded pictures lie. `python -m gencourse.studies.trade_off_frames` makes them again."""

_MOST_BYTES = 280_000  # of all frames: they grow by a third when a page stores them as text


class TradeOff(anywidget.AnyWidget):
    """Choose λ, and see digits as they were reconstructed with it, their PSNR and their classifier distance.

    Every λ is a training run that was recorded; nothing is computed between two of them. `recorded` gives the
    course's own runs, `from_frames` takes others. In a notebook, `setting` follows the cursor, and setting it
    moves the cursor.
    """

    _esm = module("trade_off")
    _css = style("trade_off")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    setting = t.Int(0, min=0).tag(sync=True)  # which of the recorded λ is shown
    difference = t.Bool(False).tag(sync=True)  # whether |x − x̂| is shown, too
    weights = t.List(t.Float()).tag(sync=True)  # λ of each setting
    psnr = t.List(t.Float()).tag(sync=True)  # in decibels, of each setting
    distance = t.List(t.Float()).tag(sync=True)  # classifier distance of each setting
    tested = t.Int().tag(sync=True)  # how many pictures these two were measured on
    shape = t.List(t.Int()).tag(sync=True)  # height and width of a picture
    labels = t.List(t.Int()).tag(sync=True)  # digits of the pictures
    pictures = t.Bytes().tag(sync=True)  # uint8, one original after another
    frames = t.Bytes().tag(sync=True)  # uint8, reconstructions of all pictures, setting after setting

    @classmethod
    def recorded(cls, path: str | Path = TRADE_OFF_FRAMES) -> TradeOff:
        """The figure of the runs that ship with the course.

        Args:
            path: another record that `python -m gencourse.studies.trade_off_frames` has made.
        """
        need_path("path", path)
        record, facts = read_checkpoint(path)
        return cls.from_frames(
            record["pictures"].float() / 255,
            record["frames"].float() / 255,
            weights=record["weights"].tolist(),
            psnr=record["psnr"].tolist(),
            distance=record["distance"].tolist(),
            labels=record["labels"],
            tested=facts["tested"],
        )

    @classmethod
    def from_frames(
        cls,
        pictures: Tensor,
        frames: Tensor,
        *,
        weights: Sequence[float],
        psnr: Sequence[float],
        distance: Sequence[float],
        labels: Tensor,
        tested: int,
    ) -> TradeOff:
        """The figure of S recorded settings. A pixel is sent as one byte.

        Args:
            pictures: n originals in [0, 1], shape (n, 1, H, W).
            frames: their reconstructions in [0, 1], shape (S, n, 1, H, W).
            weights: λ of each setting, S increasing numbers, two at least; 0 is the plain autoencoder.
            psnr: of each setting in decibels, over all tested pictures.
            distance: classifier distance of each setting, above 0 (its axis is logarithmic), over the same ones.
            labels: the digits that the pictures show, shape (n,).
            tested: how many pictures `psnr` and `distance` were measured on.

        Raises:
            ValueError: an argument cannot be used; the message says which and why.
        """
        weights = _numbers("weights", weights)
        if len(weights) < 2 or weights[0] < 0 or any(a >= b for a, b in itertools.pairwise(weights)):
            raise ValueError(f"weights is {weights}: give two or more, increasing, none below 0.")
        psnr, distance = _numbers("psnr", psnr, len(weights)), _numbers("distance", distance, len(weights))
        if min(distance) <= 0:
            raise ValueError(f"distance has {min(distance):g}: a logarithmic axis needs numbers above 0.")
        pictures, frames = _pixels("pictures", pictures), _pixels("frames", frames)
        need_tensor("pictures", pictures, "(n, 1, H, W)", kind="whole")
        wanted = (len(weights), *pictures.shape)
        if frames.shape != wanted:
            raise ValueError(
                f"frames has shape {tuple(frames.shape)}: give {wanted}, all of pictures at all of weights."
            )
        if frames.numel() > _MOST_BYTES:
            raise ValueError(
                f"frames has {frames.numel()} pixels: a page takes at most {_MOST_BYTES}, so give fewer pictures."
            )
        labels = as_tensor("labels", labels)
        need_labels("labels", labels, len(pictures), of="pictures")
        need_size("tested", tested)
        return cls(
            weights=weights,
            psnr=psnr,
            distance=distance,
            tested=tested,
            shape=list(pictures.shape[2:]),
            labels=labels.tolist(),
            pictures=pictures.numpy().tobytes(),
            frames=frames.numpy().tobytes(),
        )

    def __repr__(self) -> str:
        return f"TradeOff({len(self.labels)} pictures, λ from {self.weights[0]:g} to {self.weights[-1]:g})"


def _numbers(name: str, values: Sequence[float], count: int | None = None) -> list[float]:
    """`values` as finite floats, as many as asked for."""
    need_sequence(name, values, "numbers", 0)
    for index, value in enumerate(values):
        need_number(f"{name}[{index}]", value)
    found = [float(value) for value in values]
    if count is not None and len(found) != count:
        raise ValueError(f"{name} has {len(found)} numbers: give {count}, one for each weight.")
    return found


def _pixels(name: str, values: Any) -> Tensor:
    """Numbers in [0, 1] as bytes."""
    found = as_tensor(name, values)
    need_pictures(name, found, "(...)")
    return found.clamp(0, 1).mul(255).round().to(torch.uint8).contiguous()

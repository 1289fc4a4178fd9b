"""The live figure of chapter 1: walk through the code plane of an autoencoder."""

from __future__ import annotations

from typing import Any

import anywidget
import torch
import traitlets as t
from torch import Tensor, nn

from gencourse.errors import need_size
from gencourse.figures.style import DIGIT_COLOURS
from gencourse.methods import Autoencoder
from gencourse.widgets.plane import check_codes, linear_layers, pack_codes, quantise
from gencourse.widgets.text import module, style

__all__ = ["LatentExplorer"]


class LatentExplorer(anywidget.AnyWidget):
    """Move z through the plane of codes and see Dec(z), computed in the browser without a kernel.

    Make one with `from_autoencoder`. In a notebook, `z` follows the handle, and setting it moves the handle.
    """

    _esm = module("plane", "latent_explorer")
    _css = style("latent_explorer")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    z = t.List(t.Float(), [0.0, 0.0], minlen=2, maxlen=2).tag(sync=True)
    sizes = t.List(t.Int()).tag(sync=True)  # widths of the decoder, from 2 to the number of pixels
    shape = t.List(t.Int()).tag(sync=True)  # height and width of a picture
    weights = t.Bytes().tag(sync=True)  # int8, row after row, layer after layer
    rows = t.Bytes().tag(sync=True)  # float16: scale and bias of each row
    codes = t.Bytes().tag(sync=True)  # float16: two numbers for each test picture
    labels = t.Bytes().tag(sync=True)  # uint8: its digit
    plane = t.List(t.Float()).tag(sync=True)  # what is shown: lowest and highest z₁, lowest and highest z₂
    colours = t.List(t.Unicode()).tag(sync=True)  # of the ten digits, those of the course's other figures

    @classmethod
    def from_autoencoder(
        cls, model: Autoencoder, codes: Tensor, labels: Tensor, max_points: int = 1500
    ) -> LatentExplorer:
        """The figure of a trained dense autoencoder whose code has two numbers.

        A weight is sent as one byte with one scale for each row: a quarter of float32, and the decoded
        pixels differ by less than one grey level in 255 on average.

        Args:
            model: `Autoencoder("dense", code_size=2, ...)` for pictures of one channel.
            codes: codes of test pictures, shape (N, 2).
            labels: their digits, 0 to 9, shape (N,).
            max_points: how many of them are sent and drawn, chosen at random, the same ones every time.

        Raises:
            ValueError: an argument cannot be used; the message says which and why.
        """
        layers = _dense_layers(model)
        codes, labels = check_codes("codes", codes, labels)
        need_size("max_points", max_points)
        shown = torch.randperm(len(codes), generator=torch.Generator().manual_seed(0))[:max_points]
        weights, rows = zip(*map(quantise, layers), strict=True)
        return cls(
            z=codes[shown[0]].tolist(),  # a real code: the first picture is a good one
            sizes=[2, *(layer.out_features for layer in layers)],
            shape=list(model.shape[1:]),
            weights=b"".join(weights),
            rows=b"".join(rows),
            codes=pack_codes(codes[shown]),
            labels=labels[shown].numpy().astype("u1").tobytes(),
            plane=_plane(codes),
            colours=list(DIGIT_COLOURS),
        )

    def __repr__(self) -> str:
        return f"LatentExplorer({len(self.labels)} codes, decoder {'-'.join(map(str, self.sizes))})"


def _dense_layers(model: Any) -> list[nn.Linear]:
    """The decoder's Linear layers; an error if anything but ReLU between them and a sigmoid at the end."""
    layers = linear_layers(getattr(model, "decoder", None))
    if not layers or not isinstance(model.output, nn.Sigmoid) or model.shape[0] != 1:
        plan = getattr(model, "plan", None)
        kind = plan.kind if plan else type(model).__name__
        raise ValueError(
            f"model is {kind!r}: give Autoencoder('dense', code_size=2) for one-channel pictures."
        )
    if layers[0].in_features != 2:
        raise ValueError(f"model's code has size {layers[0].in_features}: a plane needs code_size=2.")
    return layers


def _plane(codes: Tensor) -> list[float]:
    """All but the outermost hundredth of the codes on each side, and three units around 0 for N(0, I)."""
    low, high = torch.quantile(codes, torch.tensor([0.01, 0.99]), dim=0)
    low, high = low.clamp(max=-3), high.clamp(min=3)
    margin = 0.05 * (high - low)
    return torch.stack([low - margin, high + margin], dim=1).flatten().tolist()

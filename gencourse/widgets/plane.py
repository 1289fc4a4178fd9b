"""What the figures with a plane of codes have in common: decoders as bytes, and codes that can be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from gencourse.errors import as_tensor, need_labels, need_table

__all__ = ["check_codes", "linear_layers", "pack_codes", "quantise"]


def linear_layers(decoder: Any) -> list[nn.Linear]:
    """The Linear layers of a decoder; none if there is anything but ReLU between them, and at most an Unflatten."""
    modules = decoder.modules() if isinstance(decoder, nn.Module) else ()
    steps = [m for m in modules if not list(m.children()) and not isinstance(m, nn.Unflatten)]
    layers = [m for m in steps[::2] if isinstance(m, nn.Linear)]
    between = [m for m in steps[1::2] if isinstance(m, nn.ReLU)]
    alternate = len(layers) + len(between) == len(steps) == 2 * len(layers) - 1
    return layers if alternate else []


def quantise(layer: nn.Linear) -> tuple[bytes, bytes]:
    """Weights as int8, row after row, and float16 pairs (scale, bias): weight = scale · int8."""
    weight = layer.weight.detach().cpu().float().numpy()
    scale = (np.abs(weight).max(1) / 127).astype("<f2")
    # divide by the scale as it is sent, so that its own rounding costs nothing; a row of zeros stays zero
    divisor = np.where(scale > 0, scale, 1).astype("f4")[:, None]
    whole = np.clip(np.rint(weight / divisor), -127, 127).astype("i1")
    rows = np.stack([scale, layer.bias.detach().cpu().numpy().astype("<f2")], axis=1)
    return whole.tobytes(), rows.tobytes()


def check_codes(name: str, codes: Any, labels: Any) -> tuple[Tensor, Tensor]:
    """Codes (N, 2) and their digits (N,) on the CPU; an error that calls the codes `name` if they are not that."""
    codes, labels = as_tensor(name, codes), as_tensor("labels", labels)
    need_table(name, codes, "(N, 2)")
    need_labels("labels", labels, len(codes), 10, of=name)
    return codes.float(), labels


def pack_codes(codes: Tensor) -> bytes:
    """Codes as float16; its largest number stands for larger ones, which lie far outside anyway."""
    return codes.clamp(-65504, 65504).numpy().astype("<f2").tobytes()

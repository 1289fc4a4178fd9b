"""The live figure of chapter 5: hide patches of a digit, and see what a masked autoencoder fills in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets as t
from torch import Tensor, nn

from gencourse.errors import as_tensor, need_labels, need_pictures, need_seed
from gencourse.methods import MAE
from gencourse.training import load_weights
from gencourse.widgets.text import module, style

__all__ = ["MASKED_DIGIT_SIZES", "MASKED_DIGIT_WEIGHTS", "MaskedDigit", "masked_digit_model"]

MASKED_DIGIT_WEIGHTS = Path(__file__).resolve().parent.parent / "checkpoints" / "masked_digit.safetensors"
"""Where the weights of the figure's network lie. `python -m gencourse.studies.masked_digit` makes them again."""

MASKED_DIGIT_SIZES: dict[str, Any] = {
    "patch": 4,
    "width": 64,
    "depth": 3,
    "heads": 4,
    "decoder_width": 48,
    "decoder_depth": 1,
    "decoder_heads": 4,
}
"""What `MAE` is called with for it."""

_MOST_BYTES = 500_000


class MaskedDigit(anywidget.AnyWidget):
    """Click patches of a digit to hide them; a small MAE fills them in, computed in the browser without a kernel.

    Make one with `from_mae`. In a notebook the traits `hidden` and `picture` follow the clicks, and setting them
    changes the figure.
    """

    _esm = module("masked_digit")
    _css = style("masked_digit")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    hidden = t.List(t.Int(min=0)).tag(sync=True)  # numbers of the hidden patches, row after row
    picture = t.Int(0, min=0).tag(sync=True)  # which of the pictures is shown
    sizes = t.Dict(value_trait=t.Int()).tag(sync=True)  # of the network
    weights = t.Bytes().tag(sync=True)  # float16, in the order of `_parameters`
    pictures = t.Bytes().tag(sync=True)  # uint8, one picture after another
    labels = t.List(t.Int()).tag(sync=True)  # their digits

    @classmethod
    def from_mae(cls, model: MAE, pictures: Tensor, labels: Tensor, seed: int = 0) -> MaskedDigit:
        """The figure of a trained masked autoencoder.

        Args:
            model: an `MAE` for pictures of one channel, mask tokens in the decoder, no class token, pixels as
                targets, at most 250 000 parameters. Each is sent as a float16 number.
            pictures: those to choose from, in [0, 1], shape (n, 1, H, W).
            labels: their digits, shape (n,).
            seed: of the mask that is shown first; it hides a sixth of the patches.

        Raises:
            ValueError: an argument cannot be used; the message says which and why.
        """
        weights = _pack(model)
        pictures, labels = as_tensor("pictures", pictures), as_tensor("labels", labels)
        need_pictures("pictures", pictures, f"(n, {', '.join(map(str, model.shape))})")
        need_labels("labels", labels, len(pictures), of="pictures")
        need_seed("seed", seed)
        order = torch.randperm(model.patches, generator=torch.Generator().manual_seed(seed))
        return cls(
            hidden=sorted(order[: max(1, model.patches // 6)].tolist()),
            sizes=_sizes(model),
            weights=weights,
            pictures=pictures.mul(255).round().to(torch.uint8).numpy().tobytes(),
            labels=labels.tolist(),
        )

    def __repr__(self) -> str:
        return f"MaskedDigit({len(self.labels)} pictures, {len(self.hidden)} patches hidden)"


def masked_digit_model() -> MAE:
    """The small MAE that ships with the course for this figure, in eval mode on the CPU."""
    model = MAE(**MASKED_DIGIT_SIZES)
    load_weights(MASKED_DIGIT_WEIGHTS, model)
    return model.requires_grad_(False).eval()


def _sizes(model: MAE) -> dict[str, int]:
    encoder, decoder = model.encoder, model.decoder
    return {
        "side": model.shape[1],
        "patch": model.patch,
        "width": encoder.width,
        "depth": len(encoder.blocks),
        "heads": _heads(encoder),
        "decoderWidth": decoder.embed.out_features,
        "decoderDepth": len(decoder.blocks),
        "decoderHeads": _heads(decoder),
    }


def _heads(network: nn.Module) -> int:
    attention: Any = next(m for m in network.modules() if hasattr(m, "heads"))
    return int(attention.heads)


def _parameters(model: MAE) -> list[nn.Parameter]:
    """In the order in which the page reads them; a change here changes `unpack` there."""
    found: list[nn.Parameter] = []
    for network, last in ((model.encoder, []), (model.decoder, [model.decoder.head])):
        found += network.embed.parameters()
        if network.mask_token is not None:
            found.append(network.mask_token)
        for part in (*network.blocks, network.norm, *last):
            found += part.parameters()
    return found


def _pack(model: Any) -> bytes:
    """Every parameter as float16."""
    plain = (
        isinstance(model, MAE)
        and model.shape[0] == 1
        and model.encoder.class_token is None
        and model.encoder.mask_token is None
        and not model.normalise
    )
    if not plain:
        raise ValueError(
            f"model is {type(model).__name__}: give an MAE for one channel with mask_tokens_in='decoder', "
            "class_token=False and normalise=False."
        )
    flat = torch.cat([p.detach().cpu().flatten() for p in _parameters(model)])
    if 2 * len(flat) > _MOST_BYTES:
        raise ValueError(
            f"model has {len(flat)} parameters: a page takes at most {_MOST_BYTES // 2}, so build a smaller one."
        )
    return flat.half().numpy().astype("<f2").tobytes()

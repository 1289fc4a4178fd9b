"""The live figure of chapter 4: the same z in the planes of several methods, and one style for all digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import torch
import traitlets as t
from torch import Tensor, nn

from gencourse.errors import need_kind, need_named, need_size
from gencourse.figures.style import DIGIT_COLOURS
from gencourse.methods import AAE, VAE, WAE, Autoencoder, ConditionalAAE
from gencourse.widgets.plane import check_codes, linear_layers, pack_codes, quantise
from gencourse.widgets.text import module, style

__all__ = ["LatentPlanes"]

_REACH = 3.0  # each plane shows both numbers from −3 to 3: 99.5 % of the draws from N(0, I)
_MOST_KB = 450  # that the figure's data may take in a page, where bytes are written as base64


class LatentPlanes(anywidget.AnyWidget):
    """Move one z through the code planes of up to three methods; below, move a style and see all ten digits in it.

    Make one with `from_methods`. In a notebook the traits `z` and `style_z` follow the handles, and setting them
    moves the handles. Everything is decoded in the browser, without a kernel.
    """

    _esm = module("plane", "latent_planes")
    _css = style("latent_planes")

    # Every ipywidget refers to a second model, its layout; a page without a kernel has only this one.
    layout = None

    z = t.List(t.Float(), [0.0, 0.0], minlen=2, maxlen=2).tag(sync=True)
    style_z = t.List(t.Float(), [0.0, 0.0], minlen=2, maxlen=2).tag(sync=True)
    titles = t.List(t.Unicode()).tag(sync=True)  # of the planes
    outside = t.List(t.Float()).tag(sync=True)  # of each plane: which part of all codes lies outside of it
    reach = t.Float(_REACH).tag(sync=True)  # a plane shows both numbers from −reach to reach
    conditional = t.Bool().tag(sync=True)  # whether the last decoder is one that is told the digit
    sizes = t.List(t.List(t.Int())).tag(sync=True)  # widths of each decoder, from its input to the pixels
    shape = t.List(t.Int()).tag(sync=True)  # height and width of a picture
    weights = t.Bytes().tag(sync=True)  # int8: decoder after decoder, layer after layer, row after row
    rows = t.Bytes().tag(sync=True)  # float16: scale and bias of each row
    codes = t.Bytes().tag(sync=True)  # float16: two numbers for each test picture, plane after plane
    labels = t.Bytes().tag(sync=True)  # uint8: the digit of each test picture
    colours = t.List(t.Unicode()).tag(sync=True)  # of the ten digits, those of the course's other figures

    @classmethod
    def from_methods(
        cls,
        methods: Mapping[str, Any],
        codes: Mapping[str, Tensor],
        labels: Tensor,
        *,
        conditional: ConditionalAAE | None = None,
        style_codes: Tensor | None = None,
        max_points: int = 600,
    ) -> LatentPlanes:
        """The figure of trained dense methods whose codes have two numbers.

        A weight is sent as one byte with one scale for each row, as in `LatentExplorer`. z starts where the
        first method's codes leave the widest hole near the centre of the prior.

        Args:
            methods: title and method of one to three planes, each `Autoencoder("dense", code_size=2, ...)` or
                the same of `VAE`, `AAE` or `WAE`, for pictures of one channel.
            codes: for each title the codes of the same N test pictures, shape (N, 2).
            labels: their digits, 0 to 9, shape (N,).
            conditional: `ConditionalAAE("dense", code_size=2)` for the lower part; left out if None.
            style_codes: its codes of the test pictures, shape (N, 2), drawn in its plane if given.
            max_points: how many codes of a plane are sent and drawn, chosen at random, the same ones every time.

        Raises:
            ValueError: an argument cannot be used; the message says which and why.
        """
        need_named("methods", methods, "title to method")
        need_kind("codes", codes, Mapping, "a dictionary of title to codes, shape (N, 2)")
        need_size("max_points", max_points)
        if len(methods) > 3:
            raise ValueError(f"methods has {len(methods)} entries: give one, two or three.")
        if set(codes) != set(methods):
            raise ValueError(f"codes has the keys {list(codes)}: give those of methods, {list(methods)}.")
        if style_codes is not None and conditional is None:
            raise ValueError("style_codes is given without a method: give conditional, too.")
        decoders = [_decoder(f"methods[{title!r}]", method) for title, method in methods.items()]
        makers = list(methods.values())
        planes = [check_codes(f"codes[{title!r}]", codes[title], labels)[0] for title in methods]
        if conditional is not None:
            decoders.append(_decoder("conditional", conditional, told=10))
            makers.append(conditional)
        shapes = [list(maker.shape[1:]) for maker in makers]
        if shapes != shapes[:1] * len(shapes):
            raise ValueError(f"methods make pictures of the shapes {shapes}: give methods of one shape.")
        drawn = [*planes]
        if style_codes is not None:
            drawn.append(check_codes("style_codes", style_codes, labels)[0])
        digits = torch.as_tensor(labels).detach().cpu()
        shown = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))[:max_points]
        weights, rows = zip(*[quantise(layer) for layers in decoders for layer in layers], strict=True)
        data = {
            "weights": b"".join(weights),
            "rows": b"".join(rows),
            "codes": b"".join(pack_codes(plane[shown]) for plane in drawn),
            "labels": digits[shown].numpy().astype("u1").tobytes(),
        }
        size = sum(4 * -(-len(part) // 3) for part in data.values()) / 1000
        if size > _MOST_KB:
            raise ValueError(
                f"methods and conditional take {size:.0f} kB together: a page takes at most {_MOST_KB} kB, so "
                "train them with fewer hidden units, for example Plan('dense', (88, 64))."
            )
        return cls(
            z=_hole(planes[0]),
            titles=list(methods),
            outside=[(plane.abs() > _REACH).any(1).float().mean().item() for plane in planes],
            conditional=conditional is not None,
            sizes=[[layers[0].in_features, *(one.out_features for one in layers)] for layers in decoders],
            shape=shapes[0],
            colours=list(DIGIT_COLOURS),
            **data,
        )

    def __repr__(self) -> str:
        more = " and ten digits of one style" if self.conditional else ""
        return f"LatentPlanes({', '.join(self.titles)}{more}, {len(self.labels)} codes each)"


def _decoder(name: str, method: Any, told: int = 0) -> list[nn.Linear]:
    """The decoder's Linear layers; an error if the page cannot decode with them what the method decodes."""
    layers = linear_layers(getattr(method, "decoder", None))
    pixels = isinstance(method, (VAE, AAE, WAE)) or (
        isinstance(method, Autoencoder) and isinstance(method.output, nn.Sigmoid)
    )
    if not layers or not pixels or method.shape[0] != 1:
        plan = getattr(method, "plan", None)
        kind = plan.kind if plan else type(method).__name__
        raise ValueError(
            f"{name} is {kind!r}: give a dense method with code_size=2 for one-channel pictures."
        )
    hears = getattr(method, "told", 0)
    if hears != told:
        wanted = "a ConditionalAAE with ten classes" if told else "one that is told none"
        raise ValueError(f"{name} has a decoder that is told {hears} labels: give {wanted}.")
    if layers[0].in_features != 2 + told:
        raise ValueError(f"{name} has code_size={method.code_size}: a plane needs code_size=2.")
    return layers


def _hole(codes: Tensor) -> list[float]:
    """The point within 1.5 of the centre that is farthest from all codes."""
    axis = torch.linspace(-1.5, 1.5, 31)
    grid = torch.cartesian_prod(axis, axis)
    grid = grid[grid.norm(dim=1) <= 1.5]
    return [round(part, 2) for part in grid[torch.cdist(grid, codes).amin(1).argmax()].tolist()]

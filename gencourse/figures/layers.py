"""What a network is made of, layer by layer: a table of shapes and parameters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gencourse.errors import need_kind, need_named, need_pair
from gencourse.figures.table import Table, table
from gencourse.networks import TransformerBlock

__all__ = ["layers"]


def layers(networks: Mapping[str, tuple[nn.Module, Tensor]]) -> Table:
    """The layers of networks with the shape that each hands on, and how many parameters it has.

    Args:
        networks: name of each and a mini-batch of one to show it, for example {"encoder": (model.encoder, x)}.

    Returns:
        One row for each layer with parameters, with the activation behind it, and one row a network for the sum.

    Raises:
        TypeError, ValueError: networks is none of that, or a network cannot take its mini-batch.
    """
    need_named("networks", networks, "names to a network and a mini-batch")
    rows: list[dict[str, object]] = []
    for name, pair in networks.items():
        need_pair(f"networks[{name!r}]", pair, "a network and a mini-batch")
        network, example = pair
        need_kind(f"networks[{name!r}][0]", network, nn.Module, "a network")
        need_kind(f"networks[{name!r}][1]", example, Tensor, "a mini-batch to show it")
        try:
            found = _passed(network, example)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"networks[{name!r}] cannot take a mini-batch of shape {tuple(example.shape)}: {error}"
            ) from None
        for text, shape, count in found:
            rows.append({"network": name, "layer": text, "hands on": shape, "parameters": count})
            name = ""
        total = sum(p.numel() for p in network.parameters())
        rows.append({"network": "", "layer": "together", "hands on": "", "parameters": total})
    return table(rows)


def _passed(network: nn.Module, example: Tensor) -> list[tuple[str, str, int]]:
    """Text, output shape and parameters of each layer that the example passes, in that order."""
    found: list[tuple[str, str, int]] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        count = sum(p.numel() for p in layer.parameters())
        shape = "×".join(map(str, out.shape[1:]))
        if count:
            found.append((_text(layer), shape, count))
        elif found:  # an activation or a change of form belongs to the layer before it
            text, _, before = found[-1]
            found[-1] = (f"{text}, {_text(layer)}", shape, before)

    whole = [m for m in network.modules() if isinstance(m, TransformerBlock)]
    inside = {id(part) for block in whole for part in block.modules()}
    leaves = [m for m in network.modules() if not list(m.children()) and id(m) not in inside]
    hooks = [layer.register_forward_hook(note) for layer in [*leaves, *whole]]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(example)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return found


def _text(layer: nn.Module) -> str:
    name = type(layer).__name__
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        kind = "transposed convolution" if isinstance(layer, nn.ConvTranspose2d) else "convolution"
        size, stride = layer.kernel_size[0], layer.stride[0]
        return f"{kind} {size}×{size}" + (f", stride {stride}" if stride != 1 else "")
    if isinstance(layer, nn.Linear):
        return f"linear {layer.in_features} → {layer.out_features}"
    known = {"ReLU": "ReLU", "LeakyReLU": "leaky ReLU", "Sigmoid": "sigmoid", "Flatten": "in a row"}
    if isinstance(layer, nn.Unflatten):
        return "in a picture" if len(layer.unflattened_size) == 3 else "in a grid"
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return "batch norm"
    if isinstance(layer, TransformerBlock):
        return f"block: attention of {layer.attn.heads} heads, two linear layers"
    return known.get(name, name)

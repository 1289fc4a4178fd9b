"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from gencourse.errors import need_callable, need_sizes

__all__ = ["mlp"]


def mlp(sizes: Sequence[int], *, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between them, and none after the last.

    Args:
        sizes: widths from input to output, for example (784, 128, 32).
        activation: module class put between the layers.

    Returns:
        A network from (B, sizes[0]) to (B, sizes[-1]).

    Raises:
        ValueError: fewer than two widths, or one that is not positive.
    """
    sizes = need_sizes("sizes", sizes, least=2)
    need_callable("activation", activation, "that makes a layer, for example torch.nn.ReLU")
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])

"""What a training step needs to keep: weights, gradients, Adam's moments, and activations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gencourse.errors import need_finite, need_input, need_kind, need_whole

__all__ = ["Memory", "activation_bytes", "training_memory"]


@dataclass(frozen=True)
class Memory:
    """Bytes that a training step with Adam holds at the end of its forward pass.

    Attributes:
        weights: the parameters.
        gradients: as many again, for those that learn.
        moments: Adam's two, for those that learn.
        activations: what the backward pass will need of the forward pass; this part grows with the mini-batch.

    Raises:
        TypeError, ValueError: an attribute is not a whole number, or negative.
    """

    weights: int
    gradients: int
    moments: int
    activations: int

    def __post_init__(self) -> None:
        for name in ("weights", "gradients", "moments", "activations"):
            need_whole(name, getattr(self, name), 0)

    @property
    def total(self) -> int:
        """All of it, eq. (6.8); what a kernel needs for a moment comes on top."""
        return self.weights + self.gradients + self.moments + self.activations


def activation_bytes(network: nn.Module, x: Tensor) -> int:
    """Bytes that autograd keeps of one forward pass for the backward pass, counted as it keeps them, eq. (6.7).

    Parameters do not count, and a tensor that two layers keep counts once. Network and x may lie on torch's "meta"
    device: then nothing is computed and no memory is needed. There attention is not fused and keeps its table.

    Args:
        network: any module; it is called once, in the mode it is in.
        x: its input, shape (B, ...).

    Raises:
        TypeError: network is no module, or x no tensor.
        ValueError: the network cannot take x.
    """
    need_kind("network", network, nn.Module, "a network")
    need_kind("x", x, Tensor, "a mini-batch for the network")
    if not x.is_meta:
        need_input("x", x, "(B, ...)", network)
        need_finite("x", x)
    own = {p.untyped_storage()._cdata for p in network.parameters()}
    alive: list[Tensor] = []  # keeps addresses from being given away again
    seen: dict[int, dict[int, int]] = {}  # of each block of memory: where a kept tensor starts, its bytes

    def keep(saved: Tensor) -> Tensor:
        block = saved.untyped_storage()._cdata
        if block not in own:
            alive.append(saved)
            parts = seen.setdefault(block, {})
            start = int(saved.storage_offset())
            parts[start] = max(parts.get(start, 0), saved.numel() * saved.element_size())
        return saved

    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
            made = network(x)
    except (RuntimeError, IndexError) as error:
        raise ValueError(f"x of shape {tuple(x.shape)} does not go through the network: {error}") from None
    del made
    whole = {saved.untyped_storage()._cdata: saved.untyped_storage().nbytes() for saved in alive}
    return sum(min(whole[block], sum(parts.values())) for block, parts in seen.items())


def training_memory(network: nn.Module, x: Tensor) -> Memory:
    """What one training step with Adam keeps, eq. (6.8): weights, gradients, two moments, activations.

    Args:
        network: any module, on a device or on "meta".
        x: a mini-batch for it, on the same device.

    Raises:
        TypeError, ValueError: as `activation_bytes`.
    """
    activations = activation_bytes(network, x)
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    learning = sum(p.numel() * p.element_size() for p in network.parameters() if p.requires_grad)
    return Memory(weights, learning, 2 * learning, activations)

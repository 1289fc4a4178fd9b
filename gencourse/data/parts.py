"""What images and points have in common: their checks, one pass in mini-batches, a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gencourse.errors import need_tensor, need_whole, on_cpu, shown

__all__ = ["check_generator", "check_labels", "class_names", "digest_of", "known_device", "rows_of_a_pass"]


def known_device(device: Any) -> torch.device:
    """The device of that name.

    Raises:
        TypeError, ValueError: this is no device, or the machine has none of that kind.
    """
    if not isinstance(device, str | torch.device):
        raise TypeError(f"device is {shown(device)}: give a name such as 'cpu' or 'cuda'.")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, ImportError):
        raise ValueError(f"device is {str(device)!r}: this machine has no such device; give 'cpu'.") from None
    return chosen


def check_generator(generator: Any) -> None:
    """None, or a random generator of the CPU: the order of a pass must not depend on the device."""
    if generator is None:
        return
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator is {shown(generator)}: give torch.Generator().manual_seed(0), with a seed of your own."
        )
    if generator.device.type != "cpu":
        raise ValueError(f"generator is of {generator.device}: give one of the CPU, torch.Generator().")


def check_labels(labels: Any, things: Tensor, word: str) -> None:
    """One int64 label a thing, on its device, not below −1. Values are looked at on a CPU only."""
    need_tensor("labels", labels, kind="any", empty=True)
    if labels.dtype != torch.int64 or labels.shape != things.shape[:1]:
        raise ValueError(
            f"labels is {labels.dtype} of shape {tuple(labels.shape)}: "
            f"give int64 of shape ({len(things)},), one label a{'n' if word[0] in 'aeiou' else ''} {word}."
        )
    if labels.device != things.device:
        raise ValueError(f"labels is on {labels.device}: give it on {things.device}, as the {word}s are.")
    if len(labels) and on_cpu(labels) and labels.min() < -1:
        raise ValueError(
            f"labels go down to {int(labels.min())}: give 0 and more, or −1 where there is no label."
        )


def class_names(classes: Any) -> tuple[str, ...]:
    """Different words, as a tuple."""
    if not isinstance(classes, tuple | list) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"classes is {shown(classes)}: give names, for example ('cats', 'dogs').")
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise ValueError(f"classes names {twice[0]!r} twice: give each class a name of its own.")
    return tuple(classes)


def rows_of_a_pass(
    n: int, batch_size: Any, device: torch.device, generator: Any
) -> Iterator[Tensor] | Iterator[slice]:
    """The rows of each mini-batch of one pass, on that device: every row once, shuffled by the generator."""
    need_whole("batch_size", batch_size)
    check_generator(generator)
    return _shuffled(n, batch_size, device, generator) if generator is not None else _in_order(n, batch_size)


def _in_order(n: int, batch_size: int) -> Iterator[slice]:
    for start in range(0, n, batch_size):
        yield slice(start, start + batch_size)


def _shuffled(n: int, batch_size: int, device: torch.device, generator: torch.Generator) -> Iterator[Tensor]:
    order = torch.randperm(n, generator=generator)
    # to CUDA without waiting for it: what is computed there next is computed after the copy
    order = order.to(device, non_blocking=device.type == "cuda")
    for rows in _in_order(n, batch_size):
        yield order[rows]


def digest_of(*tensors: Tensor) -> str:
    """16 hexadecimal digits of the SHA-256 of these tensors: their types, shapes and bytes."""
    found = hashlib.sha256()
    for x in tensors:
        found.update(f"{x.dtype} {tuple(x.shape)}".encode())
        found.update(x.detach().cpu().contiguous().numpy().reshape(-1).data)
    return found.hexdigest()[:16]

"""Build a method again from its file: from the classes of this room, and from nothing that a file could name."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import torch

import gencourse.methods as room
from gencourse import networks
from gencourse.training.checkpoint import (
    CheckpointError,
    fitting_weights,
    put_weights,
    read_checkpoint,
    trained_weights,
)
from gencourse.training.method import Method

__all__ = ["load"]


def load(path: str | Path, *, averaged: bool = False) -> Method:
    """The method in a file of `fit(checkpoint=…)` or `save_weights`, built as it was, with its weights.

    Only the classes and functions that this room exports are built; no code comes from the file. A dataset that
    the method was given, such as the few labelled pictures of a semi-supervised one, is not in the file: the
    method is built without it, and needs it again only to go on training.

    Args:
        path: the file.
        averaged: take the moving average of the weights, from a run with `fit(average=…)`.

    Returns:
        The method on the CPU, in eval mode.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, the method cannot be built from it, or it has no average.
    """
    tensors, facts = read_checkpoint(path)
    method = _build(path, facts)
    weights = trained_weights(tensors)
    if averaged:
        start = "average/module."
        weights = {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
        if not weights:
            raise CheckpointError(
                f"checkpoint {str(path)!r} has no averaged weights: leave out averaged=True, or train with "
                "fit(average=0.999)."
            )
    put_weights(method, fitting_weights(path, weights, method))
    return method.eval()


class _Opaque(Exception):
    """A value that a file cannot hold."""


def _build(path: str | Path, facts: dict[str, Any]) -> Method:
    kind = getattr(room, facts.get("class", "")) if facts.get("class") in room.__all__ else None
    if "arguments" not in facts or not (isinstance(kind, type) and issubclass(kind, Method)):
        raise CheckpointError(
            f"checkpoint {str(path)!r} holds a {facts.get('class')!r}, which is no method of gencourse.methods: "
            "build it yourself, and call load_weights(path, method)."
        )
    parameters = inspect.signature(kind).parameters
    arguments, own = {}, []
    try:
        for name, told in facts["arguments"].items():
            free = name in parameters and parameters[name].default is None
            if free and isinstance(told, dict) and "data" in told:
                continue
            try:
                arguments[name] = _rebuild(told)
            except _Opaque:
                own.append(name)
        if not own:
            return kind(**arguments)
    except Exception as error:  # written by another version, or by hand: whatever it says, it is no method
        raise CheckpointError(
            f"checkpoint {str(path)!r}: {facts['class']} cannot be built with what the file says "
            f"({' '.join(str(error).split())})"
        ) from None
    raise CheckpointError(
        f"checkpoint {str(path)!r}: its {facts['class']} was built with something of your own ({', '.join(own)}), "
        "which is not in the file: build it with that, and call load_weights(path, method)."
    )


def _rebuild(told: Any) -> Any:
    """The value that `gencourse.training.identity.describe` was given."""
    if isinstance(told, list):
        return tuple(_rebuild(one) for one in told)
    if not isinstance(told, dict):
        return told
    if "dict" in told:
        return {name: _rebuild(one) for name, one in told["dict"].items()}
    if isinstance(told.get("tensor"), (list, int, float)):
        return torch.tensor(told["tensor"], dtype=getattr(torch, told["dtype"]))
    if "class" in told:
        for found in (_exported(room, told["class"]), _exported(networks, told["class"])):
            if isinstance(found, type) and is_dataclass(found):
                return found(**{name: _rebuild(one) for name, one in told.items() if name != "class"})
    if "function" in told:
        for name in room.__all__:
            found = getattr(room, name)
            if inspect.isfunction(found) and f"{found.__module__}.{found.__qualname__}" == told["function"]:
                return found
    raise _Opaque


def _exported(where: Any, name: str) -> Any:
    return getattr(where, name) if name in where.__all__ else None

"""Save and restore a whole training run in one safetensors file: no pickle, no half-written file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

__all__ = ["CheckpointError", "load_weights", "read_checkpoint", "save_weights", "write_checkpoint"]

_FORMAT = "gencourse-1"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read, or belongs to another run."""


def write_checkpoint(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and facts to one file, all or nothing.

    The file is written beside its final place and then moved there, so that an interruption leaves the old
    file as it was.

    Args:
        path: where to; the folder is made if needed.
        tensors: by name.
        facts: anything that JSON can hold.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # clone: safetensors refuses tensors that share memory
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    data = save(plain, metadata={"format": _FORMAT, "facts": json.dumps(facts)})
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote.

    Returns:
        The tensors by name (on the CPU), and the facts.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged or is not one of this course's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {str(path)!r} does not exist: give the path of a saved one.")
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r} is damaged ({error}). It was left as it is: put an earlier copy in its "
            "place, or give another path to start again."
        ) from None
    if meta.get("format") != _FORMAT:
        raise CheckpointError(f"checkpoint {str(path)!r} was not written by gencourse: give one that was.")
    return tensors, json.loads(meta["facts"])


def save_weights(path: str | Path, method: torch.nn.Module, **facts: Any) -> None:
    """Save the weights of a trained method, with facts about where they come from (command, seed, seconds)."""
    write_checkpoint(path, method.state_dict(), {"class": type(method).__name__, **facts})


def load_weights(path: str | Path, method: torch.nn.Module) -> dict[str, Any]:
    """Load weights that `save_weights` or `fit(checkpoint=...)` wrote into a method of the same shape.

    Returns:
        The facts saved with them.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, or its weights do not fit this method.
    """
    tensors, facts = read_checkpoint(path)
    weights = {name.removeprefix("method/"): t for name, t in tensors.items() if _is_weight(name)}
    restore_state(method, weights, path)
    return facts


def restore_state(method: torch.nn.Module, weights: dict[str, Tensor], path: str | Path) -> None:
    """Put weights into a method, or say in one sentence what does not fit."""
    own = method.state_dict()
    for name, tensor in own.items():
        if name not in weights:
            raise CheckpointError(f"checkpoint {str(path)!r} has no {name!r}: it was made by another method.")
        if weights[name].shape != tensor.shape:
            raise CheckpointError(
                f"checkpoint {str(path)!r} has {name!r} of shape {tuple(weights[name].shape)}, this method of "
                f"shape {tuple(tensor.shape)}: build the method with the sizes that it was saved with."
            )
    for name in weights:
        if name not in own:
            raise CheckpointError(f"checkpoint {str(path)!r} has {name!r}, which this method lacks.")
    method.load_state_dict(weights)


def _is_weight(name: str) -> bool:
    return not name.startswith(("average/", "optimizer/", "rng/"))

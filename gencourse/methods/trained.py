"""The trained networks that ship with the course, one for each method: to look at before, or instead of, training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gencourse.errors import need_one_of
from gencourse.methods.load import load
from gencourse.training.checkpoint import read_checkpoint
from gencourse.training.method import Method

__all__ = ["TRAINED", "load_trained", "trained_facts", "trained_names"]

TRAINED = Path(__file__).resolve().parent.parent / "checkpoints" / "trained"
"""Where they lie. `python -m gencourse.studies.trained` makes them again."""


def trained_names() -> tuple[str, ...]:
    """Names of the trained networks, in the order of the alphabet: classes of this room in small letters."""
    return tuple(sorted(path.stem for path in TRAINED.glob("*.safetensors")))


def load_trained(name: str) -> Method:
    """A small network of this method, trained on MNIST, as it ships with the package.

    Args:
        name: the class in small letters, for example "aae"; see `trained_names`.

    Returns:
        The method on the CPU, in eval mode, for pictures of 1×28×28.

    Raises:
        ValueError: no network of that name ships.
    """
    return load(_file(name))


def trained_facts(name: str) -> dict[str, Any]:
    """Where a shipped network comes from, and how good it is.

    Args:
        name: as for `load_trained`.

    Returns:
        "command", "data_sha256", "seed", "epochs", "seconds", versions; and "figures", its row as
        `gencourse.evaluation.panel` gave it.

    Raises:
        ValueError: no network of that name ships.
    """
    return read_checkpoint(_file(name))[1]


def _file(name: Any) -> Path:
    known = trained_names()
    # the class's own name will do, too
    short = name.lower() if isinstance(name, str) else name
    need_one_of("name", short, known)
    return TRAINED / f"{short}.safetensors"

"""gencourse: the tested code behind a course on autoencoders, GANs and their hybrids.

The rooms are imported when they are first used, so that `import gencourse` stays quick:

    import gencourse
    train = gencourse.data.load("mnist", split="train")
    model = gencourse.methods.Autoencoder(network="conv", code_size=32)
    history = gencourse.training.fit(model, train, epochs=3)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gencourse.claims import claim
from gencourse.presets import preset
from gencourse.source import show

if TYPE_CHECKING:  # the type checker sees what __getattr__ loads on demand
    from gencourse import (
        data,
        evaluation,
        exercises,
        figures,
        losses,
        methods,
        networks,
        studies,
        training,
        widgets,
    )

__version__ = "0.1.0"

_ROOMS = (
    "data",
    "networks",
    "losses",
    "methods",
    "training",
    "evaluation",
    "figures",
    "widgets",
    "exercises",
    "studies",
)

__all__ = [*_ROOMS, "__version__", "check", "claim", "grade", "hint", "preset", "progress", "show"]


def __getattr__(name: str) -> Any:
    """Import a room of the package on first use (PEP 562)."""
    if name in _ROOMS:
        return importlib.import_module(f"gencourse.{name}")
    raise AttributeError(f"module 'gencourse' has no attribute {name!r}")


def check(number: str, *answer: Any) -> None:
    """Check the answer to an exercise and print one sentence; see :mod:`gencourse.exercises`."""
    from gencourse.exercises import check as run_check

    run_check(number, *answer)


def grade(number: str, *answer: Any) -> None:
    """Check the answer to an exercise and raise an AssertionError unless it is right; see `check`."""
    from gencourse.exercises import grade as run_grade

    run_grade(number, *answer)


def hint(number: str, step: int | None = None) -> None:
    """Print the next hint of an exercise: a question, a direction, the line; see :mod:`gencourse.exercises`."""
    from gencourse.exercises import hint as print_hint

    print_hint(number, step)


def progress() -> None:
    """Print which exercises are done, tried and left; see :mod:`gencourse.exercises`."""
    from gencourse.exercises import progress as read_progress

    print(read_progress())

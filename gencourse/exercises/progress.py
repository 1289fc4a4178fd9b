"""How far a learner has come: done, tried and left, with minutes and levels."""

from __future__ import annotations

import importlib
from contextlib import suppress
from dataclasses import dataclass

from gencourse.exercises.engine import CHAPTERS, Exercise
from gencourse.exercises.record import attempts, record_path

__all__ = ["Progress", "progress", "reset_progress"]


@dataclass(frozen=True)
class Progress:
    """Exercises by how far they have come; print it for a table.

    Attributes:
        done: solved at least once.
        tried: checked, never solved.
        left: not checked yet.
    """

    done: tuple[Exercise, ...]
    tried: tuple[Exercise, ...]
    left: tuple[Exercise, ...]

    def __str__(self) -> str:
        """A line for each chapter, and one for all."""
        rows = [f"{'chapter':<8} {'done':>5} {'tried':>6} {'left':>5} {'minutes left':>13}  levels done"]
        for chapter in (*CHAPTERS, "all"):
            groups = [
                [one for one in group if chapter in ("all", one.number.split(".")[0])]
                for group in (self.done, self.tried, self.left)
            ]
            minutes = sum(one.minutes for group in groups[1:] for one in group)
            levels = " ".join(
                f"{level}:{sum(one.level == level for one in groups[0])}"
                for level in sorted({one.level for one in groups[0]})
            )
            counts = [len(group) for group in groups]
            rows.append(f"{chapter:<8} {counts[0]:>5} {counts[1]:>6} {counts[2]:>5} {minutes:>13}  {levels}")
        if self.tried:
            rows.append("tried, not solved: " + ", ".join(one.number for one in self.tried))
        return "\n".join(line.rstrip() for line in rows)

    def facts(self) -> dict[str, list[str]]:
        """The numbers of the exercises in each group, for other programs."""
        return {
            "done": [one.number for one in self.done],
            "tried": [one.number for one in self.tried],
            "left": [one.number for one in self.left],
        }


def progress() -> Progress:
    """How far this user has come, from the record that `check` keeps on this computer."""
    every = [
        one
        for module in CHAPTERS.values()
        for one in importlib.import_module(f"gencourse.exercises.{module}").EXERCISES
    ]
    rows = attempts()
    solved = {row["exercise"] for row in rows if row["right"]}
    seen = {row["exercise"] for row in rows}
    return Progress(
        tuple(one for one in every if one.number in solved),
        tuple(one for one in every if one.number in seen - solved),
        tuple(one for one in every if one.number not in seen),
    )


def reset_progress() -> None:
    """Forget every attempt on this computer.

    Raises:
        OSError: the record is there and cannot be removed.
    """
    with suppress(RuntimeError):  # there is no home folder: nothing was ever recorded
        record_path().unlink(missing_ok=True)

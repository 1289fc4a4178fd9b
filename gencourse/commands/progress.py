"""`gencourse progress`: which exercises are done, tried and left."""

from __future__ import annotations

from typing import Annotated

import typer

from gencourse.commands.answer import Json, tell

__all__ = ["progress"]


def progress(
    reset: Annotated[bool, typer.Option("--reset", help="Forget every attempt on this computer.")] = False,
    as_json: Json = False,
) -> None:
    """Which exercises are done, tried and left, from the record that the checks keep on this computer.

    Example: gencourse progress --json
    """
    from gencourse import exercises

    if reset:
        exercises.reset_progress()
    now = exercises.progress()
    tell(as_json, now.facts(), str(now))

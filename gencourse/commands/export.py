"""`gencourse export`: a chapter for students."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    chapter: Annotated[Path, typer.Argument(help="A chapter's notebook.")],
    folder: Annotated[Path, typer.Option("--to", help="Where to write the student version.")] = Path(
        "student"
    ),
) -> None:
    """Write a chapter for students: stubs in place of the solutions, checks left in."""
    from gencourse.exercises import export as write

    typer.echo(write(chapter, folder))

"""`gencourse reproduce`: a recorded study, run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencourse.commands.answer import fail

__all__ = ["reproduce"]


def reproduce(
    name: Annotated[str, typer.Argument(help="Name of the study, for example rate_distortion.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to record it; the course's own records by default.")
    ] = None,
) -> None:
    """Run a recorded study again, row by row; an interrupted one goes on where it stopped."""
    from gencourse.studies import RESULTS, STUDIES
    from gencourse.studies import reproduce as run

    if name not in STUDIES:
        fail(f"name is {name!r}: choose one of {', '.join(STUDIES)}.")
    typer.echo(run(STUDIES[name], folder or RESULTS, report=typer.echo))

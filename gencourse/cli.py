"""The command line: `gencourse reproduce` and `gencourse export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Tools of the course on autoencoders, GANs and their hybrids.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Tools of the course on autoencoders, GANs and their hybrids."""


@app.command()
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
        _fail(f"name is {name!r}: choose one of {', '.join(STUDIES)}.")
    typer.echo(run(STUDIES[name], folder or RESULTS, report=typer.echo))


@app.command()
def export(
    chapter: Annotated[Path, typer.Argument(help="A chapter's notebook.")],
    folder: Annotated[Path, typer.Option("--to", help="Where to write the student version.")] = Path(
        "student"
    ),
) -> None:
    """Write a chapter for students: stubs in place of the solutions, checks left in."""
    from gencourse.exercises import export as write

    try:
        typer.echo(write(chapter, folder))
    except (FileNotFoundError, FileExistsError) as error:
        _fail(str(error))


def _fail(sentence: str) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)

"""The command line, `gencourse VERB`: each verb is a file of `gencourse.commands`, assembled here."""

from __future__ import annotations

from typing import Annotated

import typer

from gencourse import __version__
from gencourse.commands import export, progress, reproduce
from gencourse.commands.answer import sentences

__all__ = ["app"]

app = typer.Typer(
    help="Tools of the course on autoencoders, GANs and their hybrids.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _verb in (reproduce.reproduce, export.export, progress.progress):  # in the order of the help
    app.command(no_args_is_help=False)(sentences(_verb))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tools of the course on autoencoders, GANs and their hybrids."""

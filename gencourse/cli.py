"""The command line, `gencourse VERB`: each verb is a file of `gencourse.commands`, assembled here."""

from __future__ import annotations

from typing import Annotated

import typer

from gencourse import __version__
from gencourse.commands import doctor, draw, evaluate, export, progress, reproduce, show, train
from gencourse.commands.answer import sentences

__all__ = ["app"]

app = typer.Typer(
    help="Tools of the course on autoencoders, GANs and their hybrids.",
    epilog="GENCOURSE_DEBUG=1 in the environment shows where an error comes from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_VERBS = (  # in the order of the help
    ("train", train.train),
    ("sample", draw.sample),
    ("reconstruct", draw.reconstruct),
    ("inpaint", draw.inpaint),
    ("evaluate", evaluate.evaluate),
    ("compare", evaluate.compare),
    ("reproduce", reproduce.reproduce),
    ("export", export.export),
    ("progress", progress.progress),
    ("doctor", doctor.doctor),
    ("list", show.list_),
)
for _name, _verb in _VERBS:
    app.command(_name, no_args_is_help=False)(sentences(_verb))


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

"""`gencourse reproduce`: a recorded study, run again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencourse.commands.answer import FAILED, Json, fail, tell

if TYPE_CHECKING:
    from gencourse.studies import StudyState

__all__ = ["reproduce"]


def reproduce(
    name: Annotated[
        str | None, typer.Argument(help="Name of the study, for example rate_distortion.", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the records lie; the course's own by default.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Say how much of each study is recorded, and run nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Run a recorded study again, row by row; an interrupted one goes on where it stopped.

    Examples:

      gencourse reproduce --list

      gencourse reproduce rate_distortion --folder records
    """
    from gencourse.studies import RESULTS, STUDIES, overview
    from gencourse.studies import reproduce as run

    folder = RESULTS if folder is None else folder
    if name is not None and name not in STUDIES:
        fail(f"name is {name!r}: choose one of {', '.join(STUDIES)}.")
    if list_:
        if not folder.is_dir():
            fail(f"folder {str(folder)!r} does not exist: give the one that holds the records.")
        states = overview(STUDIES.values(), folder)
        states = [state for state in states if name in (None, state.name)]
        tell(json_, {state.name: dataclasses.asdict(state) for state in states}, _table(states))
        if any(state.problem for state in states):
            raise typer.Exit(FAILED)
    elif name is None:
        fail("Which study? Give its name, or --list to see them all.")
    elif json_:
        fail("--json goes with --list.")
    else:
        typer.echo(run(STUDIES[name], folder, report=typer.echo))


def _table(states: list[StudyState]) -> str:
    """One line a study, the totals, and a sentence for each record that something is wrong with."""
    lines = [f"{'study':18} {'rows':>8} {'seconds':>8}  chapters"]
    for state in states:
        rows, missing = f"{state.recorded}/{state.possible}", state.possible - state.recorded
        remark = f"  {missing} missing" if missing else ""
        read_in = ", ".join(map(str, state.chapters)) or "-"
        lines.append(f"{state.name:18} {rows:>8} {state.seconds:8.0f}  {read_in}{remark}")
    rows = f"{sum(s.recorded for s in states)}/{sum(s.possible for s in states)}"
    lines.append(f"{'all':18} {rows:>8} {sum(s.seconds for s in states):8.0f}")
    lines += [f"{state.name}: {state.problem}" for state in states if state.problem]
    return "\n".join(lines)

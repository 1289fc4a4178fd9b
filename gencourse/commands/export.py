"""`gencourse export`: chapters for students, and sets that a teacher marks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencourse.commands.answer import fail

__all__ = ["export"]


def export(
    chapter: Annotated[
        str | None,
        typer.Argument(help="A chapter's number or notebook; with --for, also the folder."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--to", help="Where to write; by default 'student', or the tool's name.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All chapters.")] = False,
    tool: Annotated[
        str | None, typer.Option("--for", help="'nbgrader' or 'otter': a set that this tool marks.")
    ] = None,
    exercises_only: Annotated[
        bool, typer.Option("--exercises-only", help="With --for: no text, no training.")
    ] = False,
) -> None:
    """Write chapters for students, stubs in place of the solutions, or for a teacher's marking tool.

    Example: gencourse export 2 --to handout
    """
    from gencourse import exercises

    if tool not in (None, "nbgrader", "otter"):
        fail(f"--for is {tool!r}: write nbgrader or otter, or leave it out for students' notebooks.")
    if exercises_only and tool is None:
        fail("--exercises-only needs --for nbgrader or --for otter: a student's copy is the whole chapter.")
    if tool and chapter and folder is None and not _is_chapter(chapter):
        folder, chapter = Path(chapter), None
    if every and chapter:
        fail(f"--all writes every chapter: leave out --all, or the chapter {chapter!r}.")
    if chapter is None and not every and tool is None:
        fail("Which chapter? Give its number, or --all.")
    wanted: list[str | Path] = [*exercises.chapters()] if chapter is None else [chapter]
    target = folder or Path(tool or "student")
    there = []
    for notebook in wanted:
        try:
            if tool == "nbgrader":
                made = exercises.export_nbgrader(notebook, target, exercises_only)
            elif tool == "otter":
                made = exercises.export_otter(notebook, target, exercises_only)
            else:
                made = exercises.export(notebook, target)
        except FileExistsError as error:
            if len(wanted) == 1 or error.errno is not None:  # with a number, it is a folder that is a file
                raise
            there.append(str(error))  # the others are wanted, too
        else:
            typer.echo(made)
    if there:
        fail("\n".join(there))


def _is_chapter(word: str) -> bool:
    """Whether it names a chapter, and not a folder to write to."""
    from gencourse import exercises

    try:
        exercises.find_chapter(word)
    except FileNotFoundError:
        return word.isdecimal() or word.endswith(".ipynb")  # meant as one: there is no such chapter
    return True

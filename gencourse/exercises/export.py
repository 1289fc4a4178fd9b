"""Student notebooks: the chapter with every solution replaced by its stub."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gencourse.errors import need_kind, need_path
from gencourse.exercises.engine import exercise

__all__ = ["BEGIN", "END", "export", "solution_in", "student_source"]

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_BLOCK = re.compile(rf"^{BEGIN}\n(.*?)^{END}$", flags=re.DOTALL | re.MULTILINE)
_CHECK = re.compile(r'check\("(\d+\.\d+)"')


def solution_in(source: str) -> tuple[str, str] | None:
    """The exercise number and the solution's code in a cell, or None if the cell holds no solution.

    Raises:
        TypeError: source is no text.
        ValueError: there is a solution but no check that names its exercise.
    """
    need_kind("source", source, str, "a cell's code")
    block, number = _BLOCK.search(source), _CHECK.search(source)
    if block is None:
        return None
    if number is None:
        raise ValueError(
            f"a cell with {BEGIN!r} has no check(...): end it with gencourse.check(number, answer)."
        )
    return number.group(1), block.group(1)


def student_source(source: str) -> str:
    """A cell's code with the stub in place of the solution; other cells come back as they are."""
    found = solution_in(source)
    if found is None:
        return source
    return _BLOCK.sub(lambda _: exercise(found[0]).stub.strip(), source)


def export(chapter: str | Path, folder: str | Path) -> Path:
    """Write the student version of a chapter: stubs for solutions, no outputs, nothing folded.

    Args:
        chapter: a chapter's notebook.
        folder: where to write; a file of the same name there is never overwritten, it may hold answers.

    Returns:
        The new notebook.

    Raises:
        TypeError: chapter or folder is no path.
        ValueError: chapter is no notebook.
        FileNotFoundError: there is no such chapter.
        FileExistsError: the student notebook is there already.
    """
    need_path("chapter", chapter)
    need_path("folder", folder)
    chapter, target = Path(chapter), Path(folder) / Path(chapter).name
    if not chapter.is_file():
        raise FileNotFoundError(
            f"chapter {str(chapter)!r} does not exist: give a notebook such as one in chapters/."
        )
    if target.exists():
        raise FileExistsError(f"{target} exists and may hold answers: give another folder, or move it away.")
    try:
        notebook: dict[str, Any] = json.loads(chapter.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(
            f"chapter {str(chapter)!r} is no notebook: give one such as those in chapters/."
        ) from None
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        if solution_in(source) is not None:
            cell["metadata"] = {}
        cell["source"] = student_source(source).splitlines(keepends=True)
        cell["outputs"], cell["execution_count"] = [], None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target

"""Sets that a teacher hands out and marks: nbgrader's source notebooks, and otter's.

Both tools read the answers out of a notebook of the teacher's, and make the students' version themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gencourse.errors import need_kind, need_path
from gencourse.exercises.derivations import DERIVATIONS
from gencourse.exercises.engine import Exercise, exercise
from gencourse.exercises.export import find_chapter, read_notebook, solution_in, write_notebook

__all__ = ["export_nbgrader", "export_otter"]

_HEADING = re.compile(r"### Exercise (\d+\.\d+): ")
_IMPORTS = """\
import math

import torch
from torch import nn

import gencourse
from gencourse import data, evaluation, losses"""
_NBGRADER = '''\
"""nbgrader's settings for the exercises of gencourse; written by `gencourse export --for nbgrader`."""

c = get_config()  # noqa: F821, nbgrader defines it
c.CourseDirectory.course_id = "gencourse"
# nbgrader gives a cell 30 seconds; a few checks train a network, and an endless loop is stopped after its time limit.
c.ExecutePreprocessor.timeout = 600
'''

Cell = dict[str, Any]


def _code(name: str, source: str, **metadata: Any) -> Cell:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def _text(name: str, source: str, **metadata: Any) -> Cell:
    return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": source}


def _shared(one: Exercise) -> tuple[str, str]:
    """(lines that stub and solution begin with, the rest of the solution)."""
    stub, solution = one.stub.strip().splitlines(), one.solution.strip().splitlines()
    count = 0
    while count < len(stub) and stub[count] == solution[count]:
        count += 1
    return "\n".join(solution[:count]), "\n".join(solution[count:])


def _slug(one: Exercise) -> str:
    return one.number.replace(".", "-")


def _exercises_in(
    notebook: dict[str, Any], write: Callable[[Exercise, str], list[Cell]], only: bool
) -> Iterator[Cell]:
    """The notebook's cells, each exercise as `write(exercise, statement)` says it; with `only`, little else."""
    statement = ""
    for position, cell in enumerate(notebook["cells"]):
        cell["metadata"] = {}
        found = solution_in(cell["source"]) if cell["cell_type"] == "code" else None
        if cell["cell_type"] == "markdown" and _HEADING.match(cell["source"]):
            statement = cell["source"]
        elif found:
            yield from write(exercise(found[0]), statement)
        elif not only or "google.colab" in cell["source"]:
            yield cell
        elif position == 0:
            title = cell["source"].splitlines()[0]
            yield _text("title", f"{title}: exercises")
            yield _code("imports", _IMPORTS)


def _nbgrader_cells(one: Exercise, statement: str) -> list[Cell]:
    def marks(kind: str, **flags: Any) -> dict[str, Any]:
        plain = {"grade": False, "solution": False, "locked": False, "task": False}
        return {**plain, **flags, "grade_id": f"{kind}-{_slug(one)}", "schema_version": 3}

    head, body = _shared(one)
    cells = [
        _text(
            f"exercise-{_slug(one)}",
            statement,
            nbgrader=marks("exercise", locked=True),
        ),
        _code(
            f"answer-{_slug(one)}",
            f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION",
            nbgrader=marks("answer", solution=True),
        ),
        _code(
            f"check-{_slug(one)}",
            f'import gencourse\n\ngencourse.grade("{one.number}", {one.answer})',
            nbgrader=marks("check", grade=True, locked=True, points=one.level),
        ),
    ]
    if found := DERIVATIONS.get(one.number):
        cells.append(
            _text(
                f"derivation-{_slug(one)}",
                f"### BEGIN SOLUTION\n{found.answer}\n\n{found.rubric()}\n### END SOLUTION",
                nbgrader=marks("derivation", grade=True, solution=True, points=found.points),
            )
        )
        cells.insert(-1, _text(f"task-{_slug(one)}", found.task, nbgrader=marks("task", locked=True)))
    return cells


def export_nbgrader(chapter: str | Path, folder: str | Path, exercises_only: bool = False) -> Path:
    """Write a chapter as an assignment that nbgrader 0.9 takes as it is, and settings beside it.

    Each exercise becomes a locked statement, an answer cell and a locked check that gives `level` points; what was
    to be derived on paper gets a cell that the teacher marks, with a model answer and a rubric.

    Args:
        chapter: a chapter's notebook, or its number.
        folder: the course's folder; the notebook is written to source/NAME/NAME.ipynb in it.
        exercises_only: leave the chapter's text and training out. nbgrader runs the whole notebook for each student.

    Returns:
        The new notebook.

    Raises:
        TypeError: chapter or folder is no path, or exercises_only is neither True nor False.
        ValueError: chapter is no notebook.
        FileNotFoundError: there is no such chapter.
        FileExistsError: the notebook is there already.
    """
    path = find_chapter(chapter)
    need_path("folder", folder)
    need_kind("exercises_only", exercises_only, bool, "True or False")
    notebook = read_notebook(path)
    notebook["cells"] = list(_exercises_in(notebook, _nbgrader_cells, exercises_only))
    target = write_notebook(notebook, Path(folder) / "source" / path.stem / path.name)
    settings = Path(folder) / "nbgrader_config.py"
    if not settings.exists():
        settings.write_text(_NBGRADER, encoding="utf-8")
    return target


def _otter_cells(one: Exercise, statement: str) -> list[Cell]:
    def raw(name: str, text: str) -> Cell:
        return {"cell_type": "raw", "id": f"{name}-{_slug(one)}", "metadata": {}, "source": text}

    head, body = _shared(one)
    name = f"q{one.number.replace('.', '_')}"
    stub = "    raise NotImplementedError"
    cells = [
        raw("question", f"# BEGIN QUESTION\nname: {name}\npoints: {one.level}"),
        _text(f"exercise-{_slug(one)}", statement),
        raw("solution", "# BEGIN SOLUTION"),
        _code(
            f"answer-{_slug(one)}",
            f'{head}\n    """ # BEGIN PROMPT\n{stub}\n    """; # END PROMPT\n    # BEGIN SOLUTION\n{body}\n'
            "    # END SOLUTION",
        ),
        raw("solution-end", "# END SOLUTION"),
        raw("tests", "# BEGIN TESTS"),
        _code(
            f"check-{_slug(one)}",
            f'import gencourse\ngencourse.grade("{one.number}", {one.answer})',
        ),
        raw("tests-end", "# END TESTS"),
        raw("question-end", "# END QUESTION"),
    ]
    if found := DERIVATIONS.get(one.number):
        cells += [
            raw(
                "derive",
                f"# BEGIN QUESTION\nname: {name}_derivation\nmanual: true\npoints: {found.points}",
            ),
            _text(f"task-{_slug(one)}", found.task),
            raw("model", "# BEGIN SOLUTION"),
            _text(f"derivation-{_slug(one)}", f"{found.answer}\n\n{found.rubric()}"),
            raw("model-end", "# END SOLUTION"),
            raw("derive-end", "# END QUESTION"),
        ]
    return cells


def export_otter(chapter: str | Path, folder: str | Path, exercises_only: bool = False) -> Path:
    """Write a chapter as a notebook for `otter assign`, whose output Gradescope takes.

    Args:
        chapter: a chapter's notebook, or its number.
        folder: where to write.
        exercises_only: leave the chapter's text and training out.

    Returns:
        The new notebook.

    Raises:
        TypeError: chapter or folder is no path, or exercises_only is neither True nor False.
        ValueError: chapter is no notebook.
        FileNotFoundError: there is no such chapter.
        FileExistsError: the notebook is there already.
    """
    path = find_chapter(chapter)
    need_path("folder", folder)
    need_kind("exercises_only", exercises_only, bool, "True or False")
    notebook = read_notebook(path)
    settings = "# ASSIGNMENT CONFIG\nrequirements:\n  - gencourse\nexport_cell: true\ntests:\n  files: true"
    first = {"cell_type": "raw", "id": "assignment", "metadata": {}, "source": settings}
    notebook["cells"] = [first, *_exercises_in(notebook, _otter_cells, exercises_only)]
    return write_notebook(notebook, Path(folder) / path.name)

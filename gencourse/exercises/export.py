"""Student notebooks: the chapter with every solution replaced by its stub."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from gencourse.errors import need_kind, need_path
from gencourse.exercises.engine import exercise
from gencourse.files import write_whole

__all__ = [
    "BEGIN",
    "BOOK",
    "END",
    "chapters",
    "export",
    "find_chapter",
    "publish_links",
    "solution_in",
    "student_source",
]

BOOK = "https://owner.github.io/gencourse"
"""Address of the published book; tools/address.py keeps it current. No book is published by the placeholder "owner"."""
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_BLOCK = re.compile(rf"^{BEGIN}\n(.*?)^{END}$", flags=re.DOTALL | re.MULTILINE)
_CHECK = re.compile(r'check\("(\d+\.\d+)"')
_LINK = re.compile(r"(\]\(|href=\")(?![a-z]+:|#|attachment)([\w./-]+)\.(md|ipynb)(#[\w.-]*)?(?=[)\"])")
_PAGE = r"(?![a-z]+:|#|attachment)[\w./-]+\.(?:md|ipynb)(?:#[\w.-]*)?"
_WORDS = re.compile(
    rf"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\({_PAGE}\)|<a href=\"{_PAGE}\">(.*?)</a>", flags=re.DOTALL
)


def chapters() -> list[Path]:
    """The chapters' notebooks, in order: those of the installed package, else those of this checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "chapters", package.parent / "chapters"):
        if found := sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            return found
    return []


def find_chapter(chapter: str | Path) -> Path:
    """A chapter's notebook, from its number ("1") or its path.

    Raises:
        TypeError: chapter is no path.
        FileNotFoundError: there is no such chapter.
    """
    need_path("chapter", chapter)
    known = {str(int(path.name[:2])): path for path in chapters()}
    path = known.get(str(chapter), Path(chapter))
    if not path.is_file():
        raise FileNotFoundError(
            f"chapter {str(chapter)!r} does not exist: give a number ({', '.join(known)}) or a notebook."
        )
    return path


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


def publish_links(text: str) -> str:
    """Markdown with its links to other pages of the course turned to the published book.

    A copy of a chapter lies alone in a folder: a link such as `../book/errata.md` leads nowhere there. While no book
    is published, the words of such a link stay and the link goes.
    """
    need_kind("text", text, str, "a cell's Markdown")
    if "//owner." in BOOK:
        return _WORDS.sub(lambda link: link[1] or link[2], text)

    def published(link: re.Match[str]) -> str:
        before, path, _, anchor = link.groups()
        page = posixpath.normpath(posixpath.join("chapters", path))
        return f"{before}{BOOK}/{page}.html{anchor or ''}"

    return _LINK.sub(published, text)


def read_notebook(chapter: Path) -> dict[str, Any]:
    """A notebook as its JSON says it, each cell's source one text, without outputs and counts."""
    try:
        notebook: dict[str, Any] = json.loads(chapter.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
            else:
                cell["source"] = publish_links(cell["source"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"chapter {str(chapter)!r} is no notebook: give one such as those in chapters/."
        ) from None
    return notebook


def write_notebook(notebook: dict[str, Any], target: Path) -> Path:
    """Write a notebook to a file that is not there yet: one that is may hold a learner's answers."""
    if target.exists():
        raise FileExistsError(f"{target} exists and may hold answers: give another folder, or move it away.")
    target.parent.mkdir(parents=True, exist_ok=True)
    # half a notebook would be taken for one that holds answers
    write_whole(target, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return target


def export(chapter: str | Path, folder: str | Path) -> Path:
    """Write the student version of a chapter: stubs for solutions, no outputs, nothing folded.

    Args:
        chapter: a chapter's notebook, or its number.
        folder: where to write; a file of the same name there is never overwritten, it may hold answers.

    Returns:
        The new notebook.

    Raises:
        TypeError: chapter or folder is no path.
        ValueError: chapter is no notebook.
        FileNotFoundError: there is no such chapter.
        FileExistsError: the student notebook is there already.
    """
    path = find_chapter(chapter)
    need_path("folder", folder)
    notebook = read_notebook(path)
    for cell in notebook["cells"]:
        cell["metadata"] = {}  # folds and tags are the book's
        if cell["cell_type"] == "code":
            cell["source"] = student_source(cell["source"])
    return write_notebook(notebook, Path(folder) / path.name)

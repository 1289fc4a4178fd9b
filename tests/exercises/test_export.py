"""Student notebooks, and the agreement of the chapters with the declared exercises."""

from __future__ import annotations

import importlib
import json
import pathlib
import re

import pytest

from gencourse.exercises import (
    CHAPTERS,
    chapters,
    exercise,
    export,
    find_chapter,
    publish_links,
    solution_in,
    student_source,
)

CHAPTER_FILES = sorted(pathlib.Path(__file__).parents[2].glob("chapters/*.ipynb"))


def cells(path: pathlib.Path, kind: str) -> list[str]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("chapter", CHAPTER_FILES, ids=lambda p: p.stem)
def test_a_chapter_shows_exactly_the_declared_exercises(chapter: pathlib.Path) -> None:
    number = str(int(chapter.name[:2]))
    found = [pair for source in cells(chapter, "code") if (pair := solution_in(source))]
    text = "\n".join(cells(chapter, "markdown"))
    assert number in CHAPTERS
    declared = [one.number for one in _declared(number)]
    assert [n for n, _ in found] == declared
    for n, code in found:
        one = exercise(n)
        assert code.strip() == one.solution.strip()
        assert f"### Exercise {n}: {one.title}\n" in text
        assert f"level {one.level} of 5 · about {one.minutes} minutes" in text
        assert one.stub.strip() in text


def _declared(number: str):  # type: ignore[no-untyped-def]
    import importlib

    return importlib.import_module(f"gencourse.exercises.{CHAPTERS[number]}").EXERCISES


@pytest.mark.parametrize("chapter", CHAPTER_FILES, ids=lambda p: p.stem)
def test_the_student_version_has_stubs_and_no_solutions(
    chapter: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    before = chapter.read_bytes()
    made = export(chapter, tmp_path / "student")
    source = made.read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in source and "source_hidden" not in source
    for one in _declared(str(int(chapter.name[:2]))):
        assert all(one.solution.strip() not in cell for cell in cells(made, "code"))
        assert any(one.stub.strip() in cell and "gencourse.check(" in cell for cell in cells(made, "code"))
    assert chapter.read_bytes() == before
    made.write_text("my answers")
    with pytest.raises(FileExistsError, match="may hold answers"):
        export(chapter, tmp_path / "student")
    assert made.read_text() == "my answers"


def test_cells_without_a_solution_stay_and_a_solution_without_a_check_is_refused() -> None:
    assert student_source("x = 1\n") == "x = 1\n"
    with pytest.raises(ValueError, match="has no check"):
        student_source("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n")


def test_only_the_block_is_replaced() -> None:
    source = 'a = 1\n### BEGIN SOLUTION\nsecret\n### END SOLUTION\ngencourse.check("1.3", floor)'
    made = student_source(source)
    assert made.startswith("a = 1\ndef floor(x):") and made.endswith('gencourse.check("1.3", floor)')
    assert not re.search("secret|SOLUTION", made)


def test_a_missing_chapter_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export(tmp_path / "no.ipynb", tmp_path)


@pytest.mark.parametrize("chapter", CHAPTER_FILES, ids=lambda p: p.stem)
def test_what_is_exported_is_whole_alone(chapter: pathlib.Path, tmp_path: pathlib.Path) -> None:
    made = json.loads(export(chapter, tmp_path).read_text(encoding="utf-8"))
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    for cell in made["cells"]:
        assert cell["metadata"] == {} and not cell.get("outputs")
        if cell["cell_type"] == "markdown":
            links = re.findall(r"\]\(([^)#]*)", cell["source"]) + re.findall(
                r'href="([^"#]*)', cell["source"]
            )
            assert all(not link or re.match("[a-z]+:", link) for link in links), links


HERE = "https://ada.github.io/gencourse"
# the room has a function of this name
MODULE = importlib.import_module("gencourse.exercises.export")


@pytest.mark.parametrize(
    ("link", "published"),
    [
        ("[a](../book/errata.md)", f"[a]({HERE}/book/errata.html)"),
        ("[a](02_gan.ipynb#train-it)", f"[a]({HERE}/chapters/02_gan.html#train-it)"),
        ('<a href="../book/notation.md">a</a>', f'<a href="{HERE}/book/notation.html">a</a>'),
        ("[a](https://x.org/a.md) [b](#here)", "[a](https://x.org/a.md) [b](#here)"),
    ],
)
def test_links_lead_to_the_published_book(link: str, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "BOOK", HERE)
    assert publish_links(link) == published


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("see [a *b*](../book/errata.md), and", "see a *b*, and"),
        ("[[1]](02_gan.ipynb#train-it)[c](03_ae_gan.ipynb)", "[1]c"),
        ('<a href="../book/notation.md">the\npage</a>', "the\npage"),
        ("[a](https://x.org/a.md) [b](#here) ![c](c.md)", "[a](https://x.org/a.md) [b](#here) ![c](c.md)"),
    ],
)
def test_no_link_leads_to_a_book_that_nobody_has_published(
    link: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "BOOK", "https://owner.github.io/gencourse")
    assert publish_links(link) == words


def test_a_chapter_is_found_by_its_number() -> None:
    assert [find_chapter(str(n)) for n in range(1, 1 + len(CHAPTER_FILES))] == chapters() == CHAPTER_FILES

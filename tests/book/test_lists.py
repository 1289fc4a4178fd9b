"""The lists at the end of the book hold what the chapters hold, and front and back matter point at what exists."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import ledger
import lists
import pytest
import yaml

from gencourse.exercises import CHAPTERS
from gencourse.studies import STUDIES, read

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"


def test_every_declared_exercise_is_listed_with_level_and_minutes() -> None:
    table = lists.exercises(ROOT)
    rows = re.findall(r"^\| \[(\d+\.\d+)\]\(\S+\) \| (.+?) \| [\w, ]+ \| (\d) \| (\d+) \|$", table, re.M)
    declared = [
        (one.number, one.title, str(one.level), str(one.minutes))
        for module in CHAPTERS.values()
        for one in importlib.import_module(f"gencourse.exercises.{module}").EXERCISES
    ]
    assert rows == declared


def test_every_equation_is_listed_once() -> None:
    listed = re.findall(r"\{ref\}`\(([\dA.]+)\) <(\S+)>`", lists.equations(ROOT))
    tags = [equation.tag for equation in ledger.collect(ROOT).equations]
    assert [tag for tag, _ in listed] == tags
    assert [anchor for _, anchor in listed] == [ledger.anchor(tag) for tag in tags]


def test_every_figure_is_listed_with_its_caption() -> None:
    table = lists.figures(ROOT)
    pages = [*(ROOT / "chapters").glob("*.ipynb"), ROOT / "book" / "intro.ipynb"]
    cells = [cell for page in pages for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    pictures = sum("alt" in cell["metadata"].get("mystnb", {}).get("image", {}) for cell in code)
    drawings = sum(page.read_text("utf-8").count("\n:alt:") for page in BOOK.glob("*.md"))
    assert table.count("| picture |") == pictures + drawings > 40
    live = sum(bool(lists.LIVE.search("".join(cell["source"]))) for cell in code)
    assert table.count("| live |") == live >= 8
    numbers = re.findall(r"^\| figure\s(\S+) \| .+ \|$", table, re.M)
    assert len(numbers) == len(set(numbers)) == table.count("\n| figure\u00a0")


def test_every_study_is_listed_with_its_rows_and_chapters() -> None:
    found = re.findall(
        r"^\| `(\w+)` \| (\d+)\sof\s(\d+)\.? ?(.*?) \| (\d+) \| (.+?) \|$", lists.studies(ROOT), re.M
    )
    assert [name for name, *_ in found] == list(STUDIES)
    for name, recorded, possible, problem, seconds, read_in in found:
        rows = read(name) if int(recorded) else []
        assert int(recorded) == len(rows) and int(possible) == len(STUDIES[name].settings) and not problem
        assert int(seconds) == pytest.approx(sum(row["seconds"] for row in rows), abs=1)
        chapters = re.findall(r"\[(\d)\]\(\.\./chapters/0\1_\w+\.ipynb\)", read_in)
        assert chapters == [str(number) for number in STUDIES[name].chapters]


def test_what_is_listed_of_a_small_course(tmp_path: Path) -> None:
    cells = [
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": ["# Toy\n", "\n", "## Look\n", "\n", "$$ x \\tag{1.1} $$"],
        },
        {
            "cell_type": "code",
            "metadata": {},
            "source": ["widgets.Toy()"],
        },
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": ["**Figure 1.1.** A | B, eq. (1.1). " + "C" * 60],
        },
        {"cell_type": "markdown", "metadata": {}, "source": ["## Look\n", "\n", "$$ y \\tag{1.2} $$"]},
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": ["```\n", "## no heading\n", "```\n", "$$ z \\tag{1.3} $$"],
        },
    ]
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "01_toy.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    table = lists.equations(tmp_path)
    assert "### 1 Toy" in table
    assert "01_toy.ipynb#look) | {ref}`(1.1) <eq-1-1>`" in table
    assert "01_toy.ipynb#look-1) | {ref}`(1.2) <eq-1-2>`" in table
    assert "01_toy.ipynb#look-1) | {ref}`(1.3) <eq-1-3>`" in table
    assert "| figure\u00a01.1 | A \\| B, eq. (1.1). CCC" in lists.figures(tmp_path)
    assert lists.figures(tmp_path).count("| live |") == 1


def test_a_description_is_shown_until_it_says_enough() -> None:
    assert (
        lists.what_it_shows("Four panels. Left: " + "a" * 50 + ". Right: b.")
        == "Four panels. Left: " + "a" * 50
    )
    assert lists.what_it_shows("Short.\n\nMore below.") == "Short"


def headings(number: int) -> set[str]:
    """Headings of a chapter, up to their colon, without quotation marks."""
    (path,) = (ROOT / "chapters").glob(f"{number:02d}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    found = {words.replace('"', "") for _, words in lists.HEADING.findall(text)}
    return found | {words.split(":")[0] for words in found}


@pytest.mark.parametrize("page", ["preface", "not_covered"])
def test_sections_that_a_page_names_are_in_their_chapters(page: str) -> None:
    text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
    named = re.findall(r'chapter (\d), ((?:"[^"]+"(?:, )?)+)', text)
    assert len(named) > 8
    for number, words in named:
        for section in re.findall(r'"([^"]+)"', words):
            assert section in headings(int(number)), f"{page}.md: chapter {number} has no section {section!r}"


def test_each_page_is_in_the_table_of_contents_once() -> None:
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    listed = [entry["file"] for part in parts for entry in part["chapters"]]
    pages = {f"book/{path.stem}" for path in BOOK.glob("*.md")}
    pages |= {f"chapters/{path.stem}" for path in (ROOT / "chapters").glob("[0-9]*.ipynb")}
    assert sorted(listed) == sorted(pages)

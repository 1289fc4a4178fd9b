"""The checks of a cell are folded where they stand, and nothing of the cell is lost."""

from __future__ import annotations

import json
from pathlib import Path

import claims
import pytest

CHAPTERS = sorted((Path(__file__).resolve().parents[2] / "chapters").glob("[0-9]*.ipynb"))


def shape(source: str) -> list[str | tuple[str, ...]]:
    """The code of each piece, or what it states."""
    return [piece.stated if piece.checks else piece.text for piece in claims.split(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            'x = 1\n\n# why\nclaim("x is one", x)\nclaim("again",\n      x)',
            ["x = 1", ("x is one", "again")],
        ),
        ('claim("all", 1)', [("all",)]),
        ('claim("a", 1)\nx = 2\n\n# so\nclaim("b", x)\nprint(x)', [("a",), "x = 2", ("b",), "print(x)"]),
        ('%pip list\nfor n in "ab":\n    m = n\n    claim(n, 1)', ["%pip list", ()]),
        (
            'for n in "ab":\n    print(n)\n    claim("c", 1)',
            ['for n in "ab":\n    print(n)\n    claim("c", 1)'],
        ),
        ("for n in []:\n    m = n", ["for n in []:\n    m = n"]),
        ('if x:\n    claim("a", 1)\nelse:\n    y = 1', ['if x:\n    claim("a", 1)\nelse:\n    y = 1']),
        ('claim(f"{name!r} wins by {gap:.1f}", 1)', [("‹name› wins by ‹gap›",)]),
        ("x = 1\n# the end", ["x = 1\n# the end"]),
    ],
)
def test_a_cell_is_cut_around_its_checks(source: str, expected: list[str | tuple[str, ...]]) -> None:
    assert shape(source) == expected
    comments = [piece.text for piece in claims.split(source) if piece.checks and "#" in piece.text]
    assert all(text.startswith("#") for text in comments)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_no_line_of_a_chapter_is_lost_and_few_checks_stay_among_the_code(chapter: Path) -> None:
    checks = left = 0
    for cell in json.loads(chapter.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            pieces = claims.split(source)
            assert "".join("".join(piece.text for piece in pieces).split()) == "".join(source.split())
            checks += sum("claim(" in piece.text for piece in pieces if piece.checks)
            left += sum("claim(" in piece.text for piece in pieces if not piece.checks)
    print(f"{chapter.stem}: {checks} folds of checks, {left} pieces of code with a check in them")
    assert checks and left <= 1


def test_the_line_counts_what_it_does_not_show() -> None:
    assert claims.summary(["a"]) == "checked: a"
    assert claims.summary(["a", "b", "c"]) == "checked: a, and 2 more"

"""The checks at the end of a cell are folded, and nothing of the cell is lost."""

from __future__ import annotations

import claims
import pytest


@pytest.mark.parametrize(
    ("source", "code", "stated"),
    [
        ('x = 1\n\n# why\nclaim("x is one", x)\nclaim("again",\n      x)', "x = 1", ["x is one", "again"]),
        ('claim("all", 1)', "", ["all"]),
        ('claim("a", 1)\nx = 2', 'claim("a", 1)\nx = 2', []),
        ('%pip list\nfor n in "ab":\n    claim(n, 1)', '%pip list\nfor n in "ab":\n    claim(n, 1)', []),
        ('claim(f"{name!r} wins by {gap:.1f}", 1)', "", ["‹name› wins by ‹gap›"]),
    ],
)
def test_a_cell_is_cut_before_its_closing_claims(source: str, code: str, stated: list[str]) -> None:
    before, checks, found = claims.split(source)
    assert before == code and found == stated
    assert "".join((before + checks).split()) == "".join(source.split())


def test_the_line_counts_what_it_does_not_show() -> None:
    assert claims.summary(["a"]) == "checked: a"
    assert claims.summary(["a", "b", "c"]) == "checked: a, and 2 more"

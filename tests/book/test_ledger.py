"""Every displayed equation is tested, and the check that says so can fail."""

from __future__ import annotations

import json
from pathlib import Path

import ledger
import pytest

ROOT = Path(__file__).resolve().parents[2]

TEST = '@pytest.mark.equation("1.1")\ndef test_it():\n    pass\n'
CODE = 'def loss(x):\n    """The loss, eq. (1.1)."""\n'
PROSE = "The loss is\n\n$$ L = 1 \\tag{1.1} $$\n\nBy (1.1), done."


def project(root: Path, *cells: str, test: str = TEST, code: str = CODE, page: str = "") -> ledger.Ledger:
    """A tiny course on disk, and what the ledger reads from it."""
    files = {
        "chapters/01_toy.ipynb": json.dumps(
            {"cells": [{"cell_type": "markdown", "source": cell.splitlines(keepends=True)} for cell in cells]}
        ),
        "tests/test_toy.py": test,
        "gencourse/losses/toy.py": code,
        "book/page.md": page,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return ledger.collect(root)


def test_the_book_keeps_its_promise() -> None:
    assert ledger.problems(ledger.collect(ROOT)) == []


def test_no_formula_has_changed_unseen() -> None:
    approved = json.loads((ROOT / ledger.APPROVED).read_text(encoding="utf-8"))
    assert ledger.changed(ledger.collect(ROOT), approved) == []


def test_a_wrong_sign_in_a_formula_is_seen(tmp_path: Path) -> None:
    approved = ledger.formulas(project(tmp_path, PROSE))
    assert ledger.changed(project(tmp_path, PROSE.replace("L = 1", "L  =\n1")), approved) == []
    assert (
        "Equation (1.1)" in ledger.changed(project(tmp_path, PROSE.replace("L = 1", "L = -1")), approved)[0]
    )
    assert len(ledger.changed(project(tmp_path, "no equation"), approved)) == 1


def test_a_good_project_has_no_problem(tmp_path: Path) -> None:
    found = project(tmp_path, PROSE, page="As eq. (1.1) says.")
    assert ledger.problems(found) == []
    assert found.citations == [ledger.Citation("1.1", "gencourse.losses.loss", "gencourse/losses/toy.py")]
    assert [claim.test for claim in found.claims] == ["tests/test_toy.py::test_it"]


def test_an_appendix_numbers_its_equations_with_a_letter(tmp_path: Path) -> None:
    page = "It is\n\n$$ L = 2 \\tag{A.1} $$\n\nBy (A.1) and eq. (1.1), done."
    test = TEST + TEST.replace("1.1", "A.1")
    found = project(tmp_path, PROSE + " See eq. (A.1).", test=test, page=page)
    assert ledger.problems(found) == []
    assert "## Appendix A" in ledger.page(found)
    assert ledger.anchor("A.1") == "eq-a-1"
    assert ledger.tag_of(ledger.anchor("A.1")) == ledger.tag_of(ledger.entry("A.1")) == "A.1"
    wrong = page.replace("tag{A.1}", "tag{1.2}"), page.replace("By (A.1)", "By (A.3)"), page + " $\\tag{A.2}$"
    for page, message in zip(
        wrong, ("is not 'chapter.number'", "equation (A.3)", "stands outside"), strict=True
    ):
        problems = ledger.problems(project(tmp_path, PROSE, test=test, page=page))
        assert any(message in problem for problem in problems), problems
    assert any(
        "no test claims equation (A.1)" in p for p in ledger.problems(project(tmp_path, PROSE, page=page))
    )


def test_a_chapter_in_preparation_is_for_code_and_tests_only(tmp_path: Path) -> None:
    found = project(
        tmp_path, PROSE, test=TEST + TEST.replace("1.1", "9.1"), code=CODE + CODE.replace("1.1", "9.2")
    )
    assert len(ledger.problems(found)) == 2
    assert ledger.problems(found, in_preparation={"9"}) == []
    assert "strike it out" in ledger.problems(found, in_preparation={"1", "9"})[0]
    in_prose = project(tmp_path, PROSE, page="See eq. (9.1).")
    assert len(ledger.problems(in_prose, in_preparation={"9"})) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": ""}, "no test claims equation (1.1)"),
        ({"test": TEST + TEST.replace("1.1", "1.2")}, "claims equation (1.2), which no chapter has"),
        ({"test": TEST.replace("test_it", "helper")}, "pytest never runs it"),
        ({"test": TEST + "@pytest.mark.equation(TAG)\ndef test_b(): ..."}, "must be a plain string"),
        ({"test": TEST + "@pytest.mark.equation()\ndef test_b(): ..."}, "names no equation"),
        ({"code": CODE.replace("1.1", "1.7")}, "gencourse/losses/toy.py: refers to equation (1.7)"),
        ({"code": "x = 1  # eqs. (1.1) and\n# (8.2)\n"}, "refers to equation (8.2)"),
        ({"page": "See eq. (4.1)."}, "book/page.md: refers to equation (4.1)"),
        ({"cells": (PROSE, PROSE)}, "(1.1) is numbered twice"),
        ({"cells": (PROSE + " So is (1.3).",)}, "refers to equation (1.3)"),
        ({"cells": (PROSE + " See equation (2.1).",)}, "refers to equation (2.1)"),
        ({"cells": (PROSE, "$$ y \\tag{2.1} $$")}, "is not 'chapter.number' of this chapter"),
        ({"cells": (PROSE, "An \\tag{1.2} alone")}, "stands outside"),
    ],
)
def test_the_check_can_fail(tmp_path: Path, change: dict, message: str) -> None:
    cells = change.pop("cells", (PROSE,))
    found = ledger.problems(project(tmp_path, *cells, **change))
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    "text",
    [
        "half of them (0.5), or a temperature (7.3)",
        "the function f(1.9)",
        "exercise (1.9)",
        "code `(1.9)` and\n\n```text\n(1.9)\n```",
        "mathematics $g = (1.9)$",
        "the paper's eq. (9)",
    ],
)
def test_other_numbers_are_not_references(tmp_path: Path, text: str) -> None:
    assert ledger.problems(project(tmp_path, PROSE, text)) == []


def test_all_ways_to_claim(tmp_path: Path) -> None:
    test = """
import pytest
pytestmark = pytest.mark.equation("1.1", "1.2")
@pytest.mark.equation("1.3")
class TestIt:
    pytestmark = [pytest.mark.equation("1.4")]
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.equation("1.5"))])
    def test_x(self, x): ...
"""
    claims = {claim.tag: claim.test for claim in project(tmp_path, PROSE, test=test).claims}
    assert claims == {
        "1.1": "tests/test_toy.py",
        "1.2": "tests/test_toy.py",
        "1.3": "tests/test_toy.py::TestIt",
        "1.4": "tests/test_toy.py::TestIt",
        "1.5": "tests/test_toy.py::TestIt::test_x",
    }


def test_ways_to_cite() -> None:
    text = "Eqs. (1.1), (1.2) and\n    (1.3); equation (1.4), by eq. (2) of the paper, and\neq.\n(1.5)"
    assert list(ledger.cited(text)) == ["1.1", "1.2", "1.3", "1.4", "1.5"]


def test_page_lists_formula_code_and_tests(tmp_path: Path) -> None:
    page = ledger.page(project(tmp_path, "> $$ L = 1 \\tag{1.1} $$"))
    for part in (
        "{ref}`(1.1) <eq-1-1>`",
        "$$\nL = 1\n$$",
        "losses.loss <gencourse.losses.loss>",
        "gencourse/losses/toy.py::loss",
        "test_toy.py::test_it",
    ):
        assert part in page

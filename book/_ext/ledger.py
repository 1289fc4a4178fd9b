"""The equation ledger: which code implements a displayed equation, and which test proves it.

Three things are read, none is run: the chapters (`\\tag{1.4}`) with the appendix (`\\tag{A.4}`), the tests
(`@pytest.mark.equation("1.4")`) and the package ("eq. (1.4)" in a docstring). `collect` puts them side by
side, `problems` says what does not match, `page` writes the ledger for the book.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPENDIX = "A"
TAG = rf"(?:\d{{1,2}}|{APPENDIX})\.\d{{1,2}}"
DISPLAY_MATH = re.compile(r"\$\$(.+?)\$\$", re.S)
TAGGED = re.compile(r"\\tag\{([^}]*)\}")
FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[`~]*[ \t]*$", re.S | re.M)
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
INLINE_MATH = re.compile(r"(?<![\\$])\$(?!\$)[^$]+\$")
# "eq. (1.4)", "eqs. (1.4), (1.5) and (1.6)", "equation (1.4)"; a paper's own "eq. (3)" has no dot.
CITED = re.compile(rf"\b(?:eqs?\.|equations?)\s+((?:\({TAG}\)(?:\s*(?:,|and|or|to|–|-)\s*)*)+)", re.I)
# A bare "(1.4)" is an equation too, unless it stands after a word that numbers other things.
BARE = re.compile(rf"(?<!\w)(?<!exercise )(?<!figure )(?<!table )(?<!section )\(({TAG})\)", re.I)
NUMBER = re.compile(TAG)


IN_PREPARATION = frozenset()
"""Chapters whose code is tested before their text is written. Code and tests may name their equations; no page
of the book may, and the package page leaves out what cites them. Strike a chapter out when it lands."""


@dataclass(frozen=True)
class Equation:
    """A displayed equation of a chapter or of the appendix; `latex` is without its tag."""

    tag: str
    latex: str
    chapter: str  # path of its page, from the root


@dataclass(frozen=True)
class Claim:
    """A test that says it proves an equation."""

    tag: str
    test: str  # "tests/losses/test_reconstruction.py::test_name"
    runs: bool  # False when pytest would never collect the thing that carries the mark


@dataclass(frozen=True)
class Citation:
    """A public function or class that says it implements an equation."""

    tag: str
    name: str  # the name under which the API page has it: "gencourse.losses.squared_error"
    where: str  # path of its file, from the root


@dataclass(frozen=True)
class Reference:
    """A place in prose or code that points at an equation."""

    tag: str
    where: str
    explicit: bool  # "eq. (1.4)" is explicit, a bare "(1.4)" is not


@dataclass
class Ledger:
    """All that was found."""

    equations: list[Equation] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)  # sentences about what could not be read


# ---- chapters ----------------------------------------------------------------------------------------


def without_code(markdown: str) -> str:
    """The text without listings and code spans: what stands in them is shown, not meant."""
    return CODE_SPAN.sub("", FENCE.sub("", markdown))


def read_chapter(path: Path, where: str, ledger: Ledger) -> None:
    """Add a notebook's equations and its references to equations."""
    number = re.match(r"\d+", path.name)
    chapter = str(int(number[0])) if number else ""
    for index, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        place = f"{where}, cell {index}"
        source = "".join(cell["source"])
        if cell["cell_type"] != "markdown":
            ledger.references += [Reference(tag, place, True) for tag in cited(source)]
            continue
        prose = add_equations(without_code(source), place, where, chapter, ledger)
        add_prose(INLINE_MATH.sub("", prose), place, ledger, bare=True)


def read_page(path: Path, where: str, ledger: Ledger) -> None:
    """Add what a page of the book refers to, and its equations if it is an appendix."""
    text = without_code(path.read_text(encoding="utf-8"))
    prose = add_equations(text, where, where, APPENDIX, ledger)
    add_prose(
        INLINE_MATH.sub("", prose), where, ledger, bare=any(e.chapter == where for e in ledger.equations)
    )


def add_equations(text: str, place: str, where: str, chapter: str, ledger: Ledger) -> str:
    """Add the equations of a text, numbered 'chapter.number'.

    Returns:
        The text without its displayed mathematics.
    """
    for block in DISPLAY_MATH.findall(text):
        latex = TAGGED.sub("", re.sub(r"^> ?", "", block, flags=re.M)).strip()
        for tag in TAGGED.findall(block):
            ledger.equations.append(Equation(tag, latex, where))
            if not NUMBER.fullmatch(tag) or tag.split(".")[0] != chapter:
                ledger.malformed.append(f"{place}: \\tag{{{tag}}} is not 'chapter.number' of this chapter.")
    prose = DISPLAY_MATH.sub("", text)
    if TAGGED.search(prose):
        ledger.malformed.append(f"{place}: \\tag stands outside $$ … $$.")
    return prose


def cited(text: str) -> Iterator[str]:
    """The numbers in every "eq. (1.4)" of a text."""
    for match in CITED.finditer(re.sub(r"\s*\n\s*#?\s*", " ", text)):
        yield from NUMBER.findall(match[1])


def add_prose(prose: str, place: str, ledger: Ledger, *, bare: bool) -> None:
    """Add the references of a text; with `bare`, also "(1.4)" without a word before it."""
    explicit = list(cited(prose))
    ledger.references += [Reference(tag, place, True) for tag in explicit]
    if bare:
        found = [tag for tag in BARE.findall(" ".join(prose.split())) if tag not in explicit]
        ledger.references += [Reference(tag, place, False) for tag in found]


# ---- tests -------------------------------------------------------------------------------------------


class Marks(ast.NodeVisitor):
    """Finds `pytest.mark.equation(...)` and the test, class or module that carries it."""

    def __init__(self, where: str, ledger: Ledger) -> None:
        self.where, self.ledger, self.owner = where, ledger, [where]

    def enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.owner.append(node.name)
        self.generic_visit(node)  # decorators are children: they see this name as their owner
        self.owner.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = enter

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func).endswith("mark.equation"):
            test = "::".join(self.owner)
            # pytest collects files, functions and classes by these names, and nothing else
            runs = Path(self.where).name.startswith("test_") and all(
                name.startswith(("test", "Test")) for name in self.owner[1:]
            )
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    self.ledger.claims.append(Claim(argument.value, test, runs))
                else:
                    self.ledger.malformed.append(f"{test}: the mark's number must be a plain string.")
            if not node.args:
                self.ledger.malformed.append(f"{test}: the mark names no equation.")
        self.generic_visit(node)


# ---- package -----------------------------------------------------------------------------------------


def public_home(module: str) -> str:
    """Readers import from the room: 'gencourse.losses.reconstruction' is shown as 'gencourse.losses'."""
    return ".".join(module.split(".")[:2])


def read_module(path: Path, module: str, where: str, ledger: Ledger) -> None:
    """Add what a module's public docstrings cite, and every place that points at an equation."""
    source = path.read_text(encoding="utf-8")
    ledger.references += [Reference(tag, where, True) for tag in cited(source)]

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if node.name.startswith("_"):
                continue
            name = f"{prefix}.{node.name}"
            tags = dict.fromkeys(cited(ast.get_docstring(node) or ""))  # each once, in order
            ledger.citations += [Citation(tag, name, where) for tag in tags]
            if isinstance(node, ast.ClassDef):
                walk(node.body, name)

    walk(ast.parse(source).body, public_home(module))


# ---- the whole ---------------------------------------------------------------------------------------


def collect(root: Path, package: str = "gencourse") -> Ledger:
    """Read chapters, tests, package and the book's own pages below `root`."""
    ledger = Ledger()
    for path in sorted((root / "chapters").glob("*.ipynb")):
        read_chapter(path, path.relative_to(root).as_posix(), ledger)
    for path in sorted((root / "tests").rglob("*.py")):
        where = path.relative_to(root).as_posix()
        Marks(where, ledger).visit(ast.parse(path.read_text(encoding="utf-8")))
    for path in sorted((root / package).rglob("*.py")):
        relative = path.relative_to(root)
        module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        read_module(path, module, relative.as_posix(), ledger)
    for path in sorted((root / "book").glob("*.md")):
        read_page(path, path.relative_to(root).as_posix(), ledger)
    return ledger


def problems(ledger: Ledger, in_preparation: Collection[str] = IN_PREPARATION) -> list[str]:
    """Everything that does not match, one sentence each; empty when the promise holds."""
    found = list(ledger.malformed)
    tags = [equation.tag for equation in ledger.equations]
    chapters = {tag.split(".")[0] for tag in tags}
    claimed = {claim.tag for claim in ledger.claims if claim.runs}
    for chapter in sorted(chapters & set(in_preparation)):
        found.append(
            f"Chapter {chapter} has equations: strike it out of IN_PREPARATION in book/_ext/ledger.py."
        )
    for tag in sorted({tag for tag in tags if tags.count(tag) > 1}):
        found.append(f"Equation ({tag}) is numbered twice.")
    for equation in ledger.equations:
        if equation.tag not in claimed:
            found.append(f"{equation.chapter}: no test claims equation ({equation.tag}).")
    for claim in ledger.claims:
        if claim.tag not in tags and claim.tag.split(".")[0] not in in_preparation:
            found.append(f"{claim.test}: claims equation ({claim.tag}), which no chapter has.")
        if not claim.runs:
            found.append(f"{claim.test}: claims equation ({claim.tag}), but pytest never runs it.")
    for reference in dict.fromkeys(ledger.references):
        if reference.where.endswith(".py") and reference.tag.split(".")[0] in in_preparation:
            continue
        # "(0.5)" is a number, not a reference: bare ones count only for chapters that exist
        if reference.tag not in tags and (reference.explicit or reference.tag.split(".")[0] in chapters):
            found.append(f"{reference.where}: refers to equation ({reference.tag}), which no chapter has.")
    return found


def is_ahead_of_the_book(docstring: str) -> bool:
    """Whether a docstring cites an equation of a chapter in preparation, so that the book cannot link it."""
    return any(tag.split(".")[0] in IN_PREPARATION for tag in cited(docstring))


def anchor(tag: str) -> str:
    """The id of an equation in its page: (1.4) is #eq-1-4, (A.1) is #eq-a-1: Sphinx's labels are in small letters."""
    return "eq-" + tag.replace(".", "-").lower()


def entry(tag: str) -> str:
    """The id of an equation's entry in the ledger."""
    return "ledger-" + tag.replace(".", "-").lower()


def tag_of(name: str) -> str:
    """The number behind an anchor or an entry: "eq-a-1" and "ledger-a-1" are (A.1)."""
    return name.split("-", 1)[1].replace("-", ".").upper()


def page(ledger: Ledger) -> str:
    """The ledger as MyST text: per chapter and appendix, each equation with its code and its tests."""
    lines: list[str] = []
    chapter = ""
    for equation in ledger.equations:
        if equation.chapter != chapter:
            chapter = equation.chapter
            number = equation.tag.split(".")[0]
            lines += [f"## Appendix {number}" if number == APPENDIX else f"## Chapter {int(number)}", ""]
        names = {c.name: c.where for c in ledger.citations if c.tag == equation.tag}
        tests = dict.fromkeys(c.test for c in ledger.claims if c.tag == equation.tag)
        code = " · ".join(f"{{py:obj}}`{name.split('.', 1)[1]} <{name}>`" for name in names)
        sources = " · ".join(f"`{where}::{'::'.join(name.split('.')[2:])}`" for name, where in names.items())
        proofs = " · ".join(f"`{test.removeprefix('tests/')}`" for test in tests)
        lines += [
            ":::{container} gc-equation",
            f":name: {entry(equation.tag)}",
            "",
            f"{{ref}}`({equation.tag}) <{anchor(equation.tag)}>`",
            "",
            f"$$\n{equation.latex}\n$$",
            "",
            f"**Code** {code or 'none: a step of the derivation'}",
            "",
            *([f"**Source** {sources}", ""] if sources else []),
            f"**Tests** {proofs or 'none'}",
            ":::",
            "",
        ]
    return "\n".join(lines) or "No chapter has a numbered equation yet.\n"


# ---- approved formulas -------------------------------------------------------------------------------

APPROVED = "tests/book/equations.json"


def formulas(ledger: Ledger) -> dict[str, str]:
    """Tag -> LaTeX with all space taken out, so that a new line is no change."""
    return {equation.tag: "".join(equation.latex.split()) for equation in ledger.equations}


def changed(ledger: Ledger, approved: dict[str, str]) -> list[str]:
    """Equations that differ from the approved ones. A test cannot read a formula; a person has to look."""
    found = formulas(ledger)
    return [
        f"Equation ({tag}) is new, gone or changed. Compare it with the tests that claim it, then run "
        "'python book/_ext/ledger.py --approve'."
        for tag in sorted(found.keys() | approved.keys())
        if found.get(tag) != approved.get(tag)
    ]


if __name__ == "__main__":
    import sys

    if sys.argv[1:] != ["--approve"]:
        sys.exit("usage: python book/_ext/ledger.py --approve")
    text = json.dumps(formulas(collect(ROOT)), indent=1, ensure_ascii=False, sort_keys=True)
    (ROOT / APPROVED).write_text(text + "\n", encoding="utf-8")

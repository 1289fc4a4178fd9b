"""Lists of what the book holds: exercises, figures, equations, studies. Made from what there is, as MyST text.

`gcbook` puts them in the place of `<!-- generated: exercises -->` and its like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ledger
from myst_parser.mdit_to_docutils.base import default_slugify

HEADING = re.compile(r"^(#{1,3}) +(.+?)\s*$", re.M)
EXERCISE = re.compile(
    r"^### Exercise (\d+\.\d+): (.+)\n\n\*([\w, ]+) · level (\d) of 5 · about (\d+) minutes\*", re.M
)
CAPTION = re.compile(rf"^\*\*Figure ({ledger.TAG})\.\*\* (.+?)(?=\n\n|\Z)", re.M | re.S)
LIVE = re.compile(r"\bwidgets\.[A-Z]\w+")
NUMBERS = {"level of 5", "minutes"}  # columns that stand to the right
ENOUGH = 60  # characters that say what a figure shows


@dataclass(frozen=True)
class Place:
    """A cell of a chapter, or a section of the appendix, with the last heading before it."""

    part: str  # "1", or "A"; "" for the first page
    page: str  # as a link from book/: "../chapters/01_autoencoder.ipynb"
    title: str  # of the page
    section: str
    anchor: str
    source: str
    is_code: bool = False

    def link(self, words: str) -> str:
        """A Markdown link with these words to the section."""
        return f"[{words}]({self.page}#{self.anchor})"


def anchors(texts: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """(title of the page, last heading, its anchor) after each of these texts: MyST's anchors, which count repeats."""
    title = section = anchor = ""
    seen: set[str] = set()
    for text in texts:
        for _, heading in HEADING.findall(ledger.without_code(text)):
            anchor = default_slugify(re.sub(r"\$[^$]*\$", "", heading))
            count = 1
            while anchor in seen:
                anchor, count = f"{anchor}-{count}", count + 1
            seen.add(anchor)
            section, title = heading, title or heading
        yield title, section, anchor


def places(root: Path) -> Iterator[Place]:
    """All cells of the first page and of all chapters, then the sections of the appendices."""
    intro = root / "book" / "intro.ipynb"
    for path in [*filter(Path.is_file, [intro]), *sorted((root / "chapters").glob("[0-9]*.ipynb"))]:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        is_code = [cell["cell_type"] == "code" for cell in cells]
        texts = ["".join(cell["source"]) for cell in cells]
        headings = anchors("" if code else text for text, code in zip(texts, is_code, strict=True))
        part = "" if path == intro else str(int(path.name.split("_")[0]))
        page = path.name if path == intro else f"../chapters/{path.name}"
        for code, text, where in zip(is_code, texts, headings, strict=True):
            yield Place(part, page, *where, text, code)
    for path in sorted((root / "book").glob("*.md")):
        sections = re.split(r"(?m)^(?=## )", path.read_text(encoding="utf-8"))
        if ledger.TAGGED.search("".join(ledger.DISPLAY_MATH.findall("".join(sections)))):
            for text, (title, section, anchor) in zip(sections, anchors(sections), strict=True):
                words = re.sub(rf"^Appendix {ledger.APPENDIX}: ", "", title).capitalize()
                yield Place(ledger.APPENDIX, path.name, words, section, anchor, text)


def cell_text(text: str) -> str:
    """Text that may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def what_it_shows(text: str) -> str:
    """The first sentences of a description, until they say enough."""
    shown = ""
    for sentence in re.split(r"(?<=[.?!]) (?=[A-Z*$])", " ".join(text.split("\n\n")[0].split())):
        shown = f"{shown} {sentence}".strip()
        if len(shown) >= ENOUGH:
            break
    return shown.rstrip(".:")


def headed(rows: list[tuple[Place, str]], head: str) -> str:
    """Rows of a table, under the title of their chapter."""
    lines: list[str] = []
    part = None
    for place, row in rows:
        if place.part != part:
            part = place.part
            names = [name.strip() for name in head.strip("|").split("|")]
            sides = "".join("---:|" if name in NUMBERS else "---|" for name in names)
            lines += ["", f"### {part} {place.title}".replace("  ", " "), "", head, "|" + sides]
        lines.append(row)
    return "\n".join(lines) + "\n"


def exercises(root: Path) -> str:
    """Number, title, kind, level and minutes of each exercise."""
    rows = []
    for place in places(root):
        if not place.is_code:
            for number, title, kind, level, minutes in EXERCISE.findall(place.source):
                link = place.link(number)
                rows.append((place, f"| {link} | {cell_text(title)} | {kind} | {level} | {minutes} |"))
    return headed(rows, "| exercise | title | kind | level of 5 | minutes |")


def figures(root: Path) -> str:
    """Number and caption of each figure, and whether it is a live one; links.py makes the number a link."""
    rows, before = [], ""
    for place in places(root):
        for number, caption in CAPTION.findall("" if place.is_code else place.source):
            kind = "live" if LIVE.search(before) else "picture"
            rows.append((place, f"| figure\u00a0{number} | {cell_text(what_it_shows(caption))} | {kind} |"))
        before = place.source if place.is_code else ""
    return headed(rows, "| figure | what to look for | kind |")


def equations(root: Path) -> str:
    """The numbers of the equations, by the sections that derive them."""
    rows: list[tuple[Place, str]] = []
    for place in places(root):
        if not place.is_code:
            blocks = ledger.DISPLAY_MATH.findall(ledger.without_code(place.source))
            tags = [tag for block in blocks for tag in ledger.TAGGED.findall(block)]
            if tags:
                numbers = ", ".join(f"{{ref}}`({tag}) <{ledger.anchor(tag)}>`" for tag in tags)
                rows.append((place, f"| {place.link(cell_text(place.section))} | {numbers} |"))
    return headed(rows, "| section | equations |")


def studies(root: Path) -> str:
    """Each study: rows recorded of those possible, seconds they took, chapters that read it."""
    from gencourse.studies import STUDIES, overview  # the package, and torch with it, for this table alone

    pages = {int(path.name[:2]): path.name for path in (root / "chapters").glob("[0-9]*.ipynb")}
    lines = ["| study | rows | seconds | chapters |", "|---|---:|---:|---|"]
    for state in overview(STUDIES.values(), root / "gencourse" / "studies" / "results"):
        read_in = ", ".join(f"[{number}](../chapters/{pages[number]})" for number in state.chapters)
        rows = f"{state.recorded} of {state.possible}"
        told = f"{rows}. {cell_text(state.problem)}" if state.problem else rows
        lines.append(f"| `{state.name}` | {told} | {state.seconds:.0f} | {read_in or '–'} |")
    return "\n".join(lines) + "\n"

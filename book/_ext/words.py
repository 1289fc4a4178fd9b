"""The index at the back of the book: the words of the glossary and those that chapters set in bold, and their sections.

`gcbook` puts it in the place of `<!-- generated: words -->`. Made from the same sources as the other lists.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import ledger
import lists
import yaml

GLOSSARY = re.compile(r"^:::\{glossary\}\n(.*?)^:::", re.S | re.M)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
BOLD = re.compile(r"(?<!\*)\*\*([A-Za-z][\w-]*(?: [\w-]+){0,2})\*\*(?!\*)")
# Set in bold to stress it, not to name something.
STRESSED = {
    "two",
    "no",
    "plays",
    "two optimisers",
    "no bound",
    "a caution",
    "larger mini-batches",
    "drawing",
    "people",
    "diffusion itself",
    "on the line",
}
# These repeat what other sections say.
ELSEWHERE = {"What you will be able to do", "Summary and reading", "Exercises"}
MOST = 5  # sections of a word


@dataclass
class Section:
    """The text of a section."""

    place: lists.Place
    text: str = ""
    source: str = ""  # with its listings
    bold: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Word:
    """An entry of the index."""

    name: str
    also: tuple[str, ...]  # its other English names
    chinese: tuple[str, ...]
    explained: bool  # by the glossary


def sections(root: Path) -> list[Section]:
    """The sections of the chapters and of the appendix, in the order of the book."""
    found: dict[tuple[str, str], Section] = {}
    for place in lists.places(root):
        if not place.is_code:
            section = found.setdefault((place.page, place.anchor), Section(place))
            text = ledger.without_code(place.source)
            section.text += "\n" + text
            section.source += "\n" + place.source
            section.bold |= {form(word) for word in BOLD.findall(text)}
    return list(found.values())


def glossary(root: Path) -> list[Word]:
    """The entries of the glossary."""
    page = GLOSSARY.search((root / "book" / "glossary.md").read_text(encoding="utf-8"))
    words = []
    for block in page[1].strip().split("\n\n") if page else []:
        names = [line for line in block.splitlines() if not line.startswith(" ")]
        also = tuple(name for name in names[1:] if not CHINESE.search(name))
        words.append(Word(names[0], also, tuple(name for name in names if CHINESE.search(name)), True))
    return words


def marked(found: list[Section], known: list[Word]) -> list[Word]:
    """Words in bold that the glossary does not have."""
    old = {form(name) for word in known for name in (word.name, *word.also)}
    new: dict[str, str] = {}
    for section in found:
        for name in BOLD.findall(section.text):
            if form(name) not in old and name.lower() not in STRESSED:
                new.setdefault(form(name), name)
    return [
        Word(name if name.isupper() or name != name.capitalize() else name.lower(), (), (), False)
        for name in new.values()
    ]


def form(name: str) -> str:
    """A word without its plural, in small letters."""
    return re.sub(r"(?<=\w{3})(?:es|s)$", "", name.lower())


def where(word: Word, found: list[Section]) -> list[Section]:
    """The sections that a reader who looks for this word wants: the most telling ones, in the order of the book."""
    forms = {form(name) for name in (word.name, *word.also)}
    names = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in (word.name, *word.also))
    ways = (
        ("(?:s|es)?", "text", ELSEWHERE),
        (r"\w*", "text", ELSEWHERE),  # "spectral normalisation"
        (r"\w*", "source", set[str]()),
    )
    for ending, part, left_out in ways:
        look, scores = re.compile(rf"(?<![\w-])(?:{names}){ending}(?![\w-])", re.I), []
        for index, section in enumerate(found):
            if section.place.section not in left_out:
                told = 8 * bool(look.search(section.place.section)) + 6 * bool(section.bold & forms)
                if score := told + len(look.findall(getattr(section, part))):
                    scores.append((score, index))
        if scores:
            break
    best = max(scores, default=(0, 0))[0]
    kept = sorted((-score, index) for score, index in scores if score >= 4 or 2 * score >= best)[:MOST]
    return [found[index] for index in sorted(index for _, index in kept)]


def also_called(words: list[Word]) -> dict[str, str]:
    """Other names that people look for -> the word of the index to see."""
    groups: list[list[str]] = yaml.safe_load(
        (Path(__file__).parent / "synonyms.yml").read_text(encoding="utf-8")
    )
    heads = {form(name): word.name for word in words for name in (word.name, *word.also)}
    see = {name: word.name for word in words for name in word.also}
    for group in groups:
        head = next((heads[form(name)] for name in group if form(name) in heads), None)
        if head:
            see.update({name: head for name in group if form(name) not in heads})
    return see


def letter(name: str) -> str:
    """The letter under which a name stands."""
    return unicodedata.normalize("NFD", name)[0].upper()


def link(place: lists.Place) -> str:
    """A section with the number of its chapter; an exercise has a number of its own."""
    title = lists.cell_text(place.section)
    return place.link(title if title.startswith("Exercise ") else f"{place.part} {title}")


def index(root: Path) -> str:
    """The index as MyST text."""
    found, known = sections(root), glossary(root)
    words = known + marked(found, known)
    shown = {word.name: f"{{term}}`{word.name}`" if word.explained else word.name for word in words}
    rows: list[tuple[str, str]] = []
    for word in words:
        chinese = f" ({', '.join(word.chinese)})" if word.chinese else ""
        rows.append(
            (
                word.name,
                f"- {shown[word.name]}{chinese}: " + ", ".join(link(s.place) for s in where(word, found)),
            )
        )
    rows += [(name, f"- {name}: see {shown[head]}") for name, head in also_called(words).items()]
    lines, last = [], ""
    for name, row in sorted(rows, key=lambda one: unicodedata.normalize("NFKD", one[0]).lower()):
        if letter(name) != last:
            last = letter(name)
            lines += ["", f"## {last}", ""]
        lines.append(row)
    return "\n".join(lines) + "\n"

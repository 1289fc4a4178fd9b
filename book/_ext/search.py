"""What gc-search.js looks through: every section, exercise, equation, figure, word, erratum, function and work.

Sphinx's own search finds pages. A chapter is long, so this one finds sections, and it knows other names of a thing:
those of the glossary, the Chinese ones among them, and those of synonyms.yml. The texts are cut out of the written
pages, so what is found is what stands there.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import links
import yaml
from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

DATA = "gc-search-data.js"
SYNONYMS = Path(__file__).parent / "synonyms.yml"
# Lists of what stands elsewhere: their entries are found at the places that they lead to.
LISTS = {"book/lists", "book/ledger", "book/words", "book/changes"}
NO_TEXT = {"script", "style", "noscript", "svg", "nav"}
NOT_TEXT = {"headerlink", "gc-number", "cell_output", "gc-places", "gc-score"}
NAME = 50  # characters of a bold phrase that names something; longer ones are sentences
BEFORE = 200  # characters of the words before an equation

# ---- formulas as words -------------------------------------------------------------------------------

GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
SIGNS = {
    **{name: unicodedata.lookup(f"GREEK SMALL LETTER {name.replace('lambda', 'lamda')}") for name in GREEK.split()},
    **{name: unicodedata.lookup(f"GREEK CAPITAL LETTER {name.upper()}") for name in ("Delta", "Sigma", "Phi", "Omega")},
    "varepsilon": "ε", "varphi": "φ", "Lambda": "Λ", "Gamma": "Γ", "Theta": "Θ", "ell": "ℓ",
    "times": "×", "cdot": "·", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈",
    "to": "→", "mapsto": "↦", "infty": "∞", "in": "∈", "pm": "±", "sim": "~", "ll": "≪", "gg": "≫", "partial": "∂",
    "nabla": "∇", "sum": "∑", "int": "∫", "top": "ᵀ", "star": "*", "ast": "*", "mid": "|", "circ": "∘", "propto": "∝",
    "log": "log ", "exp": "exp ", "max": "max ", "min": "min ", "quad": " ", "qquad": " ", "dots": "…", "ldots": "…",
    "{": "{", "}": "}", "|": "‖", "%": "%", ",": " ", ";": " ", "!": "", " ": " ", "left": "", "right": "", "big": "",
}  # fmt: skip
ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "dot": "\u0307", "widehat": "\u0302"}
RAISED = dict(zip("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", strict=True))
LOWERED = dict(zip("0123456789ijkntx", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₙₜₓ", strict=True))
GROUPS = re.compile(
    r"\\(?:text|mathrm|mathbf|operatorname|mathit|boldsymbol|mathcal|mathbb)\s*\{([^{}\\]*)\}|\\(hat|tilde|bar|dot|widehat)\s*(?:\{(\\?\w+)\}|(\\?[A-Za-z]+))"
)


def shifted(match: re.Match[str]) -> str:
    """A power or an index in small signs, where all of its signs have one."""
    table = RAISED if match[1] == "^" else LOWERED
    signs = match[2] or match[3]
    return "".join(table[sign] for sign in signs) if all(sign in table for sign in signs) else match[0]


def readable(tex: str) -> str:
    r"""A formula as words and signs: `\hat x = \lambda z^2` is "x̂ = λ z²", and one that does not fit a line is "…"."""
    text = re.sub(r"^\\[(\[]|\\[)\]]$", "", tex.strip()).strip()
    text = re.sub(r"\\tag\{[^}]*\}", "", text)
    for _depth in range(3):
        text = GROUPS.sub(lambda m: m[1] if m[2] is None else (m[3] or m[4]) + ACCENTS[m[2]], text)
    text = re.sub(r"\\([A-Za-z]+|[{}|%,;! ])", lambda m: SIGNS.get(m[1], m[0]), text)
    text = re.sub(r"([\^_])(?:\{([^{}]*)\}|([^\s{}]))", shifted, text)
    text = unicodedata.normalize("NFC", re.sub(r"\s+", " ", text).strip())
    return text if len(text) <= NAME and not re.search(r"[\\{}_^&]", text) else "…"


# ---- pieces of pages ---------------------------------------------------------------------------------


@dataclass
class Place:
    """Something that can be found."""

    page: str  # its address in the book
    anchor: str
    kind: str  # section, exercise, equation, figure, term, item, api, work
    title: str
    where: str = ""  # the page, and the section that it is in
    number: str = ""  # "2.5", "001-7"
    names: tuple[str, ...] = ()  # words that it is known by
    text: str = ""
    code: str = ""  # its words, each once


def words(node: Tag) -> str:
    """The text of an element on one line."""
    return " ".join(node.get_text().replace("\u2011", "-").split())


def heading(section: Tag) -> str:
    """The title of a section."""
    title = section.find(re.compile("^h[1-6]$"), recursive=False)
    return words(title).rstrip("#").strip() if title else ""


def around(node: Tag) -> str:
    """The titles of the sections that something is in, the outermost first."""
    return " › ".join([heading(section) for section in node.find_parents("section")][::-1])


def prepared(text: str) -> Tag:
    """The article of a written page without what is no text, and with formulas that can be read."""
    soup = BeautifulSoup(text, "html.parser")
    article = soup.find("article")
    if not isinstance(article, Tag):
        return soup
    for part in article.find_all(True):
        if part.decomposed:  # with what was around it
            continue
        classes = set(part.get("class") or ())
        if (
            part.name in NO_TEXT
            or classes & NOT_TEXT
            or (part.name == "summary" and "hide" in (part.parent.get("class") or ()))
        ):
            part.decompose()
        elif "math" in classes:
            formula = readable(part.get_text())
            part.string = f" {formula} " if part.name == "div" else formula
    return article


def sections(article: Tag, page: str) -> list[Place]:
    """The sections of a page, each with its own words only. They are taken out of the article one by one."""
    found = []
    for group in article.find_all(["dl", "div"], class_=["glossary", "py", "citation"]):
        if not group.decomposed:
            group.decompose()  # its entries are places of their own
    for section in reversed(article.find_all("section", id=True)):
        title, where = heading(section), around(section)
        first = section.find(re.compile("^h[1-6]$"), recursive=False)
        if first:
            first.extract()
        listings = [listing.extract() for listing in section.find_all("div", class_="highlight")]
        code = re.findall(r"[^\W\d]\w+", " ".join(listing.get_text() for listing in listings))
        bold = (words(strong).rstrip(".:") for strong in section.find_all("strong"))
        exercise = re.match(r"Exercise (\d+\.\d+)", title)
        place = Place(
            page,
            str(section["id"]),
            "exercise" if exercise else "section",
            title,
            where,
            exercise[1] if exercise else "",
            tuple(dict.fromkeys(name for name in bold if 0 < len(name) <= NAME and "…" not in name)),
            words(section),
            " ".join(dict.fromkeys(code)),
        )
        found.append(place)
        section.extract()
    return found[::-1]


def before(place: Tag) -> str:
    """The end of the paragraph before an equation, which says what it is about."""
    paragraph = place.find_previous("p")
    text = words(paragraph) if paragraph else ""
    return text if len(text) <= BEFORE else "… " + text[-BEFORE:].split(" ", 1)[-1]


def entries(article: Tag, page: str, named: list[tuple[str, str]]) -> Iterator[Place]:
    """What has a number or a name of its own in a page.

    Args:
        article: of the page.
        page: its address.
        named: (name, anchor) of what links.py found there: "equation 2.5", "term code".
    """
    anchors = {str(part["id"]): part for part in article.find_all(id=True)}
    for name, anchor in named:
        place = anchors.pop(anchor, None)  # once: a work has a DOI and an arXiv number
        kind, _, number = name.partition(" ")
        if place is None or kind in {"exercise", "chapter", "entry"}:
            continue  # a section, or the ledger's own
        where = around(place)
        if kind == "equation":
            yield Place(page, anchor, kind, f"Equation ({number})", where, number, (), before(place))
        elif kind == "figure":
            yield Place(page, anchor, kind, f"Figure {number}", where, number, (), words(place))
        elif kind == "item":
            yield Place(page, anchor, kind, f"Erratum {number}", where, number, (), words(place))
        elif kind == "term":
            names = [place]
            while isinstance(after := names[-1].find_next_sibling(), Tag) and after.name == "dt":
                names.append(after)
            says, spoken = place.find_next("dd"), tuple(words(one) for one in names)
            text = words(says) if isinstance(says, Tag) else ""
            yield Place(page, anchor, kind, " · ".join(spoken), where, "", spoken, text)
        elif kind == "work":
            yield Place(page, anchor, kind, words(place)[:BEFORE], where, "", (), words(place))


def functions(article: Tag, page: str) -> Iterator[Place]:
    """The functions and classes of the package."""
    for term in article.select("dt.sig-object[id]"):
        says, name = term.find_next_sibling("dd"), str(term["id"])
        first = says.find("p") if isinstance(says, Tag) else None
        short = name.rsplit(".", 1)[-1]
        yield Place(
            page,
            name,
            "api",
            name,
            "The package",
            "",
            (short, name),
            words(first) if isinstance(first, Tag) else "",
        )


# ---- all of it ---------------------------------------------------------------------------------------


def groups(places: list[Place], also: list[list[str]]) -> list[list[str]]:
    """Names of the same thing: those of the glossary, and others."""
    return [list(place.names) for place in places if place.kind == "term" and len(place.names) > 1] + also


def collect(app: Sphinx) -> list[Place]:
    """Everything that can be found in the written book."""
    named: dict[str, list[tuple[str, str]]] = {}
    for name, (page, anchor) in {**links.targets(app.env), **links.works(app.env)}.items():
        named.setdefault(page, []).append((name, anchor))
    found: list[Place] = []
    for page in sorted(app.env.found_docs - LISTS):
        # mypy: HTML builders have it
        file = Path(app.builder.get_outfilename(page))  # type: ignore[attr-defined]
        article, address = prepared(file.read_text(encoding="utf-8")), app.builder.get_target_uri(page)
        found += entries(article, address, named.get(page, []))
        found += functions(article, address)
        found += sections(article, address)
    return found


def packed(places: list[Place], also: list[list[str]]) -> str:
    """The data as a script: a page from a disk may load a script, and no JSON."""
    pages = sorted({place.page for place in places})
    rows = [
        [pages.index(p.page), p.anchor, p.kind, p.title, p.where, p.number, list(p.names), p.text, p.code]
        for p in places
    ]
    data = {"pages": pages, "places": rows, "same": groups(places, also)}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return f"window.gcSearchData = {text};\n"


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write what is looked through."""
    if failure or app.builder.name != "html":
        return
    also = yaml.safe_load(SYNONYMS.read_text(encoding="utf-8"))
    (Path(app.outdir) / "_static" / DATA).write_text(packed(collect(app), also), encoding="utf-8")


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The page with the results."""
    if app.builder.name == "html":
        yield "search", {"title": "Search"}, "search.html"


def instead(app: Sphinx) -> None:
    """Leave out Sphinx's own search."""
    if app.builder.name == "html":
        # mypy: HTML builders have it
        app.builder.search = False  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", instead)
    app.connect("html-collect-pages", pages)
    app.connect("build-finished", write)
    app.add_js_file("gc-find.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

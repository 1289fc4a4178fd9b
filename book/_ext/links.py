"""Mentions become links, each with a preview.

The pages are plain Markdown that reads the same everywhere. In the book, these words lead to what they name:

    (2.5)  chapter 2  exercises 2.1 to 2.3  figure 2.4  001-7  [Kingma and Welling 2014](https://arxiv.org/abs/…)

Nothing is linked inside code, mathematics, headings and other links. Targets are collected while pages are read, links
are set before pages are written, and previews are cut out of the written pages: see gc-links.js.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import figures
import ledger
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

NUMBER = rf"{ledger.TAG}(?!\d|\.\d)"
DASH = "[-‐‑–]"  # a document that is to be read has several
WHOLE = r"\d{1,2}\b(?!\.\d)"
MENTION = re.compile(
    rf"(?<!\w)\((?P<equation>{NUMBER})\)"
    # "chapters 1, 2 and 4", "exercises 2.1 to 2.3"
    rf"|\b(?P<chapter>chapter)s?\s+{WHOLE}(?:\s*(?:,|and|or|to|{DASH})\s*{WHOLE})*"
    rf"|\b(?P<numbered>exercise|figure)s?\s+{NUMBER}(?:\s*(?:,|and|or|to|{DASH})\s*{NUMBER})*"
    rf"|\b(?P<item>00\d{DASH}\d{{1,2}})\b",
    re.I,
)
CHAPTER = re.compile(r"chapters/(\d+)_\w+")
TITLED = re.compile(rf"(exercise|figure)\s+({NUMBER})", re.I)
PAPER = re.compile(r"(?:arxiv\.org/(?:abs|pdf)|doi\.org|pubs\.acs\.org/doi)/(\S+?)(?:v\d+|\.pdf)?$", re.I)
# Words in these stand for themselves.
LEFT_ALONE = (
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.title,
    nodes.reference,
    nodes.raw,
    nodes.comment,
    nodes.citation,
)
PREVIEWS = "gc-previews.js"
SHORT = 14  # characters of a link that stays in one line
LONGEST = 900  # characters of a preview's text


# ---- words -------------------------------------------------------------------------------------------


def split(text: str) -> Iterator[tuple[str, str | None]]:
    """Cut a text into pieces and say what each piece names.

    Yields:
        (piece, name): the pieces joined give the text; a name is "equation 2.5", "chapter 2", "exercise 2.1",
        "figure 2.4" or "item 001-7"; None for a piece that names nothing.
    """
    done = 0
    for match in MENTION.finditer(text):
        if not match["equation"] and not match["item"]:
            kind = "chapter" if match["chapter"] else match["numbered"].lower()
            # The first number takes its word along: "exercises 2.1" and then "2.3".
            pieces = re.finditer(rf"(?:^\w+\s+)?\b({NUMBER}|\d+)", match[0], re.I)
            found = [(piece.span(), f"{kind} {piece[1].upper()}") for piece in pieces]
        elif match["item"]:
            found = [((0, len(match[0])), "item " + re.sub(DASH, "-", match["item"]))]
        else:
            found = [((0, len(match[0])), f"equation {match['equation'].upper()}")]
        for (start, end), name in found:
            start, end = start + match.start(), end + match.start()
            if start > done:
                yield text[done:start], None
            yield text[start:end], name
            done = end
    if done < len(text):
        yield text[done:], None


def work(address: str) -> str | None:
    """The name of a paper behind an address: "work 1406.2661"; None for other addresses."""
    match = PAPER.search(address)
    return f"work {match[1].lower()}" if match else None


# ---- targets -----------------------------------------------------------------------------------------


def targets(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Name -> page and anchor ("" for a page's top) of all pages that were read; kept with Sphinx's own records."""
    if not hasattr(env, "gencourse_targets"):
        # mypy: an attribute of our own
        env.gencourse_targets = {}  # type: ignore[attr-defined]
    # the same
    return env.gencourse_targets  # type: ignore[attr-defined]


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Note what a page offers to lead to, and give anchors to what has none."""
    page, found = app.env.docname, targets(app.env)
    if match := CHAPTER.fullmatch(page):
        found[f"chapter {int(match[1])}"] = (page, "")
    for block in doctree.findall(nodes.math_block):
        for anchor in block["ids"]:
            if anchor.startswith("eq-"):
                found["equation " + ledger.tag_of(anchor)] = (page, anchor)
    for section in doctree.findall(nodes.section):
        # mypy: every section has a title
        if match := TITLED.match(section.next_node(nodes.title).astext()):  # type: ignore[union-attr]
            found[f"{match[1].lower()} {match[2]}"] = (page, section["ids"][0])
    for figure in doctree.findall(figures.Figure):
        for anchor in figure["ids"]:
            found["figure " + anchor.removeprefix("figure-").replace("-", ".")] = (page, anchor)
    for container in doctree.findall(nodes.container):
        for anchor in container["ids"]:
            if anchor.startswith("ledger-"):
                found["entry " + ledger.tag_of(anchor)] = (page, anchor)
    if page == "book/errata":
        for row in doctree.findall(nodes.row):
            number = re.sub(DASH, "-", row[0].astext())
            if re.fullmatch(r"00\d-\d+", number):
                row["ids"].append(f"item-{number}")
                found[f"item {number}"] = (page, f"item-{number}")


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page's targets before it is read again."""
    for name in [name for name, (page, _) in targets(env).items() if page == docname]:
        del targets(env)[name]


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has seen."""
    targets(env).update(targets(other))


def works(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Name -> place of each entry of the bibliography, by its arXiv number and by its DOI."""
    found = {}
    # mypy: sphinxcontrib-bibtex's own domain
    for citation in env.get_domain("cite").citations:  # type: ignore[attr-defined]
        place = (citation.bibliography_key.docname, f"work-{citation.key}")
        for field in ("eprint", "doi"):
            if name := citation.entry.fields.get(field):
                found[f"work {name.lower()}"] = place
    return found


# ---- links -------------------------------------------------------------------------------------------


def joined(parent: nodes.Element) -> None:
    """Make one text of neighbouring texts: a mention may go over the end of a line."""
    for index in range(len(parent.children) - 1, 0, -1):
        left, right = parent.children[index - 1 : index + 1]
        if isinstance(left, nodes.Text) and isinstance(right, nodes.Text):
            parent[index - 1 : index + 1] = [nodes.Text(str(left) + str(right))]


def prose(node: nodes.Element) -> Iterator[nodes.Element]:
    """All elements whose texts are read as prose."""
    if isinstance(node, LEFT_ALONE):
        return
    yield node
    for child in list(node.children):
        if isinstance(child, nodes.Element):
            yield from prose(child)


class Page:
    """A page whose words become links."""

    def __init__(self, app: Sphinx, doctree: nodes.document, docname: str) -> None:
        self.app, self.doctree, self.docname = app, doctree, docname
        self.places = {**targets(app.env), **works(app.env)}

    def address(self, name: str) -> str:
        """Where a name leads to, seen from this page."""
        page, anchor = self.places[name]
        if page == self.docname:
            return f"#{anchor}"
        return self.app.builder.get_relative_uri(self.docname, page) + (f"#{anchor}" if anchor else "")

    def reference(self, name: str | None, words: str) -> nodes.Node:
        """The words as a link to what the name stands for; as they are, if the book does not have it."""
        if name not in self.places or not words:
            return nodes.Text(words)
        # "chapter 4" stays in one line
        classes = ["gc-link", *(["gc-short"] if len(words) <= SHORT else [])]
        return nodes.reference(words, words, refuri=self.address(name), internal=True, classes=classes)

    def link_words(self) -> None:
        """Link the mentions in prose."""
        for parent in list(prose(self.doctree)):
            joined(parent)
            own = own_name(parent)
            for child in [child for child in parent.children if isinstance(child, nodes.Text)]:
                pieces = [(words, name if name != own else None) for words, name in split(str(child))]
                if any(name for _, name in pieces):
                    parent.replace(child, [self.reference(name, words) for words, name in pieces])

    def number_equations(self) -> None:
        """Set the number of an equation beside it, as a link to its entry in the ledger."""
        for block in list(self.doctree.findall(nodes.math_block)):
            for anchor in block["ids"]:
                if anchor.startswith("eq-"):
                    tag = ledger.tag_of(anchor)
                    link = self.reference(f"entry {tag}", f"({tag})")
                    row = nodes.container("", classes=["gc-numbered"])
                    block.parent.replace(block, row)
                    row += [block, nodes.paragraph("", "", link, classes=["gc-number"])]

    def link_works(self) -> None:
        """Let a cited work lead to its entry in the bibliography, which has the address that stood here.

        Sphinx numbers the entries, and the numbers change when the bibliography grows: each gets a name beside.
        """
        # mypy: the same domain
        citations = self.app.env.get_domain("cite").citations  # type: ignore[attr-defined]
        numbers = {(c.bibliography_key.docname, c.citation_id): f"work-{c.key}" for c in citations}
        for entry in self.doctree.findall(nodes.citation):
            entry["ids"] = [numbers.get((self.docname, name), name) for name in entry["ids"]]
        roles = {
            self.app.builder.get_relative_uri(self.docname, page) + f"#{number}": name
            for (page, number), name in numbers.items()
        }
        for link in self.doctree.findall(nodes.reference):
            old = link.get("refuri", "")
            if old in roles:
                link["refuri"] = f"{old.partition('#')[0]}#{roles[old]}"
            elif work(old) in self.places and not inside(link, nodes.citation):
                # mypy: `old` names a work here
                link["refuri"] = self.address(work(old))  # type: ignore[arg-type]
                link["internal"] = True
            else:
                continue
            link["classes"].append("gc-link")


def own_name(node: nodes.Element) -> str | None:
    """What a caption or an item of the errata is itself: it does not lead to itself."""
    if inside(node, figures.FigureCaption) and (match := TITLED.match(node.astext())):
        return f"{match[1].lower()} {match[2]}"
    row = node.parent.parent if isinstance(node.parent, nodes.entry) else None
    if row and row["ids"] and row[0] is node.parent:
        return row["ids"][0].replace("item-", "item ")
    return None


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn the mentions of a page into links."""
    if app.builder.format == "html":
        page = Page(app, doctree, docname)
        page.link_words()
        page.number_equations()
        page.link_works()


def inside(node: nodes.Node, kind: type[nodes.Element]) -> bool:
    """Whether an element of this kind is around the node."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kind):
            return True
    return False


# ---- previews ----------------------------------------------------------------------------------------


def preview(soup: BeautifulSoup, name: str, anchor: str) -> str:
    """A piece of a written page that shows what a name stands for, as HTML."""
    kind = name.partition(" ")[0]
    place = soup.find(id=anchor) if anchor else soup.select_one("article h1")
    if not isinstance(place, Tag):
        return ""
    heading = re.sub(r"#$", "", place.get_text().strip()) if kind == "chapter" else ""
    if kind == "chapter":
        parts = [f"<p><strong>{heading}</strong></p>", str(place.find_next("p"))]
    elif kind == "exercise":
        title, first = place.find(re.compile("h[1-6]")), place.find_all("p")[:2]
        parts = [f"<p><strong>{title.get_text().rstrip('#')}</strong></p>" if title else "", *map(str, first)]
    elif kind == "item":
        cells = ["".join(p.decode_contents() for p in cell.find_all("p")) for cell in place.find_all("td")]
        labels = ("", "It says: ", "Wrong, because: ", "Right: ", "Shown in: ")
        parts = [f"<p>{label}{cell}</p>" for label, cell in zip(labels, cells, strict=False) if cell]
    elif kind == "figure":
        parts = [*map(str, place.find_all("img")), str(place.find("p"))]
    elif kind == "entry":
        parts = [str(line) for line in place.find_all("p")[1:]]
    elif kind == "equation":
        title = place.find_previous(re.compile("h[1-6]"))
        parts = [str(place), f"<p>{title.get_text().rstrip('#')}</p>" if title else ""]
    elif kind == "term":
        names = [place, *takewhile(lambda name: name.name == "dt", place.find_next_siblings())]
        says = place.find_next("dd")
        parts = [f"<p><strong>{' · '.join(name.get_text().rstrip('#') for name in names)}</strong></p>"]
        parts += [str(line) for line in says.find_all("p")] if says else []
    else:
        parts = [str(line) for line in place.find_all("p")]
    text = re.sub(r'\s(id|role|class="headerlink")="[^"]*"', "", "".join(parts))
    return text if len(text) <= 8 * LONGEST else ""


def write_previews(app: Sphinx, failure: Exception | None) -> None:
    """Write what gc-links.js shows: page and anchor -> HTML. A script and no JSON, because a page from a disk may
    load the one and not the other."""
    if failure or app.builder.name != "html":
        return
    found: dict[str, str] = {}
    pages: dict[str, BeautifulSoup] = {}
    for name, (page, anchor) in sorted({**targets(app.env), **works(app.env)}.items()):
        if page not in pages:
            # mypy: HTML builders have it
            text = Path(app.builder.get_outfilename(page)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
            pages[page] = BeautifulSoup(text, "html.parser")
        address = app.builder.get_target_uri(page) + (f"#{anchor}" if anchor else "")
        if address not in found:
            found[address] = preview(pages[page], name, anchor)
    text = json.dumps(found, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    (Path(app.outdir) / "_static" / PREVIEWS).write_text(f"window.gcPreviews = {text};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect(
        "doctree-read", collect, priority=600
    )  # equations have their anchors by then: gcbook.keep_tags
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", link, priority=800)
    app.connect("build-finished", write_previews, priority=600)  # pictures have their last names: finish.py
    app.add_js_file("gc-links.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

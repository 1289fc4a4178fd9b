"""The first time that a chapter uses a word of the glossary, the word leads there.

Chapters are plain Markdown and name no glossary. Words are found as links.py finds mentions: in prose only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import links
from docutils import nodes
from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Note where the glossary explains each English word: all names of an entry lead to its first."""
    if app.env.docname != GLOSSARY:
        return
    for entry in doctree.findall(nodes.definition_list_item):
        names = [term for term in entry.findall(nodes.term) if term["ids"]]
        for term in names:
            if not CHINESE.search(term.astext()):
                links.targets(app.env)[f"term {term.astext().lower()}"] = (GLOSSARY, names[0]["ids"][0])


def split(text: str, words: Mapping[str, object]) -> Iterator[tuple[str, str | None]]:
    """Cut a text at the first use of each of these words.

    Args:
        text: prose.
        words: what to look for, in small letters, each with what it means; the plural counts, of two words the
            longer one, and of words that mean the same thing the first one.

    Yields:
        (piece, word): the pieces joined give the text; word is None for what lies between.
    """
    left = sorted(words, key=len, reverse=True)
    done = at = 0
    while left:
        pattern = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in left)
        match = re.compile(rf"(?<![\w-])({pattern})(?:s|es)?(?![\w-])", re.I).search(text, at)
        if not match:
            break
        word = " ".join(match[1].lower().split())
        if match.start() > done:
            yield text[done : match.start()], None
        yield match[0], word
        done = at = match.end()
        left = [other for other in left if words[other] != words[word]]
    if done < len(text):
        yield text[done:], None


def texts(node: nodes.Element) -> Iterator[nodes.Text]:
    """The words of prose in the order in which they are read, what is bold or slanted included."""
    if isinstance(node, links.LEFT_ALONE):
        return
    links.joined(node)
    for child in list(node.children):
        if isinstance(child, nodes.Text):
            yield child
        elif isinstance(child, nodes.Element):
            yield from texts(child)


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Lead the first use of each word in a chapter to the glossary."""
    if app.builder.format != "html" or not links.CHAPTER.fullmatch(docname):
        return
    places = {
        name.removeprefix("term "): place
        for name, place in links.targets(app.env).items()
        if name.startswith("term ")
    }
    for text in list(texts(doctree)):
        pieces: list[nodes.Node] = []
        for words, name in split(str(text), places):
            if name is None:
                pieces.append(nodes.Text(words))
                continue
            page, anchor = found = places[name]
            places = {other: place for other, place in places.items() if place != found}
            address = f"{app.builder.get_relative_uri(docname, page)}#{anchor}"
            pieces.append(
                nodes.reference(words, words, refuri=address, internal=True, classes=["gc-link", "gc-term"])
            )
        if any(isinstance(piece, nodes.reference) for piece in pieces):
            text.parent.replace(text, pieces)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", collect, priority=610)
    app.connect("doctree-resolved", link, priority=790)  # before links.link, which leaves links alone
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

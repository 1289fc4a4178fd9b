"""Mentions are found as a reader means them, and what only looks like one is left alone."""

from __future__ import annotations

import ledger
import links
import pytest
import sources
from bs4 import BeautifulSoup
from docutils import nodes
from pybtex.database import parse_file


def named(text: str) -> dict[str, str]:
    """Piece -> what it names."""
    return {piece: name for piece, name in links.split(text) if name}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("By (2.5), it", {"(2.5)": "equation 2.5"}),
        ("By (A.5), it", {"(A.5)": "equation A.5"}),
        ("eqs. (3.4) to (3.11).", {"(3.4)": "equation 3.4", "(3.11)": "equation 3.11"}),
        ("Chapter 1's blur", {"Chapter 1": "chapter 1"}),
        ("see chapters 1, 2 and\n4.", {"chapters 1": "chapter 1", "2": "chapter 2", "4": "chapter 4"}),
        ("exercises 2.1 to 2.10.", {"exercises 2.1": "exercise 2.1", "2.10": "exercise 2.10"}),
        ("In figure 4.2.", {"figure 4.2": "figure 4.2"}),
        ("Figures 4.2 and A.1", {"Figures 4.2": "figure 4.2", "A.1": "figure A.1"}),
        ("(002‑17, 002-18)", {"002‑17": "item 002-17", "002-18": "item 002-18"}),
    ],
)
def test_mentions(text: str, expected: dict[str, str]) -> None:
    assert named(text) == expected
    assert "".join(piece for piece, _ in links.split(text)) == text


@pytest.mark.parametrize(
    "text", ["f(1.5)", "version 2.1", "(0.123)", "section 2.2", "chapterhouse 2", "in 2002-10"]
)
def test_other_words_are_left_alone(text: str) -> None:
    assert named(text) == {}


def test_papers_are_known_by_their_address() -> None:
    assert links.work("https://arxiv.org/abs/1406.2661v2") == "work 1406.2661"
    assert links.work("https://doi.org/10.1162/NECO_a_00142") == "work 10.1162/neco_a_00142"
    assert links.work("https://example.org/1406.2661") is None


def test_the_bibliography_can_be_read() -> None:
    """A bracket that is lost in a merge stops the build at its start."""
    entries = parse_file(str(ledger.ROOT / "book" / "references.bib")).entries
    assert all(entry.persons for entry in entries.values())
    raw = [key for key, entry in entries.items() if any("$" in text for text in entry.fields.values())]
    assert raw == [], "the bibliography's page shows mathematics as its source: write L² or a word"


def test_a_mention_may_go_over_the_end_of_a_line() -> None:
    parent = nodes.paragraph(
        "", "", nodes.Text("chapter"), nodes.Text("\n"), nodes.Text("2"), nodes.literal("", "x")
    )
    links.joined(parent)
    assert [child.astext() for child in parent] == ["chapter\n2", "x"]


def test_code_mathematics_and_headings_are_not_prose() -> None:
    inner = [kind("", "(1.1)") for kind in (nodes.literal, nodes.math, nodes.reference)]
    section = nodes.section(
        "", nodes.title("", "(1.1)"), nodes.paragraph("", "", *inner, nodes.emphasis("", "(1.1)"))
    )
    assert [type(node) for node in links.prose(section)] == [nodes.section, nodes.paragraph, nodes.emphasis]


def test_a_preview_shows_the_formula_without_a_second_anchor() -> None:
    soup = BeautifulSoup('<h3>Title<a>#</a></h3><div id="eq-1-1" class="math">L</div>', "html.parser")
    shown = links.preview(soup, "equation 1.1", "eq-1-1")
    assert shown == '<div class="math">L</div><p>Title</p>'
    assert links.preview(soup, "equation 1.2", "eq-1-2") == ""


def test_a_source_page_has_an_anchor_at_every_definition() -> None:
    source = "@mark\ndef f():\n    pass\n\nclass A:\n    def g(self): ...\n"
    names = sources.definitions(source)
    assert names == {1: "f", 5: "A", 6: "A.g"}
    listing = sources.with_anchors(f'<div class="highlight"><pre><span></span>{source}</pre></div>', names)
    assert '<span id="f"></span>@mark' in listing and '<span id="A.g"></span>    def g' in listing
    assert sources.page_of("tests/a/test_b.py::A::g") == ("_code/tests/a/test_b", "A.g")

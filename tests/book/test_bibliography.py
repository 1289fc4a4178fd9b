"""Every entry of the bibliography leads to its work by a lasting identifier."""

from __future__ import annotations

import re
from pathlib import Path

from pybtex.database import parse_file

BIB = Path(__file__).parents[2] / "book" / "references.bib"
# Works that have neither a DOI nor an arXiv number.
WITHOUT = {
    "bergstra2012random",
    "goodfellow2016deep",
    "gretton2012kernel",
    "higgins2017beta",
    "hoffman2016elbo",
    "korpelevich1976extragradient",
}
DOI = re.compile(r"\bdoi\s*=\s*\{10\.\d{4,9}/[^\s{}]+\}")
ARXIV = re.compile(r"\beprint\s*=\s*\{(?:\d{4}\.\d{4,5}|[a-z-]+/\d{7})\}")


def test_entries_have_doi_or_arxiv() -> None:
    parts = re.split(r"(?m)^@\w+\{", BIB.read_text(encoding="utf-8"))[1:]
    entries = {part.split(",", 1)[0].strip(): part for part in parts}
    bare = {key for key, body in entries.items() if not (DOI.search(body) or ARXIV.search(body))}
    print(f"bibliography: {len(entries)} entries, {len(bare)} without DOI or arXiv number")
    assert bare == WITHOUT


def test_the_file_can_be_read() -> None:
    assert len(parse_file(BIB).entries) > 60

"""The index has every word of the glossary and every marked word, each with sections that have it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import words

ROOT = Path(__file__).resolve().parents[2]
PAGE = words.index(ROOT)
ROWS = [line for line in PAGE.splitlines() if line.startswith("- ")]


def test_every_word_of_the_glossary_has_a_row_with_a_section() -> None:
    known = [word.name for word in words.glossary(ROOT)]
    rows = {m[1]: row for row in ROWS if (m := re.match(r"- \{term\}`([^`]+)`", row)) and ": see " not in row}
    assert sorted(rows) == sorted(known) and len(known) > 100
    assert [row for row in rows.values() if "](" not in row] == []


def test_rows_are_in_the_order_of_the_alphabet_below_their_letter() -> None:
    letters = re.findall(r"^## (.)$", PAGE, re.M)
    assert letters == sorted(letters) and len(letters) > 20
    for piece in re.split(r"(?m)^## ", PAGE)[1:]:
        names = [re.sub(r"\{term\}`|`", "", row)[2:] for row in piece.splitlines() if row.startswith("- ")]
        assert names and all(words.letter(name) == piece[0] for name in names)


def test_a_name_that_people_look_for_leads_to_the_word() -> None:
    for name, head in (
        ("WGAN", "Wasserstein distance"),
        ("VAE", "variational autoencoder"),
        ("FID", "Fréchet"),
    ):
        assert f"- {name}: see {{term}}`{head}`" in ROWS


def course(folder: Path, *sections: str) -> Path:
    """A course of one chapter and a glossary of two words."""
    (folder / "chapters").mkdir()
    (folder / "book").mkdir()
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text} for text in ("# Chapter", *sections)]
    (folder / "chapters" / "01_a.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    glossary = ":::{glossary}\njudge\n判别器\ncritic\n  Who decides.\n\nnorm\n范数\n  A length.\n:::\n"
    (folder / "book" / "glossary.md").write_text(glossary, encoding="utf-8")
    return folder


def test_a_word_leads_to_the_sections_that_say_most_about_it(tmp_path: Path) -> None:
    root = course(
        tmp_path,
        "## Judges\n\nText.",
        "## Once\n\nA judge, in passing; a **roofline** and **no**.",
        "## Often\n\nA critic, a judge, critics and judges; normalisation.",
        "## Summary and reading\n\njudge judge judge judge judge judge judge judge judge",
    )
    assert [row for row in words.index(root).splitlines() if row.startswith("- ")] == [
        "- critic: see {term}`judge`",
        "- {term}`judge` (判别器): [1 Judges](../chapters/01_a.ipynb#judges), [1 Often](../chapters/01_a.ipynb#often)",
        "- {term}`norm` (范数): [1 Often](../chapters/01_a.ipynb#often)",
        "- roofline: [1 Once](../chapters/01_a.ipynb#once)",
    ]

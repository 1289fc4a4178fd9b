"""The text of a live figure: what all have in common, then its own. No file of it imports another."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["module", "style"]

_HERE = Path(__file__).parent


def module(*names: str) -> str:
    """One ES module: `page.js`, then the figure's scripts: its own, behind what it shares with others.

    Text, not a path: it is then saved with the notebook, and the book needs no other file.
    """
    texts = (_bare(_read(f"{name}.js"), r"//.*") for name in ("page", *names))
    # remarks behind code go, too; one with a quotation mark in it stays, for it may be the end of a text
    return re.sub(r" // [^\n\"'`]*$", "", "".join(texts), flags=re.M)


def style(name: str) -> str:
    """`page.css`, then the figure's own style."""
    return "".join(_bare(_read(f"{part}.css"), r"/\*.*\*/") for part in ("page", name))


def _bare(text: str, comment: str) -> str:
    """Without indentation, lines of comment and empty lines: every page that shows the figure carries its text."""
    return re.sub(rf"^[ \t]*({comment})?\n|^[ \t]+", "", text, flags=re.M)


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")

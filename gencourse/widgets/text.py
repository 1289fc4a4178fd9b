"""The text of a live figure: what all have in common, then its own. No file of it imports another."""

from __future__ import annotations

from pathlib import Path

__all__ = ["module", "style"]

_HERE = Path(__file__).parent


def module(*names: str) -> str:
    """One ES module: `page.js`, then the figure's scripts: its own, behind what it shares with others.

    Text, not a path: it is then saved with the notebook, and the book needs no other file.
    """
    return "".join(_read(f"{name}.js") for name in ("page", *names))


def style(name: str) -> str:
    """`page.css`, then the figure's own style."""
    return _read("page.css") + _read(f"{name}.css")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")

"""Folds the checks of a chapter: `claim(…)` at the end of a cell becomes a line, "checked: …", that opens on click.

The reader sees the algorithm; the evidence is one click away. The notebooks stay as they are.
"""

from __future__ import annotations

import ast
import html
from typing import Any

from docutils import nodes
from gcbook import parse
from sphinx.application import Sphinx


def words(claim: ast.Call) -> str:
    """What a claim states; a value that is filled in when the cell runs is shown as its name."""
    text = claim.args[0] if claim.args else None
    if isinstance(text, ast.JoinedStr):
        parts = [f"‹{ast.unparse(p.value)}›" if isinstance(p, ast.FormattedValue) else p for p in text.values]
        return "".join(str(p.value) if isinstance(p, ast.Constant) else str(p) for p in parts)
    return str(text.value) if isinstance(text, ast.Constant) else ""


def split(source: str) -> tuple[str, str, list[str]]:
    """Cut a cell before its closing claims.

    Args:
        source: a code cell.

    Returns:
        The code before, the claims, and what they state; claims are "" where a cell does not end with one.
    """
    body = parse(source).body
    first = len(body)
    while first and is_claim(body[first - 1]):
        first -= 1
    if first == len(body):
        return source, "", []
    lines = source.split("\n")
    start = body[first].lineno - 1
    # Comments above the first claim belong to it.
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    # mypy: these are expression statements, as was just looked
    stated = [words(node.value) for node in body[first:]]  # type: ignore[attr-defined]
    return "\n".join(lines[:start]).strip("\n"), "\n".join(lines[start:]), [text for text in stated if text]


def is_claim(node: ast.stmt) -> bool:
    """Whether a statement is a call of `claim`."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "claim"
    )


def summary(stated: list[str]) -> str:
    """The line that is seen while the checks are folded."""
    more = f", and {len(stated) - 1} more" if len(stated) > 1 else ""
    return f"checked: {stated[0]}{more}" if stated else "checked"


def fold(app: Sphinx, doctree: nodes.document) -> None:
    """Fold the closing claims of every visible code cell."""
    for cell in doctree.findall(nodes.container):
        if (
            "cell_input" not in cell["classes"]
            or len(cell) != 1
            or not isinstance(cell[0], nodes.literal_block)
        ):
            continue
        listing = cell[0]
        code, claims, stated = split(listing.astext())
        if not claims:
            continue
        line = html.escape(summary(stated))
        folded = listing.copy()
        folded.rawsource = claims
        folded += nodes.Text(claims)
        opening = f'<details class="gc-claim"><summary>{line}</summary>'
        children = [nodes.raw("", opening, format="html"), folded, nodes.raw("", "</details>", format="html")]
        if code.strip():
            rest = listing.copy()
            rest.rawsource = code
            rest += nodes.Text(code)
            children.insert(0, rest)
        cell.children = []
        cell.extend(children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", fold)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Folds the checks of a chapter: `claim(…)` becomes a line, "checked: …", that opens on click, wherever it stands.

The reader sees the algorithm; the evidence is one click away. The notebooks stay as they are.
"""

from __future__ import annotations

import ast
import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Piece:
    """Some lines of a cell: code, or checks with what they state."""

    text: str
    checks: bool = False
    stated: tuple[str, ...] = ()


def split(source: str) -> list[Piece]:
    """Cut a cell into its code and its checks, in the order in which they stand.

    A loop that does nothing but check is a check. Comments right above a check belong to it.
    """
    lines, pieces, done = source.split("\n"), [], 0

    def code(end: int) -> None:
        text = "\n".join(lines[done:end]).strip("\n")
        if text.strip():
            pieces.append(Piece(text))

    for checks, run in itertools.groupby(parse(source).body, is_check):
        if not checks:
            continue
        body = list(run)
        start = body[0].lineno - 1
        while start > done and lines[start - 1].lstrip().startswith("#"):
            start -= 1
        code(start)
        # every statement has an end
        done = body[-1].end_lineno or len(lines)
        calls = [
            node.value
            for one in body
            for node in ast.walk(one)
            if isinstance(node, ast.Expr) and is_claim(node)
        ]
        # mypy: a claim is a call
        stated = [words(call) for call in calls]  # type: ignore[arg-type]
        pieces.append(Piece("\n".join(lines[start:done]), True, tuple(text for text in stated if text)))
    code(len(lines))
    return pieces


def is_check(node: ast.stmt) -> bool:
    """Whether a statement is a claim, or a loop or condition around claims and what they need."""
    if not isinstance(node, (ast.For, ast.If)) or node.orelse:
        return is_claim(node)
    plain = all(is_check(one) or isinstance(one, ast.Assign) for one in node.body)
    return plain and any(is_check(one) for one in node.body)


def is_claim(node: ast.stmt) -> bool:
    """Whether a statement is a call of `claim`."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "claim"
    )


def summary(stated: Sequence[str]) -> str:
    """The line that is seen while the checks are folded."""
    more = f", and {len(stated) - 1} more" if len(stated) > 1 else ""
    return f"checked: {stated[0]}{more}" if stated else "checked"


def fold(app: Sphinx, doctree: nodes.document) -> None:
    """Fold the checks of every visible code cell."""
    for cell in doctree.findall(nodes.container):
        if (
            "cell_input" not in cell["classes"]
            or len(cell) != 1
            or not isinstance(cell[0], nodes.literal_block)
        ):
            continue
        listing = cell[0]
        pieces = split(listing.astext())
        if not any(piece.checks for piece in pieces):
            continue
        cell.children = []
        for piece in pieces:
            part = listing.copy()
            part.rawsource = piece.text
            part += nodes.Text(piece.text)
            if piece.checks:
                opening = f'<details class="gc-claim"><summary>{html.escape(summary(piece.stated))}</summary>'
                cell.extend(
                    [nodes.raw("", opening, format="html"), part, nodes.raw("", "</details>", format="html")]
                )
            else:
                cell.append(part)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", fold)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Small tables that notebooks draw as tables and terminals print as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gencourse.errors import need_kind, need_records, need_sequence, need_whole

__all__ = ["Table", "table"]


class Table:
    """Rows of cells that are text already.

    Args:
        header: of the columns.
        rows: as many cells as columns in each.

    Raises:
        ValueError: a row has another number of cells.
    """

    def __init__(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        need_sequence("header", header, "text")
        need_sequence("rows", rows, "rows of text")
        named = [("header", header), *((f"rows[{index}]", row) for index, row in enumerate(rows))]
        for name, cells in named:
            need_sequence(name, cells, "text")
            if len(cells) != len(header):
                raise ValueError(f"{name} has {len(cells)} cells and header {len(header)}: give as many.")
            for cell in cells:
                need_kind(name, cell, str, "cells as text")
        self.header = list(header)
        self.rows = [list(row) for row in rows]

    def _lines(self) -> list[str]:
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        return ["| " + " | ".join(line) + " |" for line in lines]

    def _repr_markdown_(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return self._repr_markdown_()


def table(rows: Sequence[Mapping[str, Any]], digits: int = 3) -> Table:
    """A table with a row for each dictionary; the keys of the first are the header.

    Args:
        rows: what to show; numbers are rounded to `digits` significant digits, all else is turned into text.
        digits: significant digits.

    Raises:
        ValueError: there is no row, or a row has other keys than the first.
    """
    need_records("rows", rows)
    need_whole("digits", digits, 1, 17)
    for index, row in enumerate(rows):
        if list(row) != list(rows[0]):
            raise ValueError(
                f"rows[{index}] has the keys {list(row)}: give those of the first, {list(rows[0])}."
            )

    def text(value: Any) -> str:
        if isinstance(value, float):
            return (
                f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}".replace(",", "\u202f")
            )
        return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else str(value)

    return Table(list(rows[0]), [[text(value) for value in row.values()] for row in rows])

"""Small tables that notebooks draw as tables and terminals print as text."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gencourse.errors import need_kind, need_records, need_sequence, need_whole

__all__ = ["Table", "table"]

_NUMBER = re.compile(r"[-−+]?\d")
_NOTHING = "–"
_SPACE = "\u2007"  # as wide as a digit


class Table:
    """Rows of cells that are text already.

    Cells may hold `$mathematics$` and `code`; HTML in them is shown, not obeyed. Columns of numbers are aligned right.

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

    def _lines(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        columns = [[row[index] for row in self.rows] for index in range(len(self.header))]
        # the first column names the rows
        sides = ["---", *("---:" if _is_numeric(column) else "---" for column in columns[1:])]
        lines = ("| " + " | ".join(line) + " |" for line in (header, sides, *rows))
        return "\n".join(re.sub(r"[ \t]*[\r\n]\s*", " ", line) for line in lines)

    def _repr_markdown_(self) -> str:
        rows = [[_as_markdown(cell) for cell in row] for row in self.rows]
        return self._lines([_as_markdown(cell) for cell in self.header], rows)

    def __repr__(self) -> str:
        return self._lines(self.header, self.rows)


def _is_numeric(column: Sequence[str]) -> bool:
    return all(_NUMBER.match(cell) for cell in column if cell not in ("", _NOTHING))


def _as_markdown(cell: str) -> str:
    return html.escape(cell, quote=False).replace("|", "\\|")


def table(rows: Sequence[Mapping[str, Any]], digits: int = 3) -> Table:
    """A table with a row for each dictionary; the keys of the first are the header.

    All numbers of a column have the same decimals, so that they can be compared down the column: as many as give its
    largest number `digits` significant digits, and up to three more if its smallest would vanish otherwise. The first
    column names the rows; a number there stands for itself.

    Args:
        rows: what to show. A pair of numbers is a value and half its interval, 0.72 ± 0.05, in units of the column;
            None is a dash; what is no number is turned into text.
        digits: significant digits of the largest number of a column.

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
    first, *others = rows[0]
    columns = [[_name(row[first], digits) for row in rows]]
    columns += [_column([row[key] for row in rows], digits) for key in others]
    return Table(list(rows[0]), list(zip(*columns, strict=True)))


def _name(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else _text(value, 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_interval(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))


def _column(values: Sequence[Any], digits: int) -> list[str]:
    numbers = [value[0] if _is_interval(value) else value for value in values]
    numbers = [value for value in numbers if _is_number(value)]
    intervals = any(map(_is_interval, values))
    whole = all(isinstance(value, int) for value in numbers) and not intervals
    # beside its interval a value has a digit less
    decimals = 0 if whole else _decimals(numbers, max(1, digits - intervals))
    halves = [_text(value[1], decimals) for value in values if _is_interval(value)]
    width = max(map(len, halves), default=0)
    return [
        f"{_text(value[0], decimals)}\u00a0±\u00a0{_text(value[1], decimals).rjust(width, _SPACE)}"
        if _is_interval(value)
        else _text(value, decimals)
        for value in values
    ]


def _decimals(numbers: Sequence[float], digits: int) -> int:
    sizes = [abs(number) for number in numbers if number and math.isfinite(number)]
    if not sizes:
        return 0
    # a share of 1.000 has as many as one of 0.999
    enough = digits - math.ceil(math.log10(max(sizes)))
    first = -math.floor(math.log10(min(sizes)))  # decimals at which the smallest shows its first digit
    # three digits of the smallest for one decimal more, two for two, one for three
    wanted = (first + 3 - more for more in (1, 2, 3) if first + 3 - more <= enough + more)
    return max(0, enough, next(wanted, 0))


def _text(value: Any, decimals: int) -> str:
    if value is None:
        return _NOTHING
    if not _is_number(value):
        return str(value)
    text = f"{value:,.{decimals}f}".replace(",", "\u202f")
    return text.removeprefix("-") if not text.strip("-0.") else text

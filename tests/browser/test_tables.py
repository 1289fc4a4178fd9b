"""Tables of the built pages, as a publisher sets them: numbers of a column have the same decimals and stand right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from tests.browser.conftest import pages

NUMBER = re.compile(r"[-−+]?(?:\d{1,3}(?:[\u202f ]\d{3})+|\d+)(?:\.(\d+))?")
EMPTY = {"", "–", "-", "—", "not run yet"}
FEWEST = 3  # numbers that make a column of numbers


def columns(table: Tag) -> Iterator[tuple[str, list[Tag]]]:
    """Head and cells of each column but the first, which names the rows."""
    heads = [cell.get_text().strip() for cell in table.select("thead th")]
    rows = [row.find_all("td") for row in table.select("tbody tr")]
    for index, head in enumerate(heads[1:], 1):
        yield head, [row[index] for row in rows if len(row) == len(heads)]


def numbers(cells: list[Tag]) -> list[re.Match[str]] | None:
    """What a column says, if all of it are numbers."""
    texts = [cell.get_text().strip() for cell in cells]
    found = [NUMBER.fullmatch(text) for text in texts if text not in EMPTY]
    return [match for match in found if match] if len(found) >= FEWEST and all(found) else None


def faults(text: str) -> tuple[int, list[str], list[str]]:
    """How many columns of numbers a page has, those with unlike decimals, and those that do not stand right."""
    count, mixed, left = 0, [], []
    for table in BeautifulSoup(text, "html.parser").select("article table"):
        for head, cells in columns(table):
            found = numbers(cells)
            if found is None:
                continue
            count += 1
            if len({len(match[1] or "") for match in found}) > 1:
                mixed.append(f"{head}: {[match[0] for match in found]}")
            if not all("text-right" in cell.get("class", []) for cell in cells):
                left.append(head)
    return count, mixed, left


def test_a_fault_is_seen() -> None:
    page = "<article><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>{}</tbody></table></article>"
    row = '<tr><td>x</td><td class="{}">{}</td></tr>'
    right = [row.format("text-right", n) for n in ("1.5", "2.5", "–", "12\u202f000.0")]
    assert faults(page.format("".join(right))) == (1, [], [])
    assert faults(page.format("".join([*right, row.format("text-right", "3")])))[1]
    assert faults(page.format("".join([*right, row.format("", "3.0")])))[2] == ["b"]


def test_numbers_of_a_column_have_the_same_decimals_and_stand_right(
    html: Path, counted: Callable[[str], None]
) -> None:
    count, mixed, left = 0, {}, {}
    for page in pages():
        found, bad, astray = faults((html / page).read_text(encoding="utf-8"))
        count += found
        mixed |= {page: bad} if bad else {}
        left |= {page: astray} if astray else {}
    counted(f"tables: {count} columns of numbers, {len(mixed)} pages with unlike decimals")
    assert count > 20
    assert mixed == {}
    assert left == {}

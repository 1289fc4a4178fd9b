"""Numbers stand below each other with the same decimals, and data are text."""

from __future__ import annotations

import pytest

from gencourse import figures


def column(values: list, **settings: int) -> list[str]:
    """What a column of these values shows."""
    rows = [{"name": str(index), "value": value} for index, value in enumerate(values)]
    return [row[1] for row in figures.table(rows, **settings).rows]


@pytest.mark.parametrize(
    "values",
    [
        [0.12345, 2.0, 1],
        [283.4, 9.56, 34.61],
        [1.0, 0.994, 0.0],
        [4.3, 0.00108],
        [21.2, -0.000401],
        [0.625, 0.0041, None, "none"],
        [(586.0, 55.0), (330.2, 120.0), None],
    ],
)
def test_numbers_of_a_column_have_the_same_decimals_and_none_vanishes(values: list) -> None:
    shown = column(values)
    decimals = set()
    for value, cell in zip(values, shown, strict=True):
        if value is None or isinstance(value, str):
            assert cell == (value or "–")
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        texts = cell.split("\u00a0±\u00a0")
        assert len(texts) == len(numbers)
        for number, text in zip(numbers, texts, strict=True):
            decimals.add(len(text.partition(".")[2]))
            assert float(text) == pytest.approx(number, abs=0.5001 * 10.0 ** -len(text.partition(".")[2]))
            assert (float(text) == 0) == (number == 0)
    assert len(decimals) == 1


def test_decimals_follow_the_digits_asked_for() -> None:
    assert column([12.345, 67.891], digits=3) == ["12.3", "67.9"]
    assert column([12.345, 67.891], digits=4) == ["12.35", "67.89"]
    assert column([12345.678, 1]) == ["12\u202f346", "1"]
    assert column([3, 2000]) == ["3", "2\u202f000"]
    assert column([1e-9, -1e-9, 0.5]) == ["0.000", "0.000", "0.500"]
    (short, long) = column([(1.0, 5.0), (2.0, 12.0)])
    assert len(short) == len(long), "the values stand below each other, too"


def test_a_table_is_text_in_a_terminal_and_a_table_in_a_notebook() -> None:
    shown = figures.table(
        [{"rate": 1e-4, "<b>value": "a | <i>b</i>\nc", "n": 1}, {"rate": 0.1, "<b>value": "", "n": 2}]
    )
    assert repr(shown).splitlines()[:2] == ["| rate | <b>value | n |", "| --- | --- | ---: |"]
    assert repr(shown).splitlines()[3] == "| 0.1 |  | 2 |"
    assert "<" not in shown._repr_markdown_() and "a \\| &lt;i&gt;b&lt;/i&gt; c" in shown._repr_markdown_()
    with pytest.raises(ValueError, match="rows has 0 entries"):
        figures.table([])

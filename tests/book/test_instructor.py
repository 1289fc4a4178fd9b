"""The teachers' guide agrees with the declared exercises."""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path

from gencourse.exercises import CHAPTERS

GUIDE = (Path(__file__).parents[2] / "book" / "instructor.md").read_text(encoding="utf-8")
ALL = {
    chapter: importlib.import_module(f"gencourse.exercises.{module}").EXERCISES
    for chapter, module in CHAPTERS.items()
}


def test_the_tables_list_every_exercise() -> None:
    for chapter, exercises in ALL.items():
        for one in exercises:
            assert f"| {one.number} | {one.title} | {one.level} | {one.minutes} |" in GUIDE
        row = re.search(rf"^\| {chapter} .*\| ([\d.]+) to ([\d.]+) \| (\d+) \|$", GUIDE, re.MULTILINE)
        assert row and row.groups() == (
            exercises[0].number,
            exercises[-1].number,
            str(sum(one.minutes for one in exercises)),
        )
    minutes = sum(one.minutes for exercises in ALL.values() for one in exercises)
    count = sum(len(exercises) for exercises in ALL.values())
    assert f"All {count} exercises together are {minutes} minutes" in GUIDE


def test_the_exam_answers_are_right() -> None:
    p, q = (1 / 2, 1 / 4, 1 / 4), (1 / 2, 1 / 2, 0.0)
    value = sum(
        a * math.log(a / (a + b)) + (b * math.log(b / (a + b)) if b else 0.0)
        for a, b in zip(p, q, strict=True)
    )
    assert math.isclose(value, -math.log(2) + math.log(2) / 2 - 3 / 4 * math.log(3))

    def work(n: int) -> int:
        return 12 * n * 768**2 + 2 * n**2 * 768

    assert round(work(196) / work(49), 2) == 4.13

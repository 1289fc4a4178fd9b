"""The teachers' guide agrees with the declared exercises."""

from __future__ import annotations

import importlib
import itertools
import math
import re
from pathlib import Path

import pytest

from gencourse.evaluation import seed_interval
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

    # 6: a line through two measured steps, and what eight processes make of it
    b = (100 - 40) / (64 - 16)
    a = 40 - 16 * b
    assert (b, a) == (1.25, 20)
    assert round((a + 64 * b) / (a + 64 * b / 8), 1) == 3.3 and (a + 64 * b) / a == 5
    # 7: memory
    fits = [(budget - 16 * 20_000_000) // (4 * 30_000_000) for budget in (8 * 10**9, 4 * 10**9)]
    assert fits == [64, 30]
    # 9: an interval, and the exact test
    mean, low, high = seed_interval([0.90, 0.92, 0.94])
    assert math.isclose(mean, 0.92) and round(high - mean, 3) == round(mean - low, 3) == 0.050
    one, other = (0.90, 0.92, 0.94), (0.95, 0.96, 0.97)
    both, gap = one + other, abs(sum(one) - sum(other))
    splits = list(itertools.combinations(both, 3))
    as_far = sum(abs(2 * sum(part) - sum(both)) >= gap - 1e-9 for part in splits)
    assert (as_far, len(splits)) == (2, 20)
    # 10: a distance without its bias
    slope = (6 - 1.5) / (1 / 1000 - 1 / 4000)
    assert math.isclose(slope, 6000) and math.isclose(6 - slope / 1000, 0, abs_tol=1e-9)
    assert math.isclose(slope / 8000, 0.75)
    # 11: the best of many, and random search
    assert round(0.5 * math.sqrt(2 * math.log(40)), 2) == 1.36
    assert math.ceil(math.log(0.05) / math.log(0.9)) == 29


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_has_its_part_in_every_section(chapter: str) -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL))
    numbers = [one.number for one in ALL[chapter]]
    assert any(re.search(rf"\b{chapter}\b", line) for line in sections["Three timetables"].splitlines())
    exposed = re.findall(
        r"\| ([\d., ]+) \|$", sections["Misconceptions, and the exercise that exposes each"], re.M
    )
    named = {number for cell in exposed for number in cell.split(", ")}
    assert len(named & set(numbers)) >= 2
    assert named <= {one.number for every in ALL.values() for one in every}


def test_points_of_a_rubric_add_up_to_those_of_its_question() -> None:
    exam = GUIDE.split("## Exam questions")[1].split("\n## ")[0]
    questions = re.split(r"^\*\*\d+\. ", exam, flags=re.MULTILINE)[1:]
    assert len(questions) >= len(CHAPTERS)
    for question in questions:
        points = int(question.split("(")[1].split()[0])
        text, rubric = question.split("*Rubric.*")
        assert "*Answer.*" in text
        assert sum(map(int, re.findall(r"\((\d)\)", rubric))) == points, question


def test_half_a_day_holds_what_is_planned_for_it() -> None:
    (plan,) = re.findall(r"\*\*Half a day\*\*(.*?)\n\n", GUIDE, re.DOTALL)
    minutes = {one.number: one.minutes for every in ALL.values() for one in every}
    for numbers, given in re.findall(r"exercises ([\d. and]+?) \((\d+)", plan):
        assert sum(minutes[number] for number in numbers.split(" and ")) == int(given)
    assert sum(map(int, re.findall(r"\((\d+)", plan))) <= 3.5 * 60


def test_a_question_names_equations_and_exercises_that_there_are() -> None:
    tags = (Path(__file__).with_name("equations.json")).read_text(encoding="utf-8")
    numbers = {one.number for every in ALL.values() for one in every}
    for tag in re.findall(r"\((\d\.\d+)\)", GUIDE):
        assert f'"{tag}"' in tags or tag in numbers, tag
    for number in re.findall(r"exercises? (\d\.\d+)", GUIDE):
        assert number in numbers

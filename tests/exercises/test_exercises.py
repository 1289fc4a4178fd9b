"""Every exercise of the course: the solution passes, the stub fails, each wrong answer gets its own hint."""

from __future__ import annotations

import importlib
import math

import pytest
import torch
from torch import nn

from gencourse import evaluation, losses
from gencourse.exercises import CHAPTERS, Exercise, Wrong, check, exercise, verdict

ALL = [
    one
    for module in CHAPTERS.values()
    for one in importlib.import_module(f"gencourse.exercises.{module}").EXERCISES
]
MISTAKES = [
    pytest.param(one, wrong, id=f"{one.number}-{n}")
    for one in ALL
    for n, wrong in enumerate(one.wrong, start=1)
]


def answer_of(one: Exercise, code: str) -> object:
    """Run an answer as a learner would: in a notebook that has imported what the chapters import."""
    names: dict[str, object] = {
        "torch": torch,
        "nn": nn,
        "math": math,
        "evaluation": evaluation,
        "losses": losses,
    }
    exec(code, names)
    return names[one.answer]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_the_solution_is_accepted(one: Exercise) -> None:
    assert verdict(one.number, answer_of(one, one.solution)) == (True, f"Exercise {one.number}: correct.")


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_the_stub_is_not(one: Exercise) -> None:
    right, sentence = verdict(one.number, answer_of(one, one.stub))
    assert not right
    assert sentence == f"Exercise {one.number}: not yet. The stub is still there: write {one.answer}."


@pytest.mark.parametrize(("one", "wrong"), MISTAKES)
def test_each_known_mistake_gets_its_own_hint(one: Exercise, wrong: Wrong) -> None:
    right, sentence = verdict(one.number, answer_of(one, wrong.source(one.solution)))
    assert not right
    assert sentence.startswith(f"Exercise {one.number}: not yet. {wrong.hint}"), sentence


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_a_declaration_is_complete(one: Exercise) -> None:
    assert 1 <= one.level <= 5 and one.minutes > 0 and len(one.wrong) >= 2
    assert one.stub.count("def ") == 1 and f"def {one.answer}(" in one.stub
    assert one.stub.strip().splitlines()[0] == one.solution.strip().splitlines()[0]


def test_numbers_are_unique_and_in_order() -> None:
    numbers = [tuple(map(int, one.number.split("."))) for one in ALL]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("answer", [(), (None,), (...,), (1, 2)])
def test_a_missing_answer_is_told_what_to_hand_in(answer: tuple[object, ...]) -> None:
    assert "Hand in one answer: check('1.2', gaussian_nll)" in verdict("1.2", *answer)[1]


def test_an_answer_that_raises_gets_a_sentence_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    check("1.3", lambda x: x.no_such_method())
    printed = capsys.readouterr().out
    assert printed.startswith("Exercise 1.3: not yet. Your code raised AttributeError")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("number", ["1.99", "9.1", "", "abc"])
def test_an_unknown_number_names_the_known_ones(number: str) -> None:
    with pytest.raises(ValueError, match="number is"):
        exercise(number)

"""Every exercise of the course: right answers pass, the stub fails, each wrong answer gets its own hint."""

from __future__ import annotations

import importlib
import math

import pytest
import torch
from torch import nn

from gencourse import evaluation, losses
from gencourse.exercises import CHAPTERS, Exercise, Right, Wrong, check, exercise, grade, verdict

ALL = [
    one
    for module in CHAPTERS.values()
    for one in importlib.import_module(f"gencourse.exercises.{module}").EXERCISES
]
# Numbers that the checks draw, the first being what a learner gets; switching gradients off outside must not matter.
CIRCUMSTANCES = ((0, True), (1, False), (7, True))
SLOW = ("1.5", "1.7", "4.4", "4.5")  # they train networks


def circumstances(one: Exercise, kind: str) -> tuple[tuple[int, bool], ...]:
    """Seeds, and whether gradients are on outside."""
    if one.number in SLOW:
        return CIRCUMSTANCES[: 2 if kind == "solution" else 1]
    return CIRCUMSTANCES


PRODUCT = [
    pytest.param(one, answer, seed, gradients, id=f"{one.number}-{kind}-{n}-seed{seed}")
    for one in ALL
    for kind, answers in (
        ("solution", (Right(code=one.solution),)),
        ("right", one.also_right),
        ("wrong", one.wrong),
    )
    for n, answer in enumerate(answers, start=1)
    for seed, gradients in circumstances(one, kind)
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


def judged(one: Exercise, code: str, seed: int, gradients: bool) -> tuple[bool, str]:
    answer = answer_of(one, code)
    torch.manual_seed(1000 + seed)
    with torch.set_grad_enabled(gradients):
        return verdict(one.number, answer, seed=seed)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_the_stub_is_not(one: Exercise) -> None:
    right, sentence = verdict(one.number, answer_of(one, one.stub))
    assert not right
    assert sentence == f"Exercise {one.number}: not yet. The stub is still there: write {one.answer}."


@pytest.mark.parametrize(("one", "answer", "seed", "gradients"), PRODUCT)
def test_right_answers_pass_and_each_known_mistake_gets_its_own_hint(
    one: Exercise, answer: Right | Wrong, seed: int, gradients: bool
) -> None:
    right, sentence = judged(one, answer.source(one.solution), seed, gradients)
    start = "correct." if isinstance(answer, Right) else f"not yet. {answer.hint}"
    assert sentence.startswith(f"Exercise {one.number}: {start}"), sentence
    assert right == isinstance(answer, Right)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_an_answer_that_returns_nothing_is_told_so(one: Exercise) -> None:
    def answer(*_: object) -> None:
        return None

    right, sentence = verdict(one.number, answer)
    assert not right
    assert "returned nothing" in sentence if one.returns else "once" in sentence


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
@pytest.mark.parametrize(
    "value", [0.5, "text", [], {}, (1, 2, 3, 4), torch.zeros(0), torch.tensor(torch.nan)]
)
def test_any_other_constant_is_refused_with_a_sentence(one: Exercise, value: object) -> None:
    right, sentence = verdict(one.number, lambda *_: value)
    assert not right and sentence.count("\n") == 0 and "Your code raised" not in sentence


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_a_declaration_is_complete(one: Exercise) -> None:
    assert 1 <= one.level <= 5 and one.minutes > 0 and len(one.wrong) >= 2 and len(one.also_right) >= 1
    assert one.stub.count("def ") == 1 and f"def {one.answer}(" in one.stub
    assert one.stub.strip().splitlines()[0] == one.solution.strip().splitlines()[0]
    assert len({wrong.source(one.solution) for wrong in one.wrong}) == len(one.wrong)


def test_all_levels_are_used() -> None:
    assert {one.level for one in ALL} == {1, 2, 3, 4, 5}


def test_numbers_are_unique_and_in_order() -> None:
    numbers = [tuple(map(int, one.number.split("."))) for one in ALL]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("answer", [(), (None,), (...,), (1, 2)])
def test_a_missing_answer_is_told_what_to_hand_in(answer: tuple[object, ...]) -> None:
    assert "Hand in one answer: check('1.2', gaussian_nll)" in verdict("1.2", *answer)[1]


def test_a_result_is_not_a_function() -> None:
    assert "Hand in the function itself, not its result: check('1.2', gaussian_nll)" in verdict("1.2", 3.0)[1]


def test_check_prints_and_grade_raises_the_same_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    check("1.3", torch.zeros_like)
    printed = capsys.readouterr().out.strip()
    assert printed == verdict("1.3", torch.zeros_like)[1] and "not yet" in printed
    with pytest.raises(AssertionError) as caught:
        grade("1.3", torch.zeros_like)
    assert str(caught.value) == printed
    grade("1.3", answer_of(exercise("1.3"), exercise("1.3").solution))  # silent
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", ["1.99", "9.1", "", "abc"])
def test_an_unknown_number_names_the_known_ones(number: str) -> None:
    with pytest.raises(ValueError, match="number is"):
        exercise(number)

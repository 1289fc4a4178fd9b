"""The self-test of the prerequisites page: one right answer a question, each answer explained, and right."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "prerequisites.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / "book" / "_static" / "gc-selftest.js").read_text(encoding="utf-8")
QUESTION = re.compile(r'<div class="gc-question".*?\n</div>', re.S)
ANSWER = re.compile(
    r'<details class="gc-answer( gc-right)?"><summary>(.*?)</summary>\n\n\*\*(Right|No)\.\*\* (.*?)\n\n</details>',
    re.S,
)


def answers(question: str) -> list[tuple[bool, str, str, str]]:
    """Of each answer: is it marked as right, its words, the verdict that the reader sees, the explanation."""
    return [(bool(right), words, verdict, why) for right, words, verdict, why in ANSWER.findall(question)]


QUESTIONS = [answers(text) for text in QUESTION.findall(PAGE)]


def test_each_question_has_one_right_answer_and_every_answer_says_why() -> None:
    assert 10 <= len(QUESTIONS) <= 12
    for number, found in enumerate(QUESTIONS, start=1):
        assert len(found) == 3, number
        assert [right for right, *_ in found].count(True) == 1, number
        assert all((verdict == "Right") == right for right, _, verdict, _ in found), number
        assert all(len(why) > 20 for *_, why in found), number
        assert len({words for _, words, *_ in found}) == 3, number
    places = {[right for right, *_ in found].index(True) for found in QUESTIONS}
    assert places == {0, 1, 2}, "the right answer always stands in the same place"


def numbers() -> dict[int, float]:
    """The right answers that are numbers, computed."""
    w, a = torch.tensor(1.0, requires_grad=True), torch.tensor(-8.0, requires_grad=True)
    half, quarters = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
    errors = {g: 0.75 * g**2 + 0.25 * (1 - g) ** 2 for g in (0, 0.25, 0.5)}
    return {
        1: (0**2 + 2**2) / 2,
        2: 4 + 9,
        3: min(errors, key=lambda grey: errors[grey]),
        4: 3 / (3 + 1),
        5: (half * (half / quarters).log()).sum().item(),
        7: kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0)).item(),
        8: -(half * half.log()).sum().item(),
        9: torch.autograd.grad((3 - 2 * w) ** 2, w)[0].item(),
        10: torch.autograd.grad(a.sigmoid(), a)[0].item(),
        12: 28 * 28,
    }


@pytest.mark.parametrize("number", numbers())
def test_the_right_answer_is_right(number: int) -> None:
    words = next(words for right, words, *_ in QUESTIONS[number - 1] if right).replace("−", "-")
    found = re.search(r"-?[\d.]+(/\d+)?", words)
    assert found, words
    top, _, bottom = found[0].partition("/")
    assert float(top) / float(bottom or 1) == pytest.approx(numbers()[number], abs=6e-4)


def test_infinite_and_nothing_are_right_too() -> None:
    q = torch.tensor([1.0, 0.0])
    p = torch.tensor([0.99, 0.01])
    assert (p * (p / q).log()).sum().item() == math.inf
    maker, judge = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    judge(maker(torch.randn(3, 2)).detach()).sum().backward()
    assert maker.weight.grad is None
    assert judge.weight.grad is not None


def test_the_script_runs_under_a_strict_policy() -> None:
    assert not re.search(r"\beval\b|new Function|innerHTML|document\.write", SCRIPT)
    assert not re.search(r"\son\w+=", PAGE), "an inline handler"
    assert "<script>" not in PAGE, "an inline script"

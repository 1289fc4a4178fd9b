"""Exercises that check themselves and name the mistake when they know it."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

__all__ = ["CHAPTERS", "Exercise", "NotYet", "Wrong", "check", "exercise", "expect", "verdict"]

CHAPTERS = {"1": "autoencoder", "2": "gan", "3": "ae_gan", "4": "aae", "5": "mae"}
"""Chapter number to the module of this room that holds its exercises."""


class NotYet(Exception):
    """An answer is not right; the message is the hint that the learner reads."""


@dataclass(frozen=True)
class Wrong:
    """An answer that learners are known to give, and the hint that it must get.

    Attributes:
        hint: start of the sentence that the check must print.
        edit: (old, new): the wrong answer is the solution with this change.
        code: the wrong answer in full, where a change does not express it.
    """

    hint: str
    edit: tuple[str, str] | None = None
    code: str | None = None

    def source(self, solution: str) -> str:
        """The wrong answer as code."""
        if self.code is not None:
            return textwrap.dedent(self.code).strip() + "\n"
        old, new = self.edit or ("", "")
        if not old or old not in solution:
            raise ValueError(f"the edit {old!r} does not occur in the solution.")
        return solution.replace(old, new)


@dataclass(frozen=True)
class Exercise:
    """One exercise: how it is checked, answered, left open, and got wrong.

    Attributes:
        number: chapter.n, as in the chapter.
        title: a few words.
        level: difficulty, 1 to 5.
        minutes: time box.
        answer: name that the solution defines and that is handed to `check`.
        check: raises `NotYet` with a hint unless the answer is right.
        solution: code that defines `answer`; the chapter shows the same text.
        stub: what the learner starts from.
        wrong: known wrong answers.
    """

    number: str
    title: str
    level: int
    minutes: int
    answer: str
    check: Callable[[Any], None]
    solution: str
    stub: str
    wrong: tuple[Wrong, ...]


def expect(condition: object, hint: str) -> None:
    """Raise `NotYet` with the hint unless the condition holds."""
    if not bool(condition):
        raise NotYet(hint)


def exercise(number: str) -> Exercise:
    """The exercise of that number.

    Raises:
        ValueError: there is none.
    """
    chapter = str(number).split(".")[0]
    if chapter in CHAPTERS:
        found = importlib.import_module(f"gencourse.exercises.{CHAPTERS[chapter]}").EXERCISES
        for one in found:
            if one.number == number:
                return one
        _unknown(number, f"chapter {chapter} has {', '.join(one.number for one in found)}")
    _unknown(number, f"there are exercises for chapter {', '.join(CHAPTERS)}")


def _unknown(number: str, known: str) -> NoReturn:
    raise ValueError(f"number is {number!r}: {known}.")


def verdict(number: str, *answer: Any) -> tuple[bool, str]:
    """Whether an answer is right, and the sentence to tell the learner. Never raises for a wrong answer.

    Args:
        number: of the exercise, for example "1.2".
        answer: what the learner made; exactly one object.
    """
    one = exercise(number)
    if len(answer) != 1 or answer[0] is None or answer[0] is Ellipsis:
        return False, f"Exercise {number}: not yet. Hand in one answer: check({number!r}, {one.answer})."
    try:
        one.check(answer[0])
    except NotYet as hint:
        return False, f"Exercise {number}: not yet. {hint}"
    except NotImplementedError:
        return False, f"Exercise {number}: not yet. The stub is still there: write {one.answer}."
    except Exception as error:  # a learner's code may raise anything; the check answers with one sentence
        first_line = (str(error).splitlines() or [""])[0]
        return False, f"Exercise {number}: not yet. Your code raised {type(error).__name__}: {first_line}"
    return True, f"Exercise {number}: correct."


def check(number: str, *answer: Any) -> None:
    """Check the answer to an exercise and print one sentence.

    Args:
        number: of the exercise, for example "1.2".
        answer: what you made: the function itself, not its result.

    Raises:
        ValueError: there is no such exercise.
    """
    print(verdict(number, *answer)[1])

"""Exercises that check themselves and name the mistake when they know it."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from gencourse.errors import need_kind, need_pair, need_seed, need_whole
from gencourse.exercises.numbers import NotYet
from gencourse.exercises.record import record
from gencourse.exercises.safety import LIBRARIES, Names, TimeUp, guarded, restored, within

__all__ = [
    "CHAPTERS",
    "Exercise",
    "Right",
    "Wrong",
    "check",
    "exercise",
    "grade",
    "hint",
    "verdict",
]

CHAPTERS = {
    "1": "autoencoder",
    "2": "gan",
    "3": "ae_gan",
    "4": "aae",
    "5": "mae",
    "6": "scaling",
    "7": "measuring",
}
"""Chapter number to the module of this room that holds its exercises."""

_hinted: dict[str, int] = {}  # how many hints were given for an exercise in this kernel
_LONGEST = 300  # characters of an error's own text that a sentence repeats
_LONGEST_HINT = 1000  # characters of a hint; a learner's code may raise one, too


@dataclass(frozen=True)
class Right:
    """Another right answer: it must be accepted like the solution.

    Attributes:
        edit: (old, new): the answer is the solution with this change.
        code: the answer in full, where a change does not express it.
    """

    edit: tuple[str, str] | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        _need_answer(self.edit, self.code)

    def source(self, solution: str) -> str:
        """The answer as code."""
        return _source(solution, self.edit, self.code)


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

    def __post_init__(self) -> None:
        need_kind("hint", self.hint, str, "a sentence")
        _need_answer(self.edit, self.code)

    def source(self, solution: str) -> str:
        """The wrong answer as code."""
        return _source(solution, self.edit, self.code)


def _need_answer(edit: Any, code: Any) -> None:
    """A change of the solution, or code in full."""
    if edit is not None:
        need_pair("edit", edit, "two texts, (old, new)")
        for text in edit:
            need_kind("edit", text, str, "two texts, (old, new)")
    if code is not None:
        need_kind("code", code, str, "text")


def _source(solution: str, edit: tuple[str, str] | None, code: str | None) -> str:
    need_kind("solution", solution, str, "code")
    if code is not None:
        return textwrap.dedent(code).strip() + "\n"
    old, new = edit or ("", "")
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
        hints: a question, a direction, and a line of the solution, in the order in which they are given.
        check: raises `NotYet` with a hint unless the answer is right.
        solution: code that defines `answer`; the chapter shows the same text.
        stub: what the learner starts from.
        wrong: known wrong answers.
        also_right: right answers that look different from the solution.
        returns: whether the answer returns something; one that only moves networks does not.
        seconds: how long the check may take, the learner's code included.
    """

    number: str
    title: str
    level: int
    minutes: int
    answer: str
    hints: tuple[str, str, str]
    check: Callable[[Any], None]
    solution: str
    stub: str
    wrong: tuple[Wrong, ...]
    also_right: tuple[Right, ...] = ()
    returns: bool = True
    seconds: float = 60.0


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


def hint(number: str, step: int | None = None) -> None:
    """Print the next hint of an exercise: first a question, then a direction, then the line that matters.

    Args:
        number: of the exercise, for example "2.3".
        step: 1, 2 or 3 for one hint in particular; None for the one after the last that was asked for here.

    Raises:
        TypeError: step is neither None nor a whole number.
        ValueError: there is no such exercise, or no such step.
    """
    one = exercise(number)
    if step is None:
        step = min(_hinted.get(number, 0) + 1, len(one.hints))
    need_whole("step", step, 1, len(one.hints))
    _hinted[number] = step
    kind = ("a question", "a direction", "the line")[step - 1]
    more = "" if step == len(one.hints) else f" (Next: gencourse.hint({number!r}) again.)"
    _say(f"Hint {step} of {len(one.hints)} for exercise {number}, {kind}: {one.hints[step - 1]}{more}")


def verdict(number: str, *answer: Any, seed: int = 0) -> tuple[bool, str]:
    """Whether an answer is right, and the sentence to tell the learner.

    Nothing that the answer does escapes: no error, no endless loop, no change of a global setting.

    Args:
        number: of the exercise, for example "1.2".
        answer: what the learner made; exactly one object.
        seed: of the numbers that the check draws; the same seed gives the same verdict.

    Raises:
        TypeError: seed is not a whole number.
        ValueError: there is no such exercise, or the seed is not from 0 to 2³² − 1.
    """
    one = exercise(number)
    need_seed("seed", seed)
    hint = _hint(one, answer, seed)
    return hint is None, f"Exercise {number}: " + ("correct." if hint is None else f"not yet. {hint}")


def _hint(one: Exercise, answer: tuple[Any, ...], seed: int) -> str | None:
    """What the learner should hear, None when the answer is right."""
    call = f"check({one.number!r}, {one.answer})"
    if len(answer) != 1 or answer[0] is None or answer[0] is Ellipsis:
        return f"Hand in one answer: {call}."
    if not callable(answer[0]):
        return f"Hand in the function itself, not its result: {call}."
    try:
        with restored(seed):
            within(one.seconds, lambda: _run(one, answer[0]))
    except TimeUp:
        return (
            f"Your code was still running after {one.seconds:g} seconds, so it was stopped: look for a loop that "
            "never ends."
        )
    except BaseException as error:  # a learner's code may raise anything; the check answers with one sentence
        try:
            return _printable(_told(one, error))
        except BaseException:
            return "Your code raised an error that cannot even say what it is."
    return None


def _told(one: Exercise, error: BaseException) -> str:
    """What an error means for the learner."""
    if isinstance(error, NotYet):
        hint = str(error)
        return hint if len(hint) <= _LONGEST_HINT else f"{hint[: _LONGEST_HINT - 1]}…"
    if isinstance(error, KeyboardInterrupt):
        return "The check was interrupted."
    text = _text(error)
    if isinstance(error, NotImplementedError) and not text:
        return f"The stub is still there: write {one.answer}."
    name = type(error).__name__[:_LONGEST]
    told = f"{name}: {text}" if text else name
    if _in_learners_code(error):
        return f"Your code raised {told}"
    return f"The check cannot use what your function gave, compare it with the stub: {told}"


def _printable(text: str) -> str:
    """Without what a terminal would obey, or could not print: half a letter, say, or a step back over the line."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _say(text: str) -> None:
    """Print, also where the stream lacks some of these letters."""
    try:
        print(text)
    except UnicodeEncodeError:
        letters = sys.stdout.encoding or "ascii"
        print(text.encode(letters, "replace").decode(letters))


def _run(one: Exercise, answer: Callable[..., Any]) -> None:
    with guarded() as names:
        one.check(_careful(answer, one.returns, names))


def _careful(answer: Callable[..., Any], returns: bool, names: Names) -> Callable[..., Any]:
    """The answer as the checks call it: it can spoil neither their numbers nor the functions by which they judge.

    It gets copies, its result is made of plain things, and whatever it replaced is put back before anyone looks.
    """

    @functools.wraps(answer, updated=())
    def call(*arguments: Any) -> Any:
        try:
            found = answer(*(_copy(value) for value in arguments))
        finally:
            names.put_back()
        if found is None and returns:
            raise NotYet("Your function returned nothing: end it with return and the result.")
        return _plain(found)

    return call


def _copy(value: Any) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_copy(one) for one in value)
    if type(value) is dict:
        return {key: _copy(one) for key, one in value.items()}
    return value.clone() if isinstance(value, Tensor) and not value.requires_grad else value


def _plain(found: Any) -> Any:
    """The same made of Python's and torch's own kinds: a learner's kinds could say that they equal anything."""
    kind = type(found)
    if issubclass(kind, Tensor):
        if kind in (Tensor, nn.Parameter):
            return found
        with torch._C.DisableTorchFunctionSubclass():
            return found.as_subclass(Tensor)
    for number in (int, float, complex):
        if issubclass(kind, number) and kind is not bool:
            return number.__pos__(found)
    if issubclass(kind, str):
        return str.__str__(found)
    for several in (list, tuple):
        if issubclass(kind, several):
            return several(_plain(one) for one in several.__iter__(found))
    if issubclass(kind, dict):
        return {_plain(key): _plain(one) for key, one in dict.items(found)}
    if issubclass(kind, (GeneratorType, CoroutineType, AsyncGeneratorType)):
        raise NotYet("Your function gives its result bit by bit: use return, without yield and async.")
    if not (issubclass(kind, nn.Module) or callable(found)) and _is_own(kind):
        raise NotYet(
            f"Your function gave a {kind.__name__[:_LONGEST]}, a class of yours: give what the stub asks for."
        )
    return found


def _is_own(kind: type) -> bool:
    """Whether a learner wrote a part of this class."""
    codes = [getattr(one, "__code__", None) for base in kind.__mro__ for one in vars(base).values()]
    return any(code is not None and not code.co_filename.startswith(LIBRARIES) for code in codes)


def _text(error: BaseException) -> str:
    """First line of an error's text, shortened; some errors cannot even say what they are."""
    try:
        text = str(error)[: 10 * _LONGEST].strip()
    except BaseException:
        return ""
    line = (text.splitlines() or [""])[0]
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _in_learners_code(error: BaseException) -> bool:
    """Whether an error came up in, or under, code that belongs to no library."""
    trace = error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(LIBRARIES):
            return True
        trace = trace.tb_next
    return False


def check(number: str, *answer: Any) -> None:
    """Check the answer to an exercise and print one sentence.

    Args:
        number: of the exercise, for example "1.2".
        answer: what you made: the function itself, not its result.

    Raises:
        ValueError: there is no such exercise.
    """
    right, sentence = verdict(number, *answer)
    record(number, right)
    _say(_coloured(right, sentence))


def _coloured(right: bool, sentence: str) -> str:
    """The sentence in green or orange where colours are shown and wanted: in a terminal."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return sentence
    return f"\x1b[{32 if right else 33}m{sentence}\x1b[0m"


def grade(number: str, *answer: Any) -> None:
    """Check the answer to an exercise and raise when it is not right: for graded notebooks.

    Args:
        number: of the exercise, for example "1.2".
        answer: the function itself.

    Raises:
        AssertionError: the answer is not right; the text is the sentence that `check` prints.
        ValueError: there is no such exercise.
    """
    right, sentence = verdict(number, *answer)
    if not right:
        raise AssertionError(sentence)

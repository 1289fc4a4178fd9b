"""Self-checking exercises: one file a chapter, each exercise one declaration."""

from gencourse.exercises.engine import (
    CHAPTERS,
    Exercise,
    Right,
    Wrong,
    check,
    exercise,
    grade,
    verdict,
)
from gencourse.exercises.export import BEGIN, END, export, solution_in, student_source
from gencourse.exercises.numbers import NotYet, expect

__all__ = [
    "BEGIN",
    "CHAPTERS",
    "END",
    "Exercise",
    "NotYet",
    "Right",
    "Wrong",
    "check",
    "exercise",
    "expect",
    "export",
    "grade",
    "solution_in",
    "student_source",
    "verdict",
]

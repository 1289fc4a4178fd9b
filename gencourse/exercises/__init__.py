"""Self-checking exercises: one file a chapter, each exercise one declaration."""

from gencourse.exercises.engine import CHAPTERS, Exercise, NotYet, Wrong, check, exercise, expect, verdict
from gencourse.exercises.export import BEGIN, END, export, solution_in, student_source

__all__ = [
    "BEGIN",
    "CHAPTERS",
    "END",
    "Exercise",
    "NotYet",
    "Wrong",
    "check",
    "exercise",
    "expect",
    "export",
    "solution_in",
    "student_source",
    "verdict",
]

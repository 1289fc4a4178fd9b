"""Self-checking exercises: one file a chapter, each exercise one declaration."""

from gencourse.exercises.engine import CHAPTERS, Exercise, NotYet, Wrong, check, exercise, expect, verdict

__all__ = ["CHAPTERS", "Exercise", "NotYet", "Wrong", "check", "exercise", "expect", "verdict"]

"""Self-checking exercises: one file a chapter, each exercise one declaration."""

from gencourse.exercises.engine import (
    CHAPTERS,
    Exercise,
    Right,
    Wrong,
    check,
    exercise,
    grade,
    hint,
    verdict,
)
from gencourse.exercises.export import (
    BEGIN,
    BOOK,
    END,
    chapters,
    export,
    find_chapter,
    publish_links,
    solution_in,
    student_source,
)
from gencourse.exercises.numbers import NotYet, expect
from gencourse.exercises.progress import progress, reset_progress
from gencourse.exercises.teaching import export_nbgrader, export_otter

__all__ = [
    "BEGIN",
    "BOOK",
    "CHAPTERS",
    "END",
    "Exercise",
    "NotYet",
    "Right",
    "Wrong",
    "chapters",
    "check",
    "exercise",
    "expect",
    "export",
    "export_nbgrader",
    "export_otter",
    "find_chapter",
    "grade",
    "hint",
    "progress",
    "publish_links",
    "reset_progress",
    "solution_in",
    "student_source",
    "verdict",
]

"""Studies: tables over seeds and variants that take longer than a chapter may.

A study is run by `gencourse reproduce NAME`, which records each row as it is finished; the chapter draws the
recorded table and re-runs one row. Only runs that happened are recorded.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch

from gencourse.files import write_whole
from gencourse.presets import preset

__all__ = ["RESULTS", "Study", "StudyState", "overview", "read", "reproduce"]

RESULTS = Path(__file__).resolve().parent / "results"
"""Where the course's own records lie. They are part of the package, so that a chapter finds them on Colab, too."""

FACTS = ("preset", "device", "torch", "seconds", "date")
"""What every recorded row says about its run, beside its settings and results."""


@dataclass(frozen=True)
class Study:
    """A table to be filled.

    Attributes:
        name: also the name of the file that holds its rows.
        settings: one dictionary a row: what to vary, with "seed".
        run: fills one row: the settings in, the measured numbers out.
        chapters: numbers of the chapters that read its record.
    """

    name: str
    settings: tuple[Mapping[str, Any], ...]
    run: Callable[..., dict[str, float]]
    chapters: tuple[int, ...] = ()

    def rows_of(
        self, settings: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """Those of the rows that were recorded with these settings."""
        return [row for row in rows if all(row.get(name) == value for name, value in settings.items())]

    def ordered(self, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows in the order of the settings, whenever each was run; those of no setting come last."""
        rows = list(rows)
        places = [
            next(
                (i for i, settings in enumerate(self.settings) if self.rows_of(settings, [row])),
                len(self.settings),
            )
            for row in rows
        ]
        return [row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0])]


@dataclass(frozen=True)
class StudyState:
    """What there is of a study's record; `overview` makes it.

    Attributes:
        name: of the study.
        recorded: how many of its rows are recorded.
        possible: how many rows it has.
        seconds: that the recorded rows took, all together.
        chapters: numbers of the chapters that read it.
        problem: a sentence, if something is wrong with the record; missing rows are not wrong.
    """

    name: str
    recorded: int
    possible: int
    seconds: float
    chapters: tuple[int, ...]
    problem: str = ""


def read(name: str, folder: str | Path = RESULTS) -> list[dict[str, Any]]:
    """The recorded rows of a study.

    Args:
        name: of the study.
        folder: where its record lies.

    Raises:
        FileNotFoundError: nothing is recorded there.
        ValueError: the file is no list of rows.
    """
    path = Path(folder) / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: run 'gencourse reproduce {name}' to record it.")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text
        raise _damaged(path, str(error)) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _damaged(path, "it is no list of rows")
    return rows


def _damaged(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} is damaged ({why}): restore it, or delete it and record it again.")


def overview(studies: Iterable[Study], folder: str | Path = RESULTS) -> list[StudyState]:
    """How much of each study is recorded, in the order given, then the records there that belong to none of them.

    Args:
        studies: what may be recorded.
        folder: where the records lie.
    """
    studies = list(studies)
    known = {study.name for study in studies}
    strange = sorted(path.stem for path in Path(folder).glob("*.json") if path.stem not in known)
    states = [_state(study, folder) for study in studies]
    return states + [
        StudyState(name, 0, 0, 0.0, (), f"No study is called {name!r}: its record can be deleted.")
        for name in strange
    ]


def _state(study: Study, folder: str | Path) -> StudyState:
    """What there is of one study's record."""
    nothing = StudyState(study.name, 0, len(study.settings), 0.0, study.chapters)
    try:
        rows = read(study.name, folder)
    except FileNotFoundError:
        return nothing
    except ValueError as error:
        return replace(nothing, problem=str(error))
    found = [study.rows_of(settings, rows) for settings in study.settings]
    own = [row for matches in found for row in matches]
    problems = []
    if foreign := sum(row not in own for row in rows):
        problems.append(f"{foreign} of {len(rows)} rows have settings that the study has not")
    if double := sum(len(matches) > 1 for matches in found):
        problems.append(f"{double} settings are recorded more than once")
    if bare := sum(any(fact not in row for fact in FACTS) for row in own):
        problems.append(f"{bare} rows do not say how they were run ({', '.join(FACTS)})")
    if short := sum(row.get("preset") == "smoke" for row in own):
        problems.append(f"{short} rows are of the preset smoke, which proves nothing")
    spent = [row.get("seconds") for row in own]
    return replace(
        nothing,
        recorded=sum(bool(matches) for matches in found),
        seconds=round(float(sum(value for value in spent if isinstance(value, (int, float)))), 1),
        problem=f"{'; '.join(problems)}: delete them and record again." if problems else "",
    )


def reproduce(study: Study, folder: str | Path = RESULTS, *, report: Callable[[str], None] = print) -> Path:
    """Run the rows that are not recorded yet, and record each when it is done.

    Args:
        study: what to run.
        folder: where the record lies.
        report: told about each row.

    Returns:
        The file with all rows. An interrupted study goes on where it stopped.
    """
    path = Path(folder) / f"{study.name}.json"
    rows = read(study.name, folder) if path.exists() else []
    for number, settings in enumerate(study.settings, start=1):
        if study.rows_of(settings, rows):
            continue
        start = time.perf_counter()
        result = study.run(**settings)
        facts = {
            "preset": preset().name,
            "device": f"{_processor()}, {torch.get_num_threads()} threads",
            "torch": torch.__version__,
            "seconds": float(f"{time.perf_counter() - start:.3g}"),
            "date": date.today().isoformat(),
        }
        rows.append({**settings, **{k: float(f"{v:.6g}") for k, v in result.items()}, **facts})
        report(f"{study.name} {number}/{len(study.settings)}: {rows[-1]}")
        rows = study.ordered(rows)
        _write(path, rows)
    return path


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    write_whole(path, f"[\n{lines}\n]\n")


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU"

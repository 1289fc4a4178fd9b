"""Studies: tables over seeds and variants that take longer than a chapter may.

A study is run by `gencourse reproduce NAME`, which records each row as it is finished; the chapter draws the
recorded table and re-runs one row. Only runs that happened are recorded.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from gencourse.presets import preset

__all__ = ["RESULTS", "Study", "read", "reproduce"]

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
    """

    name: str
    settings: tuple[Mapping[str, Any], ...]
    run: Callable[..., dict[str, float]]


def read(name: str, folder: str | Path = RESULTS) -> list[dict[str, Any]]:
    """The recorded rows of a study.

    Args:
        name: of the study.
        folder: where its record lies.

    Raises:
        FileNotFoundError: nothing is recorded there.
        ValueError: the file is not a list of rows.
    """
    path = Path(folder) / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: run 'gencourse reproduce {name}' to record it.")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is damaged ({error}): restore it, or delete it and record it again."
        ) from None
    return rows


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
        if any(all(row.get(k) == v for k, v in settings.items()) for row in rows):
            continue
        start = time.perf_counter()
        result = study.run(**settings)
        facts = {
            "preset": preset().name,
            "device": f"{_processor()}, {torch.get_num_threads()} threads",
            "torch": torch.__version__,
            "seconds": round(time.perf_counter() - start, 1),
            "date": date.today().isoformat(),
        }
        rows.append({**settings, **{k: float(f"{v:.6g}") for k, v in result.items()}, **facts})
        _write(path, rows)
        report(f"{study.name} {number}/{len(study.settings)}: {rows[-1]}")
    return path


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    part.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    os.replace(part, path)


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU"

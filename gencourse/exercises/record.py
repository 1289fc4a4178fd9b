"""What this user has tried and solved, kept on this computer and sent nowhere.

The record is a file to which each check appends one short line. Appending is safe when several notebooks check at the
same time, and a line that was cut off costs that line only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["attempts", "record", "record_path"]


def record_path() -> Path:
    """The file of the record: in `GENCOURSE_STATE` if it is set, else in the user's folder for such things."""
    if chosen := os.environ.get("GENCOURSE_STATE"):
        return Path(chosen) / "exercises.jsonl"
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return folder / "gencourse" / "exercises.jsonl"


def record(number: str, right: bool) -> None:
    """Note one attempt. A full disk or a folder that cannot be written never fails a check."""
    line = (json.dumps({"exercise": number, "right": right, "time": round(time.time())}) + "\n").encode()
    try:
        path = record_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        # one write of one line in append mode: lines of several kernels do not mix
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            whole = (
                not os.fstat(file).st_size or (os.lseek(file, -1, os.SEEK_END), os.read(file, 1))[1] == b"\n"
            )
            os.write(file, line if whole else b"\n" + line)  # a line that was cut off costs that line only
        finally:
            os.close(file)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        pass


def attempts() -> list[dict[str, Any]]:
    """All attempts in the record, oldest first; lines that cannot be read are left out."""
    found = []
    try:
        lines = record_path().read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, RuntimeError):
        return []
    for line in lines:
        try:
            row = json.loads(line)
            found.append(
                {"exercise": str(row["exercise"]), "right": row["right"] is True, "time": float(row["time"])}
            )
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            continue
    return found

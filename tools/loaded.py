"""Run chapters 1 to 5 with their switch on "load": the networks that ship stand in for the ones that are trained.

python tools/loaded.py [PYTEST'S OPTIONS]    in the preset that GENCOURSE_PRESET names

Copies without the exercises, which do not depend on it, are written to _build/loaded and run by nbval.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIES = ROOT / "_build" / "loaded"
SWITCH = "TRAIN = True"
CHAPTERS = ("01", "02", "03", "04", "05")  # no network for the coloured pictures of chapter 6 ships


def loaded(notebook: dict) -> dict:
    """A chapter up to its exercises, with the switch turned.

    Raises:
        ValueError: it has not exactly one switch.
    """
    cells, switches = [], 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and source.startswith("## Exercises"):
            break
        lines = source.split("\n")
        switches += lines.count(SWITCH)
        turned = "\n".join("TRAIN = False" if line == SWITCH else line for line in lines)
        cells.append({**cell, "source": turned.splitlines(keepends=True)})
    if switches != 1:
        raise ValueError(f"it has {switches} lines {SWITCH!r}: give it one.")
    return {**notebook, "cells": cells}


def main() -> int:
    """Write the copies and run them."""
    COPIES.mkdir(parents=True, exist_ok=True)
    files = []
    for number in CHAPTERS:
        (chapter,) = (ROOT / "chapters").glob(f"{number}_*.ipynb")
        copy = COPIES / chapter.name
        copy.write_text(json.dumps(loaded(json.loads(chapter.read_text("utf-8")))), encoding="utf-8")
        files.append(str(copy))
    # loadfile: the cells of one notebook stay together
    command = [sys.executable, "-m", "pytest", "-q", *files, "--nbval-lax", "--nbval-current-env"]
    command += [
        "--nbval-sanitize-with",
        "tests/nbval.cfg",
        *(sys.argv[1:] or ["-n", "2", "--dist", "loadfile"]),
    ]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Chapters 1 to 5 train their main network, or load it, by one switch; tools/loaded.py runs the other position."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# tools/ is no package, and holds names like `test` that must not shadow other modules
spec = importlib.util.spec_from_file_location("loaded", ROOT / "tools" / "loaded.py")
assert spec and spec.loader
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def cell(source: str, kind: str = "code") -> dict:
    return {"cell_type": kind, "source": source.splitlines(keepends=True)}


def test_the_switch_is_turned_and_the_exercises_left_out() -> None:
    cells = [cell("a = 1\nTRAIN = True\n"), cell("## Exercises", "markdown"), cell("b = 2")]
    (turned,) = tool.loaded({"cells": cells})["cells"]
    assert "".join(turned["source"]) == "a = 1\nTRAIN = False\n"


@pytest.mark.parametrize("source", ["a = 1", "TRAIN = True\nTRAIN = True", "# TRAIN = True"])
def test_a_chapter_without_one_switch_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="give it one"):
        tool.loaded({"cells": [cell(source)]})


@pytest.mark.parametrize("number", tool.CHAPTERS)
def test_a_chapter_loads_what_it_would_train(number: str) -> None:
    (path,) = (ROOT / "chapters").glob(f"{number}_*.ipynb")
    notebook = json.loads(path.read_text("utf-8"))
    tool.loaded(notebook)
    code = "\n".join("".join(one["source"]) for one in notebook["cells"] if one["cell_type"] == "code")
    assert "if TRAIN:" in code and "methods.load_trained(" in code

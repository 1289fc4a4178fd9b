"""The commands in the README's table of things to do run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`\.venv/bin/gencourse ([^`]+)`", TEXT)
QUICK = [words for words in COMMANDS if not words.startswith("reproduce")]


@pytest.mark.parametrize("words", QUICK)
def test_a_command_runs_as_written(words: str, tmp_path: Path) -> None:
    variables = os.environ | {"PYTHONPATH": str(ROOT), "GENCOURSE_STATE": str(tmp_path)}
    command = [sys.executable, "-m", "gencourse", *words.split()]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if words.startswith("export"):
        made = [Path(line) for line in done.stdout.split()]
        assert len(made) == 6 and all((tmp_path / path).is_file() for path in made)


def test_studies_that_the_readme_names_are_there() -> None:
    from gencourse.studies import STUDIES

    named = [words.split()[1] for words in COMMANDS if words.startswith("reproduce")]
    assert named and set(named) <= set(STUDIES)


def test_make_targets_that_the_readme_names_are_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([\w-]+)", TEXT, re.MULTILINE))
    assert named and named <= targets

"""The commands in the README's table of things to do run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gencourse.exercises import chapters

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
        assert len(made) == len(chapters()) and all((tmp_path / path).is_file() for path in made)


def test_studies_that_the_readme_names_are_there() -> None:
    from gencourse.studies import STUDIES

    named = [words.split()[1] for words in COMMANDS if words.startswith("reproduce")]
    assert named and set(named) <= set(STUDIES)


def test_make_targets_that_the_readme_names_are_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([\w-]+)", TEXT, re.MULTILINE))
    assert named and named <= targets


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_walk_ends_in_a_green_check(tmp_path: Path) -> None:
    (walk,) = [block for block in blocks("sh") if "git clone" in block]
    clone, install, export = walk.strip().splitlines()
    assert clone.endswith("gencourse && cd gencourse") and install.endswith(".venv/bin/pip install -e .")
    assert export == ".venv/bin/gencourse export 1 --to student"
    (first,) = [block for block in blocks("python") if "gencourse.check(" in block]
    variables = os.environ | {"PYTHONPATH": str(ROOT), "GENCOURSE_STATE": str(tmp_path)}
    run = {"cwd": tmp_path, "env": variables, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-m", *export.split("/")[-1].split()], **run)  # type: ignore[call-overload]
    assert done.returncode == 0 and (tmp_path / "student" / "01_autoencoder.ipynb").is_file()
    done = subprocess.run([sys.executable, "-c", first], **run)  # type: ignore[call-overload]
    assert done.stdout.strip() == "Exercise 1.3: correct." and "`Exercise 1.3: correct.`" in TEXT


def test_the_program_that_is_shown_runs_on_fewer_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import gencourse

    (program,) = [block for block in blocks("python") if "training.fit(" in block]
    load = gencourse.data.load
    monkeypatch.setattr(gencourse.data, "load", lambda *name, **split: load(*name, **split).take(96))
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert float(capsys.readouterr().out.split()[-1]) > 0 and (tmp_path / "run.safetensors").is_file()


def test_pages_that_the_readme_links_to_are_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", TEXT)
    assert links and all((ROOT / link).exists() for link in links)

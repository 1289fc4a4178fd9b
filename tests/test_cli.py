"""The command line says what it did, or one sentence."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import gencourse
from gencourse.cli import app

CHAPTER = pathlib.Path(__file__).parents[1] / "chapters" / "01_autoencoder.ipynb"


def test_export_prints_the_new_notebook(tmp_path: pathlib.Path) -> None:
    result = CliRunner().invoke(app, ["export", str(CHAPTER), "--to", str(tmp_path)])
    assert result.exit_code == 0
    assert pathlib.Path(result.stdout.strip()) == tmp_path / CHAPTER.name
    again = CliRunner().invoke(app, ["export", str(CHAPTER), "--to", str(tmp_path)])
    assert again.exit_code == 2 and "may hold answers" in again.output


def test_an_unknown_study_names_the_known_ones() -> None:
    result = CliRunner().invoke(app, ["reproduce", "nothing"])
    assert result.exit_code == 2
    assert "name is 'nothing': choose one of rate_distortion" in result.output


def test_reproduce_records_rows(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gencourse.studies as studies

    toy = studies.Study("toy", ({"seed": 0},), lambda seed: {"value": 1.0})
    monkeypatch.setitem(studies.STUDIES, "toy", toy)
    result = CliRunner().invoke(app, ["reproduce", "toy", "--folder", str(tmp_path)])
    assert result.exit_code == 0 and (tmp_path / "toy.json").is_file()


def run(*arguments: str, cwd: pathlib.Path | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[1])}
    command = [sys.executable, "-m", "gencourse", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd)


def test_the_module_is_the_command_from_any_folder(tmp_path: pathlib.Path) -> None:
    result = run("--version", cwd=tmp_path)
    assert (result.returncode, result.stdout.strip()) == (0, gencourse.__version__)


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from gencourse.cli import app; "
        "r = CliRunner().invoke(app, ['--help']); print(r.exit_code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]

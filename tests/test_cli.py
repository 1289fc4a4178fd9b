"""The command line says what it did, or one sentence."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import gencourse
from gencourse import exercises
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


def test_reproduce_lists_what_is_recorded_and_runs_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gencourse.studies as studies

    def refuse(seed: int) -> dict[str, float]:
        raise AssertionError("a list runs no study")

    toys = {name: studies.Study(name, ({"seed": 0}, {"seed": 1}), refuse, (4,)) for name in ("one", "two")}
    monkeypatch.setattr(studies, "STUDIES", toys)
    facts = {"preset": "book", "device": "CPU", "torch": "2", "seconds": 30.0, "date": "2026-01-01"}
    (tmp_path / "one.json").write_text(json.dumps([{"seed": 0, "value": 1.0, **facts}]))
    words = ["reproduce", "--list", "--folder", str(tmp_path)]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0  # a missing row is said, and no fault
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[1:] == [
        ["one", "1/2", "30", "4", "1", "missing"],
        ["two", "0/2", "0", "4", "2", "missing"],
        ["all", "1/4", "30"],
    ]
    facts = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert facts["one"]["recorded"] == 1 and facts["two"]["possible"] == 2 and facts["one"]["chapters"] == [4]
    only = CliRunner().invoke(app, ["reproduce", "two", *words[1:]])
    assert "two" in only.stdout and "one" not in only.stdout
    (tmp_path / "two.json").write_text("[")
    ill = CliRunner().invoke(app, words)
    assert ill.exit_code == 1 and "two.json is damaged" in ill.stdout
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["two"]["problem"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Which study?"),
        (["rate_distortion", "--json"], "--json goes with --list"),
        (["nothing", "--list"], "name is 'nothing': choose one of"),
        (["--list", "--folder", "nowhere"], "folder 'nowhere' does not exist"),
    ],
)
def test_reproduce_says_what_it_cannot_do(words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["reproduce", *words])
    assert result.exit_code == 2 and sentence in result.output
    assert len(result.output.strip().splitlines()) == 1


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


def test_export_of_all_chapters_and_for_a_marking_tool(tmp_path: pathlib.Path) -> None:
    chapters = len(exercises.CHAPTERS)
    result = CliRunner().invoke(app, ["export", "--all", "--to", str(tmp_path / "students")])
    assert result.exit_code == 0 and len(list((tmp_path / "students").glob("*.ipynb"))) == chapters
    marked = ["export", "--for", "nbgrader", str(tmp_path / "course"), "--exercises-only"]
    result = CliRunner().invoke(app, marked)
    assert result.exit_code == 0 and (tmp_path / "course" / "nbgrader_config.py").is_file()
    assert len(list((tmp_path / "course" / "source").glob("*/*.ipynb"))) == chapters
    result = CliRunner().invoke(app, ["export", "2", "--for", "otter", "--to", str(tmp_path / "otter")])
    assert result.exit_code == 0 and [path.name for path in (tmp_path / "otter").iterdir()] == [
        "02_gan.ipynb"
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Which chapter"),
        (["9"], "does not exist"),
        (["1", "--all"], "leave out --all"),
        (["1", "--for", "word"], "nbgrader or otter"),
        (["1", "--exercises-only"], "needs --for"),
    ],
)
def test_an_export_that_cannot_be_says_why(
    words: list[str], sentence: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["export", *words])
    assert result.exit_code == 2 and sentence in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_progress_is_shown_and_reset(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gencourse.exercises.record import record

    monkeypatch.setenv("GENCOURSE_STATE", str(tmp_path))
    record("1.1", True)
    result = CliRunner().invoke(app, ["progress", "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["done"] == ["1.1"]
    result = CliRunner().invoke(app, ["progress", "--reset", "--json"])
    assert json.loads(result.stdout)["done"] == []


def test_what_is_there_stays_and_the_others_are_exported(tmp_path: pathlib.Path) -> None:
    (tmp_path / CHAPTER.name).write_text("my answers")
    done = CliRunner().invoke(app, ["export", "--all", "--to", str(tmp_path)])
    assert done.exit_code == 2 and f"{CHAPTER.name} exists and may hold answers" in done.stderr
    assert (tmp_path / CHAPTER.name).read_text() == "my answers"
    assert len(list(tmp_path.iterdir())) == len(exercises.chapters()) > 1


def test_a_chapter_for_a_marking_tool_is_no_folder(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export", "2", "--for", "otter"])
    assert done.exit_code == 0 and done.stdout.split() == [str(pathlib.Path("otter", "02_gan.ipynb"))]
    done = CliRunner().invoke(app, ["export", "99", "--for", "otter"])
    assert done.exit_code == 2 and "chapter '99' does not exist" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["otter"]


def test_a_folder_that_is_a_file_is_said(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/inside"):
        done = CliRunner().invoke(app, ["export", "--all", "--to", str(tmp_path / place)])
        assert done.exit_code == 2 and len(done.stderr.splitlines()) == 1
        assert "cannot be used" in done.stderr and (tmp_path / "file").read_text() == "mine"

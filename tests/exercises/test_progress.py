"""The record of attempts, and hints in steps."""

from __future__ import annotations

import importlib
import json
import pathlib
import subprocess
import sys

import pytest

from gencourse.exercises import CHAPTERS, Exercise, check, exercise, hint, progress, reset_progress
from gencourse.exercises.record import attempts, record, record_path

ALL = [
    one
    for module in CHAPTERS.values()
    for one in importlib.import_module(f"gencourse.exercises.{module}").EXERCISES
]


@pytest.fixture(autouse=True)
def own_record(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("GENCOURSE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def numbers(group: tuple[Exercise, ...]) -> list[str]:
    return [one.number for one in group]


def solved(number: str) -> object:
    one, names = exercise(number), {}
    exec("import math, torch\n" + one.solution, names)
    return names[one.answer]


def test_a_check_is_recorded_and_once_solved_stays_solved() -> None:
    assert numbers(progress().left) == [one.number for one in ALL]
    check("2.8", lambda d: d)
    assert numbers(progress().tried) == ["2.8"] and not progress().done
    check("2.8", solved("2.8"))
    check("2.8", lambda d: d)
    now = progress()
    assert numbers(now.done) == ["2.8"] and not now.tried and len(now.left) == len(ALL) - 1
    assert sorted(numbers(now.done + now.tried + now.left)) == sorted(one.number for one in ALL)


def test_the_table_counts_minutes_and_levels() -> None:
    record("2.8", True)
    record("1.3", False)
    rows = {line.split()[0]: line.split() for line in str(progress()).splitlines()}
    minutes = sum(one.minutes for one in ALL) - exercise("2.8").minutes
    assert rows["all"][1:5] == ["1", "1", str(len(ALL) - 2), str(minutes)]
    assert rows["2"][1:4] == ["1", "0", "9"] and rows["2"][-1] == f"{exercise('2.8').level}:1"
    assert "tried, not solved: 1.3" in str(progress())


def test_a_reset_forgets(own_record: pathlib.Path) -> None:
    record("1.1", True)
    reset_progress()
    reset_progress()
    assert not progress().done and not record_path().exists()


def test_without_a_home_there_is_nothing_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> pathlib.Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("GENCOURSE_STATE", "XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pathlib.Path, "home", homeless)
    monkeypatch.setattr(sys, "platform", "linux")
    record("1.1", True)
    reset_progress()
    assert not progress().done


def test_damaged_lines_cost_only_themselves() -> None:
    record("1.1", True)
    with record_path().open("ab") as file:
        file.write(b'{"exercise": "1.2", "ri\n[]\n\xff\xfe\n{"exercise": 3}\n')
        file.write(
            b'{"exercise": "1.2", "right": true, "time": 1' + b"0" * 400 + b"}\n" + b"[" * 100_000 + b"\n"
        )
        file.write(b'{"exercise": "1.2", "right": tr')  # cut off, with nothing behind it
    record("1.3", True)
    assert [row["exercise"] for row in attempts()] == ["1.1", "1.3"]
    assert numbers(progress().done) == ["1.1", "1.3"]


def test_a_record_that_cannot_be_written_fails_no_check(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GENCOURSE_STATE", str(tmp_path / "file"))
    check("2.8", lambda d: d)
    assert capsys.readouterr().out.startswith("Exercise 2.8: not yet.")
    assert not progress().tried


def test_kernels_that_write_at_the_same_time_lose_nothing(own_record: pathlib.Path) -> None:
    root = str(pathlib.Path(__file__).parents[2])
    code = (
        f"import sys; sys.path.insert(0, {root!r})\n"
        "from gencourse.exercises.record import record\n"
        "for _ in range(300): record('1.1', False)"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [kernel.wait() for kernel in kernels] == [0, 0]
    lines = record_path().read_text().splitlines()
    assert len(lines) == 600 and all(json.loads(line)["exercise"] == "1.1" for line in lines)


def test_the_state_folder_of_the_user_is_respected(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENCOURSE_STATE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert record_path() == tmp_path / "gencourse" / "exercises.jsonl"


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_hints_are_a_question_a_direction_and_a_line_of_the_solution(one: Exercise) -> None:
    question, direction, line = one.hints
    assert question.endswith("?")
    assert direction.endswith(".") and line not in direction
    assert line in one.solution and line not in one.stub


def test_hints_come_one_after_the_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencourse.exercises.engine._hinted", {})
    for step in (1, 2, 3, 3):
        hint("2.3")
        said = capsys.readouterr().out
        assert (
            said.startswith(f"Hint {step} of 3 for exercise 2.3") and exercise("2.3").hints[step - 1] in said
        )
    hint("2.3", 1)
    assert exercise("2.3").hints[0] in capsys.readouterr().out
    with pytest.raises(ValueError, match="step"):
        hint("2.3", 4)
    with pytest.raises(ValueError, match=r"2\.99"):
        hint("2.99")

"""Studies resume, record what ran, and their records have the promised form."""

from __future__ import annotations

import pathlib

import pytest

from gencourse.studies import RESULTS, STUDIES, Study, read, reproduce
from gencourse.studies.engine import FACTS


@pytest.fixture(autouse=True)
def smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")


def silent(_: str) -> None:
    pass


def test_an_interrupted_study_goes_on_where_it_stopped(tmp_path: pathlib.Path) -> None:
    ran: list[int] = []

    def run(seed: int) -> dict[str, float]:
        if seed == 2 and len(ran) == 2:
            raise KeyboardInterrupt
        ran.append(seed)
        return {"value": seed / 3}

    study = Study("toy", tuple({"seed": s} for s in range(4)), run)
    with pytest.raises(KeyboardInterrupt):
        reproduce(study, tmp_path, report=silent)
    assert [row["seed"] for row in read("toy", tmp_path)] == [0, 1]
    ran.append(-1)
    reproduce(study, tmp_path, report=silent)
    assert ran == [0, 1, -1, 2, 3]
    assert [row["seed"] for row in read("toy", tmp_path)] == [0, 1, 2, 3]
    assert not list(tmp_path.glob("*.part"))
    assert {*FACTS, "seed", "value"} == set(read("toy", tmp_path)[0])
    assert read("toy", tmp_path)[0]["preset"] == "smoke"


def test_a_missing_or_damaged_record_says_what_to_do(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="gencourse reproduce toy"):
        read("toy", tmp_path)
    (tmp_path / "toy.json").write_text('[{"seed": 0')
    with pytest.raises(ValueError, match="is damaged"):
        read("toy", tmp_path)


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_a_record_has_one_row_for_each_setting_from_a_real_run(study: Study) -> None:
    rows = read(study.name)
    assert len(rows) == len(study.settings)
    for settings in study.settings:
        (row,) = [r for r in rows if all(r[k] == v for k, v in settings.items())]
        assert row["preset"] in ("book", "full") and row["seconds"] > 0
        assert set(FACTS) < set(row)


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_a_row_of_each_kind_can_be_run_again(study: Study, tmp_path: pathlib.Path) -> None:
    first_and_last = Study(study.name, (study.settings[0], study.settings[-1]), study.run)
    recorded = read(study.name)[0]
    reproduce(first_and_last, tmp_path, report=silent)
    assert set(read(study.name, tmp_path)[0]) == set(recorded)


def test_records_lie_in_the_package() -> None:
    assert RESULTS.is_dir()
    assert {path.stem for path in RESULTS.glob("*.json")} == set(STUDIES)

"""Studies resume, record what ran, and their records have the promised form."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable

import pytest
import torch

from gencourse.studies import RESULTS, STUDIES, AgreeingGAN, Study, overview, read, reproduce
from gencourse.studies.classifier import Recogniser
from gencourse.studies.engine import FACTS


@pytest.fixture(autouse=True)
def smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")


WAITING = {"left_out"}
"""Studies that a chapter reads in part, the rest of whose rows nobody has had the time to run."""


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


def test_rows_lie_in_the_order_of_the_settings_whenever_they_were_run(tmp_path: pathlib.Path) -> None:
    """A study may get a setting more in its middle; a chapter's tables and charts follow the record's order."""

    def toy(*names: str) -> Study:
        return Study("toy", tuple({"name": name} for name in names), lambda name: {"value": len(name)})

    reproduce(toy("first", "last"), tmp_path, report=silent)
    reproduce(toy("first", "between", "last"), tmp_path, report=silent)
    assert [row["name"] for row in read("toy", tmp_path)] == ["first", "between", "last"]
    reproduce(toy("last", "new"), tmp_path, report=silent)
    assert [row["name"] for row in read("toy", tmp_path)] == ["last", "new", "first", "between"]


def test_a_missing_or_damaged_record_says_what_to_do(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="gencourse reproduce toy"):
        read("toy", tmp_path)
    for text in (b'[{"seed": 0', b'{"seed": 0}', b"[1, 2]", b"\xff\xfe\x00"):
        (tmp_path / "toy.json").write_bytes(text)
        with pytest.raises(ValueError, match=r"toy\.json is damaged .*: restore it, or delete it"):
            read("toy", tmp_path)


def test_an_overview_says_what_is_there_what_is_missing_and_what_is_wrong(tmp_path: pathlib.Path) -> None:
    """Of five records: complete, half done, damaged, with rows of other runs, and of no study."""

    def toy(name: str) -> Study:
        return Study(name, ({"seed": 0}, {"seed": 1}), lambda seed: {"value": 1.0}, chapters=(3,))

    facts = {"preset": "book", "device": "CPU", "torch": "2", "seconds": 2.5, "date": "2026-01-01"}
    rows = [{"seed": 0, "value": 1.0, **facts}, {"seed": 1, "value": 2.0, **facts}]
    other = {"seed": 5, "value": 1.0, **facts}
    for name, text in {
        "whole": json.dumps(rows),
        "half": json.dumps(rows[:1]),
        "torn": json.dumps(rows)[:-5],
        "mixed": json.dumps([*rows, other]),
        "twice": json.dumps([rows[0], rows[0]]),
        "bare": json.dumps([{"seed": 0, "value": 1.0}]),
        "quick": json.dumps([{**rows[0], "preset": "smoke"}]),
        "stray": json.dumps(rows),
    }.items():
        (tmp_path / f"{name}.json").write_text(text)
    names = ("whole", "half", "torn", "mixed", "twice", "bare", "quick", "none")
    found = {one.name: one for one in overview([toy(name) for name in names], tmp_path)}
    assert list(found) == [*names, "stray"]  # the order given, then what belongs to no study
    assert {one.possible for one in found.values() if one.name != "stray"} == {2}
    recorded = {name: (one.recorded, one.seconds) for name, one in found.items()}
    assert recorded["whole"] == (2, 5.0) and recorded["half"] == (1, 2.5) and recorded["none"] == (0, 0.0)
    assert recorded["torn"] == (0, 0.0) and recorded["mixed"] == (2, 5.0) and recorded["twice"][0] == 1
    assert not found["whole"].problem and not found["half"].problem and not found["none"].problem
    assert found["whole"].chapters == (3,)
    for name, words in {
        "torn": "torn.json is damaged",
        "mixed": "1 of 3 rows have settings that the study has not",
        "twice": "1 settings are recorded more than once",
        "bare": "1 rows do not say how they were run",
        "quick": "preset smoke",
        "stray": "No study is called 'stray'",
    }.items():
        assert words in found[name].problem


def test_a_study_names_the_chapters_that_read_its_record() -> None:
    chapters = sorted((RESULTS.parents[2] / "chapters").glob("[0-9]*.ipynb"))
    assert chapters
    reads: dict[str, set[int]] = {name: set() for name in STUDIES}
    for path in chapters:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        for name in re.findall(r'studies\.read\("(\w+)"\)', code):
            reads[name].add(int(path.name[:2]))
    assert {name: set(study.chapters) for name, study in STUDIES.items()} == reads


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_a_record_has_one_row_for_each_setting_from_a_real_run(study: Study) -> None:
    """What a chapter reads is complete; other records may wait for rows, and hold nothing else."""
    (state,) = (one for one in overview([study]) if one.name == study.name)
    assert not state.problem
    if study.chapters and study.name not in WAITING:
        assert state.recorded == state.possible
    if study.name in WAITING:  # a chapter reads it: what is there is there with all seeds
        rows = read(study.name)
        bare = [{k: v for k, v in settings.items() if k != "seed"} for settings in study.settings]
        for one in bare:
            assert len(study.rows_of(one, rows)) in (0, bare.count(one))
    for row in read(study.name) if state.recorded else []:
        assert row["preset"] in ("book", "full") and row["seconds"] > 0
        assert set(FACTS) < set(row)


@pytest.mark.usefixtures("clothes")
@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_a_row_of_each_kind_can_be_run_again(study: Study, tmp_path: pathlib.Path) -> None:
    first_and_last = Study(study.name, (study.settings[0], study.settings[-1]), study.run)
    reproduce(first_and_last, tmp_path, report=silent)
    rows = read(study.name, tmp_path)
    for row in rows:
        settings = {name: row[name] for name in study.settings[0]}
        for recorded in study.rows_of(
            settings, read(study.name) if (RESULTS / f"{study.name}.json").exists() else []
        ):
            # a distance has its number of pictures in its name, and smoke takes fewer
            assert {name.replace("_512", "_2000") for name in row} == set(recorded)


def test_records_lie_in_the_package() -> None:
    assert RESULTS.is_dir()
    read_in_chapters = {study.name for study in STUDIES.values() if study.chapters}
    assert read_in_chapters <= {path.stem for path in RESULTS.glob("*.json")} <= set(STUDIES)


def test_the_agreeing_pair_moves_both_players_the_same_way() -> None:
    """The pair that document 003 prints: descent lowers the logits of fakes in both moves, without a floor."""
    gan = AgreeingGAN(network="dense", shape=(1, 4, 4), noise_size=3)
    x, fake = torch.rand(6, 1, 4, 4), torch.rand(6, 1, 4, 4)

    def logit_slopes(loss: Callable[[], torch.Tensor]) -> torch.Tensor:
        bias = gan.discriminator.head.bias  # it moves all logits alike
        return torch.autograd.grad(loss(), bias)[0]

    p_real, p_fake = (torch.sigmoid(gan.score(part)).detach().double() for part in (x, fake))
    found = gan.discriminator_loss(x, fake).item()
    assert found == pytest.approx(((1 - p_real).log().mean() + p_fake.log().mean()).item(), rel=1e-5)
    assert gan.generator_loss(fake, x).item() == pytest.approx(p_fake.log().mean().item(), rel=1e-5)
    assert logit_slopes(lambda: gan.generator_loss(fake, x)) > 0  # descent: down, to worse fakes


def test_a_recogniser_sees_what_it_is_told_to_see() -> None:
    seen: list[torch.Tensor] = []

    def draw(y: torch.Tensor) -> torch.Tensor:
        return (y.float() / 10 + 0.05)[:, None, None, None].expand(-1, 1, 28, 28)

    def spy(_: str, loss: torch.Tensor) -> float:
        return loss.item()

    x, y = torch.zeros(8, 1, 28, 28), torch.arange(8)
    for share, made in ((0.0, 0), (0.5, 4), (1.0, 8)):
        method = Recogniser(0, shift=False, draw=draw, share=share)
        method.classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        method.step(x, spy, y)
        levels = seen.pop()[:, 0, 0, 0]
        torch.testing.assert_close(levels[:made], y[:made] / 10 + 0.05)  # drawn for their own labels
        assert (levels[made:] == 0).all()
    with pytest.raises(ValueError, match="y is None"):
        Recogniser(0).step(x, spy)

"""The verbs of the command line, run for real on a few pictures: what they leave, and what they refuse."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from gencourse import methods
from gencourse.cli import app
from gencourse.commands.doctor import Finding
from gencourse.commands.holes import HOLES, hole
from gencourse.commands.names import DATA, METHODS, RUN_FILES, complete_data, complete_method
from gencourse.commands.pictures import Source
from gencourse.commands.settings import build, class_of, read_settings, settings_of
from gencourse.data import load
from gencourse.data.sources import _LOADERS
from gencourse.files import write_whole
from gencourse.networks import Augment
from gencourse.training import Method, read_checkpoint
from gencourse.training.processes import _reached

ROOT = Path(methods.__file__).parents[2]


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(220):
        (root / "ab"[i % 2]).mkdir(exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 256, (34, 40, 3), dtype=np.uint8))
        picture.save(root / "ab"[i % 2] / f"{i:03}.png")
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A short run on colour pictures."""
    out = tmp_path_factory.mktemp("runs") / "vae"
    done = call(
        *("train", "VAE", "--data", photos, "--size", 28, "--epochs", 2, "--set", "code_size=4"),
        *("--device", "cpu", "--quiet", "--out", out),
    )
    assert done.exit_code == 0, done.output
    return out


def test_changes_go_where_they_belong(photos: Path, tmp_path: Path) -> None:
    """A GAN shows its discriminator changed pictures; an autoencoder learns from changed ones."""
    options = ("--data", photos, "--size", 28, "--epochs", 1, "--device", "cpu", "--quiet", "--limit", 40)
    gan = call("train", "gan", *options, "--augment", "shift=0.125, cutout=0.5", "--out", tmp_path / "gan")
    assert gan.exit_code == 0, gan.output
    found = methods.load(tmp_path / "gan" / "run.safetensors")
    assert isinstance(found, methods.GAN) and found.augment == Augment(shift=0.125, cutout=0.5)
    assert read_checkpoint(tmp_path / "gan" / "run.safetensors")[1]["augment"] is None

    more = ("--augment", "flip,crop=0.2", "--accumulate", 2, "--precision", "auto")
    vae = call("train", "vae", *options, *more, "--out", tmp_path / "vae")
    assert vae.exit_code == 0, vae.output
    facts = read_checkpoint(tmp_path / "vae" / "run.safetensors")[1]
    assert facts["augment"]["flip"] is True and facts["augment"]["crop"] == 0.2
    assert facts["accumulate"] == 2 and facts["precision"] in ("float32", "bfloat16")
    config = json.loads((tmp_path / "vae" / "config.json").read_text("utf-8"))
    assert config["training"]["augment"] == "flip,crop=0.2" and config["training"]["accumulate"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "--augment turn",
            "--augment is 'turn': give each of flip, shift, crop, colour, cutout at most once",
        ),
        ("--augment flip,flip", "--augment is 'flip,flip'"),
        ("--augment shift=far", "shift"),
        ("--augment shift=3", "shift is 3"),
        ("--accumulate 0", "accumulate is 0"),
        ("--accumulate 2", "accumulate is 2: GAN has 2 players"),
        ("--precision half", "precision is 'half'"),
    ],
)
def test_options_of_training_that_make_no_sense_get_a_sentence(
    words: str, says: str, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done = call("train", "gan", "--data", photos, "--size", 28, "--quiet", *words.split(), "--out", out)
    assert done.exit_code == 2 and says in " ".join(done.output.split()), done.output
    assert not out.exists()


def test_the_names_are_those_of_the_rooms() -> None:
    classes = {
        name.lower()
        for name in methods.__all__
        if isinstance(getattr(methods, name), type) and issubclass(getattr(methods, name), Method)
    }
    assert set(METHODS) == classes - {"classifier"}  # which needs an encoder
    assert set(DATA) == set(_LOADERS)
    assert complete_method("sem") == ["semisupervisedaae"] and complete_data("fa") == ["fashion_mnist"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_built_for_pictures_of_another_shape(name: str) -> None:
    kind = class_of(name)
    few = load("mnist").take(200) if name == "semisupervisedaae" else None
    shape = (1, 28, 28) if few else (3, 32, 32)
    method = build(kind, shape, read_settings(kind, ["seed=3"]), few)
    assert isinstance(method, kind) and method.shape == shape
    assert "shape" not in settings_of(kind) and "prior" not in settings_of(kind)


def test_settings_are_of_the_type_that_the_method_takes() -> None:
    words = ["r1=0.1", "spectral_norm=true", "width=8", "loss=hinge"]
    assert read_settings(methods.GAN, words) == dict(r1=0.1, spectral_norm=True, width=8, loss="hinge")
    assert read_settings(methods.AAE, ["judge=64,32"]) == {"judge": (64, 32)}
    assert read_settings(methods.MAE, ["patch=4"]) == {"patch": 4}


def test_a_run_leaves_what_one_wants_to_see(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    assert config["method"] == "VAE" and config["settings"] == {"code_size": 4} and config["pictures"] == 198
    history = json.loads((run / "history.json").read_text())
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["kl"]) for row in rows] == [epoch["kl"] for epoch in history] and len(rows) == 2
    assert methods.load(run / "run.safetensors").shape == (3, 28, 28)
    for name in ("curves", "pictures", "samples", "reconstructions"):
        with Image.open(run / f"{name}.png") as picture:
            assert min(picture.size) > 100


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[dict] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        named = dict(attrs)
        if tag == "img":
            self.pictures.append(named)
        self.addresses += [named[name] for name in ("src", "href") if name in named]


def test_the_page_holds_everything_and_asks_for_nothing(run: Path) -> None:
    page = _Page()
    page.feed((run / "index.html").read_text())
    assert len(page.pictures) == 4 and all(picture["alt"] for picture in page.pictures)
    files = {path.name for path in run.iterdir()}
    assert {"history.csv", "history.json", "config.json", "run.safetensors"} <= set(page.addresses)
    for address in page.addresses:
        assert address.startswith("data:image/png;base64,") or address in files


def test_a_run_goes_on_and_is_not_overwritten(run: Path, photos: Path, tmp_path: Path) -> None:
    words = [
        "train",
        "vae",
        "--data",
        photos,
        "--size",
        28,
        "--set",
        "code_size=4",
        "--device",
        "cpu",
        "--quiet",
    ]
    again = call(*words, "--out", run)
    assert again.exit_code == 2 and "add --resume" in again.output
    for epochs, more in ((1, []), (2, ["--resume"])):
        assert call(*words, "--epochs", epochs, "--out", tmp_path / "r", *more).exit_code == 0
    parts, whole = methods.load(tmp_path / "r" / "run.safetensors"), methods.load(run / "run.safetensors")
    assert all(a.equal(b) for a, b in zip(parts.parameters(), whole.parameters(), strict=True))


def test_a_stream_learns_what_the_folder_in_memory_teaches(photos: Path, tmp_path: Path) -> None:
    words = ["train", "gan", "--data", photos, "--size", 28, "--epochs", 1, "--device", "cpu", "--json"]
    for name, more in (("memory", []), ("stream", ["--stream", "--workers", "1"])):
        done = call(*words, "--out", tmp_path / name, *more)
        assert done.exit_code == 0 and json.loads(done.stdout)["epochs"] == 1
    one, other = (methods.load(tmp_path / name / "run.safetensors") for name in ("memory", "stream"))
    assert all(a.equal(b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_pictures_come_out_of_a_run(run: Path, tmp_path: Path) -> None:
    assert call("sample", run, "--n", 9, "--out", tmp_path / "s.png").exit_code == 0
    assert call("reconstruct", run, "--n", 5, "--out", tmp_path / "r.png").exit_code == 0
    for name in "sr":
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.mode == "RGB" and picture.size[0] > 100
    refused = call("inpaint", run, "--out", tmp_path / "i.png")
    assert refused.exit_code == 2 and "VAE cannot fill in" in refused.output


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_where_it_is_said_to_be(name: str) -> None:
    mask = hole(name, (1, 28, 28), 0.5, 7, 3, 0)
    assert mask.shape == (3, 1, 28, 28)
    share = {"middle": 14 * 14 / 28**2}.get(name, 0.5)
    assert mask.float().mean((1, 2, 3)).allclose(torch.full((3,), share))
    if name in ("left", "top"):
        assert mask[..., 0, 0].all() and not mask[..., -1, -1].any()


def test_figures_are_measured_written_and_compared(run: Path, photos: Path, tmp_path: Path) -> None:
    done = call("evaluate", run, "--json")
    found = json.loads(done.stdout)
    assert found["figures"]["reconstruction_error"] > 0 and "pixel_distance" in found["figures"]
    assert "classify" in found["missing"]
    assert json.loads((run / "evaluation.json").read_text()) == found
    assert "reconstruction_error" in (run / "index.html").read_text()
    with_itself = call("compare", run, run, "--json")
    compared = json.loads(with_itself.stdout)
    assert compared["made"] == {}
    assert all(one == other for one, other in compared["figures"].values())
    call("train", "gan", "--data", photos, "--size", 28, "--epochs", 1, "--quiet", "--out", tmp_path / "gan")
    table = call("compare", run, tmp_path / "gan").stdout
    assert "method" in table and "VAE" in table and "GAN" in table


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("train nothing", "METHOD is 'nothing': choose one of autoencoder"),
        ("train gan --set x=3", "--set x is no setting of GAN: choose one of batch_norm"),
        ("train gan --set r1", "give NAME=VALUE"),
        ("train gan --set r1=abc", "--set r1 is 'abc': give a number"),
        ("train gan --set width=1.5", "give a whole number"),
        ("train gan --set spectral_norm=2", "give true or false"),
        ("train gan --set r1=1 --set r1=2", "given twice"),
        ("train gan --set loss=best", "loss is 'best': choose one of"),
        ("train gan --data nowhere", "--data is 'nowhere': there is no such folder; give one, or mnist"),
        ("train gan --limit 50 --size 30", "shape is (1, 30, 30)"),
        ("train gan --limit 50 --size 9999", "--size is 9999"),
        ("train gan --limit 50 --epochs 0", "epochs is 0: give at least 1"),
        ("train gan --limit 50 --device moon", "device is 'moon'"),
        ("train gan --stream", "leave --stream out"),
        ("train gan --limit 0", "--limit is 0: give at least 1"),
        ("train gan --data=", "--data is empty: give a folder"),
        ("sample nothing", "RUN is 'nothing': there is no such folder or file"),
        ("sample .", "a folder without a finished epoch"),
        ("inpaint nothing --hide nose", "--hide is 'nose': choose one of middle"),
        ("list nothing", "KIND is 'nothing'"),
    ],
)
def test_nonsense_gets_one_sentence(
    words: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*words.split())
    assert done.exit_code == 2 and sentence in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())  # and leaves no trace


@pytest.mark.parametrize(
    "words",
    [
        "train gan --epochs many",
        "train",
        "frobnicate",
        "sample a --n 0",
        "sample aae --seed -1",
        f"inpaint mae --hide random --seed {2**64}",
    ],
)
def test_what_the_parser_refuses_is_a_usage_error(words: str) -> None:
    done = call(*words.split())
    assert done.exit_code == 2 and "Error" in done.output and "Traceback" not in done.output


def test_a_loss_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    words = [
        "train",
        "gan",
        "--limit",
        64,
        "--epochs",
        3,
        "--learning-rate",
        "1e30",
        "--device",
        "cpu",
        "--quiet",
    ]
    done = call(*words, "--out", tmp_path / "r")
    assert done.exit_code == 1 and len(done.output.strip().splitlines()) == 1


def test_list_says_what_there_is() -> None:
    assert set(json.loads(call("list", "--json").stdout)) == set(METHODS)
    assert "r1" in call("list", "gan").stdout and "mnist" in call("list", "data").stdout
    assert "six_losses" in call("list", "studies").stdout


def test_doctor_is_well_here_and_ends_in_one_where_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = call("doctor", "--seconds", 0, "--json")
    assert done.exit_code == 0 and "MNIST" in {one["what"] for one in json.loads(done.stdout)}
    ill = Finding("MNIST", "wrong", "damaged", "install gencourse again")
    monkeypatch.setattr("gencourse.commands.doctor._data", lambda: [ill])
    done = call("doctor", "--seconds", 0)
    assert done.exit_code == 1 and "→ install gencourse again" in done.output


def test_doctor_measures_speed() -> None:
    from gencourse.commands.doctor import _speed

    before = torch.get_num_threads()
    (found,) = _speed(0.01)
    assert "pictures a second" in found.found and torch.get_num_threads() == before


def test_shells_complete_verbs_and_methods() -> None:
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "_GENCOURSE_COMPLETE": "complete_bash",
        "COMP_WORDS": "gencourse train semi",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-m", "gencourse"]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["semisupervisedaae"]


def test_a_run_may_look_at_held_out_pictures_and_stop(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [
        "train",
        "autoencoder",
        "--data",
        photos,
        "--size",
        28,
        "--device",
        "cpu",
        "--quiet",
        "--out",
        out,
    ]
    done = call(*words, "--epochs", 30, "--stop-after", 1, "--set", "network=dense", "--learning-rate", 1)
    assert done.exit_code == 0, done.output
    with (out / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # with steps of 1 the losses on held-out pictures soon rise
    assert "validation autoencoder" in rows[0] and len(rows) < 30
    refused = call(*words[:-1], tmp_path / "other", "--watch", "nothing")
    assert refused.exit_code != 0 and "what is validated is autoencoder" in refused.output
    assert not (tmp_path / "other").exists()


# ---- faults of the program -------------------------------------------------------------------------------


def test_what_the_user_did_wrong_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENCOURSE_DEBUG", raising=False)
    for words in (["sample", "nowhere"], ["train", "vae", "--set", "beta=large"], ["list", "cats"]):
        done = call(*words)
        assert done.exit_code == 2 and len(done.stderr.splitlines()) == 1 and "fault" not in done.stderr


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_a_fault_of_the_program_says_so_and_is_shown_when_asked_for(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENCOURSE_DEBUG", raising=False)
    # both are raised by Python, in a line of the package
    broken = {ValueError: [1], TypeError: None}[kind]
    monkeypatch.setattr("gencourse.commands.show.METHODS", broken)
    monkeypatch.setattr("gencourse.commands.settings.class_of", lambda name: int("x"))
    done = call("list")
    assert done.exit_code == 1
    assert done.stderr.startswith(kind.__name__) and "looks like a fault of gencourse" in done.stderr
    monkeypatch.setenv("GENCOURSE_DEBUG", "1")
    assert type(call("list").exception) is kind
    monkeypatch.setenv("GENCOURSE_DEBUG", "0")
    assert call("list").exit_code == 1


def test_debug_shows_the_way_of_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_DEBUG", "1")
    assert type(call("sample", "nowhere").exception) is FileNotFoundError


# ---- a folder as people have it --------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="its folders that take no file are elsewhere")
def test_a_run_that_cannot_be_written_is_noticed_before_a_picture_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencourse.commands.pictures.load", lambda *a, **k: pytest.fail("pictures were read"))
    (tmp_path / "file").touch()
    for place in (Path("/proc/self/fdinfo/run"), tmp_path / "file" / "run"):
        done = call("train", "vae", "--out", place)
        assert done.exit_code == 2 and "no file can be written there" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    call("train", "vae", "--data", "nowhere", "--out", tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("n", [20, 45, 60, 130, 199, 200, 1000])
@pytest.mark.parametrize("held_out", [True, False])
def test_a_part_of_a_folder_is_held_out_and_enough_to_measure_on(n: int, held_out: bool) -> None:
    source = Source("folder")
    rows, others = source._rows(n, held_out).tolist(), source._rows(n, not held_out).tolist()
    assert sorted(rows + others) == list(range(n))
    out = rows if held_out else others
    assert n / 11 < len(out) <= n / 3 and (len(out) >= 20 or n < 60)


def test_all_files_that_cannot_be_read_are_named_at_once(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    for number in range(3):
        (tmp_path / "photos" / "a" / f"x{number}.png").write_text("no picture")
    done = call("train", "vae", "--data", tmp_path / "photos", "--out", tmp_path / "run")
    assert done.exit_code == 2 and all(f"x{number}.png" in done.stderr for number in range(3))


def test_every_verb_s_help_has_an_example() -> None:
    for command in app.registered_commands:
        assert f"gencourse {command.name}" in call(command.name, "--help").output, command.name


def test_labelled_pictures_are_as_many_as_there_are(photos: Path, tmp_path: Path) -> None:
    words = ("train", "semisupervisedaae", "--data", photos, "--size", 28, "--epochs", 1, "--quiet")
    words += ("--device", "cpu", "--limit", 40, "--set", "network=conv")
    assert call(*words, "--out", tmp_path / "run").exit_code == 0
    for number in (1, 1000):
        done = call(*words, "--set", f"labelled={number}", "--out", tmp_path / "other")
        assert done.exit_code == 2 and f"--set labelled is {number}: there are " in done.stderr


def test_a_limit_takes_pictures_of_every_class(photos: Path) -> None:
    for streamed in (False, True):
        source = Source(str(photos), 8, streamed=streamed, workers=0, limit=11)
        assert len(source.train()) == len(source.test()) == 11
        assert set(source.train().labels.tolist()) == {0, 1}


# ---- nothing that was saved is lost ----------------------------------------------------------------------


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_resume_that_is_refused_changes_nothing(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    before = _files(out)
    for other in (["vae", "--set", "code_size=9"], ["autoencoder"], ["vae", "--average", 0.9]):
        words = ["train", *other, "--data", photos, "--size", 28, "--epochs", 3, "--device", "cpu", "--quiet"]
        done = call(*words, "--resume", "--out", out)
        assert done.exit_code == 2 and "was made with" in done.stderr
        assert _files(out) == before


@pytest.mark.parametrize("words", [[], ["--epochs", 0]])
@pytest.mark.parametrize("name", ["config.json", "index.html", "samples.png"])
def test_files_of_somebody_else_are_not_written_over(name: str, words: list, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"mine": 1}')
    done = call("train", "autoencoder", "--limit", 60, *words, "--quiet", "--out", tmp_path)
    assert done.exit_code == 2 and f"{name} would be lost" in done.stderr
    assert _files(tmp_path) == {name: b'{"mine": 1}'}


def test_a_run_that_was_killed_in_its_first_epoch_is_started_again(run: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    done = call("train", "autoencoder", "--limit", 60, "--epochs", 1, "--quiet", "--out", tmp_path)
    assert done.exit_code == 0, done.output


def test_a_run_that_was_killed_is_measured_and_completed(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    for name in RUN_FILES[1:]:
        (out / name).unlink(missing_ok=True)
    done = call("evaluate", out, "--pictures", 20, "--json")
    assert done.exit_code == 0 and not done.stderr, done.stderr
    assert {path.name for path in out.iterdir()} == {*RUN_FILES, "run.safetensors", "evaluation.json"}
    assert json.loads((out / "history.json").read_text()) == json.loads((run / "history.json").read_text())


def test_figures_of_a_folder_that_takes_no_file_are_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gencourse.commands.runs.write_whole", full)
    done = call("evaluate", run, "--pictures", 20, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["figures"]
    assert "No space left on device" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("streamed", "steamed"),
        lambda text: text.replace('"training": {', '"training": [], "x": {'),
        lambda text: text.replace('"method"', '"way"'),
        lambda text: "[" * 100_000,
    ],
)
def test_a_run_whose_config_is_damaged_is_named(
    damage: Callable[[str], str], run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    (out / "config.json").write_text(damage((out / "config.json").read_text()))
    done = call("sample", out, "--out", tmp_path / "x.png")
    assert done.exit_code == 2 and len(done.stderr.splitlines()) == 1
    assert f"RUN is {str(out)!r}" in done.stderr and "the weights alone" in done.stderr
    assert call("sample", out / "run.safetensors", "--out", tmp_path / "x.png").exit_code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="it has no limit of a file's size")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "config.json"
    write_whole(path, "old")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
    try:
        with pytest.raises(OSError):
            write_whole(path, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert _files(tmp_path) == {"config.json": b"old"}


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text are of Linux")
def test_a_folder_whose_name_is_no_text_can_be_used(photos: Path, tmp_path: Path) -> None:
    odd = tmp_path / "ph\udcffotos"
    shutil.copytree(photos, odd)
    words = ["--data", odd, "--size", 28, "--epochs", 1, "--quiet", "--out", tmp_path / "run", "--json"]
    done = call("train", "autoencoder", *words)
    assert done.exit_code == 0 and json.loads(done.stdout), done.output
    done = call("reconstruct", tmp_path / "run", "--out", tmp_path / "x.png")
    assert done.exit_code == 0, done.output


# ---- whatever happens is a sentence ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyError("x"), 1, "KeyError: 'x' This looks like a fault of gencourse"),
        (RuntimeError("mat1 and mat2"), 1, "RuntimeError: mat1 and mat2 This looks like a fault"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero This looks like a fault"),
        (MemoryError(), 1, "There is not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 1, "There is not enough memory"),
    ],
)
def test_an_error_of_any_kind_is_a_sentence(
    error: Exception, code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENCOURSE_DEBUG", raising=False)

    def broken(name: str) -> None:
        raise error

    monkeypatch.setattr("gencourse.commands.settings.class_of", broken)
    done = call("list")
    assert done.exit_code == code and " ".join(done.stderr.split()).startswith(told)


def test_a_process_that_is_lost_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        with _reached():
            raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr("gencourse.training.fit", gone)
    done = call("train", "autoencoder", "--limit", 60, "--quiet", "--out", "never")
    assert done.exit_code == 1 and done.stderr.startswith("Another process of this run is gone")
    assert not Path("never").exists()


@pytest.mark.parametrize("words", [["list", "data"], ["list", "data", "--json"], ["list", "ma\u00df"]])
def test_a_terminal_without_these_letters_is_no_fault(words: list[str]) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "gencourse", *words], capture_output=True, env=env)
    assert b"fault" not in done.stderr and b"Traceback" not in done.stderr
    assert done.returncode == (2 if words[1] == "ma\u00df" else 0)
    if "--json" in words:
        assert json.loads(done.stdout)["mnist"].startswith("60 000 digits of 1\u00d728\u00d728")

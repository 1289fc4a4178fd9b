"""What can go wrong around a run: a full disk, folders that take no file, files that would run code."""

from __future__ import annotations

import ast
import errno
import importlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gencourse
from gencourse.data import ImageDataset
from gencourse.methods import load_trained
from gencourse.training import CheckpointError, SaveSamples, fit, load_weights, read_checkpoint, save_weights

QUIET = {"batch_size": 8, "device": "cpu", "progress": False}


# ---- a full disk --------------------------------------------------------------------------------------


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Inside, the system cuts every file of this process off after so many bytes, in the middle of writing."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def no_space(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, the disk is found full when a file is to reach it."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


@pytest.mark.parametrize("kind", ["cut off", "full"])
@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
def test_a_disk_that_is_full_in_the_middle_of_a_run_leaves_the_last_epoch_and_the_run_goes_on(
    kind: str, make_toy: type, toy_data: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "run", make_toy()
    fit(whole, toy_data, epochs=3, **QUIET)
    fit(make_toy(), toy_data, epochs=1, checkpoint=path, **QUIET)
    saved = path.read_bytes()
    trouble = largest_file(len(saved) // 2) if kind == "cut off" else no_space(monkeypatch)
    with trouble, pytest.raises(CheckpointError) as caught:
        fit(make_toy(), toy_data, epochs=3, checkpoint=path, resume=True, **QUIET)
    reason = os.strerror(errno.EFBIG if kind == "cut off" else errno.ENOSPC)
    assert str(caught.value) == (
        f"Epoch 2 could not be saved in {str(path)!r} ({reason}); the 1 before it are saved there. Make room, and call "
        "fit again with resume=True."
    )
    assert path.read_bytes() == saved and [file.name for file in tmp_path.iterdir()] == ["run"]

    resumed = make_toy()
    fit(resumed, toy_data, epochs=3, checkpoint=path, resume=True, **QUIET)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


# ---- folders ------------------------------------------------------------------------------------------


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "deeper"


def read_only(folder: Path) -> Path:
    """A folder of the system that takes no file, not even from root; a locked one where there is none."""
    if sys.platform == "linux":
        return Path("/proc/self/fdinfo")
    (folder / "locked").mkdir(mode=0o555)
    return folder / "locked"


PLACES = [below_a_file, read_only]


@pytest.mark.parametrize("place", PLACES)
def test_a_checkpoint_that_cannot_be_written_is_noticed_before_the_first_step(
    place: Callable[[Path], Path], make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    method = make_toy()
    method.before_step = lambda: 1 / 0
    with pytest.raises(CheckpointError, match=r"cannot be written \(.*\): give a path in a folder"):
        fit(method, toy_data, checkpoint=place(tmp_path) / "run", **QUIET)


@pytest.mark.parametrize("place", PLACES)
def test_samples_that_cannot_be_saved_are_noticed_before_the_first_step(
    place: Callable[[Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"^folder is '.*': no picture can be saved there"):
        SaveSamples(place(tmp_path))


def test_missing_folders_are_made(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    SaveSamples(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir() and not list((tmp_path / "a" / "b").iterdir())
    fit(make_toy(), toy_data, checkpoint=tmp_path / "c" / "d" / "run", **QUIET)
    assert (tmp_path / "c" / "d" / "run").is_file()


def test_a_missing_folder_of_pictures_is_noticed_at_once(tmp_path: Path) -> None:
    for read in (gencourse.data.load_folder, gencourse.data.stream):
        with pytest.raises((FileNotFoundError, ValueError), match="nowhere"):
            read(tmp_path / "nowhere", size=28)


# ---- nothing is ever unpickled ------------------------------------------------------------------------

PACKAGE = Path(gencourse.__file__).parent
UNSAFE_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"torch.load", "torch.jit.load", "torch.package", "torch.hub.load", "np.load", "numpy.load"}


def unsafe(source: str) -> list[str]:
    """What in a program could unpickle a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in UNSAFE_MODULES]
            found += [alias.name for alias in node.names if alias.name in UNSAFE_CALLS]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in names if name in UNSAFE_CALLS or name.split(".")[0] in UNSAFE_MODULES]
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in UNSAFE_CALLS:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
            found.append(str(node.arg))
    return found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import load",
        "import joblib.numpy_pickle",
        "from torch import load",
        "import torch\ntorch.load('a', weights_only=True)",
        "np.load('a')",
        "f(x, allow_pickle=True)",
        "def f():\n    import dill",
    ],
)
def test_the_search_finds_every_way(line: str) -> None:
    assert unsafe(line)
    assert not unsafe(
        "import torch\nfrom gencourse.methods import load\ntorch.save\nload('a')\njson.load(file)"
    )


def test_no_module_of_the_package_could_unpickle_a_file() -> None:
    files = list(PACKAGE.rglob("*.py"))
    assert len(files) > 100
    assert {str(file): found for file in files if (found := unsafe(file.read_text("utf-8")))} == {}


def test_nothing_is_unpickled_where_files_are_read(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("something is being unpickled")

    for module, name in (
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
        (torch, "load"),
        (torch.jit, "load"),
        (np, "load"),
    ):
        monkeypatch.setattr(module, name, refuse)
    with pytest.raises(AssertionError):
        pickle.loads(b"")
    options = {"checkpoint": tmp_path / "run", "average": 0.9, **QUIET}
    fit(make_toy(), toy_data, **options)
    fit(make_toy(), toy_data, epochs=2, resume=True, **options)
    save_weights(tmp_path / "weights", make_toy())
    load_weights(tmp_path / "weights", make_toy())
    read_checkpoint(tmp_path / "run")
    load_trained("wae")
    importlib.import_module("gencourse.evaluation.classifier")._trained.__wrapped__(
        "mnist"
    )  # past what is kept in memory
    assert len(gencourse.data.load("mnist", split="test")) == 10_000

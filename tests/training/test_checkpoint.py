"""Checkpoints: what is written comes back, nothing is half written, and damage is named."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gencourse.training import CheckpointError, load_weights, read_checkpoint, save_weights, write_checkpoint


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    tensors = {
        "a": shared.view(2, 3).T,  # not contiguous
        "b": shared,
        "tied": shared,  # shares its memory with b
        "c": torch.tensor(3),
        "d": torch.tensor([1, 2], dtype=torch.uint8),
        "e": torch.zeros(0, 4, dtype=torch.bfloat16),
        "f": torch.ones(2, requires_grad=True),
    }
    facts = {"epochs": [{"loss": 0.1}], "name": "x̂", "none": None}
    write_checkpoint(tmp_path / "deep" / "er" / "file", tensors, facts)
    read, said = read_checkpoint(tmp_path / "deep" / "er" / "file")
    assert said == facts
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_checkpoint(path, {"a": torch.zeros(1)}, {"version": 1})
    saved = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, fail)
        with pytest.raises(OSError, match="no space"):
            write_checkpoint(path, {"a": torch.ones(1)}, {"version": 2})
    assert path.read_bytes() == saved
    assert list(tmp_path.iterdir()) == [path]
    write_checkpoint(path, {"a": torch.ones(1)}, {"version": 2})
    assert read_checkpoint(path)[1] == {"version": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing' does not exist: give the path of a saved one"):
        read_checkpoint(tmp_path / "nothing")


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_truncated_file_is_damaged_and_left_as_it_is(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_checkpoint(path, {"a": torch.zeros(100)}, {})
    part = path.read_bytes()[:keep]
    path.write_bytes(part)
    with pytest.raises(
        CheckpointError, match=r"is damaged .*left as it was|is damaged .*It was left as it is"
    ):
        read_checkpoint(path)
    assert path.read_bytes() == part


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="was not written by gencourse: give one that was"):
        read_checkpoint(path)
    path.write_text("weights, honestly")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_checkpoint(path)


def test_weights_go_to_a_file_and_back(tmp_path: Path) -> None:
    one = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    one(torch.randn(5, 3))  # moves the buffers
    save_weights(tmp_path / "w", one, seed=4, command="make weights")
    assert load_weights(tmp_path / "w", other) == {
        "class": "Sequential",
        "seed": 4,
        "command": "make weights",
    }
    assert all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (nn.Linear(3, 5), r"has 'weight' of shape \(2, 3\), this method of shape \(5, 3\): build the method"),
        (nn.BatchNorm1d(2), r"has 'weight' of shape \(2, 3\)|has no 'running_mean'"),
        (nn.Sequential(nn.Linear(3, 2)), "has no '0.weight': it was made by another method"),
        (nn.Linear(3, 2, bias=False), "has 'bias', which this method lacks"),
    ],
)
def test_weights_of_another_shape_are_refused(tmp_path: Path, method: nn.Module, says: str) -> None:
    save_weights(tmp_path / "w", nn.Linear(3, 2))
    before = {name: t.clone() for name, t in method.state_dict().items()}
    with pytest.raises(CheckpointError, match=says):
        load_weights(tmp_path / "w", method)
    assert all(torch.equal(t, before[name]) for name, t in method.state_dict().items())

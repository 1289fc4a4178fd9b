"""The line that a run shows, and what Ctrl-C leaves: a saved run that goes on bit for bit, and one sentence."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gencourse.data import ImageDataset
from gencourse.training import fit, read_checkpoint
from gencourse.training.progress import ProgressLine

RUN = """
import signal, sys, time
import torch
# what runs in the background of a shell ignores Ctrl-C, and hands that on to what it starts
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {tests!r})
from conftest import Toy
from gencourse.data import ImageDataset
from gencourse.training import fit
torch.set_num_threads(1)
images = torch.randint(0, 256, (37, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
data, method = ImageDataset(images, torch.arange(37) % 10), Toy()
def slowly():
    print("step", flush=True)
    time.sleep(0.02)
method.before_step = slowly
fit(method, data, epochs=20, checkpoint={path!r}, batch_size=8, device="cpu", progress=False)
"""


def interrupted(path: Path | None, steps: int) -> str:
    """The last line that a script says when Ctrl-C is pressed in its mini-batch number `steps`."""
    code = RUN.format(tests=str(Path(__file__).parent), path=None if path is None else str(path))
    script = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert script.stdout is not None
    for _ in range(steps):
        script.stdout.readline()
    script.send_signal(signal.SIGINT)
    said = script.communicate(timeout=60)[1]
    assert script.returncode
    return said.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other there")
def test_ctrl_c_in_the_middle_of_an_epoch_leaves_the_last_one_and_says_how_to_go_on(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    said = interrupted(path, steps=13)  # of 5 an epoch: in the third
    found = re.search(
        r"Stopped in epoch 3 of 20: 2 of them saved in '(.*)'. Call fit again with resume=True", said
    )
    assert found and found[1] == str(path), said
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    assert len(read_checkpoint(path)[1]["epochs"]) == 2

    options = {"epochs": 4, "batch_size": 8, "device": "cpu", "progress": False}
    whole, resumed = make_toy(), make_toy()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fit(whole, toy_data, **options)
        fit(resumed, toy_data, checkpoint=path, resume=True, **options)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other there")
@pytest.mark.parametrize("saved", [True, False])
def test_ctrl_c_in_the_first_epoch_says_that_nothing_is_saved(saved: bool, tmp_path: Path) -> None:
    said = interrupted(tmp_path / "run" if saved else None, steps=2)
    assert "Stopped in epoch 1 of 20: " in said
    assert ("nothing is saved yet" if saved else "Give checkpoint= to be able to go on") in said
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_an_epoch_is_being_saved_tells_what_the_file_holds(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, calls = os.replace, []

    def stop_at_the_third(part: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 3:
            raise KeyboardInterrupt
        replace(part, target)

    monkeypatch.setattr(os, "replace", stop_at_the_third)
    options = {"batch_size": 8, "device": "cpu", "progress": False, "checkpoint": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt, match="Stopped in epoch 3 of 5: 2 of them saved"):
        fit(make_toy(), toy_data, epochs=5, **options)


def test_the_line_shows_rate_time_left_and_the_latest_losses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    line = ProgressLine(epochs=3, pictures=30)
    batches = [(torch.zeros(10, 1), torch.zeros(10)) for _ in range(3)]
    said = []
    for number, _ in enumerate(line.over(iter(batches), 1, {"loss": 7.5, "seconds": 9.0})):
        said.append(str(line._bar))
        line.tell({"loss": torch.tensor(number + 0.25)}, 1)
        said.append(str(line._bar))
    assert "epoch 2/3" in said[0] and "0.00/30.0" in said[0]
    assert "loss 7.5" in said[0] and "seconds" not in said[0]  # of the epoch before, at first
    assert [re.search(r"loss ([\d.]+)", one)[1] for one in said[1::2]] == ["0.25", "1.25", "2.25"]  # type: ignore[index]
    assert "20.0/30.0" in said[-1] and "pictures/s" in said[-1] and "all epochs in" in said[-1]
    left = re.search(r"all epochs in (\d\d):(\d\d)", said[-1])
    # 20 pictures are done, and 40 are left of two epochs: twice the time until now
    assert left and int(left[1]) * 60 + int(left[2]) in range(8, 25)
    assert capsys.readouterr().out == ""


def test_the_time_left_is_that_of_the_pictures_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = ProgressLine(epochs=2, pictures=8)
    batches = [(torch.zeros(4, 1), torch.zeros(4)) for _ in range(2)]
    said = []
    for _ in line.over(iter(batches), 0):
        line.tell({"loss": torch.tensor(1.0)}, 0)
        said.append(str(line._bar))
        now[0] += 20
    # 4 pictures took 20 seconds, and 12 are left of two epochs
    assert "all epochs in" not in said[0] and "all epochs in 01:00" in said[1]


def test_the_line_never_waits_for_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr("gencourse.training.progress._PAUSE", 0)
    line = ProgressLine(epochs=1, pictures=4)
    there = torch.zeros((), device="meta")  # no number can be read of it
    with pytest.raises(RuntimeError):
        float(there)
    for _ in line.over(iter([(torch.zeros(4, 1), torch.zeros(4))]), 0, {"loss": 3.0}):
        line.tell({"loss": there}, 0)
        assert "loss 3" in str(line._bar)


def test_a_line_that_is_not_shown_passes_the_mini_batches_on(capsys: pytest.CaptureFixture[str]) -> None:
    batches = [(torch.zeros(2, 1), torch.zeros(2))]
    line = ProgressLine(1, 2, shown=False)
    assert list(line.over(iter(batches), 0)) == batches
    line.tell({"loss": torch.zeros(())}, 0)
    assert capsys.readouterr() == ("", "")

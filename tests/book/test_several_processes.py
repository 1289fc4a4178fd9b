"""The program on the page on several processes does what the page says."""

import re
import sys
from pathlib import Path

import pytest
import torch

import gencourse

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
import together

PAGE = Path(__file__).parents[2] / "book" / "several_processes.md"


def test_the_program_runs_and_leaves_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    few = gencourse.data.ImageDataset(torch.zeros(64, 1, 28, 28, dtype=torch.uint8), torch.zeros(64).long())
    monkeypatch.setattr(gencourse.data, "load", lambda name: few)
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert (tmp_path / "run.safetensors").exists()


def test_it_names_how_many_methods_are_compared() -> None:
    assert f"The tests train {len(together.METHODS)} methods both ways" in PAGE.read_text()

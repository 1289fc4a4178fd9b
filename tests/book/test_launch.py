"""The recipe for saving on Drive, as the page has it, on a folder: killed in the middle, gone on with, compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "launch.md").read_text(encoding="utf-8")

# A small share of the pictures; and, if asked to, the end of the process in the middle of the third epoch.
SESSION = """
import os, sys
sys.path.insert(0, {root!r})
import torch
import gencourse
from gencourse.data import ImageDataset
torch.set_num_threads(1)
load, batches, passes = gencourse.data.load, ImageDataset.batches, 0
gencourse.data.load = lambda name: load(name).take(128)

def counted(self, *arguments, **options):
    global passes
    passes += 1
    for batch in batches(self, *arguments, **options):
        if passes == {dies_in}:
            os._exit(9)
        yield batch

ImageDataset.batches = counted
folder = {folder!r}
{recipe}
print(len(history), passes, history.epochs[-1], os.environ["GENCOURSE_STATE"])
"""


def session(folder: Path, dies_in: int = 0) -> subprocess.CompletedProcess[str]:
    (recipe,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert "epochs=20" in recipe and "resume=True" in recipe
    recipe = recipe.replace("epochs=20", "epochs=4")
    code = SESSION.format(root=str(ROOT), dies_in=dies_in, folder=str(folder), recipe=recipe)
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables)


def test_a_killed_session_is_gone_on_with(tmp_path: Path) -> None:
    whole = session(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    killed = session(tmp_path / "drive", dies_in=4)
    assert killed.returncode == 9 and (tmp_path / "drive" / "mine.safetensors").is_file()
    again = session(tmp_path / "drive")
    assert again.returncode == 0, again.stderr

    def told(done: subprocess.CompletedProcess[str]) -> tuple[str, ...]:
        match = re.match(r"(\d+) (\d+) (\{.*\}) (.*)", done.stdout)
        assert match
        return match.groups()

    (epochs, passes, losses, _), (same_epochs, left, same_losses, state) = told(whole), told(again)
    # one pass more: the first looks whether the pictures fit
    assert (epochs, passes) == ("4", "5") and (same_epochs, left) == ("4", "3")
    without_time = [re.sub(r"'seconds': [\d.e-]+", "", text) for text in (losses, same_losses)]
    assert without_time[0] == without_time[1]
    assert state == str(tmp_path / "drive")


@pytest.mark.parametrize("place", ["Colab", "Kaggle", "Binder", "JupyterHub", "VS Code"])
def test_every_place_has_its_row_and_its_section(place: str) -> None:
    (row,) = re.findall(rf"^\| {place} \| (.*) \|$", PAGE, re.MULTILINE)
    section = PAGE.split(f"\n## {place}\n")[1]
    assert row.startswith("no") is section.strip().startswith("Not tried.")


posix = pytest.mark.skipif(os.name == "nt", reason="Binder's scripts are for Linux")


@posix
def test_what_binder_reads_agrees_with_the_rest() -> None:
    folder = ROOT / "binder"
    for script in ("postBuild", "start"):
        assert os.access(folder / script, os.X_OK), f"binder/{script} cannot be run: chmod +x it"
        syntax = subprocess.run(["bash", "-n", str(folder / script)], capture_output=True, text=True)
        assert syntax.returncode == 0, syntax.stderr
    python = (folder / "runtime.txt").read_text(encoding="utf-8").strip()
    (lowest,) = re.findall(
        r'requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    )
    assert re.fullmatch(r"python-3\.\d+", python)
    assert int(python.split(".")[1]) >= int(lowest.split(".")[1])
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    asked = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in asked if "==" in line]
    assert {line.split("==")[0] for line in pins} == {"torch", "torchvision"}
    assert all(re.search(rf"^{re.escape(pin)}\b", locked, re.MULTILINE) for pin in pins)


@posix
def test_binder_starts_what_it_is_asked_for_with_the_small_preset() -> None:
    program = "import os, sys; print(os.environ['GENCOURSE_PRESET'], *sys.argv[1:])"
    command = [str(ROOT / "binder" / "start"), sys.executable, "-c", program, "two words"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.strip() == "smoke two words"
    assert "smoke" in PAGE.split("\n## Binder\n")[1].split("\n## ")[0]

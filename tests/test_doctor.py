"""Each failure that the troubleshooting page lists is made here, and found by `gencourse doctor`."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gencourse.cli import app
from gencourse.commands import doctor
from gencourse.commands.doctor import Finding

PAGE = (Path(__file__).parents[1] / "book" / "troubleshooting.md").read_text(encoding="utf-8")


def one(found: list[Finding], what: str) -> Finding:
    (match,) = [finding for finding in found if finding.what == what]
    return match


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with NVIDIA's driver, where torch sees no GPU."""
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("built_for", "hidden", "cure"),
    [
        (None, None, "install a torch that was built for CUDA"),
        ("13.0", "", "CUDA_VISIBLE_DEVICES hides it"),
        ("13.0", "-1", "CUDA_VISIBLE_DEVICES hides it"),
        ("13.0", None, "torch was built for CUDA 13.0: run nvidia-smi"),
    ],
)
@pytest.mark.usefixtures("driver")
def test_no_gpu_found(
    built_for: str | None, hidden: str | None, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    found = one(doctor._devices(), "device")
    assert (found.state, found.found) == ("note", "CPU only") and cure in found.cure


def test_no_gpu_and_no_driver_is_fine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert one(doctor._devices(), "device") == Finding("device", "fine", "CPU only")


@pytest.mark.parametrize(
    ("version", "state"),
    [("2.3.1", "wrong"), ("2.3.1+cu121", "wrong"), ("2.4.0+cpu", "fine"), ("99.0rc1", "fine")],
)
def test_old_torch(version: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["torch>=2.4", 'pytest>=8; extra == "test"'])
    monkeypatch.setattr(metadata, "version", lambda name: version)
    found = doctor._versions()
    assert one(found, "torch").state == state and "pytest" not in {finding.what for finding in found}
    assert ('--upgrade "torch>=2.4"' in one(found, "torch").cure) is (state == "wrong")


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["no-such-package>=1"])
    found = one(doctor._versions(), "no-such-package")
    assert (found.state, found.found) == ("wrong", "not installed") and "no-such-package>=1" in found.cure


def test_figures_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    assert {finding.state for finding in doctor._figures()} == {"fine"}
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert "MPLBACKEND is Agg" in one(doctor._figures(), "pictures").found
    there = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util, "find_spec", lambda name: None if name == "jupyterlab_widgets" else there(name)
    )
    assert one(doctor._figures(), "live figures").state == ("wrong" if there("jupyterlab") else "fine")


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_free_memory", lambda: 1.5e9)
    found = one(doctor._memory(), "memory")
    assert found.state == "note" and "1.5 GB" in found.found and "smoke" in found.cure
    monkeypatch.setattr(doctor, "_free_memory", lambda: None)
    assert "memory" not in {finding.what for finding in doctor._memory()}


def test_little_memory_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1 << 30, 16 << 30))
    assert "1.1 of 17.2 GB free" in one(doctor._memory(), "GPU memory").found


def test_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    found = one(doctor._devices(), "threads")
    assert (found.state, found.found) == ("note", "64 of 2 cores") and "OMP_NUM_THREADS=2" in found.cure


def test_threads_that_fight_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_cores", lambda: 2)
    monkeypatch.setattr(doctor, "_rate", lambda seconds: {1: 1337.0, 2: 30.0}[torch.get_num_threads()])
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (found,) = doctor._speed(1)
    finally:
        torch.set_num_threads(before)
    assert found.state == "note" and "OMP_NUM_THREADS=1" in found.cure


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_HOSTS", ("no-such-host.invalid",))
    (found,) = doctor._network()
    assert found.state == "note" and "no-such-host.invalid" in found.found
    monkeypatch.setattr(doctor, "_answers", lambda host: True)
    assert one(doctor._network(), "network").state == "fine"


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 18, "final", 0))
    monkeypatch.setattr(platform, "python_version", lambda: "3.9.18")
    found = one(doctor._versions(), "Python")
    assert found.state == "wrong" and found.found.startswith("3.9.18") and "3.10 or newer" in found.cure


@pytest.mark.parametrize("other", [False, True])
def test_a_kernel_of_another_python(other: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = str(tmp_path / "other" / "python") if other else sys.executable
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": [python, "-m", "ipykernel_launcher"], "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    (found,) = doctor._kernel()
    assert found.state == ("note" if other else "fine") and (python in found.found) is other


def test_long_paths_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def noticed() -> bool:
        return "length of paths" in {finding.what for finding in doctor._places()}

    short = Path(tmp_path.anchor)
    deep = tmp_path / ("a" * 60) / ("b" * 60) / ("c" * 20)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert noticed() is (sys.platform == "win32")
    monkeypatch.setattr(doctor.sys, "platform", "win32")
    assert noticed()
    monkeypatch.chdir(short)
    assert not noticed()


def test_the_page_names_checks_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_HOSTS", ("no-such-host.invalid",))
    done = CliRunner().invoke(app, ["doctor", "--seconds", "0", "--json"])
    seldom = {"speed", "GPU memory", "length of paths"}
    checks = {finding["what"] for finding in json.loads(done.stdout)} | seldom
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
    assert len(sections) == 8
    for title, text in sections:
        asked = re.search(r"\*\*Check:\*\*(.*?)\n\n", text, re.DOTALL)
        assert asked and "**You see**" in text and "**Do:**" in text, title
        assert set(re.findall(r"`([A-Za-z ]+)`", asked[1])) & checks, title

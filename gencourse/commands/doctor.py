"""`gencourse doctor`: is this machine ready, how fast is it, and what to do about what is not as it should be."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from gencourse.commands.answer import FAILED, Json, tell

__all__ = ["Finding", "doctor"]

_OLDEST_PYTHON = (3, 10)
_HOSTS = ("pypi.org", "github.com")  # where packages and data sets come from
_LONG_PATH = 140  # of 260 characters that Windows allows, the longest name below this folder takes some 100
_MARK = {"fine": "ok  ", "note": "note", "wrong": "FAIL"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: was looked at.
        state: "fine", "note" (works, could be better) or "wrong".
        found: in words.
        cure: what to do; empty if nothing.
    """

    what: str
    state: str
    found: str
    cure: str = ""


def doctor(
    seconds: Annotated[
        float, typer.Option(min=0, max=600, help="Length of the speed test; 0 for none.")
    ] = 10,
    json_: Json = False,
) -> None:
    """Look at versions, devices, threads, data and speed, and say what to do about each finding.

    Ends with exit code 1 if something is wrong.

    Example: gencourse doctor --seconds 0
    """
    findings = [
        *_versions(),
        *_kernel(),
        *_figures(),
        *_devices(),
        *_memory(),
        *_places(),
        *_data(),
        *_network(),
    ]
    if seconds:
        findings += _speed(seconds)
    lines = [
        f"{_MARK[f.state]}  {f.what}: {f.found}" + (f"\n      → {f.cure}" if f.cure else "") for f in findings
    ]
    tell(json_, [asdict(f) for f in findings], "\n".join(lines))
    if any(f.state == "wrong" for f in findings):
        raise typer.Exit(FAILED)


def _versions() -> list[Finding]:
    import gencourse

    found = [Finding("gencourse", "fine", f"{gencourse.__version__} in {Path(gencourse.__file__).parent}")]
    running = f"{platform.python_version()} on {platform.platform()}, {sys.executable}"
    if sys.version_info[:2] < _OLDEST_PYTHON:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        found.append(Finding("Python", "wrong", running, f"the course needs {oldest} or newer"))
    else:
        found.append(Finding("Python", "fine", running))
    try:
        needed = [Requirement(line) for line in metadata.requires("gencourse") or ()]
    except metadata.PackageNotFoundError:
        return [
            *found,
            Finding("installation", "note", "runs from a folder", "pip install -e . in that folder"),
        ]
    return found + [_package(one) for one in needed if one.marker is None]


def _package(needed: Requirement) -> Finding:
    """Whether a package is there and new enough."""
    cure = f'{sys.executable} -m pip install --upgrade "{needed}"'
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return Finding(needed.name, "wrong", "not installed", cure)
    # a local build such as 2.9.0+cu130 and a release candidate of a newer version count
    if not SpecifierSet(str(needed.specifier)).contains(version, prereleases=True):
        return Finding(needed.name, "wrong", f"{version} is too old, {needed.specifier} is needed", cure)
    return Finding(needed.name, "fine", version)


def _kernel() -> list[Finding]:
    """Whether the notebooks' kernel called python3 is this Python."""
    if importlib.util.find_spec("jupyter_client") is None:
        return [Finding("kernel", "fine", "no Jupyter here")]
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        python = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return [Finding("kernel", "note", "there is none called python3", "pip install ipykernel")]
    there = shutil.which(python) or python
    if Path(there).absolute() == Path(sys.executable).absolute() or python in ("python", "python3"):
        return [Finding("kernel", "fine", "python3 is this Python")]
    cure = f"{sys.executable} -m ipykernel install --user --name gencourse, and choose it in the notebook"
    return [Finding("kernel", "note", f"python3 is another Python, {there}", cure)]


def _figures() -> list[Finding]:
    """Whether pictures and live figures will be seen in a notebook."""
    found = []
    backend = os.environ.get("MPLBACKEND", "")
    if backend and "inline" not in backend and "ipympl" not in backend:
        found.append(
            Finding(
                "pictures", "note", f"MPLBACKEND is {backend}", "unset it, so that notebooks show pictures"
            )
        )
    else:
        found.append(Finding("pictures", "fine", "drawn where the notebook is"))
    if importlib.util.find_spec("jupyterlab") and not importlib.util.find_spec("jupyterlab_widgets"):
        cure = f"{sys.executable} -m pip install jupyterlab-widgets, start JupyterLab again, reload the page"
        found.append(Finding("live figures", "wrong", "JupyterLab lacks its part for widgets", cure))
    else:
        found.append(Finding("live figures", "fine", "ipywidgets and anywidget are there"))
    return found


def _cores() -> int:
    """Cores that this process may use; a container may be given fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no Linux, or "max": no limit
        return cores


def _devices() -> list[Finding]:
    import torch

    cores = _cores()
    threads = torch.get_num_threads()
    found = []
    if torch.cuda.is_available():
        found.append(Finding("device", "fine", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"))
    elif torch.backends.mps.is_available():
        found.append(Finding("device", "fine", "Apple's MPS"))
    else:
        cure = _why_no_gpu(torch.version.cuda)
        found.append(Finding("device", "note" if cure else "fine", "CPU only", cure))
    cure = f"set OMP_NUM_THREADS={cores} before starting Python" if threads > cores else ""
    found.append(Finding("threads", "note" if cure else "fine", f"{threads} of {cores} cores", cure))
    return found


def _why_no_gpu(built_for: str | None) -> str:
    """What to do about a GPU that torch does not see; nothing where there is no sign of one."""
    if not shutil.which("nvidia-smi"):
        return ""
    if built_for is None:
        return "this machine has NVIDIA's driver: install a torch that was built for CUDA"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides it: unset that variable"
    return (
        f"torch was built for CUDA {built_for}: run nvidia-smi; its driver must be as new as that, or newer"
    )


def _memory() -> list[Finding]:
    """Memory that is free, of the machine and of the GPU: a chapter takes up to 2 GB, with JupyterLab 3."""
    import torch

    found = []
    free = _free_memory()
    if free is not None:
        cure = "close other notebooks and browser tabs, or set GENCOURSE_PRESET=smoke" if free < 3e9 else ""
        found.append(Finding("memory", "note" if cure else "fine", f"{free / 1e9:.1f} GB free", cure))
    if torch.cuda.is_available():
        left, whole = torch.cuda.mem_get_info()
        cure = "restart the other notebooks' kernels: each keeps its share" if left < 2e9 else ""
        said = f"{left / 1e9:.1f} of {whole / 1e9:.1f} GB free"
        found.append(Finding("GPU memory", "note" if cure else "fine", said, cure))
    return found


def _free_memory() -> float | None:
    """Bytes that a new process could have; None where the system does not say (macOS, Windows)."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, ValueError, StopIteration):
        return None
    try:  # a container's own limit
        most, used = (
            int(Path("/sys/fs/cgroup", name).read_text()) for name in ("memory.max", "memory.current")
        )
        return min(free, most - used)
    except (OSError, ValueError):
        return free


def _places() -> list[Finding]:
    found = []
    free = shutil.disk_usage(".").free / 1e9
    cure = "make room: a run takes up to a few hundred MB" if free < 1 else ""
    found.append(Finding("disk here", "note" if cure else "fine", f"{free:.1f} GB free", cure))
    try:
        with tempfile.TemporaryFile(dir="."):
            pass
        found.append(Finding("this folder", "fine", "can be written to"))
    except OSError as error:
        found.append(
            Finding(
                "this folder",
                "note",
                f"cannot be written to ({error.strerror})",
                "give --out a place elsewhere",
            )
        )
    here = str(Path.cwd())
    if sys.platform == "win32" and len(here) > _LONG_PATH:
        cure = "move the course to a short path such as C:\\course, or allow long paths in Windows"
        found.append(Finding("length of paths", "note", f"{len(here)} characters up to here", cure))
    return found


def _network() -> list[Finding]:
    """Whether the hosts of packages and data sets answer; the chapters need neither."""
    missing = [host for host in _HOSTS if not _answers(host)]
    if missing:
        cure = "nothing, for the chapters; fashion_mnist, cifar10 and pip need it, or a proxy in HTTPS_PROXY"
        return [Finding("network", "note", f"no answer from {' and '.join(missing)}", cure)]
    return [Finding("network", "fine", f"{' and '.join(_HOSTS)} answer")]


def _answers(host: str, seconds: float = 2) -> bool:
    try:
        socket.create_connection((host, 443), timeout=seconds).close()
    except OSError:
        return False
    return True


def _data() -> list[Finding]:
    from gencourse.data import load
    from gencourse.methods import load_trained, trained_names

    again = "install gencourse again"
    found = []
    try:
        found.append(Finding("MNIST", "fine", f"{len(load('mnist'))} pictures, checksums right"))
    except (OSError, ValueError) as error:
        found.append(Finding("MNIST", "wrong", str(error), again))
    try:
        for name in trained_names():
            load_trained(name)
        found.append(Finding("shipped networks", "fine", f"{len(trained_names())}, checksums right"))
    except (OSError, ValueError) as error:
        found.append(Finding("shipped networks", "wrong", str(error), again))
    place = Path(os.environ.get("GENCOURSE_DATA") or Path.home() / ".cache" / "gencourse")
    note = "" if place.is_dir() else "fashion_mnist and cifar10 are downloaded when they are first asked for"
    found.append(Finding("downloads", "fine", f"in {place}" if not note else f"none yet in {place}; {note}"))
    return found


def _speed(seconds: float) -> list[Finding]:
    """Pictures a second of a small convolutional autoencoder: with one thread, and with all of them."""
    import torch

    usual = torch.get_num_threads()
    cores = _cores()
    rates: dict[int, float] = {}
    tried = sorted({1, min(usual, cores), cores})
    try:
        for threads in tried:
            torch.set_num_threads(threads)
            rates[threads] = _rate(seconds / len(tried))
    finally:
        torch.set_num_threads(usual)
    best = max(rates, key=lambda threads: rates[threads])
    told = ", ".join(f"{rate:.0f} with {n} thread{'s' * (n > 1)}" for n, rate in rates.items())
    cure = ""
    if rates[best] > 1.15 * rates[min(usual, cores)]:
        cure = f"set OMP_NUM_THREADS={best} before starting Python"
    minutes = 60_000 / rates[best] / 60
    found = f"pictures a second: {told}; an epoch of MNIST takes {minutes:.1f} minutes"
    return [Finding("speed", "note" if cure else "fine", found, cure)]


def _rate(seconds: float) -> float:
    from gencourse.data import load
    from gencourse.methods import Autoencoder
    from gencourse.training import choose_device, fit

    data, model = load("mnist").take(1280), Autoencoder("conv", 32)
    device = choose_device()
    fit(model, data.take(128), device=device, progress=False)  # the first steps are slow
    start, seen = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or not seen:
        fit(model, data, device=device, progress=False)
        seen += len(data)
    return seen / (time.perf_counter() - start)

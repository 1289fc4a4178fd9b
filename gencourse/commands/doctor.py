"""`gencourse doctor`: is this machine ready, how fast is it, and what to do about what is not as it should be."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from gencourse.commands.answer import FAILED, Json, tell

__all__ = ["Finding", "doctor"]

_NEEDED = (
    "torch",
    "torchvision",
    "numpy",
    "matplotlib",
    "torchmetrics",
    "scikit-learn",
    "safetensors",
    "typer",
)
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
    """
    findings = [*_versions(), *_devices(), *_places(), *_data()]
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
    found.append(Finding("Python", "fine", f"{platform.python_version()} on {platform.platform()}"))
    for name in _NEEDED:
        try:
            found.append(Finding(name, "fine", metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append(Finding(name, "wrong", "not installed", f"pip install {name}"))
    return found


def _devices() -> list[Finding]:
    import torch

    cores = os.cpu_count() or 1
    threads = torch.get_num_threads()
    found = []
    if torch.cuda.is_available():
        found.append(Finding("device", "fine", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"))
    elif torch.backends.mps.is_available():
        found.append(Finding("device", "fine", "Apple's MPS"))
    else:
        cure = ""
        if shutil.which("nvidia-smi"):
            cure = "this machine has NVIDIA's driver: install a torch that was built for CUDA"
        found.append(Finding("device", "note" if cure else "fine", "CPU only", cure))
    cure = f"set OMP_NUM_THREADS to {cores} at most" if threads > cores else ""
    found.append(Finding("threads", "note" if cure else "fine", f"{threads} of {cores} cores", cure))
    return found


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
    return found


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
    cores = os.cpu_count() or 1
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

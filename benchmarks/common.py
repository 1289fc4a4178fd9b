"""What the benchmarks share: a table between two marks of README.md, the machine's name, ratios in turn."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from gencourse.data import ImageDataset
from gencourse.training import Method
from gencourse.training.formulation import possible_formulations
from gencourse.training.precision import Way, fastest_way, step_seconds

README = Path(__file__).with_name("README.md")


def write(part: str, text: str) -> None:
    """Put the text between the marks of this part of benchmarks/README.md, and leave the rest of it alone."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    old = README.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1:
        raise SystemExit(f"{README} needs the lines '{begin}' and '{end}' once each: put them back.")
    before, rest = old.split(begin)
    README.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")
    print(f"\nwritten to {README}")


def processor(device: torch.device | None = None) -> str:
    """What computes, as its maker calls it."""
    if device is not None and device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def facts(device: torch.device | None = None) -> str:
    """Machine, versions, load and date: what a reader needs to know about a table of measurements."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{processor(device)}, {os.cpu_count()} cores{load}; torch {torch.__version__}, Python "
        f"{platform.python_version()}, {platform.system()}, {datetime.date.today().isoformat()}."
    )


def in_turn(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each way gives in each round; who begins changes from round to round.

    Args:
        ways: name to a function that measures once.
        rounds: how often.
    """
    names = list(ways)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(ways[name]())
    return found


def ratio(found: Mapping[str, list[float]], name: str, to: str) -> tuple[float, float, float]:
    """Median, least and most, over the rounds, of one way divided by another."""
    ratios = [a / b for a, b in zip(found[name], found[to], strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def grouped(number: float) -> str:
    """12 345, as the tables write it."""
    return f"{number:,.0f}".replace(",", " ")


def chosen(method: Method, data: ImageDataset, batch_size: int, precisions: Sequence[str]) -> Way:
    """What `fit` would choose, with precision="auto" or for float32 alone."""
    x, y = next(data.batches(batch_size))
    names = possible_formulations(method)
    way, _ = fastest_way(lambda ways: step_seconds(method, x, y, ways), precisions, names)
    return way

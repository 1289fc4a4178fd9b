"""What more processes and larger mini-batches bring to `fit`, and what the latter cost in memory.

    python benchmarks/scaling.py            prints two tables
    python benchmarks/scaling.py --write    also writes them into benchmarks/README.md

Two processes: `torchrun --nproc-per-node 2`, gloo, one thread each, in turn with one process on one thread. Either the
same mini-batch of 64 pictures is shared, 32 rows each, or each has 64 rows, which makes mini-batches of 128. The
efficiency is the rate of two, divided by twice that of one. Seconds are those of the clock, since a process that waits
computes nothing: the machine must be quiet, with two cores for these processes.

Batch size: pictures a second of computing, and the most memory that a process has held, less what it held before its
first step (Python, torch, the data), sizes in growing order, one process a method.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import facts, grouped, ratio, write
from torch.nn.functional import pad
from training import METHODS

from gencourse.data import ImageDataset, load
from gencourse.training import fit

# name of ours to the mini-batches of 64 pictures in one measured pass
PASSES = {"GAN, dense": 40, "autoencoder, conv": 80, "GAN, DCGAN": 6, "masked autoencoder, 3×32×32": 12}
SIZES = (16, 64, 256)
QUIET: dict[str, Any] = {"device": "cpu", "progress": False}


def pictures(name: str, count: int) -> ImageDataset:
    """Digits of the method's shape."""
    channels, side, _ = METHODS[name]().shape
    digits = load("mnist").take(count)
    images = pad(digits.images, ((side - 28) // 2,) * 4).repeat(1, channels, 1, 1)
    return ImageDataset(images, digits.labels)


def rates(batch_sizes: list[int], part: float) -> dict[str, float]:
    """Pictures a second of the clock, by method and batch size; in every process of a run."""
    found = {}
    for name, passes in PASSES.items():
        for size in batch_sizes:
            data = pictures(name, max(2 * size, 64 * round(part * passes)))
            fit(METHODS[name](), data.take(2 * size), batch_size=size, **QUIET)
            method = METHODS[name]()
            start = time.perf_counter()
            fit(method, data, batch_size=size, **QUIET)
            found[f"{name}/{size}"] = len(data) / (time.perf_counter() - start)
    return found


def growth(name: str) -> dict[str, list[float]]:
    """Pictures a second of computing, and bytes, by batch size."""
    shape = (2 * max(SIZES), *METHODS[name]().shape)
    # not read from a file: what that takes for a moment would hide what training takes
    data = ImageDataset.from_tensor(torch.randint(0, 256, shape, dtype=torch.uint8))
    before = _peak()
    found = {}
    for size in SIZES:
        fit(METHODS[name](), data.take(size), batch_size=size, **QUIET)
        few = data.take(max(2 * size, 128))
        method = METHODS[name]()
        start = time.process_time()
        fit(method, few, batch_size=size, **QUIET)
        found[str(size)] = [len(few) / (time.process_time() - start), _peak() - before]
    return found


def _peak() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else 1024 * most)


def child(processes: int, *arguments: str) -> Any:
    """What this script, started anew in so many processes, answers."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*start, str(Path(__file__)), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not answers:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(answers[-1])


def efficiency(repeats: int, part: float) -> str:
    """The table of two processes against one."""
    runs: list[dict[str, dict[str, float]]] = []

    def run(processes: int, *sizes: str) -> Callable[[], float]:
        def once() -> float:
            runs[-1][str(processes)] = child(processes, "--rates", *sizes, "--part", str(part))
            return 0.0

        return once

    for number in range(repeats):
        runs.append({})
        order = [run(1, "64"), run(2, "64", "128")]
        for once in order[:: 1 if number % 2 == 0 else -1]:
            once()
    rows = [
        "| method | one process | two, 32 rows each | efficiency | two, 64 rows each | efficiency |",
        "|---|---|---|---|---|---|",
    ]
    for name in PASSES:
        found = {
            "one": [run["1"][f"{name}/64"] for run in runs],
            "shared": [run["2"][f"{name}/64"] for run in runs],
            "each": [run["2"][f"{name}/128"] for run in runs],
        }
        cells = [name, grouped(sorted(found["one"])[repeats // 2])]
        for way in ("shared", "each"):
            middle, least, most = (value / 2 for value in ratio(found, way, "one"))
            cells += [grouped(sorted(found[way])[repeats // 2]), f"{middle:.2f} ({least:.2f}–{most:.2f})"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def batches() -> str:
    """The table of batch sizes."""
    head = [f"{size}: images/s" for size in SIZES] + [f"{size}: MB" for size in SIZES]
    rows = [f"| method | {' | '.join(head)} |", "|---" * (1 + len(head)) + "|"]
    for name in PASSES:
        found = child(1, "--growth", name)
        cells = [grouped(found[str(size)][0]) for size in SIZES]
        cells += [grouped(found[str(size)][1] / 1e6) for size in SIZES]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--part", type=float, default=1.0, help="of the pictures, for a quick look")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    parser.add_argument("--rates", type=int, nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--growth", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.rates:
        found = rates(args.rates, args.part)
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(found), flush=True)
        return
    if args.growth:
        print(json.dumps(growth(args.growth)), flush=True)
        return
    text = f"{efficiency(args.repeats, args.part)}\n\n{batches()}\n\n{facts()}"
    print(text)
    if args.write:
        write("scaling", text)


if __name__ == "__main__":
    main()

"""What a stream costs in memory: 20 000 colour pictures of 256 pixels, in a folder, read by worker processes.

    python benchmarks/streaming.py [PICTURES]            prints two lines
    python benchmarks/streaming.py [PICTURES] --write    also writes them into benchmarks/README.md

The folder holds hard links to a few JPEG files, so that it costs no disk; each is read and decoded anew. A child
process streams one pass in mini-batches of 64; its memory and its workers' are sampled until it ends. Pages that
processes share are counted once in PSS, and once for each of them in the sum of RSS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from common import facts, grouped, write
from PIL import Image

SIZE, WORKERS, BATCH = 256, 2, 64
CHILD = f"""
import sys
from gencourse.data import stream
import torch
data = stream(sys.argv[1], size={SIZE}, workers={WORKERS})
print(sum(len(x) for x, _ in data.batches({BATCH}, generator=torch.Generator().manual_seed(0))))
"""


def make_folder(root: Path, pictures: int) -> None:
    """A folder that looks as if it held so many pictures."""
    rng = np.random.default_rng(0)
    for n in range(8):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(root / f"{n}.jpg", quality=85)
    for n in range(8, pictures):
        os.link(root / f"{n % 8}.jpg", root / f"{n}.jpg")


def memory(process: psutil.Process) -> tuple[float, float]:
    """PSS and RSS of a process and all that it started, in bytes."""
    shared = resident = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            shared += one.memory_full_info().pss
            resident += one.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return shared, resident


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=int, nargs="?", default=20_000)
    parser.add_argument("--write", action="store_true", help="put the lines into benchmarks/README.md")
    args = parser.parse_args()
    pictures: int = args.pictures
    with tempfile.TemporaryDirectory() as name:
        make_folder(Path(name), pictures)
        start, peaks = time.perf_counter(), (0.0, 0.0)
        child = subprocess.Popen([sys.executable, "-c", CHILD, name], stdout=subprocess.PIPE, text=True)
        watched = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                peaks = tuple(map(max, peaks, memory(watched)))  # type: ignore[assignment]
            except psutil.Error:
                break
            time.sleep(0.1)
        seen = int(child.communicate()[0])
        seconds = time.perf_counter() - start
    whole = pictures * 3 * SIZE**2 / 1e9
    text = (
        f"{grouped(seen)} colour pictures of {SIZE} px through {WORKERS} workers: {seconds:.0f} s, "
        f"{grouped(seen / seconds)} a second. Peak {peaks[0] / 1e9:.2f} GB with shared pages counted once (PSS), "
        f"{peaks[1] / 1e9:.2f} GB as a sum of resident sets, which counts them in each process; all pictures as bytes "
        f"are {whole:.2f} GB. {facts()}"
    )
    print(text)
    if args.write:
        write("streaming", text)


if __name__ == "__main__":
    main()

"""Execute the book's outdated notebooks side by side, into the cache that Sphinx then reads.

Sphinx would execute them one after the other. One training run keeps two cores busy badly, two runs with one thread
each keep them busy well. The rule: as many notebooks at once as there are cores, and never more threads than cores,
because threads that wait for each other spin, and spinning against a second busy process costs a factor of ten or more.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import gcbook  # noqa: E402 (not a package: found through the line above)

# Seconds with one thread, for a notebook that this cache has not seen under this preset: a chapter, another page.
GUESS = {"smoke": 15.0, "book": 200.0, "full": 900.0}
GUESS_PAGE = 10.0
TRACEBACK_LINES = 40
ANSI = re.compile(r"\x1b\[[0-9;]*m")  # the colours in a traceback


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def notebooks(root: Path = ROOT) -> list[Path]:
    """The notebooks in the table of contents."""
    pages = (root / f"{name}.ipynb" for name in parse_toc_yaml(root / "_toc.yml"))
    return [page for page in pages if page.is_file()]


def cell_timeout(root: Path = ROOT) -> int:
    """Seconds that one cell may take: the number in _config.yml that holds for Sphinx too."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["execute"]["timeout"]


def load(path: Path) -> nbformat.NotebookNode:
    """A notebook as Sphinx will look it up, with its key."""
    text = path.read_text(encoding="utf-8")
    return nbformat.reads(gcbook.with_key(text, gcbook.notebook_key(json.loads(text))), as_version=4)


def is_cached(cache: JupyterCacheAbstract, path: Path) -> bool:
    """Whether Sphinx will find this notebook's outputs."""
    try:
        cache.match_cache_notebook(load(path))
    except KeyError:
        return False
    return True


def expected_seconds(cache: JupyterCacheAbstract, path: Path, preset: str) -> float:
    """What this notebook took the last time under this preset; a guess if that is not known."""
    records = [
        record
        for record in cache.list_cache_records()
        if record.uri == str(path) and record.data.get("preset") == preset
    ]
    if records:
        return max(records, key=lambda record: record.created).data["execution_seconds"]
    return GUESS.get(preset, GUESS["book"]) if path.parent.name == "chapters" else GUESS_PAGE


def expected_total(seconds: list[float], jobs: int) -> float:
    """Time until the last is done, when each one starts, in this order, as soon as there is room for it."""
    busy_until = [0.0] * jobs
    for one in seconds:
        busy_until[busy_until.index(min(busy_until))] += one
    return max(busy_until)


def duration(seconds: float) -> str:
    """For people: "45 s", "7 min"."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def share(jobs: int) -> int | None:
    """Threads for each of several notebooks that run at once; None, no limit, for one alone, as in JupyterLab."""
    return max(1, cores() // jobs) if jobs > 1 else None


class Run:
    """One notebook that is being executed."""

    def __init__(self, path: Path, name: str, timeout: int) -> None:
        self.path, self.name = path, name
        self.notebook = load(path)
        self.start = time.monotonic()
        self.end: float | None = None
        # The settings are myst-nb's. record_timing would write into the cells' metadata, which the cache compares.
        self.client = NotebookClient(
            self.notebook,
            timeout=timeout,
            record_timing=False,
            extra_arguments=["--log-level=ERROR", *gcbook.KERNEL_ARGUMENTS],  # not the kernel's own remarks
            resources={"metadata": {"path": str(path.parent)}},
        )

    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return (self.end or time.monotonic()) - self.start

    def execute(self, environment: dict[str, str]) -> None:
        """Execute the notebook in place, in a kernel of its own. Raises what goes wrong in it."""
        try:
            self.client.execute(env=environment)
        finally:
            self.end = time.monotonic()

    def kill(self) -> None:
        """Stop the kernel; `execute` then fails."""
        kernel = self.client.km
        if kernel is not None and kernel.provisioner is not None:
            asyncio.run(kernel.provisioner.kill())


def report_failure(run: Run, error: Exception) -> None:
    """One line, and the end of the traceback."""
    text = ANSI.sub("", str(error)).rstrip()
    if not isinstance(error, CellExecutionError):  # a cell that took too long, a kernel that died
        text = f"{type(error).__name__}: {text}"
    lines = text.splitlines()[-TRACEBACK_LINES:]
    print(f"  FAILED    {run.name}  {run.seconds():.0f} s", *lines, sep="\n    ", flush=True)


def keep(cache: JupyterCacheAbstract, run: Run, preset: str) -> None:
    """Put an executed notebook into the cache, as myst-nb does, if it is still the one that Sphinx will ask for.

    Raises:
        RuntimeError: the notebook, or what it uses, was edited while it ran: nobody knows which code made the outputs.
    """
    if cache.create_hashed_notebook(run.notebook)[1] != cache.create_hashed_notebook(load(run.path))[1]:
        raise RuntimeError("the notebook, or code that it uses, was edited while it ran: build again.")
    data = {"execution_seconds": run.seconds(), "preset": preset}
    bundle = CacheBundleIn(run.notebook, str(run.path), data=data)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    print(f"  finished  {run.name}  {run.seconds():.0f} s", flush=True)


def execute_outdated(
    cache_path: Path, preset: str, jobs: int | None = None, *, root: Path = ROOT
) -> list[str]:
    """Execute every notebook of the book whose outputs are not in the cache, and put them there.

    Args:
        cache_path: folder of the jupyter-cache.
        preset: what GENCOURSE_PRESET says; times are remembered for each preset.
        jobs: notebooks at a time; as many as there are cores if not given.
        root: the repository.

    Returns:
        Names of the notebooks that failed. These are not in the cache; all others are.
    """
    cache = get_cache(str(cache_path))
    pages = notebooks(root)
    expected = {page: expected_seconds(cache, page, preset) for page in pages if not is_cached(cache, page)}
    if not expected:
        print(f"None of {len(pages)} notebooks is outdated.", flush=True)
        return []

    todo = sorted(
        expected, key=lambda page: -expected[page]
    )  # longest first, so that none is left at the end
    jobs = min(jobs or cores(), len(todo))
    threads = share(jobs)
    total = expected_total([expected[page] for page in todo], jobs)
    how = "each with all cores" if threads is None else f"threads for each: {threads}"
    print(f"Outdated: {len(todo)} of {len(pages)} notebooks. At a time: {jobs}, {how}.", end=" ")
    print(f"Expected time: {duration(total)}.", flush=True)

    environment = {**os.environ, **gcbook.KERNEL}
    if threads is not None:
        environment.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    timeout = cell_timeout(root)
    failed: list[str] = []
    running: dict[Future[None], Run] = {}
    # Python's threads suffice: each waits for its kernel, which is a process.
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while todo or running:
                while todo and len(running) < jobs:
                    page = todo.pop(0)
                    run = Run(page, page.relative_to(root).with_suffix("").as_posix(), timeout)
                    running[pool.submit(run.execute, environment)] = run
                    print(f"  started   {run.name}", flush=True)
                # A second at a time: Windows looks at Ctrl-C only between two waits.
                for future in wait(running, timeout=1, return_when=FIRST_COMPLETED).done:
                    run = running.pop(future)
                    try:
                        future.result()
                        keep(cache, run, preset)
                    except Exception as error:
                        failed.append(run.name)
                        report_failure(run, error)
        finally:
            # Some are left only after Ctrl-C. Again and again, because a kernel may be just about to start.
            while wait(running, timeout=0.2).not_done:
                for run in running.values():
                    run.kill()
    return failed

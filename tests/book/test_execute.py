"""Notebooks are executed side by side into the cache that Sphinx reads, and into no other."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import gcbook
import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from tools import execute

FILES = {
    "_toc.yml": (
        "format: jb-book\nroot: index\nchapters:\n  - file: chapters/one\n  - file: chapters/two\n"
        "  - file: timings\n"
    ),
    "_config.yml": "execute:\n  timeout: 60\n",
    "index.md": "# Book\n\n```{toctree}\nchapters/one\nchapters/two\ntimings\n```\n",
    "timings.md": "# Timings\n\n```{nb-exec-table}\n```\n",
    "gencourse/__init__.py": "",
    "gencourse/losses.py": "value = 'a loss of 42'\n",
    "gencourse/networks.py": "value = 'a network of 17'\n",
}
THREADS = "import os\nprint([os.environ.get('OMP_' + x) for x in ('NUM_THREADS', 'WAIT_POLICY')])\n"
THREADS += "print('at most', os.environ['GOMP_SPINCOUNT'])"


def write(path: Path, *cells: str) -> None:
    """A notebook with a title and these code cells; one has a tag, as cells of chapters do."""
    path.parent.mkdir(exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {path.stem.title()}")])
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook.cells[-1].metadata["tags"] = ["hide-input"]
    nbformat.write(notebook, path)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two chapters, each of which prints a value of another module, on two cores."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name, module in (("one", "losses"), ("two", "networks")):
        write(
            tmp_path / f"chapters/{name}.ipynb",
            f"from gencourse import {module}\nprint({module}.value)",
            THREADS,
        )
    monkeypatch.setattr(gcbook, "ROOT", tmp_path)
    monkeypatch.setattr(execute, "cores", lambda: 2)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def run(book: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[list[str], str]]:
    """Execute what is outdated: names of what failed, and what was printed."""

    def run(jobs: int | None = None, preset: str = "smoke") -> tuple[list[str], str]:
        failed = execute.execute_outdated(book / "cache", preset, jobs, root=book)
        return failed, capsys.readouterr().out

    return run


def lines(printed: str, verb: str) -> list[str]:
    """Names of the notebooks on the lines with this verb."""
    return re.findall(rf"^  {verb} +(\S+)", printed, re.M)


def record(book: Path, chapter: str, seconds: float, preset: str) -> None:
    """Make the cache remember a run of an earlier version of a chapter."""
    old = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"# {chapter} {seconds} {preset}")])
    bundle = CacheBundleIn(
        old,
        str(book / f"chapters/{chapter}.ipynb"),
        data={"execution_seconds": seconds, "preset": preset},
    )
    get_cache(str(book / "cache")).cache_notebook_bundle(bundle, check_validity=False)


def test_sphinx_only_reads_what_was_executed(book, run, monkeypatch):
    failed, printed = run()
    assert failed == []
    assert sorted(lines(printed, "finished")) == ["chapters/one", "chapters/two"]

    def not_again(*args: object, **options: object) -> None:
        raise AssertionError("executed again")

    monkeypatch.setattr("myst_nb.core.execute.cache.single_nb_execution", not_again)
    settings = {"extensions": ["myst_nb", "gcbook"], "nb_execution_mode": "cache", "root_doc": "index"}
    settings |= {"nb_execution_cache_path": str(book / "cache"), "exclude_patterns": ["out", "cache"]}
    out = book / "out"
    with docutils_namespace():  # other tests of this process build, too
        app = Sphinx(str(book), None, str(out), str(out), "xml", settings, status=None, warningiserror=True)
        app.build()
    assert app.statuscode == 0
    assert "a loss of 42" in (out / "chapters/one.xml").read_text()
    assert "a network of 17" in (out / "chapters/two.xml").read_text()
    table = (out / "timings.xml").read_text()
    for chapter in ("one", "two"):  # title, date, seconds: a run took some
        row = re.search(rf'<row>(?:(?!</row>).)*chapters/{chapter}".*?</row>', table, re.S)[0]
        cells = re.findall(r"<paragraph>(.*?)</paragraph>", row, re.S)
        assert len(cells) == 3 and re.fullmatch(r"\d+\.\d", cells[2]) and float(cells[2]) > 0.1
        assert f"chapters/{chapter}<" not in cells[0], "a title, no file"

    assert run() == ([], "None of 2 notebooks is outdated.\n")


def test_a_change_executes_what_depends_on_it(book, run):
    run()
    (book / "gencourse/losses.py").write_text("value = 'changed'\n", encoding="utf-8")
    failed, printed = run()
    assert failed == [] and lines(printed, "started") == ["chapters/one"]
    assert "Outdated: 1 of 2 notebooks. At a time: 1, each with all cores." in printed


def test_a_failure_is_told_and_stops_nobody(book, run):
    write(book / "chapters/one.ipynb", "def f():\n    return 1 / 0", "print('before')\nf()")
    for others in (["chapters/two"], []):  # tried again by the second run: it was not cached
        failed, printed = run()
        assert failed == lines(printed, "FAILED") == ["chapters/one"]
        assert "return 1 / 0" in printed and "ZeroDivisionError: division by zero" in printed
        assert "\x1b" not in printed  # no colours, which a log would show as codes
        assert lines(printed, "finished") == others


def test_a_cell_has_the_time_that_the_configuration_gives(book, run):
    (book / "_config.yml").write_text("execute:\n  timeout: 1\n", encoding="utf-8")
    write(book / "chapters/one.ipynb", "import time\ntime.sleep(60)")
    failed, printed = run()
    assert failed == ["chapters/one"] and "CellTimeoutError" in printed


def test_outputs_of_edited_code_are_not_kept(book, run):
    """The kernel may have imported either version."""
    edit = "open('../gencourse/losses.py', 'a').write('# edited')"
    write(book / "chapters/one.ipynb", "import gencourse.losses", edit)
    failed, printed = run()
    assert failed == ["chapters/one"] and "edited while it ran" in printed
    assert lines(run()[1], "started") == ["chapters/one"]


@pytest.mark.parametrize(
    ("cores", "jobs", "threads"), [(2, None, "1"), (8, None, "4"), (2, 5, "1"), (2, 1, None)]
)
def test_never_more_threads_than_cores(book, run, monkeypatch, cores, jobs, threads):
    """And threads that wait for each other spin, but not for long."""
    monkeypatch.setattr(execute, "cores", lambda: cores)
    assert run(jobs)[0] == []
    cache = get_cache(str(book / "cache"))
    for chapter in ("one", "two"):
        _, notebook = cache.merge_match_into_notebook(execute.load(book / f"chapters/{chapter}.ipynb"))
        assert notebook.cells[-1].outputs[0].text == f"{[threads, None]}\nat most 10000\n"


def test_expected_time(book, run):
    for chapter, seconds, preset in (
        ("one", 99.0, "smoke"),
        ("one", 240.0, "smoke"),  # the last one counts
        ("two", 300.0, "smoke"),
        ("two", 7.0, "book"),
    ):
        record(book, chapter, seconds, preset)
    _, printed = run(jobs=1)
    assert printed.startswith(
        "Outdated: 2 of 2 notebooks. At a time: 1, each with all cores. Expected time: 9 min.\n"
    )
    assert lines(printed, "started") == ["chapters/two", "chapters/one"]  # the longest first


def test_expected_time_of_what_never_ran(book):
    cache = get_cache(str(book / "cache"))
    chapter, page = book / "chapters/one.ipynb", book / "book/intro.ipynb"
    assert execute.expected_seconds(cache, chapter, "book") == execute.GUESS["book"]
    assert execute.expected_seconds(cache, chapter, "of my own") == execute.GUESS["book"]
    assert execute.expected_seconds(cache, page, "book") == execute.GUESS_PAGE


@pytest.mark.parametrize(
    ("seconds", "jobs", "total"), [([3, 2, 2], 1, 7), ([3, 2, 2], 2, 4), ([5, 1, 1], 2, 5), ([4], 3, 4)]
)
def test_expected_total(seconds, jobs, total):
    assert execute.expected_total(seconds, jobs) == total


def test_duration():
    assert [execute.duration(seconds) for seconds in (3.4, 99, 200, 610)] == [
        "3 s",
        "99 s",
        "3 min",
        "10 min",
    ]


def test_ctrl_c_stops_the_kernels(book, run, monkeypatch):
    for chapter in ("one", "two"):
        pid = book / f"{chapter}.pid"
        over = book / f"{chapter}.over"
        cell = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)"
        write(book / f"chapters/{chapter}.ipynb", cell + f"\nopen({str(over)!r}, 'w')")
    pids = [book / "one.pid", book / "two.pid"]

    def wait(running, timeout, return_when=futures.ALL_COMPLETED):
        if timeout == 1 and all(pid.is_file() and pid.read_text() for pid in pids):
            raise KeyboardInterrupt
        return futures.wait(running, timeout, return_when)

    monkeypatch.setattr(execute, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not list(book.glob("*.over")), "a kernel was waited for, not stopped"
    for pid in pids:
        with pytest.raises(OSError):
            os.kill(int(pid.read_text()), 0)

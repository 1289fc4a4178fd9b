"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# An example may take as long as it takes: on a busy machine a deadline fails at random.
settings.register_profile("course", deadline=None)
settings.load_profile("course")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """On a person's machine a tool may be missing and its tests left out; in CI that would be a silent hole."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{reason}\nIn CI no test may be skipped."


@pytest.fixture
def clothes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fashion-MNIST, also where neither a network nor Debian's package has it: its first pictures."""
    from gencourse.data import sources

    if not sources._DEBIAN_FASHION.is_dir():
        monkeypatch.setattr(sources, "_DEBIAN_FASHION", Path(__file__).parent / "fashion")


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """What a test leaves in the environment must not change the next one: a build of the book sets TQDM_DISABLE."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)

"""The built book, a local server for it, and one browser for all tests."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.bench import Bench
from tools.system import find_chromium

ROOT = Path(__file__).resolve().parents[2]
HTML = Path(os.environ.get("GENCOURSE_HTML", ROOT / "_build" / "smoke" / "_build" / "html")).resolve()
CHROMIUM = find_chromium()
NOT_CONTENT = {"index.html", "genindex.html", "search.html", "py-modindex.html"}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pages() -> list[str]:
    """The book's own pages, as paths below the built folder."""
    found = (path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
    return sorted(p for p in found if p not in NOT_CONTENT and not p.startswith(("_", "reports/")))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take `any_page` or `chapter` run once for each. With no page, `html` says what is missing."""
    if "any_page" in metafunc.fixturenames:
        metafunc.parametrize("any_page", pages() or ["book/intro.html"])
    if "chapter" in metafunc.fixturenames:
        chapters = [page for page in pages() if page.startswith("chapters/")]
        metafunc.parametrize("chapter", chapters or ["chapters/01_autoencoder.html"])


COUNTS: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a sentence with a count, which is printed below the tests also when they pass."""
    return request.config.stash.setdefault(COUNTS, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what was counted."""
    for sentence in config.stash.get(COUNTS, []):
        terminalreporter.write_line(sentence)


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder with the built pages."""
    if not (HTML / "book" / "intro.html").is_file():
        pytest.skip(
            f"There is no built book in {HTML}: run 'python tools/test.py smoke', or set GENCOURSE_HTML."
        )
    return HTML


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from the system: nothing is downloaded."""
    if not CHROMIUM:
        pytest.skip("There is no Chromium or Chrome: the pages cannot be looked at here.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def server(html: Path) -> Iterator[str]:
    """Address of a local server for the pages."""
    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture(scope="session", params=["http", "file"])
def base(request: pytest.FixtureRequest, html: Path) -> str:
    """Where the pages are opened from: a server, and the disk (a downloaded book)."""
    return request.getfixturevalue("server") if request.param == "http" else html.as_uri()


@pytest.fixture
def bench(browser: Browser, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(browser, tmp_path)
    yield bench
    for page in bench.pages:
        page.close()
    assert bench.trouble == []

"""The page that `gencourse train` leaves: for everybody, on a phone, in the dark, and without a network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from typer.testing import CliRunner

from gencourse.cli import app

sys.path.insert(0, str(Path(__file__).parent))
from test_accessibility import findings


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page of a run that was evaluated, too."""
    run = tmp_path_factory.mktemp("runs") / "a run"
    words = [
        "train",
        "vae",
        "--limit",
        "64",
        "--epochs",
        "13",
        "--device",
        "cpu",
        "--quiet",
        "--out",
        str(run),
    ]
    for command in (words, ["evaluate", str(run), "--pictures", "40"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    return Path(run / "index.html").as_uri()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, page: str, mode: str) -> None:
    assert findings(browser, page, mode) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_and_asks_for_nothing(browser: Browser, page: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    tab, asked, errors = context.new_page(), list[str](), list[str]()
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page, wait_until="load")
    # a long history is folded; unfolded it scrolls by itself
    assert not tab.evaluate("document.querySelector('details').open")
    tab.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    drawn = tab.evaluate("[...document.images].map(e => e.naturalWidth)")
    assert len(drawn) == 4 and min(drawn) > 100
    assert [url for url in asked if not url.startswith("data:")] == [page] and not errors
    context.close()

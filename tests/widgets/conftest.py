"""A live figure in a page of its own, as the book shows it: no kernel, no network."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tools.system import find_chromium

ROOT = Path(__file__).resolve().parents[2]
PAPER = {"light": ("#fff", "#111"), "dark": ("#111", "#eee")}
MIME = "application/vnd.jupyter.widget"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = find_chromium()
    if not chromium:
        pytest.skip("there is no Chromium or Chrome: the figure cannot be looked at here")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a figure in a page of its own; at the end, nothing may have gone wrong in any of them."""
    pages, trouble = [], []

    def opened(
        figure: Any,
        *,
        width: int = 900,
        theme: str = "light",
        colours: tuple[str, str] | None = None,
        views: int = 1,
        binary: Sequence[str] = (),
        **options: Any,
    ) -> Any:
        paper, ink = colours or PAPER[theme]
        state = {k: v for k, v in figure.get_state().items() if k in figure.keys and k not in binary}
        buffers = [{"path": [k], "data": base64.b64encode(getattr(figure, k)).decode()} for k in binary]
        saved = {"state": {"m": {"model_module": "anywidget", "state": state, "buffers": buffers}}}
        (tmp_path / "page.html").write_text(
            f'<!doctype html><html data-theme="{theme}"><meta charset="utf-8">'
            f'<body style="margin: 10px; background: {paper}; color: {ink}">'
            f'<script type="{MIME}-state+json">{json.dumps(saved)}</script>'
            + views * f'<script type="{MIME}-view+json">{{"model_id": "m"}}</script>'
            + f"<script>{(ROOT / 'book/_static/gc-widgets.js').read_text('utf-8')}</script></body></html>",
            encoding="utf-8",
        )
        page = browser.new_page(viewport={"width": width, "height": 844}, **options)
        pages.append(page)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector("[data-gc-widget=ready]")
        return page

    yield opened
    for page in pages:
        page.close()
    assert trouble == []

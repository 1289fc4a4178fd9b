"""A page of its own for a live figure: from a disk, offline, under a strict policy."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from playwright.sync_api import Browser, Page

LOADER = Path(__file__).resolve().parents[2] / "book" / "_static" / "gc-widgets.js"
# Nothing but the page's own files, and blobs for the modules of the figures. Styles are written by the figures.
POLICY = "default-src 'none'; script-src 'self' blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def source(lab: AnyWidget, theme: str) -> str:
    """A page with one live figure, as the book writes it."""
    saved = lab.get_state()
    binary = {name: saved.pop(name) for name, value in list(saved.items()) if isinstance(value, bytes)}
    buffers = [
        {"path": [name], "encoding": "base64", "data": base64.b64encode(value).decode()}
        for name, value in binary.items()
    ]
    model = {"model_module": "anywidget", "state": saved, "buffers": buffers}
    state = json.dumps({"state": {lab.model_id: model}}).replace("</", "<\\/")
    kind = "application/vnd.jupyter.widget"
    ink, paper = ("#ced6dd", "#14181e") if theme == "dark" else ("#222832", "#ffffff")
    return f"""<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>Laboratory</title>
      <meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="viewport" content="width=device-width">
      <style>body {{ max-width: 60rem; color: {ink}; background: {paper} }}</style>
      <script src="gc-widgets.js" defer></script></head><body><article>
      <script type="{kind}-view+json">{json.dumps({"model_id": lab.model_id})}</script></article>
      <script type="{kind}-state+json">{state}</script></body></html>"""


class Bench:
    """Opens pages with a live figure, and keeps what went wrong in them."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser, self.folder = browser, folder
        self.trouble: list[str] = []
        self.pages: list[Page] = []
        (folder / "gc-widgets.js").write_bytes(LOADER.read_bytes())

    def show(
        self, figure: AnyWidget, hash: str = "", width: int = 1000, theme: str = "light", **options: Any
    ) -> Page:
        (self.folder / f"{theme}.html").write_text(source(figure, theme), encoding="utf-8")
        page = self.browser.new_page(viewport={"width": width, "height": 900}, **options)
        self.pages.append(page)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", lambda line: self.trouble.append(line.text) if line.type == "error" else None)
        page.on("request", lambda r: self.trouble.append(r.url) if r.url.startswith("http") else None)
        page.goto(f"{(self.folder / theme).as_uri()}.html{hash}")
        wait(page, "document.querySelector('[data-gc-widget]')?.dataset.gcWidget === 'ready'")
        return page


def wait(page: Page, condition: str, seconds: float = 10) -> None:
    """Until the condition holds. (Playwright's own way to wait needs eval, which the policy forbids.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        page.wait_for_timeout(20)

"""A laboratory in a page of its own, and how its controls are pressed."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page

from gencourse.widgets.lab import Laboratory
from tests.browser.bench import Bench, wait

NUMBERS = "document.querySelector('.gc-lab-said').textContent"
PIXELS = "all => all.map(canvas => canvas.toDataURL()).join()"


def opened(bench: Bench, lab: Laboratory, hash: str = "", **options: Any) -> Page:
    """The page, once the first picture is there."""
    page = bench.show(lab, hash, **options)
    wait(page, "document.querySelector('figcaption output').textContent > ''")
    return page


def press(page: Page, what: str) -> None:
    page.locator(f"[data-do={what}]").click()


def step(page: Page, count: int = 1) -> str:
    """So many single steps; the sentence after the last."""
    for _step in range(count):
        before = page.evaluate(NUMBERS)
        press(page, "step")
        wait(page, f"{NUMBERS}.startsWith('Step ') && {NUMBERS} !== {json.dumps(before)}")
    return page.evaluate(NUMBERS)


def reached(page: Page) -> int:
    """The step at which a game that was just paused stands."""
    wait(page, f"{NUMBERS}.startsWith('Step ')")
    return int(page.evaluate(NUMBERS).split()[1].rstrip("."))


def menu(page: Page, label: str, run: int = 0) -> Locator:
    return page.get_by_role("combobox", name=label, exact=True).nth(run)


def choose(page: Page, label: str, text: str, run: int = 0) -> None:
    menu(page, label, run).select_option(text)

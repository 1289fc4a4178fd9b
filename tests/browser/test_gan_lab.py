"""The laboratory in a page of its own: from a disk, offline, under a strict policy, on a desk and on a phone."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anywidget import AnyWidget
from playwright.sync_api import Browser, Locator, Page

from gencourse.widgets import DiracGame, GanLab

LOADER = Path(__file__).resolve().parents[2] / "book" / "_static" / "gc-widgets.js"
# Nothing but the page's own files, and blobs for the modules of the figures. Styles are written by the figures.
POLICY = "default-src 'none'; script-src 'self' blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
RING = "#gan-lab&data=ring&units=16&seed=5&a=hinge,0.9,0.005,0,0,1,0&b=hinge,0.5,0.005,0.1,0,1,0"
NUMBERS = "document.querySelector('.gc-lab-said').textContent"
PIXELS = "all => all.map(canvas => canvas.toDataURL()).join()"


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
    """Opens pages with the laboratory, and keeps what went wrong in them."""

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

    def open(self, hash: str = "", **options: Any) -> Page:
        page = self.show(GanLab(), hash, **options)
        wait(page, "document.querySelector('figcaption output').textContent > ''")
        return page


@pytest.fixture
def bench(browser: Browser, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(browser, tmp_path)
    yield bench
    for page in bench.pages:
        page.close()
    assert bench.trouble == []


def wait(page: Page, condition: str, seconds: float = 10) -> None:
    """Until the condition holds. (Playwright's own way to wait needs eval, which the policy forbids.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        page.wait_for_timeout(20)


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


def test_it_plays_pauses_steps_and_restarts(bench: Bench) -> None:
    page = bench.open(RING)
    once = step(page, 3)
    press(page, "play")
    page.wait_for_timeout(400)
    press(page, "play")
    assert reached(page) > 3, "playing makes steps"
    held = page.eval_on_selector_all("canvas", PIXELS)
    page.wait_for_timeout(200)
    assert page.eval_on_selector_all("canvas", PIXELS) == held, "a paused game moves"
    press(page, "restart")
    assert step(page, 3) == once, "the same seed gives another game"
    press(page, "seed")
    assert step(page, 3) != once, "another seed gives the same game"


def test_slow_motion_is_slow(bench: Bench) -> None:
    page = bench.open()
    page.get_by_label("slow motion").check()
    press(page, "play")
    page.wait_for_timeout(1200)
    press(page, "play")
    assert 1 <= reached(page) <= 4


def test_reset_brings_the_first_example_back(bench: Bench) -> None:
    page = bench.open()
    first = step(page, 2)
    choose(page, "Data", "two moons")
    choose(page, "Loss", "Wasserstein", run=1)
    press(page, "reset")
    assert menu(page, "Data").input_value() == "one point"
    assert menu(page, "Loss", run=1).input_value() == "minimax"
    assert step(page, 2) == first


def test_the_address_hands_the_settings_on(bench: Bench) -> None:
    page = bench.open(RING)
    assert menu(page, "Steps, momentum", run=0).input_value() == "Adam, 0.9"
    choose(page, "R1, γ", "0.3", run=1)
    choose(page, "Networks", "24 + 24 units")
    there = page.evaluate("location.hash")
    assert there == RING.replace("units=16", "units=24").replace("0.005,0.1,0,1,0", "0.005,0.3,0,1,0")
    found = step(page, 2)
    assert step(bench.open(there), 2) == found
    page.evaluate("location.hash = '#elsewhere'")
    assert menu(page, "R1, γ", run=1).input_value() == "0.3", "a link to a section changed it"


def test_a_setting_acts_in_the_run_it_belongs_to(bench: Bench) -> None:
    page = bench.open()
    press(page, "reset")
    choose(page, "R1, γ", "0", run=1)
    a, b = step(page, 20).split(". ")[1:]
    assert a.removeprefix("A") == b.removeprefix("B").removesuffix("."), "two equal runs differ"
    choose(page, "R1, γ", "1", run=1)
    a, b = step(page, 10).split(". ")[1:]
    assert a.removeprefix("A") != b.removeprefix("B").removesuffix("."), "the penalty did nothing"
    assert page.locator("fieldset .gc-lab-differs").count() == 2


def test_examples_say_what_to_see_and_play(bench: Bench) -> None:
    page = bench.open()
    said = set()
    for button in page.locator("[aria-label=Examples] button").all():
        button.click()
        page.wait_for_timeout(150)
        assert page.locator("[data-do=play]").inner_text() == "Pause"
        assert button.get_attribute("aria-pressed") == "true"
        said.add(page.locator(".gc-lab-what").inner_text())
    assert len(said) == 4 and all("B" in text for text in said)


def test_data_are_drawn_with_the_mouse_and_with_keys(bench: Bench) -> None:
    page = bench.open()
    box = page.locator("canvas.gc-pad").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=6)
    page.mouse.up()
    assert menu(page, "Data").input_value() == "your drawing"
    drawn = page.evaluate("location.hash").partition("&drawn=")[2]
    assert len(drawn) == 2 * 7, "two signs for each of seven points"
    page.locator("canvas.gc-image").focus()  # the other plane
    before = page.eval_on_selector_all("canvas.gc-image", PIXELS)
    page.keyboard.press("Shift+ArrowUp")
    assert page.eval_on_selector_all("canvas.gc-image", PIXELS) != before, "no cross"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash").endswith(f"{drawn}UZ"), "(0, 0.5) is added"
    assert "of 5 places" in step(page)
    assert menu(page, "Networks").input_value() != "a point, a line", "it cannot learn five places"


def test_a_finger_scrolls_and_draws_only_when_asked_to(bench: Bench) -> None:
    page = bench.open(width=390, has_touch=True)
    plane = page.locator("canvas.gc-pad")
    assert plane.evaluate("e => getComputedStyle(e).touchAction") == "pan-y"
    plane.tap()
    assert menu(page, "Data").input_value() == "one point"
    choose(page, "Data", "your drawing")
    plane.tap()
    assert len(page.evaluate("location.hash").partition("&drawn=")[2]) == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_sticks_out_in_either_theme(bench: Bench, width: int, theme: str) -> None:
    page = bench.open(RING, width=width, theme=theme)
    step(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = "e => Math.max(...[...e.querySelectorAll('*')].map(part => part.getBoundingClientRect().right))"
    assert page.eval_on_selector(".gc-lab", right) <= width
    assert page.eval_on_selector(".gc-lab", "e => getComputedStyle(e).colorScheme") == theme
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    assert page.eval_on_selector_all(".gc-lab button, .gc-lab label, .gc-lab figcaption", cut) == []


def test_every_control_has_a_name_and_changes_are_said(bench: Bench) -> None:
    page = bench.open()
    nameless = """all => all.filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim()))
      .map(e => e.outerHTML)"""
    assert page.eval_on_selector_all(".gc-lab :is(button, select, input, canvas)", nameless) == []
    choose(page, "Gradient penalty", "10", run=1)
    assert page.evaluate(NUMBERS) == "Run B. Gradient penalty: 10."
    press(page, "play")
    assert page.evaluate(NUMBERS) == "Playing."
    live = "document.querySelector('.gc-lab-said').getAttribute('aria-live')"
    assert page.evaluate(live) == "polite"


def test_a_game_that_explodes_stops_and_says_so(bench: Bench) -> None:
    wild = "#gan-lab&data=ring&units=16&seed=1&a=least_squares,plain,0.2,1,10,0,0&b=least_squares,plain,0.2,1,10,0,0"
    page = bench.open(wild)
    press(page, "play")
    wait(page, f"{NUMBERS}.startsWith('A run has left')", seconds=20)
    assert page.locator("[data-do=play]").inner_text() == "Play"


def test_the_smallest_game_plays_and_steps(bench: Bench) -> None:
    """The figure before the laboratory: its steps one by one, with D as a line over the two points."""
    page = bench.show(DiracGame())
    result, line = page.locator("output"), page.locator(".gc-dirac-line")
    whole = line.evaluate("e => e.toDataURL()")
    assert "after 400 steps" in result.inner_text()
    for number in (1, 2):
        page.get_by_role("button", name="Step").click()
        assert f"after {number} steps" in result.inner_text()
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Pause").click()
    held = result.inner_text()
    assert int(held.split()[1]) > 2
    page.wait_for_timeout(100)
    assert result.inner_text() == held, "a paused game moves"
    assert line.evaluate("e => e.toDataURL()") != whole
    page.get_by_role("button", name="Reset").click()
    assert "after 400 steps" in result.inner_text()
    assert line.evaluate("e => e.toDataURL()") == whole

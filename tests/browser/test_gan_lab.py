"""The laboratory in a page of its own: from a disk, offline, under a strict policy, on a desk and on a phone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from gencourse.widgets import DiracGame, GanLab
from tests.browser.bench import Bench, wait

RING = "#gan-lab&data=ring&units=16&seed=5&a=hinge,0.9,0.005,0,0,1,0&b=hinge,0.5,0.005,0.1,0,1,0"
NUMBERS = "document.querySelector('.gc-lab-said').textContent"
PIXELS = "all => all.map(canvas => canvas.toDataURL()).join()"


def laboratory(bench: Bench, hash: str = "", **options: Any) -> Page:
    page = bench.show(GanLab(), hash, **options)
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


def test_it_plays_pauses_steps_and_restarts(bench: Bench) -> None:
    page = laboratory(bench, RING)
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
    page = laboratory(bench)
    page.get_by_label("slow motion").check()
    press(page, "play")
    page.wait_for_timeout(1200)
    press(page, "play")
    assert 1 <= reached(page) <= 4


def test_reset_brings_the_first_example_back(bench: Bench) -> None:
    page = laboratory(bench)
    first = step(page, 2)
    choose(page, "Data", "two moons")
    choose(page, "Loss", "Wasserstein", run=1)
    press(page, "reset")
    assert menu(page, "Data").input_value() == "one point"
    assert menu(page, "Loss", run=1).input_value() == "minimax"
    assert step(page, 2) == first


def test_the_address_hands_the_settings_on(bench: Bench) -> None:
    page = laboratory(bench, RING)
    assert menu(page, "Steps, momentum", run=0).input_value() == "Adam, 0.9"
    choose(page, "R1, γ", "0.3", run=1)
    choose(page, "Networks", "24 + 24 units")
    there = page.evaluate("location.hash")
    assert there == RING.replace("units=16", "units=24").replace("0.005,0.1,0,1,0", "0.005,0.3,0,1,0")
    found = step(page, 2)
    assert step(laboratory(bench, there), 2) == found
    page.evaluate("location.hash = '#elsewhere'")
    assert menu(page, "R1, γ", run=1).input_value() == "0.3", "a link to a section changed it"


def test_a_setting_acts_in_the_run_it_belongs_to(bench: Bench) -> None:
    page = laboratory(bench)
    press(page, "reset")
    choose(page, "R1, γ", "0", run=1)
    a, b = step(page, 20).split(". ")[1:]
    assert a.removeprefix("A") == b.removeprefix("B").removesuffix("."), "two equal runs differ"
    choose(page, "R1, γ", "1", run=1)
    a, b = step(page, 10).split(". ")[1:]
    assert a.removeprefix("A") != b.removeprefix("B").removesuffix("."), "the penalty did nothing"
    assert page.locator("fieldset .gc-lab-differs").count() == 2


def test_examples_say_what_to_see_and_play(bench: Bench) -> None:
    page = laboratory(bench)
    said = set()
    for button in page.locator("[aria-label=Examples] button").all():
        button.click()
        page.wait_for_timeout(150)
        assert page.locator("[data-do=play]").inner_text() == "Pause"
        assert button.get_attribute("aria-pressed") == "true"
        said.add(page.locator(".gc-lab-what").inner_text())
    assert len(said) == 4 and all("B" in text for text in said)


def test_data_are_drawn_with_the_mouse_and_with_keys(bench: Bench) -> None:
    page = laboratory(bench)
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
    page = laboratory(bench, width=390, has_touch=True)
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
    page = laboratory(bench, RING, width=width, theme=theme)
    step(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = "e => Math.max(...[...e.querySelectorAll('*')].map(part => part.getBoundingClientRect().right))"
    assert page.eval_on_selector(".gc-lab", right) <= width
    assert page.eval_on_selector(".gc-lab", "e => getComputedStyle(e).colorScheme") == theme
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    assert page.eval_on_selector_all(".gc-lab button, .gc-lab label, .gc-lab figcaption", cut) == []


def test_every_control_has_a_name_and_changes_are_said(bench: Bench) -> None:
    page = laboratory(bench)
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
    page = laboratory(bench, wild)
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

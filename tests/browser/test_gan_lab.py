"""The laboratory of chapter 2 in a page of its own: what only a game of two does."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from gencourse.widgets import DiracGame, GanLab
from tests.browser.bench import Bench, wait
from tests.browser.laboratory import NUMBERS, choose, menu, opened, press, step

RING = "#gan-lab&data=ring&units=16&seed=5&a=hinge,0.9,0.005,0,0,1,0&b=hinge,0.5,0.005,0.1,0,1,0"


def laboratory(bench: Bench, hash: str = "", **options: Any) -> Page:
    return opened(bench, GanLab(), hash, **options)


def test_the_address_hands_every_setting_on(bench: Bench) -> None:
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


def test_drawn_data_have_places_and_networks(bench: Bench) -> None:
    page = laboratory(bench)
    box = page.locator("canvas.gc-pad").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=6)
    page.mouse.up()
    page.locator("canvas.gc-image").focus()
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    assert "of 5 places" in step(page)
    assert menu(page, "Networks").input_value() != "a point, a line", "it cannot learn five places"


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

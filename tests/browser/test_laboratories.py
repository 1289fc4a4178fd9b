"""What both laboratories do in a page: from a disk, offline, under a strict policy, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page

from gencourse.widgets import AutoencoderLab, GanLab
from gencourse.widgets.lab import Laboratory
from tests.browser.bench import Bench, wait
from tests.browser.laboratory import NUMBERS, PIXELS, choose, menu, opened, press, reached, step


@dataclass(frozen=True)
class Case:
    """A laboratory, settings far from its first example, and one control of a run."""

    lab: type[Laboratory]
    far: str  # an address, two runs that differ
    first: str  # its first data
    label: str  # a control, which begins nothing anew
    home: str  # what run B has there at first
    other: str  # another of its choices


CASES = {
    "autoencoder": Case(
        AutoencoderLab,
        "#autoencoder-lab&data=ring&units=8&seed=5&a=linear,1,0,0.01&b=tanh,2,0.5,0.003",
        "two moons",
        "Noise, σ",
        "0",
        "1",
    ),
    "gan": Case(
        GanLab,
        "#gan-lab&data=ring&units=16&seed=5&a=hinge,0.9,0.005,0,0,1,0&b=hinge,0.5,0.005,0.1,0,1,0",
        "one point",
        "Gradient penalty",
        "0",
        "10",
    ),
}
Open = Callable[..., Page]


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def laboratory(bench: Bench, case: Case) -> Open:
    """Opens the laboratory in a new page."""

    def open_it(hash: str = "", **options: Any) -> Page:
        return opened(bench, case.lab(), hash, **options)

    return open_it


def test_it_plays_pauses_steps_and_restarts(laboratory: Open, case: Case) -> None:
    page = laboratory(case.far)
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


def test_slow_motion_is_slow(laboratory: Open) -> None:
    page = laboratory()
    page.get_by_label("slow motion").check()
    press(page, "play")
    page.wait_for_timeout(1200)
    press(page, "play")
    assert 1 <= reached(page) <= 4


def test_reset_brings_the_first_example_back(laboratory: Open, case: Case) -> None:
    page = laboratory()
    first = step(page, 2)
    choose(page, "Data", "two rings")
    choose(page, case.label, case.other, run=1)
    press(page, "reset")
    assert menu(page, "Data").input_value() == case.first
    assert menu(page, case.label, run=1).input_value() == case.home
    assert step(page, 2) == first


def test_the_address_hands_the_settings_on(laboratory: Open, case: Case) -> None:
    page = laboratory(case.far)
    choose(page, "Data", "grid of nine")
    choose(page, case.label, case.other, run=1)
    there = page.evaluate("location.hash")
    assert there.startswith(case.far.partition("&b=")[0].replace("data=ring", "data=grid"))
    found = step(page, 2)
    assert step(laboratory(there), 2) == found
    page.evaluate("location.hash = '#elsewhere'")
    assert menu(page, case.label, run=1).input_value() == case.other, "a link to a section changed it"


def test_examples_say_what_to_see_and_play(laboratory: Open) -> None:
    page = laboratory()
    said = set()
    for button in page.locator("[aria-label=Examples] button").all():
        button.click()
        page.wait_for_timeout(150)
        assert page.locator("[data-do=play]").inner_text() == "Pause"
        assert button.get_attribute("aria-pressed") == "true"
        said.add(page.locator(".gc-lab-what").inner_text())
    assert len(said) == 4 and all("B" in text for text in said)


def test_data_are_drawn_with_the_mouse_and_with_keys(laboratory: Open) -> None:
    page = laboratory()
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
    step(page)


def test_a_finger_scrolls_and_draws_only_when_asked_to(laboratory: Open, case: Case) -> None:
    page = laboratory(width=390, has_touch=True)
    plane = page.locator("canvas.gc-pad")
    assert plane.evaluate("e => getComputedStyle(e).touchAction") == "pan-y"
    plane.tap()
    assert menu(page, "Data").input_value() == case.first
    choose(page, "Data", "your drawing")
    plane.tap()
    assert len(page.evaluate("location.hash").partition("&drawn=")[2]) == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_sticks_out_in_either_theme(laboratory: Open, case: Case, width: int, theme: str) -> None:
    page = laboratory(case.far, width=width, theme=theme)
    step(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = "e => Math.max(...[...e.querySelectorAll('*')].map(part => part.getBoundingClientRect().right))"
    assert page.eval_on_selector(".gc-lab", right) <= width
    assert page.eval_on_selector(".gc-lab", "e => getComputedStyle(e).colorScheme") == theme
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    assert page.eval_on_selector_all(".gc-lab button, .gc-lab label, .gc-lab figcaption", cut) == []


def test_every_control_has_a_name_and_changes_are_said(laboratory: Open, case: Case) -> None:
    page = laboratory()
    nameless = """all => all.filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim()))
      .map(e => e.outerHTML)"""
    assert page.eval_on_selector_all(".gc-lab :is(button, select, input, canvas)", nameless) == []
    choose(page, case.label, case.other, run=1)
    assert page.evaluate(NUMBERS) == f"Run B. {case.label}: {case.other}."
    press(page, "play")
    assert page.evaluate(NUMBERS) == "Playing."
    live = "document.querySelector('.gc-lab-said').getAttribute('aria-live')"
    assert page.evaluate(live) == "polite"
    press(page, "play")
    wait(page, f"{NUMBERS}.startsWith('Step ')")

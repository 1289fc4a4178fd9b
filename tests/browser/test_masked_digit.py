"""The figure of chapter 5 in a page of its own: a worker fills in, and the page stays free."""

from __future__ import annotations

from playwright.sync_api import Page

from gencourse.data import load
from gencourse.widgets import MaskedDigit, masked_digit_model
from tests.browser.bench import Bench, source, wait

SAID = "document.querySelector('.gc-masked output').textContent"
IMAGE = "document.querySelector('canvas.gc-image').toDataURL()"


def figure() -> MaskedDigit:
    test = load("mnist", split="test").take(4)
    return MaskedDigit.from_mae(masked_digit_model(), test.x, test.labels)


def filled(page: Page) -> None:
    wait(page, f"{SAID}.includes('mean squared error')", seconds=30)


def test_a_worker_computes_and_the_answer_is_to_the_last_question(bench: Bench) -> None:
    page = bench.show(figure())
    filled(page)
    assert len(page.workers) == 1
    first = page.evaluate(SAID)
    pad = page.locator("canvas.gc-pad")
    pad.focus()
    for key in ("ArrowRight", "Space", "ArrowRight", "Space", "ArrowDown", "Space"):
        page.keyboard.press(key)
    wait(page, f"{SAID}.startsWith('row 5, column 6: ')", seconds=30)
    page.get_by_role("button", name="Reset").click()
    wait(page, f"{SAID} === {first!r}", seconds=30)


def test_row_and_column_are_said_at_once_where_only_the_ring_moves(bench: Bench) -> None:
    page = bench.show(figure())
    filled(page)
    page.locator("canvas.gc-pad").focus()
    page.keyboard.press("ArrowUp")
    assert page.evaluate(SAID).startswith("row 3, column 4: ")


def test_what_is_newly_hidden_is_never_shown_as_if_it_were_filled_in(bench: Bench) -> None:
    """Between a click and the answer the picture has holes there, not the pixels that are hidden."""
    page = bench.show(figure())
    filled(page)
    before = page.evaluate(IMAGE)
    at_once = page.evaluate(
        f"""() => {{ document.querySelector("[data-do=random]").click(); return {IMAGE}; }}"""
    )
    wait(page, f"{SAID}.includes('37 of 49')", seconds=30)
    assert len({before, at_once, page.evaluate(IMAGE)}) == 3


def test_a_page_that_may_start_no_worker_computes_itself(bench: Bench) -> None:
    page = bench.browser.new_page()
    page.add_init_script(
        "window.Worker = class { postMessage() { setTimeout(() => this.onerror()); } terminate() {} }"
    )
    (bench.folder / "page.html").write_text(source(figure(), "light"), encoding="utf-8")
    page.goto((bench.folder / "page.html").as_uri())
    wait(page, "document.querySelector('[data-gc-widget]')?.dataset.gcWidget === 'ready'")
    filled(page)
    assert page.workers == []
    page.close()

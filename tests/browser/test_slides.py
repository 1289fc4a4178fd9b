"""A deck of slides, as a teacher opens it: from the disk, with no network, live figure and equations included."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import slides  # noqa: E402  (tools/ is no package)

TEXT = nbformat.v4.new_markdown_cell
CODE = nbformat.v4.new_code_cell
ALT = {"mystnb": {"image": {"alt": "A line that rises."}}}
LONG = "The first sentence, of $x < 1.5$ only. " + "The others are many and long. " * 20

CELLS = [
    TEXT("# A chapter\n\nIt has a beginning."),
    CODE('raise SystemExit("the cell for Colab")', metadata={"tags": ["remove-cell"]}),
    CODE("from gencourse import widgets\nimport matplotlib.pyplot as plt\n%matplotlib inline"),
    TEXT(f"## The idea\n\n{LONG}\n\n- one\n- two\n\nNot on a slide."),
    CODE("widgets.DiracGame()"),
    TEXT(
        "### A picture\n\n$$ a = b^2 \\tag{9.1} $$\n\n<details><summary>Proof</summary>\n\nFolded $q$.\n\n</details>"
    ),
    CODE("_ = plt.plot([1, 2])", metadata=ALT),
    TEXT("> **Predict first.** What comes?"),
    CODE('print("A & B < C")'),
    CODE('print("left out")', metadata={"tags": ["skip-slide"]}),
    CODE('print("off the page")', metadata={"tags": ["remove-output"]}),
    TEXT("All of this.\n\nAnd this.", metadata={"tags": ["slide"]}),
    TEXT("## Exercises\n\n### Exercise 9.1: Secret"),
    CODE("### BEGIN SOLUTION\nsecret = 1\n### END SOLUTION"),
    TEXT(
        "## Summary and reading\n\n"
        + "\n".join(f"- point {i}" for i in range(10))
        + "\n\n1. a\n2. b\n3. c\n4. d\n5. e"
    ),
    TEXT("### Too high\n\n" + "\n".join(f"- {i} {'words and ' * 40}" for i in range(12))),
    TEXT(f"### Too wide\n\n$$ {'a + ' * 40} b $$"),
    CODE(f"print({'x' * 300!r})"),
]


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[cell.copy() for cell in CELLS])
    notebook.cells[1] = CODE("", metadata={"tags": ["remove-cell"]})
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    notebook.cells[1] = CELLS[1]
    return slides.write(notebook, tmp_path_factory.mktemp("decks") / "slides" / "09_deck.html")


@contextmanager
def opened(browser: Browser, deck: Path) -> Iterator[tuple[Page, list[str]]]:
    """A deck in a browser without a network, and everything that went wrong or out."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 720})
    page, wrong = context.new_page(), []  # type: tuple[Page, list[str]]
    page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.on("request", lambda one: one.url.startswith(("file:", "data:", "blob:")) or wrong.append(one.url))
    page.goto(deck.as_uri(), timeout=120_000)
    page.wait_for_selector(".reveal.ready", timeout=120_000)
    page.wait_for_function(READY, timeout=120_000)
    yield page, wrong
    context.close()


@pytest.fixture(scope="module")
def seen(browser: Browser, deck: Path) -> Iterator[tuple[Page, list[str]]]:
    """The deck made of the cells above."""
    with opened(browser, deck) as found:
        yield found


def cut(page: Page) -> list[str]:
    """Every slide of which a part is out of sight, and every one with letters too small to be read."""
    found = []
    page.evaluate("Reveal.slide(0, 0)")
    for index in range(page.evaluate("Reveal.getTotalSlides()")):
        # a figure that has changed its size is fitted in the next frame
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found += [f"slide {index}, {one}" for one in page.evaluate(CUT)]
        page.evaluate("Reveal.next()")
    return found


READY = """() => document.querySelectorAll(".live").length ===
    document.querySelectorAll("[data-gc-widget=ready]").length"""
CUT = """() => {
  const slide = Reveal.getCurrentSlide(), edge = slide.getBoundingClientRect(), found = [];
  const title = slide.innerText.split("\\n")[0];
  if (edge.bottom > innerHeight + 1 || edge.right > innerWidth + 1) found.push(`${title}: beyond the window`);
  for (const one of [slide, ...slide.querySelectorAll("pre, table, .live, mjx-container, img")]) {
    const place = one.getBoundingClientRect();
    if (one.scrollHeight > one.clientHeight + 1 && one.matches("section, pre")) found.push(`${title}: too high`);
    if (one.scrollWidth > one.clientWidth + 1 && one.matches("section, pre")) found.push(`${title}: too wide`);
    if (place.bottom > edge.bottom + 1 || place.right > edge.right + 1) found.push(`${title}: ${one.tagName} is cut`);
  }
  const zoom = Number(slide.querySelector(".fit").style.zoom || 1);
  if (zoom < 0.5) found.push(`${title}: ${Math.round(100 * zoom)} % of the size`);
  return found;
}"""


def test_nothing_is_cut_off(seen: tuple[Page, list[str]]) -> None:
    page, _ = seen
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.reveal .slides section section')).overflowY"
    )
    assert cut(page) == []


@pytest.mark.parametrize("path", slides.chapters(), ids=lambda path: path.stem)
def test_the_deck_of_a_chapter(
    path: Path, browser: Browser, html: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")  # of the book that is tested; the cache asks
    cache = html.parent / ".jupyter_cache"
    if not cache.is_dir():
        pytest.skip(f"There is no cache of executed chapters in {cache}: run 'python tools/test.py smoke'.")
    made = slides.write(slides.executed(cache, path), tmp_path / "slides" / "deck.html")
    with opened(browser, made) as (page, wrong):
        assert cut(page) == []
        assert wrong == [] and page.evaluate("Reveal.isLastSlide()")
        assert page.locator(".live").count() >= 1 and page.locator("mjx-merror").count() == 0


def test_it_opens_with_no_request_to_the_network_and_no_error(seen: tuple[Page, list[str]]) -> None:
    page, wrong = seen
    for index in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate("Reveal.next()")
        assert wrong == [], index
    assert page.evaluate("Reveal.isLastSlide()")


def test_equations_are_set_and_pictures_are_there(seen: tuple[Page, list[str]]) -> None:
    page, _ = seen
    assert page.locator("mjx-container").count() == 3 and page.locator("mjx-merror").count() == 0
    assert "(9.1)" in page.locator("mjx-container").nth(1).inner_text() or page.locator("mjx-mtd[id]").count()
    image = page.locator("img[alt='A line that rises.']")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_the_live_figure_runs(seen: tuple[Page, list[str]]) -> None:
    page, _ = seen
    figure = page.locator("[data-gc-widget]")
    assert figure.get_attribute("data-gc-widget") == "ready"
    page.evaluate(
        "const at = Reveal.getIndices(document.querySelector('[data-gc-widget]').closest('section'));"
        "Reveal.slide(at.h, at.v)"
    )
    canvas = figure.locator("canvas").first
    before: Any = canvas.evaluate("canvas => canvas.toDataURL()")
    slider = figure.locator("input[type=range]").first
    slider.evaluate(
        "one => { one.value = one.max; for (const kind of ['input', 'change'])"
        " one.dispatchEvent(new Event(kind, { bubbles: true })); }"
    )
    page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before", arg=[canvas.element_handle(), before]
    )


def test_what_is_on_a_slide(seen: tuple[Page, list[str]]) -> None:
    text = seen[0].locator(".slides").evaluate("all => all.textContent")
    for there in (
        "It has a beginning.",
        "The first sentence",
        "one",
        "Predict first",
        "A & B < C",
        "And this.",
        "point 9",
    ):
        assert there in text, there
    for left in (
        "Colab",
        "The others are many",
        "Not on a slide",
        "Folded",
        "left out",
        "Secret",
        "secret",
        "Proof",
    ):
        assert left not in text, left


def test_a_section_is_a_column_and_a_full_slide_goes_on_below(seen: tuple[Page, list[str]]) -> None:
    headings = [
        [slide.split("\n")[0].strip("¶ ") for slide in column]
        for column in seen[0].evaluate(
            "[...document.querySelectorAll('.slides > section')].map(column =>"
            " [...column.children].map(slide => slide.querySelector('h1, h2, h3').textContent))"
        )
    ]
    assert [column[0] for column in headings] == ["A chapter", "The idea", "Summary and reading"]
    assert headings[1].count("A picture") >= 1 and headings[2][:2] == ["Summary and reading"] * 2

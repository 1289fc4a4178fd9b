"""Every page, as a reader meets it: typeset, complete, offline, on a phone, in the dark.

A strict build passes pages that show raw `$x$`, a broken image or a red MathJax error. A browser does not.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import ROOT
from tools.address import PLACEHOLDER, read_project

# Waits for MathJax and for the live figures, then reports what a reader would stumble over.
LOOK = r"""async () => {
  const article = document.querySelector("article") || document.body;
  const formulas = article.querySelectorAll(".math").length;
  const started = () => window.MathJax && MathJax.startup && MathJax.startup.promise;
  for (let i = 0; formulas && !started() && i < 100; i++) await new Promise(r => setTimeout(r, 50));
  if (started()) await MathJax.startup.promise;
  const widgets = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length;
  const states = () => [...document.querySelectorAll("[data-gc-widget]")].map(e => e.dataset.gcWidget);
  for (let i = 0; states().length < widgets && i < 200; i++) await new Promise(r => setTimeout(r, 50));
  const text = article.cloneNode(true);
  text.querySelectorAll("pre, code, mjx-container, script, style, .math").forEach(e => e.remove());
  const raw = {
    "dollar math": /\$[^$\n]+\$/, "TeX delimiter": /\\[(\[]/, "TeX environment": /\\begin\{/,
    "role": /\{[a-z:]+\}`/,
    "colon fence": /^\s*:::/m, "directive": /^\s*```/m, "target": /^\([\w-]+\)=/m, "footnote": /\[\^/,
    "marker": /generated:/,
  };
  const images = [...document.images];
  images.forEach(i => { i.loading = "eager"; });
  await Promise.all(images.map(i => i.decode().catch(() => 0)));
  return {
    formulas,
    typeset: article.querySelectorAll("mjx-container").length,
    errors: [...article.querySelectorAll("mjx-merror, [data-mjx-error]")]
      .map(e => e.dataset.mjxError || e.textContent),
    raw: Object.entries(raw).filter(([, r]) => r.test(text.textContent))
      .map(([n, r]) => n + ": " + text.textContent.match(r)[0].trim()),
    broken: images.filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
    silent: images.filter(i => !(i.getAttribute("alt") || "").trim()).map(i => i.src),
    widgets,
    states: states(),
  };
}"""

# How far the page is wider than the window, and which elements do it.
TOO_WIDE = r"""() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width && document.body.scrollWidth <= width) return [];
  return [...document.querySelectorAll("article *")]
    .filter(e => e.getBoundingClientRect().right > width + 1).slice(0, 5)
    .map(e => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right))
    .concat("page: " + document.documentElement.scrollWidth);
}"""

# Lines of code on the page, and those of them that the box cuts off.
CUT_LINES = r"""() => {
  let lines = 0, cut = 0;
  for (const pre of document.querySelectorAll("article div.highlight pre")) {
    if (!pre.checkVisibility()) continue;
    const box = pre.getBoundingClientRect();
    for (const line of pre.querySelectorAll(".gc-line")) {
      const range = document.createRange();
      range.selectNodeContents(line);
      lines += 1;
      cut += range.getBoundingClientRect().right > box.right + 1;
    }
  }
  return [lines, cut];
}"""

# Numbers of equations that are not on the screen, formulas that their box cuts off, formulas that Tab stops at.
HIDDEN = r"""async () => {
  await MathJax.startup.promise;
  document.querySelectorAll("article details").forEach(e => { e.open = true; });
  await new Promise(r => setTimeout(r, 100));
  const width = document.documentElement.clientWidth;
  const out = e => { const r = e.getBoundingClientRect(); return !r.width || r.left < 0 || r.right > width + 1; };
  const all = selector => [...document.querySelectorAll("article " + selector)];
  return {
    numbers: all(".gc-number").length,
    hidden: all(".gc-number").filter(out).map(e => e.textContent),
    cut: all("div.math").filter(e => out(e) || e.scrollWidth > e.clientWidth + 1).map(e => e.id || e.textContent),
    stops: all("mjx-container[tabindex]").length,
    silent: all("mjx-container").filter(e => !e.querySelector("math")).length,
  };
}"""
# Full stops, commas and brackets behind a formula, and those that begin a line there.
ASTRAY = r"""async () => {
  await MathJax.startup.promise;
  const found = [...document.querySelectorAll("article span.math")].map(m => {
    const after = m.nextSibling, box = m.querySelector("mjx-container");
    if (!box || !m.checkVisibility() || after?.nodeType !== 3 || !/^[.,;:!?)\]]/.test(after.data)) return null;
    const range = document.createRange();
    range.setStart(after, 0);
    range.setEnd(after, 1);
    return range.getBoundingClientRect().left < box.getBoundingClientRect().left ? m.textContent + after.data : "";
  }).filter(one => one !== null);
  return [found.length, found.filter(Boolean)];
}"""
HEAVIEST = 1_000_000  # bytes of a first visit to a chapter
CUT_AT_MOST = {1400: 0.0, 390: 0.05}  # share of lines, by the window's width


class Visit:
    """A page in a browser that reaches nothing but the book, and what went wrong there."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.context, self.base = context, base
        self.trouble: list[str] = []
        context.route("**/*", self.guard)

    def guard(self, route: Any) -> None:
        """Let through what belongs to the book; record and stop everything else."""
        url = route.request.url
        if url.startswith((self.base, "data:", "blob:")):
            route.continue_()
        else:
            self.trouble.append(f"asks for {url}")
            route.abort()

    def open(self, name: str) -> Page:
        """Open a page and wait until it has loaded."""
        self.trouble.clear()
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on("requestfailed", lambda request: self.trouble.append(f"failed: {request.url}"))
        page.on(
            "console",
            lambda message: (
                self.trouble.append(f"console: {message.text}")
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.goto(f"{self.base}/{name}", wait_until="load")
        return page


@pytest.fixture(scope="module", params=["light from a server", "dark from the disk"])
def visit(request: pytest.FixtureRequest, browser: Browser, html: Path) -> Iterator[Visit]:
    """A visitor in each of the two modes and ways to open the book, without all four pairs: they cost time."""
    mode, _, place = request.param.partition(" from ")
    base = html.as_uri() if place == "the disk" else request.getfixturevalue("server")
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=mode)
    context.add_init_script(
        f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')"
    )
    yield Visit(context, base)
    context.close()


def test_page(visit: Visit, any_page: str) -> None:
    """One visit to one page: desktop first, then the same page as wide as a phone."""
    page = visit.open(any_page)
    seen = page.evaluate(LOOK)
    page.set_viewport_size({"width": 390, "height": 844})
    too_wide = page.evaluate(TOO_WIDE)
    page.close()
    assert seen["raw"] == [], "raw syntax"
    assert seen["errors"] == [], "MathJax errors"
    assert seen["typeset"] >= seen["formulas"], "formulas that are not typeset"
    assert seen["broken"] == [], "broken images"
    assert seen["silent"] == [], "images without alt text"
    assert seen["states"] == ["ready"] * seen["widgets"], "live figures"
    assert too_wide == [], "wider than a phone"
    assert visit.trouble == []


@pytest.mark.parametrize("width", CUT_AT_MOST)
def test_code_is_not_cut(
    browser: Browser, server: str, chapter: str, width: int, counted: Callable[[str], None]
) -> None:
    """Code fits into its box on a desk, and goes on in the next line on a phone."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{server}/{chapter}", wait_until="load")
    lines, cut = page.evaluate(CUT_LINES)
    page.close()
    counted(f"{chapter} at {width} px: {cut} of {lines} lines of code are cut")
    assert lines, "no line of code was seen"
    assert cut <= CUT_AT_MOST[width] * lines


@pytest.mark.parametrize("width", CUT_AT_MOST)
def test_number_and_formula_are_in_view(
    browser: Browser, server: str, chapter: str, width: int, counted: Callable[[str], None]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{server}/{chapter}", wait_until="load")
    seen = page.evaluate(HIDDEN)
    page.add_style_tag(content=".gc-numbered > div.math { flex: none; width: 2000px; max-width: none; }")
    pushed_out = page.evaluate(HIDDEN)
    page.close()
    counted(
        f"{chapter} at {width} px: {len(seen['hidden'])} of {seen['numbers']} equation numbers are hidden"
    )
    assert seen["numbers"], "no numbered equation was seen"
    assert seen["hidden"] == [], "numbers that are off the screen"
    assert seen["cut"] == [], "formulas that are cut"
    assert seen["stops"] == 0, "formulas that Tab stops at"
    assert seen["silent"] == 0, "formulas without MathML"
    assert len(pushed_out["hidden"]) == seen["numbers"], "this test sees no hidden number"


def test_no_full_stop_begins_a_line(
    browser: Browser, server: str, chapter: str, counted: Callable[[str], None]
) -> None:
    """On a phone a formula ends many a line, and the full stop behind it would begin the next."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{server}/{chapter}", wait_until="load")
    count, astray = page.evaluate(ASTRAY)
    page.add_style_tag(content=".gc-whole { white-space: normal !important; }")
    _, without = page.evaluate(ASTRAY)
    page.close()
    counted(f"{chapter} at 390 px: {len(astray)} of {count} stops begin a line, {len(without)} without care")
    assert count, "no formula with a stop was seen"
    assert len(astray) <= 0.02 * count


def test_first_visit_is_light(
    browser: Browser, server: str, html: Path, chapter: str, counted: Callable[[str], None]
) -> None:
    """What a first visit loads, as a server that packs with gzip would send it."""
    loaded: set[str] = set()
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("requestfinished", lambda request: loaded.add(request.url.partition("?")[0]))
    page.goto(f"{server}/{chapter}", wait_until="load")
    seconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    page.close()
    files = [html / url.removeprefix(f"{server}/") for url in loaded if url.startswith(server)]
    packed = {".html", ".js", ".css", ".json", ".svg"}
    sizes = [
        len(gzip.compress(file.read_bytes())) if file.suffix in packed else file.stat().st_size
        for file in files
    ]
    counted(f"{chapter}: {sum(sizes) / 1000:.0f} KB, loaded in {seconds:.2f} s")
    assert not [file.name for file in files if file.name in {"fontawesome.js", "searchindex.js"}]
    assert sum(sizes) < HEAVIEST


def test_chapter_leads_to_colab_if_there_is_an_address(html: Path, chapter: str) -> None:
    """The button needs the repository's address; tests/book/test_published.py builds a page in both states."""
    text = (html / chapter).read_text(encoding="utf-8")
    address, _ = read_project((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    notebook = chapter.removesuffix(".html") + ".ipynb"
    button = f"https://colab.research.google.com/github/{address.removeprefix('https://github.com/')}/blob/main/{notebook}"
    assert (button in text) == (PLACEHOLDER not in address)
    assert f"/{PLACEHOLDER}/" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)


def test_live_figure_moves_without_a_kernel(browser: Browser, base: str, chapter: str) -> None:
    """Dragging changes what is drawn, and so does an arrow key."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    visit = Visit(context, base)
    page = visit.open(chapter)
    page.evaluate(LOOK)  # waits until the formulas no longer move the page
    pads = 0
    for figure in page.query_selector_all("[data-gc-widget]"):
        pad = figure.query_selector("canvas.gc-pad")
        if not pad or not figure.query_selector("canvas.gc-image"):
            continue
        pads += 1
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        assert box
        drawn = [image(figure)]
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.8, steps=4)
        page.mouse.up()
        page.wait_for_timeout(50)  # a figure may redraw in the next frame
        drawn.append(image(figure))
        pad.focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(50)
        drawn.append(image(figure))
        assert drawn[0] != drawn[1], "dragging changed nothing"
        assert drawn[1] != drawn[2], "ArrowLeft changed nothing"
    context.close()
    assert visit.trouble == []
    assert pads, "the chapter has no live figure with canvas.gc-pad and canvas.gc-image"


def test_live_figure_resets_speaks_and_lets_the_page_scroll(
    browser: Browser, server: str, chapter: str
) -> None:
    """Reset brings the first picture back; each change is said; a finger that moves up or down scrolls the page."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"{server}/{chapter}", wait_until="load")
    page.evaluate(LOOK)
    for figure in page.query_selector_all("[data-gc-widget]"):
        pads = figure.query_selector_all("canvas.gc-pad")
        assert {pad.evaluate("e => getComputedStyle(e).touchAction") for pad in pads} == {"pan-y"}
        assert figure.query_selector("[aria-live]"), "nothing says what has changed"
        reset = next(
            b
            for b in figure.query_selector_all("button")
            if "Reset" in (b.inner_text(), b.get_attribute("aria-label"))
        )
        reset.click()
        page.wait_for_timeout(300)
        pads[0].focus()
        first = image(figure)
        for _press in range(5):
            page.keyboard.press("Shift+ArrowRight")
        page.wait_for_timeout(50)
        assert image(figure) != first, "ArrowRight changed nothing"
        reset.click()
        page.wait_for_timeout(300)
        assert image(figure) == first, "Reset left something behind"
    page.close()


def image(figure: Any) -> str:
    """The pixels of a live figure's picture, which it computes from the pad."""
    return figure.eval_on_selector_all("canvas.gc-image", "all => all.map(c => c.toDataURL()).join()")

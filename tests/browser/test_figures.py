"""Every figure has a number, a caption and an anchor; its pixels suffice; and a phone can read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup
from PIL import Image
from playwright.sync_api import Browser

from tests.browser.conftest import pages

ROOT = Path(__file__).resolve().parents[2]
LIVE = "application/vnd.jupyter.widget-view+json"
SMALLEST = 0.65  # of its size: letters of 9 points, at 110 pixels to an inch, then have 9 pixels
NATURAL = 0.85  # of its size: what was drawn for a phone is shown nearly as it was drawn

# Drawings of a phone's page: by how much each is made smaller, whether it was made for a phone, whether a part of it
# is out of view; a drawing for a desk may be so if it can be moved and says so.
ON_A_PHONE = r"""async () => {
  const images = [...document.querySelectorAll("article figure img")];
  images.forEach(i => { i.loading = "eager"; });
  await Promise.all(images.map(i => i.decode().catch(() => 0)));
  return images.map(i => {
    const box = i.closest(".gc-wide") || i.parentElement;
    const own = i.closest("picture")?.querySelector("source");
    const made = !!own && matchMedia(own.media).matches;
    const cut = i.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
    return {
      made,
      name: i.currentSrc,
      whole: !cut,
      shown: i.getBoundingClientRect().width / (made ? own : i).getAttribute("width"),
      shape: Math.abs(i.width / i.height / (i.naturalWidth / i.naturalHeight) - 1),
      lost: cut && !(getComputedStyle(box).overflowX === "auto" && getComputedStyle(box, "::after").content !== "none"),
    };
  });
}"""

# Tables of a phone's page: columns that stand outside the window, and whether the box shows a shade for them.
TABLES = r"""() => [...document.querySelectorAll("article table")].filter(t => t.checkVisibility()).map(t => {
  const box = t.closest(".pst-scrollable-table-container") || t;
  const style = getComputedStyle(box);
  return {
    cards: t.classList.contains("gc-cards"),
    wide: box.scrollWidth > box.clientWidth + 1,
    cue: style.overflowX === "auto" && (style.backgroundImage.match(/gradient/g) || []).length === 4,
    labels: t.classList.contains("gc-cards") ? [...t.querySelectorAll("tbody td:not(:first-child)")]
      .every(c => c.dataset.label !== undefined) : true,
  };
})"""


def figures_of(page: Path) -> list[BeautifulSoup]:
    """All figures of a page, in order."""
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select("article figure")


def test_every_picture_and_every_live_figure_has_its_caption(
    html: Path, chapter: str, counted: Callable[[str], None]
) -> None:
    soup = BeautifulSoup((html / chapter).read_text(encoding="utf-8"), "html.parser")
    shown = soup.select(f'article img[src*="_images/"], article script[type="{LIVE}"]')
    alone = [str(one)[:80] for one in shown if not one.find_parent("figure")]
    figures = figures_of(html / chapter)
    number = int(Path(chapter).name[:2])
    captions = [figure.find("figcaption").get_text().strip() for figure in figures]
    counted(f"{chapter}: {len(figures)} figures, {len(captions)} captions, {len(alone)} pictures without one")
    assert not alone
    for index, (figure, caption) in enumerate(zip(figures, captions, strict=True), 1):
        assert figure["id"] == f"figure-{number}-{index}" and caption.startswith(f"Figure {number}.{index}. ")
        assert len(caption) > 25, "a caption says what to look for"


def test_the_list_of_figures_leads_to_each_and_a_preview_shows_it(
    html: Path, counted: Callable[[str], None]
) -> None:
    wanted = {f"{page}#{figure['id']}" for page in pages() for figure in figures_of(html / page)}
    soup = BeautifulSoup((html / "book" / "lists.html").read_text(encoding="utf-8"), "html.parser")
    links = [link["href"] for link in soup.select('article a.gc-link[href*="#figure-"]')]
    listed = {re.sub(r"^\.\./", "", link) if link.startswith("../") else f"book/{link}" for link in links}
    text = (html / "_static" / "gc-previews.js").read_text(encoding="utf-8")
    previews = json.loads(text.removeprefix("window.gcPreviews = ").rstrip(";\n"))
    mentions = sum(
        len(BeautifulSoup((html / page).read_text("utf-8"), "html.parser").select('a[href*="#figure-"]'))
        for page in pages()
        if page != "book/lists.html"
    )
    counted(f"figures: {len(wanted)} in the book, {len(listed)} in the list, {mentions} mentions are links")
    assert len(wanted) > 40 and wanted <= listed
    for place in wanted:
        soup = BeautifulSoup(previews[place], "html.parser")
        assert soup.get_text().startswith("Figure ")
        for image in soup.find_all("img"):
            assert ((html / place).parent / image["src"]).resolve().is_file(), place


def test_pictures_have_twice_the_pixels_and_keep_their_place(
    html: Path, chapter: str, counted: Callable[[str], None]
) -> None:
    kinds: dict[str, int] = {}
    for figure in figures_of(html / chapter):
        for image in figure.find_all("img"):
            file = (html / chapter).parent / image["src"]
            kinds[file.suffix] = kinds.get(file.suffix, 0) + 1
            assert (image["loading"], image["decoding"]) == ("lazy", "async")
            assert int(image["height"]) > 0 and image["alt"].strip()
            assert file.suffix in {".svg", ".webp"}
            if file.suffix == ".webp":
                with Image.open(file) as picture:
                    assert picture.width >= 2 * int(image["width"])
            else:
                assert "<image" not in file.read_text(encoding="utf-8")
    counted(f"{chapter}: pictures {kinds}")
    assert kinds
    assert not list((html / "_images").glob("*.png"))


def test_a_phone_can_read_every_figure(
    browser: Browser, server: str, chapter: str, counted: Callable[[str], None]
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{server}/{chapter}", wait_until="load")
    seen = page.evaluate(ON_A_PHONE)
    page.close()
    small = [one for one in seen if one["shown"] < SMALLEST]
    made = [one for one in seen if one["made"]]
    counted(f"{chapter} at 390 px: {len(small)} of {len(seen)} drawings have letters below 9 pixels")
    counted(f"{chapter} at 390 px: {len(made)} of {len(seen)} drawings were made for it")
    assert seen and not small
    assert len(made) == len(seen), "drawn for a desk only"
    assert not [one for one in made if one["shown"] < NATURAL or not one["whole"]]
    assert max(one["shape"] for one in seen) < 0.02, "a drawing is stretched"
    assert not [one for one in seen if one["lost"]], "a part is out of view and nothing says so"


def test_a_phone_shows_every_column(browser: Browser, server: str, counted: Callable[[str], None]) -> None:
    """Tables of sentences are cards; tables of numbers move sideways below a shade."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    found = {}
    for name in (
        "book/errata.html",
        "book/instructor.html",
        "chapters/02_gan.html",
        "chapters/07_measuring.html",
    ):
        page.goto(f"{server}/{name}", wait_until="load")
        found[name] = page.evaluate(TABLES)
        page.evaluate("document.querySelectorAll('style, link[rel=stylesheet]').forEach(e => e.remove())")
        assert not any(table["cue"] for table in page.evaluate(TABLES)), "this test sees no missing shade"
    page.close()
    tables = [table for page in found.values() for table in page]
    counted(f"tables at 390 px: {sum(t['cards'] for t in tables)} of {len(tables)} are cards")
    assert all(table["labels"] for table in tables)
    assert not [table for table in tables if table["cards"] and table["wide"]], "a card that is too wide"
    assert not [table for table in tables if table["wide"] and not table["cue"]], (
        "columns that nothing points to"
    )
    assert all(table["cards"] for table in found["book/errata.html"])
    assert found["book/instructor.html"][0]["cards"]

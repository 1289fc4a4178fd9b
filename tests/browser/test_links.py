"""Every mention is a link, every link arrives, and a preview shows what it leads to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, NavigableString
from playwright.sync_api import Browser, expect

from tests.browser.conftest import pages

# Written again, not taken from links.py: what that overlooks should be counted here.
MENTION = re.compile(
    r"(?<![\w])\((?:\d{1,2}|A)\.\d{1,2}\)"
    r"|\bchapters?\s+\d\b"  # "chapter 14" is another book's
    r"|\b(?:exercise|figure)s?\s+\d+\.\d+"
    r"|\b00\d[-‑–]\d{1,2}\b",
    re.I,
)
LEFT_ALONE = {"a", "code", "pre", "script", "style", "summary", "h1", "h2", "h3", "h4", "caption"}
OWN = re.compile(r"figure-|item-")  # a caption and an item of the errata name themselves


def parse(text: str) -> BeautifulSoup:
    """A page as a tree."""
    return BeautifulSoup(text, "html.parser")


def unlinked(soup: BeautifulSoup) -> list[str]:
    """Mentions in an article that are no links."""
    article = soup.find("article") or soup
    found = []
    for text in article.find_all(string=MENTION):
        if type(text) is not NavigableString:  # a comment
            continue
        around = list(text.parents)
        if any(e.name in LEFT_ALONE or "math" in e.get("class", []) for e in around):
            continue
        row = next((e for e in around if OWN.match(e.get("id", ""))), None)
        if row and row.get_text().strip().startswith(text.strip()):
            continue
        found += MENTION.findall(text)
    return found


def test_no_mention_is_without_a_link(html: Path, counted: Callable[[str], None]) -> None:
    found = {page: unlinked(parse((html / page).read_text(encoding="utf-8"))) for page in pages()}
    left = {page: mentions for page, mentions in found.items() if mentions}
    counted(f"unlinked mentions: {sum(map(len, left.values()))} on {len(found)} pages {left or ''}")
    assert not left


def test_the_count_can_fail() -> None:
    text = "<article><p>By (2.5), <a>(2.6)</a>, chapter 2 and 001‑7 <code>(2.7)</code></p><h2>Chapter 3</h2></article>"
    assert unlinked(parse(text)) == ["(2.5)", "chapter 2", "001‑7"]


def test_every_link_inside_the_book_arrives(html: Path) -> None:
    """Also to the anchor: the strict build does not look at links that are set after it has resolved its own."""
    anchors: dict[Path, set[str]] = {}
    dead = []
    for page in pages():
        soup = parse((html / page).read_text(encoding="utf-8"))
        for link in (soup.find("article") or soup).find_all("a", href=True):
            address = urlsplit(link["href"])
            if address.scheme or address.netloc:
                continue
            file = ((html / page).parent / unquote(address.path)).resolve() if address.path else html / page
            if not file.is_file():
                dead.append(f"{page}: {link['href']}")
            elif address.fragment and file.suffix == ".html":
                if file not in anchors:
                    anchors[file] = set(re.findall(r'\sid="([^"]+)"', file.read_text(encoding="utf-8")))
                if unquote(address.fragment) not in anchors[file]:
                    dead.append(f"{page}: {link['href']}")
    assert not dead


def test_an_equation_leads_to_its_proof_and_back(html: Path, chapter: str) -> None:
    soup = parse((html / chapter).read_text(encoding="utf-8"))
    numbers = soup.select(".gc-number a")
    assert numbers
    ledger = parse((html / "book" / "ledger.html").read_text(encoding="utf-8"))
    for number in numbers:
        entry = ledger.find(id=urlsplit(number["href"]).fragment)
        assert entry, number["href"]
        back = [a["href"] for a in entry.find_all("a")]
        anchor = "eq-" + number.get_text().strip("()").replace(".", "-")
        assert f"../{chapter}#{anchor}" in back and soup.find(id=anchor)
        assert any("_code/tests/" in href for href in back), f"{number.get_text()} has no test to look at"


def test_a_preview_opens_for_the_mouse_and_for_the_keyboard(
    browser: Browser, base: str, chapter: str
) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"{base}/{chapter}", wait_until="load")
    page.evaluate("MathJax.startup.promise")
    link = page.locator("article p a.gc-link[href*='#eq-']").first
    link.scroll_into_view_if_needed()
    link.hover()
    card = page.locator("#gc-preview")
    card.wait_for(state="visible")
    card.locator("mjx-container").first.wait_for(state="visible")
    page.keyboard.press("Escape")
    card.wait_for(state="hidden")
    page.mouse.move(1, 1)
    link.evaluate("e => e.focus()")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")  # now the browser knows that a keyboard moves the focus
    # the card may still be open at the link before: what counts is that this link has it
    expect(link).to_have_attribute("aria-describedby", "gc-preview")
    card.wait_for(state="visible")
    page.close()

"""The pieces of the PDF are put together: every link leads to its place, sheets are numbered through."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tools.system import find_chromium

pypdf = pytest.importorskip("pypdf")  # a tool of the book, not of the package
from tools import pdf  # noqa: E402 (needs pypdf)

ONE = """<main class="bd-main"><article class="bd-article">
<h1><span>1. </span>One<a class="headerlink" href="#top">#</a></h1>
<h2 id="start">Start</h2><p>text</p>
<details><summary>Proof</summary><p>folded words</p></details>
<p style="break-before:page"><a href="two.html#end">to the end</a> <a href="#start">up</a>
<a href="https://example.org/">out</a> <a href="picture.svg">picture</a></p></article></main>"""
TWO = """<main class="bd-main"><article class="bd-article"><h1>Two</h1><p>text</p>
<h2 id="end" style="break-before:page">End</h2><a href="one.html">first page</a> %s</article></main>"""


def built(folder: Path, more: str = "", one: str = ONE) -> tuple[pypdf.PdfReader, list[str]]:
    """A book of two pages, printed and joined."""
    chromium = find_chromium()
    if not chromium:
        pytest.skip("There is no Chromium or Chrome to print with.")
    (folder / "one.html").write_text(one, encoding="utf-8")
    (folder / "two.html").write_text(TWO % more, encoding="utf-8")
    about = {"title": "A & B", "author": "Somebody", "edition": "First"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        pieces = pdf.print_all(page, folder, [("one", ""), ("two", "Part")])
        page.set_content(pdf.front(pieces, about))
        printed = io.BytesIO(page.pdf(prefer_css_page_size=True))
        browser.close()
    book, missing = pdf.join(pdf.Piece("", "Contents", pypdf.PdfReader(printed)), pieces)
    out = io.BytesIO()
    book.write(out)
    return pypdf.PdfReader(out), missing


def links(book: pypdf.PdfReader) -> dict[int, list[int | str]]:
    """Sheet -> where its links lead: sheets of the book, or addresses."""
    sheets = {page.indirect_reference.idnum: number for number, page in enumerate(book.pages)}
    found: dict[int, list[int | str]] = {}
    for number, link, _ in pdf.links_of(book):
        entry = link.get_object()
        target = sheets[entry["/Dest"][0].idnum] if "/Dest" in entry else str(entry["/A"]["/URI"])
        found.setdefault(number, []).append(target)
    return found


def test_two_pages_become_one_book(tmp_path: Path) -> None:
    book, missing = built(tmp_path)
    # title, contents, then two sheets for each page
    assert len(book.pages) == 6
    assert missing == []
    assert links(book) == {1: [2, 4], 3: [5, 2, "https://example.org/"], 5: [2]}
    texts = [page.extract_text() for page in book.pages]
    assert "A & B" in texts[0] and "Part" in texts[1]
    assert "folded words" in texts[2]
    assert [text.split() for text in texts[3:]] and all(str(n) in texts[n + 1].split() for n in (1, 2, 3, 4))
    assert list(book.page_labels) == ["i", "ii", "1", "2", "3", "4"]
    titles = [item.title for item in book.outline if not isinstance(item, list)]
    assert titles == ["Contents", "1. One", "Two"]
    assert [[one.title for one in item] for item in book.outline if isinstance(item, list)] == [
        ["Start"],
        ["End"],
    ]


def test_an_index_names_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "NUMBERED", ("one",))  # which stands before the page that it names
    texts = [" ".join(page.extract_text().split()) for page in built(tmp_path)[0].pages]
    assert "to the end p. 4" in texts[3] and "up p. 1" in texts[3] and "first page 4" not in texts[5]
    assert "000" not in texts[3] and "picture p." not in texts[3]


def test_a_sheet_says_what_it_belongs_to(tmp_path: Path) -> None:
    title = r'Losses "as found" \ mended'
    book, _ = built(tmp_path, one=ONE.replace("One<", f"{title}<"))
    texts = [" ".join(page.extract_text().split()) for page in book.pages]
    assert texts[2].count(title) == 1 and texts[3].startswith(f"1. {title}")


def test_code_and_live_figures_are_fit_for_paper(tmp_path: Path) -> None:
    lines = "".join(f'<span class="gc-line">line {n}\n</span>' for n in range(12))
    listing = f'<div class="highlight"><pre>{lines}# BEGIN SOLUTION</pre></div>'
    solution = f'<details class="hide"><summary>Show code cell source</summary>{listing}</details>'
    almost_full = '<div style="height: 195mm"></div>'
    code = f'{almost_full}<div class="cell"><div class="cell_input">{listing}</div></div>'
    live = '<div class="gc-widget" data-gc-widget="ready">the still</div>'
    body = f'<h1>One</h1><h2 id="start">Start</h2>{code}{solution}{live}'
    one = f'<main><article class="bd-article">{body}</article></main>'
    book, _ = built(tmp_path, one=one)
    texts = [page.extract_text() for page in book.pages]
    assert "line 0" not in texts[2] and all(f"line {n}" in texts[3] for n in range(12))
    # The frame goes with its code: no empty box is left on the sheet before.
    assert "The solution" in texts[3] and "Show code" not in texts[3]
    assert "the still" in texts[3] and "here it stands still" in texts[3]


def test_a_link_that_leads_to_nothing_is_named(tmp_path: Path) -> None:
    _, missing = built(tmp_path, '<a href="one.html#nowhere">x</a>')
    assert len(missing) == 1 and "one.html#nowhere" in missing[0]


def test_characters_that_no_font_has_are_noticed() -> None:
    chromium = find_chromium()
    if not chromium:
        pytest.skip("There is no Chromium or Chrome to print with.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        assert pdf.has_font(page, "AB")
        assert not pdf.has_font(page, "\U000f0000\U000f0001"), "two characters for private use"
        browser.close()
    assert "fonts-noto-cjk" in pdf.NO_FONT
    workflow = (pdf.ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    assert workflow.index("fonts-noto-cjk") < workflow.index("make pdf"), "installed before it is needed"

"""Print the built book into one PDF, through the system's Chromium.

    python tools/pdf.py                                     _build/html -> _build/gencourse.pdf
    python tools/pdf.py --html DIR --output FILE.pdf

Each page of the book is printed by itself, so that a long book needs no more memory than its longest page. Then the
pieces are put together: folded parts are open, links between pages lead to their place in the file, pages are numbered
through, the contents stand in front and in the reader's outline, and indexes name pages.
"""

from __future__ import annotations

import argparse
import html
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urldefrag

import yaml
from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, FloatObject, NameObject, NullObject, NumberObject

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.system import find_chromium  # (found through the line above)

ROOT = Path(__file__).resolve().parents[1]
HERE = "https://gencourse.invalid/"  # stands for the book while its pieces are apart; no such host can exist
INDEX = "genindex"  # Sphinx's index of the package; it is in no table of contents
NUMBERED = ("book/lists", "book/words", INDEX)  # whose links name the page: read to find a place

# Says when formulas, pictures and live figures are there.
READY = r"""async () => {
  for (let i = 0; i < 200 && document.querySelector("article .math") && !window.MathJax?.startup?.promise; i++)
    await new Promise(r => setTimeout(r, 50));
  await window.MathJax?.startup?.promise;
  const views = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const wanted = document.querySelectorAll(views).length;
  for (let i = 0; i < 200 && document.querySelectorAll("[data-gc-widget]").length < wanted; i++)
    await new Promise(r => setTimeout(r, 50));
  for (const image of document.images) { image.loading = "eager"; await image.decode().catch(() => 0); }
  await document.fonts.ready;
}"""

# Opens what is folded, and makes every link one from the book's root. Chromium notes the place of an id only if
# something on the same page leads to it: hence a last line of links to all ids, too small to see.
PREPARE = r"""([root, here, name]) => {
  document.querySelectorAll("details").forEach(d => { d.open = true; });
  for (const a of document.querySelectorAll("article a[href]")) {
    const url = new URL(a.getAttribute("href"), location.href);
    if (url.href.startsWith(root)) a.href = here + url.href.slice(root.length);
  }
  // Of what stands in a row Chromium notes no place: the row takes the id.
  for (const e of document.querySelectorAll(".gc-numbered > [id]")) {
    const id = e.id;
    e.removeAttribute("id");
    e.parentElement.id = id;
  }
  const line = document.createElement("p");
  line.className = "gc-places";
  for (const e of document.querySelectorAll("article [id]")) {
    if (/^(MJX|mjx)/.test(e.id) || e.closest("mjx-container")) continue;
    const a = document.createElement("a");
    a.href = "#" + encodeURIComponent(e.id);
    a.textContent = ".";
    line.append(a);
  }
  document.querySelector("article").append(line);
  for (const figure of document.querySelectorAll("[data-gc-widget=ready]")) {
    const note = document.createElement("p");
    note.className = "gc-live";
    note.textContent = "This figure is live in the web edition of this book; here it stands still.";
    figure.append(note);
  }
  // On the screen a fold of code says how to open and how to close it.
  for (const fold of document.querySelectorAll("details.hide > summary")) {
    fold.textContent = fold.parentElement.textContent.includes("BEGIN SOLUTION") ? "The solution" : "The code";
  }
  // A short listing is not divided, nor its frame; of a long one, at least three lines stay together.
  for (const listing of document.querySelectorAll("div.highlight")) {
    const lines = [...listing.querySelectorAll(".gc-line")];
    const frame = listing.closest("details, .cell_input") ?? listing;
    if (frame.querySelectorAll(".gc-line").length <= 24) frame.style.breakInside = "avoid";
    lines.forEach((one, i) => {
      one.style.breakInside = "avoid";
      if (i < 2 || i === lines.length - 2) one.style.breakAfter = "avoid";
      if (i === lines.length - 2) one.style.breakBefore = "avoid";
    });
  }
}"""

# Writes the number of its page behind each link. Before the numbers are known, zeros keep their place.
NUMBERS = r"""([here, numbers]) => {
  for (const a of document.querySelectorAll(`article a[href^="${here}"]`)) {
    if (!/\.html(#|$)/.test(a.href)) continue;
    const number = document.createElement("span");
    number.className = "gc-page";
    number.textContent = "p. " + String(numbers[a.getAttribute("href")] ?? "000").padEnd(3, "\u2007");
    a.append(" ", number);
  }
}"""

TITLE = """() => {
  const title = document.querySelector("article h1").cloneNode(true);
  title.querySelectorAll(".headerlink").forEach(mark => mark.remove());
  return title.textContent.replace(/\\s+/g, " ").trim();
}"""

# What two characters look like; those that no font has look alike.
LOOKS = """text => {
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  [canvas.width, canvas.height] = [60, 60];
  return [...text].map((sign) => {
    pen.clearRect(0, 0, 60, 60);
    pen.font = "40px sans-serif";
    pen.fillText(sign, 10, 45);
    return canvas.toDataURL();
  });
}"""
PATIENCE = 300_000  # milliseconds for a page to load: live figures take long on a busy machine
CHINESE = "判别"
NO_FONT = (
    "pdf: no font on this machine has Chinese characters: those of the glossary and of the index are empty boxes. "
    "Debian: apt install fonts-noto-cjk."
)

STYLE = """
@page { size: A4; margin: 20mm 18mm 22mm;
  @top-center { content: "%(head)s"; font: 9pt sans-serif; color: #555; }
  @bottom-center { content: counter(page%(kind)s); font: 9pt sans-serif; color: #555; } }
@page :first { counter-set: page %(first)d; @top-center { content: none; } }
html { font-size: 75%%; }
.bd-header, .bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .bd-footer, .bd-footer-content,
.prev-next-footer, .header-article, .headerlink, .copybtn, .gc-score, .skip-link, #pst-skip-link,
.pst-async-banner-revealer,
#pst-back-to-top, #jb-print-docs-body, .search-button__wrapper, #gc-preview, .tooltip { display: none !important; }
.bd-page-width, .bd-main, .bd-content, .bd-article-container, .bd-container__inner, .bd-article, .bd-article section > *
  { max-width: none !important; width: auto !important; padding: 0 !important; margin-inline: 0 !important; }
.bd-container, .bd-container__inner, .bd-main, .bd-content, .bd-article-container { display: block !important; }
.bd-article section > :is(ul, ol) { padding-left: 1.5em !important; }
.bd-article blockquote { padding-left: 1em !important; }
.bd-article section > details { padding: 0 1em !important; }
.bd-article div.math { overflow: visible !important; }
div.highlight pre, .output pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
article h1 { display: block !important; }
h1, h2, h3, summary { break-after: avoid; }
img, canvas, tr { break-inside: avoid; }
.bd-article .cell { break-inside: auto; }
figure, .gc-widget, .cell_output > .output, details.gc-answer { break-inside: avoid; }
.bd-article table { display: table !important; }
.bd-article :is(table, .pst-scrollable-table-container) { overflow: visible !important; background: none !important; }
figcaption { break-before: avoid; }
.gc-live { margin: 0.3rem 0 0 !important; font-size: 0.85em; font-style: italic; color: #555; }
.gc-page { font-size: 0.85em; color: #555; white-space: nowrap; font-variant-numeric: tabular-nums; }
.gc-places { font-size: 1px; line-height: 1px; color: transparent; margin: 0; overflow-wrap: anywhere; }
.gc-places a { color: transparent !important; text-decoration: none; }
"""


@dataclass
class Piece:
    """A printed page of the book."""

    name: str  # "book/intro", as the table of contents has it; "" for title and contents
    title: str
    pdf: PdfReader
    part: str = ""  # heading of the contents under which it is the first
    first: int = 1  # its number in the book
    places: dict[str, tuple[int, float, float]] = field(default_factory=dict)  # id -> sheet, left, top


def table_of_contents(root: Path = ROOT) -> list[tuple[str, str]]:
    """(page, heading of its part if it is the part's first page) in the order of the book."""
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [(contents["root"], "")]
    for part in contents["parts"]:
        for index, entry in enumerate(part["chapters"]):
            pages.append((entry["file"], part["caption"] if index == 0 else ""))
    return [*pages, (INDEX, "")]


def style(first: int, head: str = "", kind: str = "") -> str:
    """The print style of a piece.

    Args:
        first: number of its first sheet.
        head: what stands above each sheet but the first.
        kind: a style of counting, 'lower-roman'.
    """
    head = head.replace("\\", r"\5c ").replace('"', r"\22 ")
    return STYLE % {"first": first, "head": head, "kind": f", {kind}" if kind else ""}


def page_numbers(pieces: Iterable[Piece]) -> dict[str, int]:
    """Link, as PREPARE writes it -> number of the sheet that it leads to."""
    numbers = {}
    for piece in pieces:
        address = f"{HERE}{quote(piece.name)}.html"
        numbers[address] = piece.first
        for anchor, (sheet, _, _) in piece.places.items():
            numbers[f"{address}#{quote(anchor)}"] = numbers[f"{address}#{anchor}"] = piece.first + sheet
    return numbers


def print_piece(
    page: Page, source: Path, name: str, part: str, first: int, numbers: Mapping[str, int] | None = None
) -> Piece:
    """Open a page of the built book and print it.

    Args:
        page: prints.
        source: folder of the built book.
        name: the page's name.
        part: heading of its part, if it is the first in it.
        first: number of its first sheet.
        numbers: link -> number of a sheet, for a page in `NUMBERED`; left out while they are not known.
    """
    page.goto((source / f"{name}.html").as_uri(), wait_until="load")
    page.evaluate(READY)
    page.evaluate(PREPARE, [source.as_uri() + "/", HERE, name])
    title = page.evaluate(TITLE)
    page.add_style_tag(content=style(first, title))
    if name in NUMBERED:
        page.evaluate(NUMBERS, [HERE, dict(numbers or {})])
    pdf = PdfReader(
        io.BytesIO(page.pdf(prefer_css_page_size=True, outline=True, tagged=True, print_background=True))
    )
    piece = Piece(name, title, pdf, part, first)
    for anchor, place in pdf.named_destinations.items():
        sheet = pdf.get_destination_page_number(place)
        if sheet is not None and sheet >= 0:
            key = unquote(anchor.lstrip("/"))
            piece.places[key] = (sheet, float(place.left or 0), float(place.top or 0))
    return piece


def print_all(page: Page, source: Path, contents: Iterable[tuple[str, str]]) -> list[Piece]:
    """Print every page of the book, then once more those that name numbers of others."""
    pieces: list[Piece] = []
    number = 1
    for name, part in contents:
        pieces.append(print_piece(page, source, name, part, number))
        number += len(pieces[-1].pdf.pages)
        print(f"{pieces[-1].first:5}  {pieces[-1].title}", flush=True)
    numbers = page_numbers(pieces)
    for index, piece in enumerate(pieces):
        if piece.name in NUMBERED:
            pieces[index] = print_piece(page, source, piece.name, piece.part, piece.first, numbers)
            if len(pieces[index].pdf.pages) != len(piece.pdf.pages):
                sys.exit(f"pdf: numbers of pages change the length of {piece.name}, and with it the numbers.")
    return pieces


def has_font(page: Page, two: str = CHINESE) -> bool:
    """Whether the machine has a font for these two characters."""
    first, second = page.evaluate(LOOKS, two)
    return bool(first != second)


def front(pieces: list[Piece], about: dict[str, str]) -> str:
    """Title page and contents, as HTML."""
    lines = []
    for piece in pieces:
        if piece.part:
            lines.append(f"<h2>{html.escape(piece.part)}</h2>")
        href = f"{HERE}{quote(piece.name)}.html"
        lines.append(
            f'<p><a href="{href}"><span>{html.escape(piece.title)}</span><i></i><b>{piece.first}</b></a></p>'
        )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(about["title"])}</title><style>
      {style(1, "Contents", "lower-roman")} @page :first {{ @bottom-center {{ content: none; }} }}
      body {{ font: 11pt/1.5 sans-serif; margin: 0; }} a {{ color: inherit; text-decoration: none; }}
      .title {{ height: 240mm; display: flex; flex-direction: column; justify-content: center; break-after: page; }}
      .title h1 {{ font-size: 30pt; line-height: 1.2; }} h2 {{ font-size: 13pt; margin: 1.4em 0 0.4em; }}
      p a {{ display: flex; gap: 0.5em; }} p {{ margin: 0.2em 0; }}
      i {{ flex: 1; border-bottom: 1px dotted #999; margin-bottom: 0.4em; }} b {{ font-weight: 400; }}
    </style><div class="title"><h1>{html.escape(about["title"])}</h1><p>{html.escape(about["author"])}</p>
    <p>{html.escape(about["edition"])}</p></div><h1>Contents</h1>{"".join(lines)}</html>"""


def links_of(pdf: PdfReader | PdfWriter) -> Iterator[tuple[int, Any, ArrayObject]]:
    """(sheet, link, all links of the sheet) of each link in a file."""
    for number, sheet in enumerate(pdf.pages):
        links = sheet.get("/Annots", ArrayObject())
        for link in list(links):
            yield number, link, links


def join(cover: Piece, pieces: list[Piece]) -> tuple[PdfWriter, list[str]]:
    """Put the pieces together and lead every link between them to its place.

    Returns:
        The book, and links that lead to nothing.
    """
    book = PdfWriter()
    starts: dict[str, int] = {}
    for piece in (cover, *pieces):
        starts[piece.name] = len(book.pages)
        book.append(piece.pdf, outline_item=piece.title, import_outline=False)
    by_name = {piece.name: piece for piece in pieces}
    missing = []
    for number, link, links in links_of(book):
        entry = link.get_object()
        action = entry.get("/A", DictionaryObject()).get_object()
        address = str(action.get("/URI", ""))
        if "/Dest" in entry or action.get("/S") == "/GoTo":
            links.remove(link)  # a mark of PREPARE; it has told where its id is
        elif address.startswith(HERE):
            path, anchor = urldefrag(address.removeprefix(HERE))
            name, anchor = unquote(path).removesuffix(".html"), unquote(anchor)
            piece = by_name.get(name)
            if piece is None:
                links.remove(link)  # to a file that is no page of the book: a picture, the index
                continue
            if anchor and anchor not in piece.places:
                missing.append(f"{address.removeprefix(HERE)} (sheet {number + 1})")
            sheet, left, top = piece.places.get(anchor, (0, 0.0, 842.0))
            target = book.pages[starts[name] + sheet].indirect_reference
            del entry[NameObject("/A")]
            entry[NameObject("/Dest")] = ArrayObject(
                [target, NameObject("/XYZ"), FloatObject(left), FloatObject(top), NullObject()]
            )
    for piece in pieces:
        parent = next(item for item in outline_items(book) if item["/Title"] == piece.title)
        for title, anchor in sections(piece.pdf):
            if anchor is not None:
                book.add_outline_item(
                    title=title, page_number=starts[piece.name] + anchor, parent=parent.indirect_reference
                )
    labels = ArrayObject(
        [
            NumberObject(0),
            DictionaryObject({NameObject("/S"): NameObject("/r")}),
            NumberObject(starts[pieces[0].name]),
            DictionaryObject({NameObject("/S"): NameObject("/D")}),
        ]
    )
    book.root_object[NameObject("/PageLabels")] = DictionaryObject({NameObject("/Nums"): labels})
    return book, missing


def outline_items(book: PdfWriter) -> Iterator[Any]:
    """The first row of the outline."""
    item = book.get_outline_root().get("/First")
    while item is not None:
        entry = item.get_object()
        yield entry
        item = entry.get("/Next")


def sections(pdf: PdfReader) -> list[tuple[str, int | None]]:
    """Title and sheet of each section of the second rank in a piece's own outline."""
    found = []
    for item in pdf.outline:
        if isinstance(item, list):
            found += [
                (str(one.title), pdf.get_destination_page_number(one))
                for one in item
                if not isinstance(one, list)
            ]
    return found


def main() -> int:
    """Print, join, and say where the file is."""
    parser = argparse.ArgumentParser(description="Print the built book into one PDF.")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html", help="the built pages")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "gencourse.pdf")
    options = parser.parse_args()
    chromium = find_chromium()
    if not chromium:
        sys.exit("pdf: there is no Chromium or Chrome on this machine to print with.")
    source = options.html.resolve()
    absent = [name for name, _ in table_of_contents() if not (source / f"{name}.html").is_file()]
    if absent:
        sys.exit(f"pdf: {options.html} has no page {absent[0]!r}: run 'make book' first.")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="light", viewport={"width": 800, "height": 1100})
        page.set_default_timeout(PATIENCE)
        page.add_init_script("localStorage.setItem('mode', 'light'); localStorage.setItem('theme', 'light')")
        if not has_font(page):
            print(NO_FONT, file=sys.stderr)
            if os.environ.get("CI"):  # what is published there has to be whole
                return 1
        pieces = print_all(page, source, table_of_contents())
        about = {
            "title": config["title"],
            "author": config["author"],
            "edition": f"Edition of {config['copyright']}",
        }
        page.set_content(front(pieces, about))
        printed = page.pdf(prefer_css_page_size=True, print_background=True)
        browser.close()
    cover = Piece("", "Contents", PdfReader(io.BytesIO(printed)))
    book, missing = join(cover, pieces)
    book.add_metadata({"/Title": about["title"], "/Author": about["author"]})
    book.compress_identical_objects()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    book.write(options.output)
    size = options.output.stat().st_size / 1e6
    print(
        f"\n{options.output}: {len(book.pages)} sheets, {size:.1f} MB, {len(missing)} links without a place"
    )
    for address in missing[:20]:
        print(f"  {address}", file=sys.stderr)
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())

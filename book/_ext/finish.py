"""What is done to the pages once they are written, because the theme's templates leave no other place for it.

- Scripts and fonts that a page does not use are taken out; an icon is a small drawing in the page.
- Pictures keep their place free until they are loaded; each line of a listing is an element.
- The head says what the page is about and what it may load.
- Gaps of the theme for those who listen or type are closed.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import re
from pathlib import Path
from typing import Any

import figures
import gcbook
import pydata_sphinx_theme
from sphinx.application import Sphinx

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
ICON = re.compile(r'<(i|span) class="([^"]*\bfa[sb]?(?:-solid|-brands)? fa-[^"]*)"([^>]*)></\1>')
NOT_AN_ICON = {"fa-solid", "fa-brands", "fa-lg"}
LONGEST = 160  # characters of a description: search engines show no more
PHONE = 340  # pixels beside each other in the text of a narrow phone
NARROW = 575  # pixels: narrower windows get the drawings for phones, as the style of the book does its own
READABLE = 0.66  # of its size to which a drawing may shrink: letters of 9 points then have 9 pixels
SENTENCE = 45  # characters in a cell of a table that is read, not looked through


# ---- icons -------------------------------------------------------------------------------------------


@functools.cache
def drawings() -> dict[str, str]:
    """Name -> SVG of the theme's icons (Font Awesome Free, CC BY 4.0), which it would load as fonts of 274 KB.

    Where there is an outlined and a solid one, the solid one comes last, and is the one that the theme shows.
    """
    script = (THEME / "scripts" / "fontawesome.js").read_text(encoding="utf-8")
    icon = r'[{,]"?([a-z0-9-]+)"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
    return {
        name: f'<svg viewBox="0 0 {wide} {high}" aria-hidden="true"><path d="{path}"/></svg>'
        for name, wide, high, path in re.findall(icon, script)
    }


def icon(match: re.Match[str]) -> str:
    """An element that names an icon -> the same element with the drawing inside."""
    words = match[2].split()
    name = next(word for word in words if word.startswith("fa-") and word not in NOT_AN_ICON)
    kept = [word for word in words if not word.startswith("fa") or word == "fa-lg"]
    classes = " ".join(["gc-icon", *kept])
    rest = match[3] if "aria-hidden" in match[3] else match[3] + ' aria-hidden="true"'
    return f'<{match[1]} class="{classes}"{rest}>{drawings()[name[3:]]}</{match[1]}>'


def without_icon_font(style: str) -> str:
    """The theme's style without Font Awesome: its fonts, and a rule for each of its 2000 icons."""
    style = re.sub(
        r"@font-face\{[^}]*Font ?Awesome[^}]*\}", "", style.replace("Font Awesome\\ ", "FontAwesome ")
    )
    return re.sub(r'(?:\.fa-[\w-]+:before,?)+\{content:"\\[0-9a-f]+"\}', "", style)


# ---- parts of a page ---------------------------------------------------------------------------------


def code_lines(match: re.Match[str]) -> str:
    """A listing whose lines are elements of their own, so that the style can mark where a long one goes on.

    Pygments closes every span at the end of its line, so the lines can be taken apart.
    """
    lines = match[2].rstrip("\n").split("\n")
    return match[1] + "".join(f'<span class="gc-line">{line}\n</span>' for line in lines) + match[3]


def picture(match: re.Match[str], page: Path) -> str:
    """An image that is loaded when it comes into view, and keeps its place free until then; what was PNG is WebP."""
    source = re.search(r'src="([^":]*_images/[^":]+\.(?:png|svg))"', match[0])
    if not source or "loading=" in match[0]:
        return match[0]
    file, tag = page.parent / source[1], match[0]
    size = figures.size(file)
    phone = figures.Picture.phone in tag
    if size and not re.search(r"\b(width|height|style)=", tag):
        tag = tag.replace("<img ", f'<img width="{size[0]}" height="{size[1]}" ', 1)
    if file.suffix == ".png":
        webp = file.with_suffix(".webp")
        if not webp.is_file():
            webp.write_bytes(figures.as_webp(file.read_bytes()))
        tag = tag.replace(source[1], source[1].removesuffix(".png") + ".webp", 1)
    if phone:
        source = re.search(r'src="([^"]*)"', tag)[1]
        return f'<source media="(max-width: {NARROW}px)" srcset="{source}" width="{size[0]}" height="{size[1]}" />'
    tag = tag.replace("<img ", '<img loading="lazy" decoding="async" ', 1)
    if size and size[0] * READABLE > PHONE and "style=" not in tag:
        return f'<span class="gc-wide" style="--gc-least: {size[0] * READABLE:.0f}px">{tag}</span>'
    return tag


def source_first(match: re.Match[str]) -> str:
    """A drawing in two forms: the one for phones stands first, and the other needs no box in which it moves."""
    source, image = re.search(r"<source [^>]*>", match[0]), re.search(r"<img [^>]*>", match[0])
    return f"<picture>{source[0]}{image[0]}</picture>" if source and image else match[0]


def cards(match: re.Match[str]) -> str:
    """A table of sentences, whose cells know the heads of their columns: a phone shows each row as a card."""
    table = match[0]
    head = re.search(r"<thead>.*?</thead>", table, re.S)
    heads = [plain(cell) for cell in re.findall(r"<th\b[^>]*>(.*?)</th>", head[0], re.S)] if head else []
    cells = re.findall(r"<td\b[^>]*>(.*?)</td>", table, re.S)
    if len(heads) < 3 or "gc-cards" in table or max(map(len, map(plain, cells)), default=0) < SENTENCE:
        return table

    def named(row: re.Match[str]) -> str:
        names = iter(heads)
        return re.sub(r"<td\b", lambda _: f'<td data-label="{html.escape(next(names, ""))}"', row[0])

    table = re.sub(r"<tr\b(?:(?!</tr>).)*<td\b.*?</tr>", named, table, flags=re.S)
    return table.replace('class="', 'class="gc-cards ', 1)


def plain(text: str) -> str:
    """What is read of a piece of HTML."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def lighter(text: str, page: Path) -> str:
    """A page without the scripts that it does not use, with lines in its listings, lazy pictures and drawn icons.

    Args:
        text: the page's HTML; a page that was treated before stays as it is.
        page: where it lies, which its pictures' addresses start from.
    """
    text = re.sub(r'\s*<script defer src="[^"]*/fontawesome\.js[^"]*"></script>', "", text)
    if page.name != "search.html":  # the field leads to the search page, which alone needs the index
        unused = r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js"></script>'
        text = re.sub(unused, "", text)
    listing = r'(<div class="highlight"><pre><span></span>)(?!<span class="gc-line">)(.*?)(</pre>)'
    text = re.sub(listing, code_lines, text, flags=re.S)
    text = ICON.sub(icon, text)
    text = re.sub(r"<table\b[^>]*>.*?</table>", cards, text, flags=re.S)
    text = re.sub(r"<img [^>]*>", lambda match: picture(match, page), text)
    return re.sub(r"<picture>.*?</picture>", source_first, text, flags=re.S)


def accessible(text: str) -> str:
    """A page without what its theme and Sphinx say wrongly to those who listen; axe-core finds these."""
    # A fold's name is what it shows: "Show code cell source".
    text = text.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    text = text.replace(' role="doc-biblioentry"', ' role="listitem"')
    # A long signature is set as a list of definitions without a term.
    arguments = r'<dl>\n((?:<dd><em class="sig-param">.*?</dd>\n)+)</dl>'
    text = re.sub(arguments, lambda match: f'<span class="gc-arguments">{match[1]}</span>', text, flags=re.S)
    return re.sub(
        r'(?<=[>\n])<dd>(<em class="sig-param">.*?)</dd>(?=\n)', r'<span class="gc-argument">\1</span>', text
    )


# ---- the head ----------------------------------------------------------------------------------------

WITHOUT_SCRIPT = (
    '<noscript><p class="gc-noscript">Without JavaScript, formulas show their source, live figures stand still, '
    "and there is no search. Everything else is here.</p></noscript>"
)
FOLLOWS_SYSTEM = (
    'localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
)


def description(text: str) -> str:
    """The first sentences of a page, as plain text."""
    match = re.search(r"<h1>.*?</h1>.*?<p>(.*?)</p>", text, re.S)
    words = html.unescape(re.sub(r"<[^>]*>", "", match[1])) if match else ""
    words = " ".join(words.split())
    return words if len(words) <= LONGEST else words[:LONGEST].rsplit(" ", 1)[0] + " …"


def fingerprint(code: str) -> str:
    """A script as a content security policy names it."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() + "'"


def policy(text: str) -> str:
    """What a page may load and run: the book's own files, and the scripts that stand in the page, by their sums.

    Nothing is compiled from a text. `blob:` is for live figures, whose code lies in the page as data.
    """
    scripts = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application)[^>]*>(.*?)</script>", text, re.S)
    handlers = re.findall(r'\son\w+="([^"]*)"', text)
    sums = sorted({fingerprint(code) for code in scripts} | {fingerprint(html.unescape(h)) for h in handlers})
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' blob: 'unsafe-hashes' {' '.join(sums)}",
            "style-src 'self' 'unsafe-inline'",  # MathJax and the live figures place things by style
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'self'",
        ]
    )


def address() -> str:
    """Where the book will be published; "" while pyproject.toml names no owner."""
    owner, _, name = gcbook.repository_url().removeprefix("https://github.com/").partition("/")
    return f"https://{owner.lower()}.github.io/{name}/" if owner else ""


# MathJax's part for those who listen sets an option of its menu, which this book does not load: a warning a page.
MATHJAX = re.compile(r"(<script>window\.MathJax = \{.*?\})(</script>)")
NO_MENU = "delete MathJax.config.options.menuOptions; MathJax.startup.defaultReady();"


def with_head(text: str, place: str) -> str:
    """A page whose head says what it is about, what it may load, and, if it has an address, where it belongs.

    Args:
        text: the page's HTML; a page that was treated before stays as it is.
        place: the page's path in the book.
    """
    if 'name="description"' in text:
        return text
    text = re.sub(r'localStorage\.getItem\("theme"\) \|\| "\w+"', FOLLOWS_SYSTEM, text)
    text = text.replace('data-theme="auto"', 'data-theme="light"', 1)  # until the script above has looked
    text = re.sub(r'(<article class="bd-article"[^>]*>)', rf"\1{WITHOUT_SCRIPT}", text)
    if place == "genindex.html":  # the book has an index of words
        text = re.sub(r"(<title>|<h1 id=\"index\">)Index", r"\1Index of the package", text)
    text = MATHJAX.sub(rf"\1; MathJax.startup = {{ ready() {{ {NO_MENU} }} }};\2", text)
    title = re.search(r"<title>(.*?)</title>", text, re.S)
    words = html.escape(description(text)) or (title[1].strip() if title else "")
    root, up = address(), "../" * place.count("/")
    tags = [
        f'<meta http-equiv="Content-Security-Policy" content="{policy(text)}" />',
        f'<meta name="description" content="{words}" />',
        '<meta property="og:type" content="article" />',
        f'<meta property="og:title" content="{title[1] if title else ""}" />',
        f'<meta property="og:description" content="{words}" />',
        f'<meta property="og:image" content="{root or up}_static/social.png" />',
        '<meta name="twitter:card" content="summary_large_image" />',
    ]
    if root:
        tags.append(f'<link rel="canonical" href="{root}{place}" />')
    return text.replace('<meta charset="utf-8" />', '<meta charset="utf-8" />\n    ' + "\n    ".join(tags), 1)


FRONT_DOOR = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8" /><title>{title}</title>
<meta http-equiv="refresh" content="0; url={first}" /><link rel="canonical" href="{root}{first}" />
</head><body><p><a href="{first}">{title}</a></p></body></html>
"""
NOT_FOUND = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8" /><meta name="viewport" content="width=device-width, initial-scale=1" />
<title>Page not found</title><style>
:root { color-scheme: light dark; }
a { color: #0b5cad; }
@media (prefers-color-scheme: dark) { body { background: #121212; color: #ddd; } a { color: #8ab8ff; } }
body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem; }
</style></head><body><h1>There is no such page</h1>
<p>It may have another name in this edition. Go to the <a href="{root}index.html">first page</a>, or to the
<a href="{root}search.html">search</a>.</p></body></html>
"""


# ---- all of it ---------------------------------------------------------------------------------------


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Go through the pages and the theme's style once they are all written."""
    if failure or app.builder.name != "html":  # an EPUB has no theme and no scripts
        return
    folder = Path(app.outdir)
    places = []
    for page in sorted(folder.rglob("*.html")):
        place = page.relative_to(folder).as_posix()
        if place.startswith(("_static/", "reports/")) or place in {"index.html", "404.html"}:
            continue
        places.append(place)
        text = accessible(lighter(page.read_text(encoding="utf-8"), page))
        change(page, with_head(text, place))
    for left in (folder / "_images").glob("*.png"):  # its WebP is shown
        if left.with_suffix(".webp").is_file():
            left.unlink()
    style = folder / "_static" / "styles" / "pydata-sphinx-theme.css"
    change(style, without_icon_font(style.read_text(encoding="utf-8")))
    change(folder / "404.html", NOT_FOUND.replace("{root}", address()))
    if root := address():
        content = "".join(
            f"<url><loc>{root}{p}</loc></url>\n" for p in places if not p.startswith(("_", "search"))
        )
        urls = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{content}</urlset>\n'
        change(folder / "sitemap.xml", '<?xml version="1.0" encoding="UTF-8"?>\n' + urls)


def front_door(app: Sphinx, failure: Exception | None) -> None:
    """Lead the book's address to its first page."""
    if not failure and app.builder.name == "html":
        first, title = app.builder.get_target_uri(app.config.master_doc), html.escape(app.config.html_title)
        text = FRONT_DOOR.format(first=first, title=title, root=address())
        change(Path(app.outdir) / "index.html", text)


def change(file: Path, text: str) -> None:
    """Write a file if it is not this text already."""
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", front_door, priority=100)  # Jupyter Book writes one that lacks a title
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

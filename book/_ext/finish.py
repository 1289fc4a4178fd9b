"""What is done to the pages once they are written, because the theme's templates leave no other place for it.

- Scripts and fonts that a page does not use are taken out; an icon is a small drawing in the page.
- Pictures keep their place free until they are loaded; each line of a listing is an element.
- The head says what the page is about and what it may load.
- Gaps of the theme for those who listen or type are closed.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from sphinx.application import Sphinx

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
ICON = re.compile(r'<(i|span) class="([^"]*\bfa[sb]?(?:-solid|-brands)? fa-[^"]*)"([^>]*)></\1>')
NOT_AN_ICON = {"fa-solid", "fa-brands", "fa-lg"}
LONGEST = 160  # characters of a description: search engines show no more


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


def picture_size(match: re.Match[str], page: Path) -> str:
    """An image that is loaded when it comes into view, and keeps its place free until then."""
    source = re.search(r'src="([^":]+\.png)"', match[0])
    if not source or "loading=" in match[0]:
        return match[0]
    # a PNG's size: two numbers of four bytes, from byte 16
    head = (page.parent / source[1]).read_bytes()[:24]
    wide, high = (int.from_bytes(head[at : at + 4], "big") for at in (16, 20))
    size = "" if re.search(r"\b(width|height|style)=", match[0]) else f' width="{wide}" height="{high}"'
    return match[0].replace("<img ", f'<img loading="lazy"{size} ', 1)


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
    return re.sub(r"<img [^>]*>", lambda match: picture_size(match, page), text)


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Go through the pages and the theme's style once they are all written."""
    if failure or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    for page in sorted(folder.rglob("*.html")):
        if page.relative_to(folder).parts[0] not in {"_static", "reports"}:
            change(page, lighter(page.read_text(encoding="utf-8"), page))
    style = folder / "_static" / "styles" / "pydata-sphinx-theme.css"
    change(style, without_icon_font(style.read_text(encoding="utf-8")))


def change(file: Path, text: str) -> None:
    """Write a file if it is not this text already."""
    if file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

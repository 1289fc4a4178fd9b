"""What an EPUB needs and a web page does not: formulas as MathML, well-formed pages without scripts, folds open.

Does nothing for other builders. Readers of EPUB run no scripts; so MathJax runs here, once for each formula, in the
system's Chromium, and the MathML that it makes goes into the file. Live figures run here too: their pictures go in.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import figures
import finish
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
MATHJAX = ROOT / "book" / "_static" / "vendor" / "mathjax" / "startup.js"
SHIPPED = {"gencourse-epub.css", "cover.png"}  # of the static files
WIDGETS = ROOT / "book" / "_static" / "gc-widgets.js"
LIVE = "This figure is live in the web edition of this book; here it stands still."
CONTROL = "Controls that need a kernel stand here: open this chapter in JupyterLab or Colab to use them."
ROOM = 640  # pixels beside each other for a live figure
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
WRAPPED = re.compile(r"\s*\\\[(.*)\\\]\s*", re.S)
WEB_THEME = ("sphinx_book_theme", "pydata_sphinx_theme", "sphinx_thebe")
TAG = re.compile(r"\\tag\{([^}]*)\}")


def letter(variant: str, character: str) -> str:
    """A letter or digit of an alphabet of its own: ("double-struck", "E") is 𝔼."""
    try:
        kind = re.sub("LATIN |LETTER ", "", unicodedata.name(character))  # CAPITAL E, SMALL E, DIGIT ONE
    except ValueError:
        return character
    for name in (f"MATHEMATICAL {variant.upper()} {kind}", f"{variant.upper()} {kind}"):
        with suppress(KeyError):
            return unicodedata.lookup(name)
    return character


def plain(mathml: str) -> str:
    """MathML that needs only what all readers know: they ignore alphabets given as attributes, and space after log."""

    def token(match: re.Match[str]) -> str:
        return "<" + match[1] + match[2] + match[4] + "".join(letter(match[3], one) for one in match[5]) + "<"

    alphabets = r'<(m[in])([^>]*) mathvariant="(double-struck|script|fraktur|bold)"([^>]*>)([^<]*)<'
    mathml = re.sub(alphabets, token, mathml)
    return re.sub(
        r"<mo>&#x2061;</mo>(?!<mo[^>]*>[(\[])", '<mo>&#x2061;</mo><mspace width="0.17em"></mspace>', mathml
    )


class Chromium:
    """The system's browser, started when it is first needed, open until it is closed."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.started: Any = None
        self.folder = Path()

    def start(self) -> Any:
        """The browser.

        Raises:
            ExtensionError: there is none.
        """
        if self.started is not None:
            return self.started
        sys.path.insert(0, str(ROOT))
        from playwright.sync_api import sync_playwright

        from tools.system import find_chromium

        chromium = find_chromium()
        if not chromium:
            raise ExtensionError(
                "an EPUB needs a Chromium or Chrome, which turns its formulas into MathML: none here."
            )
        playwright = self.stack.enter_context(sync_playwright())
        arguments = ["--no-sandbox", "--disable-gpu"]
        self.started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        self.stack.callback(self.started.close)
        self.folder = Path(self.stack.enter_context(TemporaryDirectory()))
        return self.started

    def show(self, content: str, **options: Any) -> Any:
        """A new page with this content, from a file."""
        page = self.start().new_page(**options)
        file = self.folder / "page.html"
        file.write_text(content, encoding="utf-8")
        page.goto(file.as_uri())
        return page

    def close(self) -> None:
        """Give the browser back."""
        self.stack.close()
        self.started = None


class MathML:
    """Turns TeX into MathML."""

    def __init__(self, browser: Chromium) -> None:
        self.done: dict[tuple[str, bool], str] = {}
        self.browser = browser
        self.page: Any = None

    def open(self) -> None:
        """Show an empty page with MathJax."""
        settings = json.dumps({"loader": {"load": ["core", "input/tex"]}, "startup": {"typeset": False}})
        script = f'<script>window.MathJax = {settings}</script><script src="{MATHJAX.as_uri()}"></script>'
        self.page = self.browser.show(f"<!doctype html><meta charset=utf-8>{script}")
        self.page.evaluate("MathJax.startup.promise")

    def __call__(self, tex: str, display: bool) -> str:
        """A formula as MathML.

        Raises:
            ExtensionError: MathJax cannot read it.
        """
        key = (tex, display)
        if key not in self.done:
            if self.page is None:
                self.open()
            found = self.page.evaluate("([tex, display]) => MathJax.tex2mml(tex, {display})", [tex, display])
            if "<merror" in found:
                raise ExtensionError(f"MathJax cannot read the formula {tex!r}.")
            self.done[key] = plain(re.sub(r'\s*\n\s*|\s(?:data-[\w-]+)="[^"]*"', "", found))
        return self.done[key]


BROWSER = Chromium()
CONVERT = MathML(BROWSER)


def stills(views: list[str], state: str, browser: Chromium) -> list[bytes | None]:
    """Pictures (PNG) of a page's live figures as they stand before they are touched; None for one that needs a kernel.

    Args:
        views: what each figure's script in the page says: {"model_id": …}.
        state: what the page's script with the state of all figures says.
        browser: draws them.
    """
    scripts = "".join(f'<script type="{VIEW}">{view}</script>' for view in views)
    look = f"margin: 0; width: {ROOM}px; font: 15px/1.5 sans-serif; color: #222; background: #fff"
    page = browser.show(
        f"""<!doctype html><html data-theme="light"><meta charset="utf-8"><body style="{look}">{scripts}
        <script type="{STATE}">{state}</script><script src="{WIDGETS.as_uri()}"></script></body></html>""",
        viewport={"width": ROOM, "height": 900},
        device_scale_factor=2,
    )
    page.wait_for_function(f"document.querySelectorAll('[data-gc-widget]').length === {len(views)}")
    page.wait_for_timeout(200)  # the figures draw again when they have been measured
    taken = [
        figure.screenshot() if figure.get_attribute("data-gc-widget") == "ready" else None
        for figure in page.query_selector_all("[data-gc-widget]")
    ]
    page.close()
    return taken


def inline(self: Any, node: nodes.math) -> None:
    """Write a formula in the text."""
    self.body.append(CONVERT(node.astext(), display=False))
    raise nodes.SkipNode


def block(self: Any, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number beside it."""
    text = node.astext()
    wrapped = WRAPPED.fullmatch(text)
    tex = wrapped[1] if wrapped else text
    number = TAG.findall(tex)
    tex = TAG.sub("", tex).strip()
    if not wrapped and "\\\\" in tex and "\\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(CONVERT(tex, display=True))
    self.body.extend(f'<span class="eqno">({tag})</span>' for tag in number)
    self.body.append("</div>\n")
    raise nodes.SkipNode


def complete(app: Sphinx, config: Config) -> None:
    """An EPUB has to say which version it is, and has a cover: a pair, which YAML has not."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    # mypy: pyproject has a version
    config.version = re.search(r'^version = "(.+)"', text, re.M)[1]  # type: ignore[index]
    config.epub_cover = ("_static/cover.png", "epub-cover.html")


def use_mathml(app: Sphinx) -> None:
    """Choose the renderer before the builder asks for it, and silence the web theme, which the file does not use."""
    if app.builder.name == "epub":
        app.config.html_math_renderer = "mathml"
        app.config.project = app.config.epub_title
        static = ROOT / "book" / "_static"
        files = (path.relative_to(static).as_posix() for path in static.rglob("*") if path.is_file())
        app.config.epub_exclude_files = [f"_static/{name}" for name in files if name not in SHIPPED]
        mend(app)
        for listeners in app.events.listeners.values():
            listeners[:] = [one for one in listeners if not one.handler.__module__.startswith(WEB_THEME)]


def straight(address: str) -> str:
    """An address without a way back in it: "book/../chapters/a.xhtml" is "chapters/a.xhtml"."""
    path, mark, anchor = address.partition("#")
    return posixpath.normpath(path) + mark + anchor if path else address


def described(contents: str, folder: Path) -> str:
    """The list of an EPUB's files, with what a reader has to know of each: formulas in it, drawings, the cover."""

    def properties(match: re.Match[str]) -> str:
        text = (folder / match[1]).read_text(encoding="utf-8") if match[1].endswith(".xhtml") else ""
        words = [name for name, tag in (("mathml", "<math"), ("svg", "<svg")) if tag in text]
        words += ["cover-image"] if match[1] == "_static/cover.png" else []
        return match[0] if not words else match[0].replace(" />", f' properties="{" ".join(words)}" />')

    return re.sub(r'<item [^>]*href="([^"]+)" media-type="[^"]+" />', properties, contents)


def with_language(text: str, language: str) -> str:
    """A page that says which language it is read aloud in."""
    start = '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub='
    return text.replace(
        start, start.replace(" xmlns:epub", f' lang="{language}" xml:lang="{language}" xmlns:epub'), 1
    )


def mend(app: Sphinx) -> None:
    """Mend what Sphinx lists wrongly: chapters lie in another folder than the first page, and hold formulas."""
    # mypy: the EPUB's builder has these
    builder: Any = app.builder
    list_pages, list_files, list_places = builder.get_toc, builder.build_content, builder.build_toc

    def get_toc() -> None:
        list_pages()
        for page in builder.refnodes:
            page["refuri"] = straight(page["refuri"])

    def build_content() -> None:
        list_files()
        for page in Path(builder.outdir).rglob("*.xhtml"):
            text = page.read_text(encoding="utf-8")
            page.write_text(with_language(text, app.config.epub_language), encoding="utf-8")
        file = Path(builder.outdir) / "content.opf"
        file.write_text(described(file.read_text(encoding="utf-8"), file.parent), encoding="utf-8")

    def build_toc() -> None:
        list_places()
        file = Path(builder.outdir) / "toc.ncx"  # for old readers; it names the book by another name
        names = f'content="{app.config.epub_uid}"', f'content="{app.config.epub_identifier}"'
        file.write_text(file.read_text(encoding="utf-8").replace(*names), encoding="utf-8")

    builder.get_toc, builder.build_content, builder.build_toc = get_toc, build_content, build_toc


def well_formed(
    body: str, widths: Mapping[str, int] | None = None, live: Sequence[str | None] | None = None
) -> str:
    """A page's HTML as XHTML: no scripts, everything closed, what is folded is open.

    Args:
        body: the page.
        widths: of pictures by their file's name, where they have more pixels than that.
        live: addresses of the pictures of the page's live figures; None for one that needs a kernel.
    """
    soup = BeautifulSoup(finish.accessible(body), "html.parser")
    for image in soup.find_all("img"):
        if width := (widths or {}).get(str(image["src"]).rpartition("/")[2]):
            image["width"] = str(width)
    taken = iter(live or [])
    for script in soup.find_all("script"):
        if script.get("type") == VIEW:
            address = next(taken, None)
            note = soup.new_tag("p", attrs={"class": "gc-live"})
            note.string = LIVE if address else CONTROL
            if address:
                alt = "The live figure, before anything in it is moved."
                script.insert_before(
                    soup.new_tag("img", attrs={"src": address, "alt": alt, "width": str(ROOM)})
                )
            script.replace_with(note)
        else:
            script.decompose()
    for fold in soup.find_all("details"):
        fold["open"] = "open"
        summary = fold.find("summary")
        if summary and summary.find("p"):  # "Show …" and "Hide …": a web page shows one of them
            summary.string = "The solution" if "BEGIN SOLUTION" in fold.get_text() else "The code"
    for button in soup.find_all(["button", "input"]):
        button.decompose()
    return soup.decode(formatter="minimal")


def picture_widths(app: Sphinx) -> dict[str, int]:
    """Name of each drawing -> how wide it is shown. They stay PNG and SVG: few readers of EPUB know WebP."""
    drawn = (Path(app.srcdir) / path for path in app.env.images if "jupyter_execute" in path)
    sizes = ((path.name, figures.size(path)) for path in drawn if path.suffix in {".png", ".svg"})
    return {name: size[0] for name, size in sizes if size}


def take_stills(app: Sphinx, page: str, body: str) -> list[str | None]:
    """Put pictures of a page's live figures beside its drawings, and give their addresses from the page."""
    views = re.findall(rf'<script type="{re.escape(VIEW)}">(.*?)</script>', body, re.S)
    # myst-nb keeps it there
    scripts = getattr(app.env, "nb_metadata", {}).get(page, {}).get("js_files", {})
    if not views or "ipywidgets_state" not in scripts:
        return [None] * len(views)
    addresses: list[str | None] = []
    for number, png in enumerate(stills(views, scripts["ipywidgets_state"][1]["body"], BROWSER), start=1):
        file = Path(app.outdir) / "_images" / f"{page.replace('/', '-')}-live-{number}.png"
        if png:
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(png)
        addresses.append("../" * page.count("/") + f"_images/{file.name}" if png else None)
    return addresses


def tidy(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Make a page fit for an EPUB."""
    if app.builder.name != "epub":
        return
    if context.get("body"):
        live = take_stills(app, page, context["body"])
        context["body"] = well_formed(context["body"], picture_widths(app), live)
    context["script_files"] = []
    # Written after the EPUB is closed, and of no use in it.
    context["css_files"] = [css for css in context["css_files"] if "mystnb" not in str(css.filename)]


def close(app: Sphinx, failure: Exception | None) -> None:
    """Close the browser."""
    BROWSER.close()
    CONVERT.page = None


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("config-inited", complete)
    app.connect("builder-inited", use_mathml, priority=1)
    app.connect("html-page-context", tidy, priority=950)
    app.connect("build-finished", close)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}

"""A deck of slides for each chapter, made of the chapter's own cells and what they showed when they ran.

    python tools/slides.py                    all decks, in _build/slides: open the pages that it prints
    python tools/slides.py --preset smoke     quickly, with results that are not worth showing

The decks work from the disk, offline, live figures included. Chapters that have not been run since they were changed
are run first, into the cache that the book reads.

What goes on a slide. A heading of level 2 begins a column, one of level 3 the next slide down. Of the text: the first
sentence after a heading (all of a short paragraph), equations, quotations, lists and tables. Of the code: pictures,
tables and live figures; and the code itself where it is short and prints something, or belongs to the training loop.
Exercises stay in the notebook. A cell's tag overrules this: "slide" takes the cell as it is, "skip-slide" leaves it
out.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from execute import ROOT, execute_outdated, load, notebooks
from jupyter_cache import get_cache
from nbconvert.filters import Highlight2HTML, ansi2html, markdown2html
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

STATIC = ROOT / "book" / "_static"
ASSETS = ("vendor/reveal", "vendor/mathjax", "gc-widgets.js", "slides.css")
VIEW, STATE = (f"application/vnd.jupyter.widget-{what}+json" for what in ("view", "state"))
LEFT_OUT = ("What you will be able to do", "Exercises")
ROOM = 14  # lines of text on a slide, about
SHORT = 24  # lines of code on a slide, at most
BRIEF = 240  # characters of a paragraph that is taken whole
CODE = "The training loop, completed"

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="assets/reveal/reveal.css">
<link rel="stylesheet" href="assets/slides.css">
<style>{code}</style>
<script>
window.MathJax = {mathjax};
</script>
<script defer src="assets/reveal/reveal.js"></script>
<script defer src="assets/{mathjax_file}"></script>
<script defer src="assets/gc-widgets.js"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script type="{state_type}">{state}</script>
<script>
// What is too high or too wide for its slide is made smaller. Again, when a live figure changes its size.
const fit = () => {{
  const slide = Reveal.getCurrentSlide();
  const box = slide && slide.querySelector(":scope > .fit");
  if (!box) return;
  let zoom = 1;
  for (let round = 0; round < 20; round++) {{
    box.style.zoom = zoom;
    const over = Math.max(slide.scrollHeight / slide.clientHeight, slide.scrollWidth / slide.clientWidth);
    if (over <= 1.001) break;
    zoom /= Math.min(over, 1.1);  // smaller letters need fewer lines: in steps, so as not to go too far
  }}
}};
document.addEventListener("DOMContentLoaded", () => {{
  const ready = window.MathJax.startup ? window.MathJax.startup.promise : Promise.resolve();
  // heights are known when equations are set
  ready.then(() => Reveal.initialize({{
    hash: true, slideNumber: "c/t", width: 1100, height: 720, margin: 0.04, center: false, transition: "none",
  }})).then(() => {{
    Reveal.on("slidechanged", fit);
    const sizes = new ResizeObserver(fit);
    document.querySelectorAll(".fit > .live").forEach((figure) => sizes.observe(figure));
    fit();
  }});
}});
</script>
</body>
</html>
"""


def blocks(source: str) -> Iterator[str]:
    """The parts of a Markdown cell: paragraphs, lists, equations, tables, quotations. What is folded is left out."""
    source = re.sub(r"<details>.*?</details>", "", source, flags=re.DOTALL)
    part: list[str] = []
    inside = ""  # a listing or an equation may hold empty lines
    for line in source.split("\n"):
        fence = re.match(r"\s*(```|~~~|\$\$)", line)
        if fence and (not inside or fence[1] == inside):
            alone = fence[1] == "$$" and line.count("$$") > 1
            inside = "" if inside or alone else fence[1]
        if line.strip() or inside:
            part.append(line)
        elif part:
            yield "\n".join(part)
            part = []
    if part:
        yield "\n".join(part)


def chosen(part: str, first: bool) -> str:
    """What of a block goes on a slide: all, its first sentence (of the first paragraph below a heading), or nothing."""
    if part.startswith("#") or re.match(r"(\$\$|>|[-*|]|\d+\. )", part):
        return part
    if not first or part.startswith(("```", "~~~")):
        return ""
    if len(part) <= BRIEF:
        return part
    # a point inside $…$ or a number ends no sentence
    return re.split(r"(?<=[a-z)*$][.!?])\s+(?=[A-Z])", part.replace("\n", " "), maxsplit=1)[0]


def lines(part: str) -> int:
    """How many lines of a slide a block takes, about."""
    if part.startswith("$$"):
        return 4 + 2 * part.count(r"\\")
    return sum(1 + len(line) // 90 for line in part.split("\n")) + part.startswith("#")


def shown(cell: NotebookNode) -> tuple[list[str], str]:
    """The pictures, tables and live figures of a cell, as HTML, and the text that it printed."""
    pictures, text = [], ""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if VIEW in data:
            pictures.append(
                f'<div class="live"><script type="{VIEW}">{json.dumps(data[VIEW])}</script></div>'
            )
        elif "image/png" in data:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            picture = "".join(data["image/png"]).replace("\n", "")
            pictures.append(f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{picture}">')
        elif "text/markdown" in data:
            pictures.append(markdown2html("".join(data["text/markdown"])))
        elif output.output_type == "stream" and output.name == "stdout":
            text += "".join(output.text)
    return pictures, text


def parts(notebook: NotebookNode) -> Iterator[tuple[str, str, int]]:
    """("heading 2", "heading 3" or "body", HTML, lines that it takes) of everything that goes on a slide."""
    paint = Highlight2HTML()
    section, first = "", False
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        forced = "slide" in tags
        if {"skip-slide", "remove-cell"} & set(tags):
            continue
        if cell.cell_type == "markdown":
            for part in blocks(cell.source):
                if heading := re.match(r"(#{1,3}) (.+)", part):
                    section = heading[2] if len(heading[1]) < 3 else section
                    first = True
                    if section not in LEFT_OUT:
                        kind = "heading 3" if len(heading[1]) == 3 else "heading 2"
                        yield kind, markdown2html(part), lines(part)
                    continue
                kept = part if forced else chosen(part, first)
                first = first and not kept
                if kept and section not in LEFT_OUT:
                    yield "body", markdown2html(kept), lines(kept)
        elif cell.cell_type == "code" and (forced or section not in LEFT_OUT):
            pictures, text = ([], "") if "remove-output" in tags else shown(cell)
            code = cell.source
            told = forced or (not pictures and (text or section == CODE))
            if told and "claim(" not in code and code.count("\n") < SHORT:
                yield "body", paint(code), code.count("\n") + 2
                if text and text.count("\n") < SHORT:
                    yield "body", f"<pre>{ansi2html(text)}</pre>", text.count("\n") + 2
            yield from (("body", picture, ROOM - 3) for picture in pictures)


def slides(notebook: NotebookNode) -> str:
    """The deck's sections: columns of slides, each slide with its heading and as much as there is room for."""
    columns: list[list[list[str]]] = []
    heading, room = "", 0
    for kind, text, height in parts(notebook):
        if kind == "heading 2":
            columns.append([])
        if not columns:
            continue  # a chapter begins with its title
        if kind != "body":
            heading, room = text, 0
        if kind != "body" or height > room:
            if kind == "body" and columns[-1] and columns[-1][-1] == [heading]:
                pass  # nothing stands below the heading yet: a long block goes there
            else:
                columns[-1].append([heading])
                room = ROOM
            if kind != "body":
                continue
        columns[-1][-1].append(text)
        room -= height
    return "\n".join(
        "<section>"
        + "\n".join(f'<section><div class="fit">{"".join(slide)}</div></section>' for slide in column)
        + "</section>"
        for column in columns
    )


def deck(notebook: NotebookNode, title: str) -> str:
    """The page of one executed chapter."""
    state = notebook.metadata.get("widgets", {}).get(STATE, {"state": {}})
    # "</" would end the script element that holds the state
    packed = json.dumps(state).replace("</", "<\\/")
    painted = slides(notebook)
    # equations are set as in the book
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    code = HtmlFormatter().get_style_defs(".highlight")
    return PAGE.format(
        title=html.escape(title),
        code=code,
        slides=painted,
        state_type=STATE,
        state=packed,
        mathjax=json.dumps(settings["mathjax3_config"] | {"tex": {"inlineMath": [["$", "$"]]}}),
        mathjax_file=settings["mathjax_path"].removeprefix("vendor/"),
    )


def write(notebook: NotebookNode, target: Path) -> Path:
    """Write a deck, and beside it what it needs."""
    title = next(
        (line[2:] for line in notebook.cells[0].source.split("\n") if line.startswith("# ")), target.stem
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in ASSETS:
        source, place = STATIC / name, target.parent / "assets" / Path(name).name
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            place.parent.mkdir(exist_ok=True)
            shutil.copy(source, place)
    target.write_text(deck(notebook, title), encoding="utf-8")
    return target


def executed(cache: Path, chapter: Path) -> NotebookNode:
    """A chapter with what it showed when it ran, from the cache that the book reads."""
    return get_cache(str(cache)).merge_match_into_notebook(load(chapter))[1]


def chapters() -> list[Path]:
    """The notebooks that get a deck."""
    return [notebook for notebook in notebooks() if notebook.parent.name == "chapters"]


def main() -> int:
    """Run the chapters that are outdated, and write a deck for each."""
    parser = argparse.ArgumentParser(description="Make a deck of slides for each chapter.")
    parser.add_argument("--preset", default=os.environ.get("GENCOURSE_PRESET", "book"))
    parser.add_argument(
        "--build", type=Path, default=ROOT / "_build", help="folder with the cache; gets slides/"
    )
    parser.add_argument("--jobs", type=int, help="chapters at a time (default: as many as cores)")
    options = parser.parse_args()
    os.environ["GENCOURSE_PRESET"] = options.preset  # kernels and cache keys read it
    place = options.build.resolve() / ".jupyter_cache"
    failed = execute_outdated(place, options.preset, options.jobs)
    for chapter in chapters():
        if f"chapters/{chapter.stem}" not in failed:
            print(write(executed(place, chapter), options.build / "slides" / f"{chapter.stem}.html"))
    if failed:
        print(f"No slides of {', '.join(failed)}: see above.", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

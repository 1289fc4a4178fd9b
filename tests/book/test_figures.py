"""A drawing and its caption become one figure; the lighter form is shown, at the same size, with twice the pixels."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import figures
import finish
import links
import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document
from PIL import Image
from PIL.PngImagePlugin import PngInfo

LINES = b'<svg width="72pt" height="36pt" viewBox="0 0 72 36"><path d="M 0 0 L 1 1"/></svg>'
PIXELS = LINES.replace(b"<path", b'<image href="data:,"/><path')


def png(width: int = 220, height: int = 110, dpi: int = 220) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 50).save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()


def bundle(folder: Path, **forms: bytes) -> nodes.container:
    """What a cell showed, in some forms, as myst-nb gives it."""
    found = nodes.container(nb_element="mime_bundle")
    for suffix, content in forms.items():
        (folder / f"a.{suffix}").write_bytes(content)
        kind = {"png": "image/png", "svg": "image/svg+xml"}[suffix]
        found += nodes.container("", nodes.image(uri=f"a.{suffix}", width="7"), mime_type=kind)
    return found


def page(folder: Path, *outputs: nodes.Node, caption: str = "Figure 2.3.") -> tuple[Any, nodes.document]:
    """A page with one cell and a caption, and what Sphinx gives the extension with it."""
    doctree = new_document("a")
    cell = nodes.container("", nodes.container("", *outputs, classes=["cell_output"]), classes=["cell"])
    doctree += [
        cell,
        nodes.paragraph("", "", nodes.Text(""), nodes.strong("", caption), nodes.Text(" Look.")),
    ]
    env = SimpleNamespace(docname="chapters/02", relfn2path=lambda uri, page: (uri, str(folder / uri)))
    return SimpleNamespace(env=env), doctree


def test_a_caption_goes_into_the_figure(tmp_path: Path) -> None:
    text = nodes.paragraph("", "printed")
    app, doctree = page(tmp_path, bundle(tmp_path, png=png()), text)
    figures.collect(app, doctree)
    (figure,) = doctree.findall(figures.Figure)
    assert figure["ids"] == ["figure-2-3"] and figure.astext().endswith("Figure 2.3. Look.")
    (image,) = figure.findall(nodes.image)
    assert "width" not in image, "finish.py writes the size"
    assert text.parent is figure.parent and doctree.children[-1] is not figure[-1]
    links.collect(SimpleNamespace(env=app.env), doctree)
    assert links.targets(app.env)["figure 2.3"] == ("chapters/02", "figure-2-3")
    (caption,) = figure.findall(nodes.paragraph)
    assert links.own_name(caption) == links.own_name(caption[1]) == "figure 2.3"


@pytest.mark.parametrize("caption", ["Figure 2.3 shows", "A figure.", "Table 2.3."])
def test_other_text_below_a_drawing_stays_where_it_is(tmp_path: Path, caption: str) -> None:
    app, doctree = page(tmp_path, bundle(tmp_path, png=png()), caption=caption)
    figures.collect(app, doctree)
    assert not list(doctree.findall(figures.Figure))


def test_a_caption_without_a_drawing_is_text(tmp_path: Path) -> None:
    app, doctree = page(tmp_path, nodes.paragraph("", "printed"))
    figures.collect(app, doctree)
    assert not list(doctree.findall(figures.Figure))
    assert links.own_name(doctree.children[-1]) is None, "prose that begins with a figure leads to it"


@pytest.mark.parametrize(("svg", "kept"), [(LINES, "svg"), (PIXELS, "png"), (LINES * 9, "svg")])
def test_lines_stay_lines_and_pixels_stay_pixels(tmp_path: Path, svg: bytes, kept: str) -> None:
    app, doctree = page(tmp_path, bundle(tmp_path, png=png(), svg=svg))
    figures.collect(app, doctree)
    assert [image["uri"] for image in doctree.findall(nodes.image)] == [f"a.{kept}"]


def test_the_lighter_form_is_taken() -> None:
    flat = io.BytesIO()
    Image.new("L", (900, 900)).save(flat, "PNG")
    many = b"<svg>" + b"".join(b'<path d="M %d"/>' % (7919**k % 10**40) for k in range(300)) + b"</svg>"
    assert not figures.svg_is_better(many, flat.getvalue())
    assert figures.svg_is_better(many, png(900, 900))


def test_a_picture_has_twice_the_pixels_of_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.svg").write_bytes(LINES)
    (tmp_path / "c.png").write_bytes(png(dpi=72))
    assert figures.size(tmp_path / "a.png") == (110, 55)
    assert figures.size(tmp_path / "b.svg") == (110, 55)
    assert figures.size(tmp_path / "c.png") == (220, 110)
    (tmp_path / "d.svg").write_text('<svg viewBox="0 0 1 1"/>')
    assert figures.size(tmp_path / "d.svg") is None


def test_no_pixel_is_lost(tmp_path: Path) -> None:
    picture = png()
    before, after = (Image.open(io.BytesIO(form)) for form in (picture, figures.as_webp(picture)))
    assert after.format == "WEBP" and after.convert("L").tobytes() == before.tobytes()


def test_a_picture_in_a_page_is_webp_lazy_and_keeps_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "_images"
    folder.mkdir()
    (folder / "a.png").write_bytes(png())
    (folder / "b.svg").write_bytes(LINES.replace(b'"72pt"', b'"720pt"'))
    text = '<img alt="A" src="_images/a.png" /><img alt="B" src="_images/b.svg" /><img src="_static/c.png">'
    text = finish.lighter(text, tmp_path / "page.html")
    soup = BeautifulSoup(text, "html.parser")
    small, wide, other = soup.find_all("img")
    assert (small["src"], small["width"], small["height"]) == ("_images/a.webp", "110", "55")
    assert all((image["loading"], image["decoding"]) == ("lazy", "async") for image in (small, wide))
    assert (folder / "a.webp").is_file() and other["src"] == "_static/c.png"
    assert "gc-wide" in wide.parent.get("class", []) and small.parent.name != "span"
    assert finish.lighter(text, tmp_path / "page.html") == text


def test_a_drawing_for_phones_is_the_same_figure(tmp_path: Path) -> None:
    """Pages show the one or the other, an e-book the first."""
    out = io.BytesIO()
    told = PngInfo()
    told.add_text("Title", "phone")
    Image.new("L", (220, 110)).save(out, "PNG", dpi=(220, 220), pnginfo=told)
    folders = [tmp_path / "desk", tmp_path / "phone"]
    for folder in folders:
        folder.mkdir()
    forms = [bundle(folders[0], png=png(), svg=LINES), bundle(folders[1], png=out.getvalue(), svg=LINES)]
    for folder, form in zip(folders, forms, strict=True):
        for image in form.findall(nodes.image):
            image["uri"] = f"{folder.name}/{image['uri']}"
    app, doctree = page(tmp_path, *forms)
    figures.collect(app, doctree)
    (figure,) = doctree.findall(figures.Figure)
    assert [type(part) for part in figure.children] == [figures.Picture, figures.FigureCaption]
    desk, phone = figure.findall(nodes.image)
    assert not desk["classes"] and phone["classes"] == [figures.Picture.phone]
    app.builder = SimpleNamespace(name="html")
    figures.leave_out(app, doctree, "chapters/02")
    assert len(list(figure.findall(nodes.image))) == 2
    app.builder.name = "epub"
    figures.leave_out(app, doctree, "chapters/02")
    assert list(figure.findall(nodes.image)) == [desk] and not list(figure.findall(figures.Picture))


def test_cells_of_a_table_of_sentences_know_their_heads() -> None:
    row = "<tr><td><p>1</p></td><td><p>{}</p></td><td></td></tr>"
    head = "<thead><tr><th><p>item</p></th><th><p>it <em>says</em></p></th><th><p>a &amp; b</p></th></tr></thead>"
    table = f'<table class="table">{head}<tbody>{row.format("word " * 20)}</tbody></table>'
    shown = finish.lighter(table, Path("a.html"))
    assert re.findall(r'data-label="([^"]*)"', shown) == ["item", "it says", "a &amp; b"]
    assert 'class="gc-cards table"' in shown and finish.lighter(shown, Path("a.html")) == shown
    assert shown.count("data-empty") == 1, "a card leaves out what is empty"
    numbers = f'<table class="table">{head}<tbody>{row.format(5)}</tbody></table>'
    assert finish.lighter(numbers, Path("a.html")) == numbers
    some = f'<table class="table">{head}<tbody>{row.format("some words in it")}</tbody></table>'
    shown = finish.lighter(some, Path("a.html"))
    assert shown.count("data-words") == 1 and finish.lighter(shown, Path("a.html")) == shown

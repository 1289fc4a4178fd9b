"""What a cell draws and the caption below it become one figure, which links.py can lead to.

In a notebook a caption is a line of plain Markdown directly after the cell: `**Figure 2.3.** What to look for.`
A kernel gives each drawing as PNG, with twice the pixels, and as SVG (see gcbook.KERNEL_ARGUMENTS). Lines are kept as
SVG where that is lighter; pictures of pixels, which a browser would smooth, as PNG. finish.py makes WebP of these.
A drawing that the course draws once more for a phone (gencourse/figures/style.py) is a `<picture>` of both.
"""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from typing import Any

import ledger
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx

CAPTION = re.compile(rf"Figure ({ledger.TAG})\.(?=\s)")
LIVE = "application/vnd.jupyter.widget-view+json"
DPI = 110
"""Pixels of the page to an inch of a drawing: the course's own setting, in gencourse/figures/style.py."""


class Figure(nodes.General, nodes.Element):
    """`<figure>`: what is shown, then its caption."""


class Picture(nodes.General, nodes.Element):
    """`<picture>`: a drawing, then the same one for a phone, which has this class:"""

    phone = "gc-phone"


class FigureCaption(nodes.General, nodes.Element):
    """`<figcaption>`."""


# ---- sizes -------------------------------------------------------------------------------------------


def size(picture: Path) -> tuple[int, int] | None:
    """Width and height at which the page shows a PNG or an SVG, in its pixels; None for a file that does not say.

    A PNG with more pixels to an inch than `DPI` is as large as one that has `DPI`.
    """
    if picture.suffix == ".svg":
        head = re.search(r"<svg\b[^>]*>", picture.read_text(encoding="utf-8"))
        found = dict(re.findall(r'\b(width|height)="([\d.]+)pt"', head[0])) if head else {}
        if len(found) < 2:
            return None
        return round(float(found["width"]) * DPI / 72), round(float(found["height"]) * DPI / 72)
    with Image.open(picture) as image:
        dense = max(1, round(float(image.info.get("dpi", (DPI, DPI))[0]) / DPI))
        return image.width // dense, image.height // dense


def as_webp(png: bytes) -> bytes:
    """The same pixels in half the bytes or less."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.save(out, "WEBP", lossless=True, method=4)
    return out.getvalue()


def svg_is_better(svg: bytes, png: bytes) -> bool:
    """Whether a drawing has lines only, and is lighter as such. (A server packs an SVG with gzip.)"""
    return b"<image" not in svg and len(gzip.compress(svg)) < len(as_webp(png))


# ---- pages -------------------------------------------------------------------------------------------


def is_for_a_phone(png: bytes) -> bool:
    """Whether a drawing was made for a phone: gencourse/figures/style.py writes so into the file."""
    with Image.open(io.BytesIO(png)) as image:
        return image.info.get("Title") == "phone"


def choose_kind(app: Sphinx, bundle: nodes.Element) -> None:
    """Of a drawing that is there as SVG and as PNG, keep one; tell one that is for a phone by its class."""
    forms = {form.get("mime_type"): form for form in bundle.children if isinstance(form, nodes.container)}
    if not {"image/svg+xml", "image/png"} <= set(forms):
        return

    def content(kind: str) -> bytes:
        # mypy: a form of an image has one
        uri = forms[kind].next_node(nodes.image)["uri"]  # type: ignore[index]
        return Path(app.env.relfn2path(uri, app.env.docname)[1]).read_bytes()

    png = content("image/png")
    better = svg_is_better(content("image/svg+xml"), png)
    if is_for_a_phone(png):
        for image in bundle.findall(nodes.image):
            image["classes"].append(Picture.phone)
    bundle.remove(forms["image/png" if better else "image/svg+xml"])


def is_shown(node: nodes.Node) -> bool:
    """Whether an output is a drawing or a live figure."""
    if not isinstance(node, nodes.Element):
        return False
    if isinstance(node, (nodes.image, Picture)):
        return True
    kinds = {form.get("mime_type", "") for form in node.findall(nodes.container)}
    return LIVE in kinds or any(kind.startswith("image/") for kind in kinds)


def shown_before(caption: nodes.Element) -> list[nodes.Element]:
    """What the cell or the image just before a caption shows."""
    siblings = caption.parent.children
    before = siblings[siblings.index(caption) - 1] if siblings.index(caption) else None
    if isinstance(before, nodes.image):
        return [before]
    if not isinstance(before, nodes.container) or "cell" not in before["classes"]:
        return []
    outputs = [part for part in before.findall(nodes.container) if "cell_output" in part["classes"]]
    return [one for output in outputs for one in output.children if is_shown(one)]


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Choose the form of each drawing, and put drawings and captions together."""
    for bundle in list(doctree.findall(nodes.container)):
        if bundle.get("nb_element") == "mime_bundle":
            choose_kind(app, bundle)
            for image in bundle.findall(
                nodes.image
            ):  # finish.py writes the size: here it would become a style
                for key in ("width", "height"):
                    image.attributes.pop(key, None)
    for image in list(doctree.findall(nodes.image)):
        if Picture.phone in image["classes"]:
            join(bundle_of(image))
    for paragraph in list(doctree.findall(nodes.paragraph)):
        first = next((child for child in paragraph.children if child.astext()), None)
        match = isinstance(first, nodes.strong) and CAPTION.match(first.astext() + " ")
        shown = shown_before(paragraph) if match else []
        if not match or not shown:
            continue
        figure = Figure(ids=["figure-" + match[1].replace(".", "-")])
        place = shown[0].parent
        place.insert(place.index(shown[0]), figure)
        for one in shown:
            one.parent.remove(one)
        paragraph.parent.remove(paragraph)
        caption = FigureCaption()
        caption += paragraph
        figure.extend([*shown, caption])


def bundle_of(image: nodes.Element) -> nodes.Element:
    """The output that an image belongs to."""
    node = image
    while node.get("nb_element") != "mime_bundle":
        node = node.parent
    return node


def join(bundle: nodes.Element) -> None:
    """Put a drawing for a phone together with the one before it."""
    siblings = bundle.parent.children
    before = siblings[siblings.index(bundle) - 1]
    picture = Picture()
    bundle.parent.insert(siblings.index(before), picture)
    for one in (before, bundle):
        one.parent.remove(one)
        picture += one


def leave_out(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """An e-book has one drawing of each."""
    if app.builder.name != "html":
        for picture in list(doctree.findall(Picture)):
            for image in list(picture.findall(nodes.image)):
                if Picture.phone in image["classes"]:
                    image.parent.remove(image)
            picture.parent.replace(picture, picture.children)


def tag(name: str) -> tuple[Any, Any]:
    """How an element is written."""

    def visit(self: Any, node: nodes.Element) -> None:
        self.body.append(self.starttag(node, name))

    def depart(self: Any, node: nodes.Element) -> None:
        self.body.append(f"</{name}>\n")

    return visit, depart


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_node(Figure, html=tag("figure"))
    app.add_node(FigureCaption, html=tag("figcaption"))
    app.add_node(Picture, html=tag("picture"))
    # before Sphinx collects the pages' images (500)
    app.connect("doctree-read", collect, priority=450)
    app.connect("doctree-resolved", leave_out)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""What goes into the EPUB is well-formed, has its formulas as MathML, and needs no script."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import ebook
import pytest
from bs4 import BeautifulSoup
from PIL import Image
from sphinx.errors import ExtensionError

from tools.system import find_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[ebook.Chromium]:
    if not find_chromium():
        pytest.skip("There is no Chromium or Chrome, which makes the MathML and takes the pictures.")
    one = ebook.Chromium()
    yield one
    one.close()


@pytest.fixture(scope="module")
def mathml(browser: ebook.Chromium) -> ebook.MathML:
    return ebook.MathML(browser)


def test_a_formula_becomes_mathml(mathml: ebook.MathML) -> None:
    found = ElementTree.fromstring(mathml(r"\mathbb{E}_p \tfrac12 \mathcal{L} \le \log x", display=True))
    words = "".join(found.itertext())
    assert found.tag.endswith("}math") and found.get("display") == "block"
    assert {"𝔼", "ℒ", "≤", "log"} <= {piece.strip() for piece in found.itertext()}, words
    assert "mathvariant" not in mathml(r"\mathbb{E}", display=False)


def test_a_formula_that_cannot_be_read_stops_the_build(mathml: ebook.MathML) -> None:
    with pytest.raises(ExtensionError, match=r"\\frac\{1"):
        mathml(r"\frac{1", display=False)


@pytest.mark.parametrize(
    ("variant", "character", "expected"),
    [
        ("double-struck", "E", "𝔼"),
        ("double-struck", "R", "ℝ"),
        ("double-struck", "1", "𝟙"),
        ("script", "N", "𝒩"),
        ("script", "L", "ℒ"),
        ("bold", "x", "𝐱"),
        ("bold", "→", "→"),
    ],
)
def test_letters_of_other_alphabets(variant: str, character: str, expected: str) -> None:
    assert ebook.letter(variant, character) == expected


def test_a_page_is_closed_open_and_without_scripts() -> None:
    page = (
        '<p>a<br>b &lt; c</p><details><summary>Proof</summary><img src="x.png" alt="x"></details>'
        "<script>1 < 2</script><button>B</button>"
    )
    found = ebook.well_formed(page)
    tree = ElementTree.fromstring(f"<div>{found}</div>")
    assert tree.find("details").get("open") == "open"  # type: ignore[union-attr]
    assert "script" not in found and "button" not in found


def test_a_live_figure_is_a_still_and_a_sentence() -> None:
    page = f'<script type="{ebook.VIEW}">{{}}</script>' * 2
    tree = ElementTree.fromstring(f"<div>{ebook.well_formed(page, live=['../_images/a.png', None])}</div>")
    assert [part.tag for part in tree] == ["img", "p", "p"]
    assert tree[0].get("src") == "../_images/a.png" and tree[0].get("alt") and tree[0].get("width")
    assert [part.text for part in tree[1:]] == [ebook.LIVE, ebook.CONTROL]


def test_a_still_shows_what_the_figure_draws(browser: ebook.Chromium) -> None:
    code = """export default { render({ model, el }) {
      el.innerHTML = `<div style="width: 40px; height: 30px; background: ${model.get("colour")}"></div>`;
    } }"""
    figure = {"model_module": "anywidget", "state": {"_esm": code, "colour": "#0000ff"}}
    control = {"model_module": "@jupyter-widgets/controls", "state": {}}
    state = json.dumps({"state": {"a": figure, "b": control}})
    still, nothing = ebook.stills(['{"model_id": "a"}', '{"model_id": "b"}'], state, browser)
    assert nothing is None and still
    with Image.open(io.BytesIO(still)) as picture:
        assert picture.size == (2 * ebook.ROOM, 60)
        blue = [picture.convert("RGB").getpixel(at) == (0, 0, 255) for at in ((10, 10), (70, 50), (200, 10))]
    assert blue == [True, True, False]


def test_a_picture_with_twice_the_pixels_is_as_wide_as_in_the_web_edition() -> None:
    page = '<p><img alt="A" src="../_images/a.png"/><img alt="B" src="../_images/b.png"/></p>'
    first, second = BeautifulSoup(ebook.well_formed(page, {"a.png": 300}), "html.parser").find_all("img")
    assert first["width"] == "300" and "width" not in second.attrs


def test_the_list_of_files_says_what_is_in_them(tmp_path: Path) -> None:
    for name, text in (("a.xhtml", "<p><math/></p>"), ("b.xhtml", "<p/>")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    item = '<item id="x" href="{}" media-type="{}" />'
    xhtml = "application/xhtml+xml"
    listed = [
        item.format("a.xhtml", xhtml),
        item.format("b.xhtml", xhtml),
        item.format("_static/cover.png", "image/png"),
    ]
    found = ebook.described("\n".join(listed), tmp_path).split("\n")
    assert found[0] == listed[0].replace(" />", ' properties="mathml" />') and found[1] == listed[1]
    assert 'properties="cover-image"' in found[2]


def test_a_page_says_its_language_and_its_address_has_no_way_back() -> None:
    page = '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><p/></html>'
    found = ebook.with_language(page, "en")
    assert ElementTree.fromstring(found).get("lang") == "en" and ebook.with_language(found, "en") == found
    assert (
        ebook.straight("book/../chapters/a.xhtml#x") == "chapters/a.xhtml#x" and ebook.straight("#x") == "#x"
    )


def test_a_fold_of_code_has_one_name() -> None:
    page = "<details><summary><p>Show</p><p>Hide</p></summary>{}</details>"
    assert "<summary>The solution</summary>" in ebook.well_formed(page.format("### BEGIN SOLUTION"))
    assert "<summary>The code</summary>" in ebook.well_formed(page.format("x = 1"))

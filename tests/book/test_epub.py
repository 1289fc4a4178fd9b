"""A small book made by the same builder is fit for readers of EPUB, and what is not is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import ebook
import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from tools.epub import faults
from tools.system import find_chromium

STATIC = ebook.ROOT / "book" / "_static"
CONFIG = f"""
extensions = ["myst_nb", "figures", "ebook"]
html_theme = "sphinx_book_theme"
master_doc = "book/first"
project = "Small"
author = "Somebody"
copyright = "2026"
language = "en"
epub_title = "A & B"
epub_basename = "small"
epub_uid = "book-id"
epub_scheme = "UUID"
epub_identifier = "urn:uuid:5d0c1c5e-3a4e-4f0a-9a53-2f6b1f0c7e22"
epub_css_files = ["gencourse-epub.css"]
epub_tocdepth = 2
epub_tocscope = "includehidden"
epub_show_urls = "no"
html_static_path = [{str(STATIC)!r}]
templates_path = [{str(ebook.ROOT / "book" / "_templates")!r}]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
"""
FIRST = """# First

Read [the second](../chapters/second.md#a-place), and $x^2$.

```{toctree}
../chapters/second
```
"""
SECOND = """# Second

## A place

$$ \\mathbb{E}\\, x = 1 \\tag{1.1} $$

<details><summary>Proof</summary>

Words.

</details>

![A dot](dot.svg)
"""
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="10pt" height="10pt"><circle cx="5" cy="5" r="4"/></svg>'


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not find_chromium():
        pytest.skip("There is no Chromium or Chrome, which makes the MathML.")
    source = tmp_path_factory.mktemp("small")
    for name, text in (("book/first.md", FIRST), ("chapters/second.md", SECOND), ("conf.py", CONFIG)):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    (source / "chapters" / "dot.svg").write_text(DOT, encoding="utf-8")
    out = source / "out"
    with docutils_namespace():  # other tests of this process build, too
        Sphinx(source, source, out, source / "trees", "epub", status=None, warning=None).build()
    return out / "small.epub"


def changed(book: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The book with other files."""
    with ZipFile(book) as file:
        files = {name: file.read(name) for name in file.namelist()}
    change(files)
    with ZipFile(folder / "changed.epub", "w") as file:
        for name, content in files.items():
            file.writestr(name, content, ZIP_STORED)
    return folder / "changed.epub"


def replaced(page: str, old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    """A change of a page's words."""

    def change(files: dict[str, bytes]) -> None:
        assert old in files[page].decode()
        files[page] = files[page].decode().replace(old, new).encode()

    return change


def test_the_builders_book_is_without_fault(book: Path, tmp_path: Path) -> None:
    assert faults(book) == []
    assert faults(changed(book, tmp_path, lambda files: None)) == []
    with ZipFile(book) as file:
        names = file.namelist()
        second = file.read("chapters/second.xhtml").decode()
    assert "_static/cover.png" in names and not any("vendor" in name for name in names)
    assert "<math" in second and "(1.1)" in second and "open=" in second


SECOND_PAGE, FIRST_PAGE = "chapters/second.xhtml", "book/first.xhtml"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (replaced(SECOND_PAGE, "</details>", ""), "is not well-formed"),
        (replaced(SECOND_PAGE, 'alt="A dot"', ""), "a picture without a description"),
        (replaced(SECOND_PAGE, "<p>Words.</p>", '<p id="a-place">Words.</p>'), "has the id 'a-place' twice"),
        (replaced(SECOND_PAGE, "<p>Words.</p>", "<script>1</script>"), "is listed wrongly: scripted"),
        (replaced(SECOND_PAGE, 'src="../_images', 'src="../images'), "no such file"),
        (replaced(SECOND_PAGE, 'src="../', 'src="https://example.org/'), "would have to fetch"),
        (replaced(SECOND_PAGE, ' lang="en"', ""), "does not say its language"),
        (replaced(FIRST_PAGE, "#a-place", "#another"), "no such place"),
        (replaced("content.opf", ' properties="mathml"', ""), "is listed wrongly: mathml"),
        (replaced("content.opf", ">2026</dc:rights>", "></dc:rights>"), "nothing under rights"),
        (replaced("content.opf", "nav.xhtml", "now.xhtml"), "nav.xhtml is not in the list of files"),
        (lambda files: files.pop("_images/dot.svg"), "_images/dot.svg is in the list of files only"),
        (lambda files: files.update({"left.txt": b""}), "left.txt is not in the list of files"),
        (lambda files: files.update({"mimetype": files.pop("mimetype")}), "the first file is not"),
    ],
)
def test_a_fault_is_named(
    book: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], fault: str
) -> None:
    found = faults(changed(book, tmp_path, change))
    assert found and any(fault in sentence for sentence in found), found

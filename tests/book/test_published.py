"""Buttons and addresses of a page in both states: before the repository has an address, and after."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import finish
import gcbook
import nbformat
import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ADDRESS = "https://github.com/Ada/course"
PLACEHOLDER = "https://github.com/OWNER/gencourse"
CONFIG = """
extensions = ["myst_nb", "gcbook", "finish"]
html_theme = "sphinx_book_theme"
html_theme_options = {"launch_buttons": {"colab_url": "https://colab.research.google.com"}}
master_doc = "first"
html_title = "A & B"
nb_execution_mode = "off"
"""


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[str, Path]]:
    """Builds a book of one chapter for a repository; gives the chapter's page and the folder."""

    def build(address: str) -> tuple[str, Path]:
        project = tmp_path / "pyproject.toml"
        project.write_text(f'[project.urls]\nRepository = "{address}"\n', encoding="utf-8")
        url = gcbook.repository_url(project)
        monkeypatch.setattr(gcbook, "repository_url", lambda: url)
        source = tmp_path / "source"
        (source / "chapters").mkdir(parents=True)
        (source / "conf.py").write_text(CONFIG, encoding="utf-8")
        (source / "first.md").write_text("# Book\n\n```{toctree}\nchapters/01_a\n```\n", encoding="utf-8")
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A\n\nFirst words.")])
        nbformat.write(notebook, source / "chapters" / "01_a.ipynb")
        out = tmp_path / "out"
        with docutils_namespace():  # other tests of this process build, too
            Sphinx(source, source, out, tmp_path / "trees", "html", status=None, warning=None).build()
        return (out / "chapters" / "01_a.html").read_text(encoding="utf-8"), out

    return build


def outside(page: str) -> list[str]:
    """Where a page leads to outside the book."""
    return [
        link
        for link in re.findall(r'(?:href|src|content|action)="(https?://[^"]*)"', page)
        if not re.match(r"https://(www\.)?(sphinx-doc|pydata|ebp)", link)
    ]


def test_without_an_address_no_button_leads_anywhere(built: Callable[[str], tuple[str, Path]]) -> None:
    page, folder = built(PLACEHOLDER)
    assert outside(page) == []
    assert "colab" not in page.lower() and "owner" not in page.lower()
    assert not (folder / "sitemap.xml").exists()
    assert "owner" not in (folder / "404.html").read_text(encoding="utf-8").lower()


def test_the_books_address_leads_to_its_first_page(built: Callable[[str], tuple[str, Path]]) -> None:
    door = (built(ADDRESS)[1] / "index.html").read_text(encoding="utf-8")
    assert "<title>A &amp; B</title>" in door and 'content="0; url=first.html"' in door
    assert '<link rel="canonical" href="https://ada.github.io/course/first.html" />' in door


def test_with_an_address_the_buttons_lead_to_it(built: Callable[[str], tuple[str, Path]]) -> None:
    page, folder = built(ADDRESS)
    links = outside(page)
    colab = "https://colab.research.google.com/github/Ada/course/blob/main/chapters/01_a.ipynb"
    assert links.count(colab) == 1 and ADDRESS in links
    root = "https://ada.github.io/course/"
    assert {f"{root}chapters/01_a.html", f"{root}_static/social.png"} <= set(links)
    sitemap = (folder / "sitemap.xml").read_text(encoding="utf-8")
    assert f"<loc>{root}chapters/01_a.html</loc>" in sitemap and "search.html" not in sitemap
    assert f'href="{root}index.html"' in (folder / "404.html").read_text(encoding="utf-8")


def test_the_address_is_the_one_of_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    for url, expected in ((ADDRESS, "https://ada.github.io/course/"), ("", "")):
        monkeypatch.setattr(gcbook, "repository_url", lambda url=url: url)
        assert finish.address() == expected

"""The repository's address and version are written once; every copy agrees with pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import address

NEW = "https://github.com/ada/gencourse"


def test_the_copies_in_this_repository_agree():
    outdated = [path.relative_to(address.ROOT).as_posix() for path in address.disagreements()]
    assert not outdated, "run 'python tools/address.py'"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://github.com/x/gencourse/issues", "https://github.com/ada/gencourse/issues"),
        ("https://github.com/x/gencourse.git", "https://github.com/ada/gencourse.git"),
        (
            "gencourse @ git+https://github.com/x/gencourse@v0.0.9",
            "gencourse @ git+https://github.com/ada/gencourse@v1.2.0",
        ),
        (
            "https://colab.research.google.com/github/x/gencourse/blob/main/chapters/a.ipynb",
            "https://colab.research.google.com/github/ada/gencourse/blob/main/chapters/a.ipynb",
        ),
        ("https://x.github.io/gencourse/", "https://ada.github.io/gencourse/"),
        ("version: 0.0.9\n", "version: 1.2.0\n"),
        ('__version__ = "0.0.9"', '__version__ = "1.2.0"'),
    ],
)
def test_every_kind_of_copy_is_stamped(before: str, after: str):
    assert address.stamp(before, NEW, "1.2.0") == after
    assert address.stamp(after, NEW, "1.2.0") == after


@pytest.mark.parametrize(
    "text", ["https://github.com/x/gencourse-fork", "https://github.com/CompVis/vqgan", "x"]
)
def test_other_links_are_left_alone(text: str):
    assert address.stamp(text, NEW, "1.2.0") == text


def test_project_without_address_is_refused():
    with pytest.raises(ValueError, match="states no Repository"):
        address.read_project('version = "1.0"')
    with pytest.raises(ValueError, match="must look like"):
        address.read_project('version = "1.0"\nRepository = "https://example.org/gencourse"')


def test_moving_to_another_name_takes_the_copies_along(tmp_path: Path):
    project = tmp_path / "pyproject.toml"
    project.write_text('version = "1.0"\nRepository = "https://github.com/x/gencourse"\n', encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("https://github.com/x/gencourse/actions", encoding="utf-8")

    for new in ("https://github.com/ada/my-course", "https://github.com/bob/gencourse"):
        address.move(tmp_path, new)

        assert readme.read_text(encoding="utf-8") == f"{new}/actions"
        assert address.read_project(project.read_text(encoding="utf-8"))[0] == new
        assert not address.disagreements(tmp_path)


def test_an_outdated_copy_is_found(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(f'version = "1.0"\nRepository = "{NEW}"\n', encoding="utf-8")
    (tmp_path / "README.md").write_text("https://github.com/x/gencourse", encoding="utf-8")

    assert address.disagreements(tmp_path) == {tmp_path / "README.md": NEW}


def test_a_release_refuses_a_placeholder_another_tag_and_old_copies(tmp_path: Path):
    project, readme = tmp_path / "pyproject.toml", tmp_path / "README.md"
    project.write_text('version = "1.2.0"\nRepository = "https://github.com/OWNER/gencourse"\n')
    assert "placeholder" in (address.refuse(tmp_path, "v1.2.0") or "")
    project.write_text(f'version = "1.2.0"\nRepository = "{NEW}"\n')
    assert address.refuse(tmp_path, "v1.2.0") is None
    assert "must be v1.2.0" in (address.refuse(tmp_path, "v1.2.1") or "")
    readme.write_text("https://github.com/x/gencourse")
    assert "README.md" in (address.refuse(tmp_path, "v1.2.0") or "")


CHAPTER = """<!-- if published -->
[![Colab](https://colab.research.google.com/a.svg)](https://colab.research.google.com/github/x/gencourse/blob/main/a.ipynb)
<!-- end -->
<!-- if unpublished
No button yet.
end -->
"""


def seen(markdown: str) -> str:
    """What a reader of the page sees."""
    return re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL).strip()


def test_no_badge_leads_to_the_placeholder_and_setting_the_address_brings_it_back():
    hidden = address.stamp(CHAPTER, "https://github.com/OWNER/gencourse", "1.0")
    assert seen(hidden) == "No button yet."
    assert address.stamp(hidden, "https://github.com/OWNER/gencourse", "1.0") == hidden
    shown = address.stamp(hidden, NEW, "1.0")
    assert shown == CHAPTER.replace("/x/", "/ada/")
    assert "github/ada/gencourse/blob" in seen(shown) and "No button" not in seen(shown)


def test_no_page_of_this_copy_links_to_the_placeholder():
    """Where the course has no address yet, nothing that can be clicked leads there."""
    link = re.compile(
        r"\]\(https?://[^)]*owner[./]|<https?://[^>]*owner[./]|href=\"https?://[^\"]*owner[./]", re.I
    )
    pages = [address.ROOT / "README.md", address.ROOT / "CONTRIBUTING.md", *address.ROOT.glob("book/**/*.md")]
    pages += address.ROOT.glob("chapters/*.ipynb")
    assert not [path.name for path in pages if link.search(seen(path.read_text(encoding="utf-8")))]
    assert link.search("[a](https://github.com/OWNER/x)") and link.search('href="https://owner.github.io/x"')

"""Pages with the code behind the equations: each file that the ledger names, with an anchor at every definition.

They lie in _code, belong to no table of contents, and need neither a network nor the repository's address.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import ledger
from docutils import nodes
from sphinx.application import Sphinx

FOLDER = "_code"


def page_of(place: str) -> tuple[str, str]:
    """Page and anchor of "tests/test_gan.py::TestIt::test_x": its file, and "TestIt.test_x"."""
    file, _, name = place.partition("::")
    return f"{FOLDER}/{file.removesuffix('.py')}", name.replace("::", ".")


def definitions(source: str) -> dict[int, str]:
    """Line (from 1) -> name of the function or class that starts there, decorators included."""
    found: dict[int, str] = {}

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                found[line] = prefix + node.name
                walk(node.body, f"{prefix}{node.name}.")

    walk(ast.parse(source).body, "")
    return found


def with_anchors(listing: str, names: dict[int, str]) -> str:
    """A highlighted listing with an empty element at the start of each named line."""
    before, after = listing.split("<pre><span></span>", 1)
    lines = after.split("\n")
    for line, name in names.items():
        lines[line - 1] = f'<span id="{name}"></span>{lines[line - 1]}'
    return before + "<pre><span></span>" + "\n".join(lines)


def files(found: ledger.Ledger) -> list[str]:
    """The files that the ledger names, as paths from the root."""
    return sorted({c.test.partition("::")[0] for c in found.claims} | {c.where for c in found.citations})


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file; asked for by Sphinx when the others are written."""
    root = ledger.ROOT
    for file in files(ledger.collect(root)):
        source = (root / file).read_text(encoding="utf-8")
        # mypy: HTML builders have a highlighter
        listing = app.builder.highlighter.highlight_block(source, "python", linenos=False)  # type: ignore[attr-defined]
        body = f"<h1>{file}</h1>\n" + with_anchors(listing, definitions(source))
        yield page_of(file)[0], {"title": file, "body": body, "parents": []}, "page.html"


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let the ledger's places lead to their pages."""
    if app.builder.format != "html" or docname != "book/ledger":
        return
    for place in list(doctree.findall(nodes.literal)):
        text = place.astext()
        if ".py" in text and not isinstance(place.parent, nodes.reference):
            page, anchor = page_of(text if text.startswith("gencourse/") else f"tests/{text}")
            address = app.builder.get_relative_uri(docname, page) + (f"#{anchor}" if anchor else "")
            reference = nodes.reference("", "", refuri=address, internal=True)
            place.parent.replace(place, reference)
            reference += place


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-collect-pages", pages)
    app.connect("doctree-resolved", link)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

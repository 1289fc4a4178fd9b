"""The first use of a word leads to the glossary, and nothing else does."""

from __future__ import annotations

import pytest
import terms
from docutils import nodes

NAMES = ("code", "encoder", "context encoder", "score", "f-divergence", "mask", "mask token")
WORDS = {**{name: name for name in NAMES}, "variational autoencoder": "VAE", "vae": "VAE"}


def found(text: str) -> list[tuple[str, str]]:
    pieces = list(terms.split(text, WORDS))
    assert "".join(words for words, _ in pieces) == text
    return [(words, name) for words, name in pieces if name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The code of a code.", [("code", "code")]),
        ("Codes and\nscores", [("Codes", "code"), ("scores", "score")]),
        (
            "a context\nencoder and an encoder",
            [("context\nencoder", "context encoder"), ("encoder", "encoder")],
        ),
        (
            "an encoder, then a context encoder",
            [("encoder", "encoder"), ("context encoder", "context encoder")],
        ),
        ("an autoencoder decodes; re-code, code-book, underscore", []),
        ("f-divergences", [("f-divergences", "f-divergence")]),
        ("mask tokens and a mask", [("mask tokens", "mask token"), ("mask", "mask")]),
        ("a VAE, that is a variational autoencoder, and VAEs", [("VAE", "vae")]),
        ("", []),
    ],
)
def test_first_uses(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_words_are_taken_in_the_order_of_reading_and_not_from_code_or_links() -> None:
    bold, code, link = nodes.strong("", "one"), nodes.literal("", "x"), nodes.reference("", "y")
    page = nodes.section(
        "",
        nodes.title("", "zero"),
        nodes.paragraph("", "", nodes.Text("the "), bold, nodes.Text(" two"), code, link),
    )
    assert [str(text) for text in terms.texts(page)] == ["the ", "one", " two"]

"""What is done to a written page: icons, names for those who listen, a head, and a policy that holds."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import finish
import pytest

PAGE = (
    '<html data-theme="auto"><head><meta charset="utf-8" /><title>2. GAN</title>'
    '<script>let a = localStorage.getItem("theme") || "auto";</script>'
    '<script type="application/json">{}</script><script src="x.js"></script></head>'
    '<body><button onclick="f(&quot;a&quot;)"></button>'
    '<article class="bd-article"><h1>GAN</h1><p>How "do" <em>you</em>?</p>'
)


def test_an_icon_becomes_a_drawing() -> None:
    page = finish.lighter(
        '<i class="theme-switch fa-solid fa-sun fa-lg" data-mode="light"></i>', Path("a.html")
    )
    assert page.startswith('<i class="gc-icon theme-switch fa-lg" data-mode="light" aria-hidden="true"><svg')
    assert finish.lighter(page, Path("a.html")) == page


def test_a_stop_stays_with_its_formula() -> None:
    formula = '<span class="math notranslate nohighlight">\\({}\\)</span>'
    short, long = formula.format("E(x)"), formula.format("x" * 60)
    page = finish.whole(f"({short} is {short}), {short} and {long}.")
    assert page.startswith(
        f'<span class="gc-whole">({short}</span> is <span class="gc-whole">{short}),</span>'
    )
    assert page.count("gc-whole") == 2, "a word after it may begin a line; a long formula may break"
    assert page.endswith("x\\text{.}\\)</span>"), "its stop is a part of it"
    assert finish.whole(page) == page


def test_a_picture_for_phones_stands_before_the_other() -> None:
    page = '<picture>\n<img alt="a" src="a.svg" />\n<source media="(max-width: 575px)" srcset="b.svg" /></picture>'
    match = finish.re.search("<picture>.*</picture>", page, finish.re.S)
    assert match and finish.source_first(match).startswith("<picture><source ")
    alone = finish.re.search("<picture>.*</picture>", '<picture><img src="a.svg" /></picture>')
    assert alone and finish.source_first(alone) == alone[0]


def test_an_unknown_icon_is_refused() -> None:
    with pytest.raises(KeyError):
        finish.lighter('<i class="fa-solid fa-no-such-icon"></i>', Path("a.html"))


def test_the_style_has_no_icon_font() -> None:
    style = "@font-face{font-family:Font Awesome\\ 6 Free;src:url(a)}"
    style += '.fa-a:before,.fa-b:before{content:"\\f0c9"}p{color:red}'
    assert finish.without_icon_font(style) == "p{color:red}"


def test_a_long_signature_is_no_list_of_definitions() -> None:
    page = finish.accessible(
        '<dl>\n<dd><em class="sig-param">a</em>,</dd>\n<dd><em class="sig-param">b</em></dd>\n</dl>'
    )
    assert "<dl>" not in page and "<dd>" not in page and page.count("gc-argument") == 3


def test_the_policy_allows_what_stands_in_the_page_and_nothing_else() -> None:
    page = finish.with_head(PAGE, "chapters/a.html")
    policy = page.split('content="')[1].split('"')[0]
    assert "unsafe-eval" not in policy and policy.count("sha256-") == 2
    for code in (page.split("<script>")[1].split("</script>")[0], 'f("a")'):
        assert base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() in policy
    assert finish.with_head(page, "chapters/a.html") == page


def test_the_head_says_what_the_page_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    page = finish.with_head(PAGE, "chapters/a.html")
    assert '<meta name="description" content="How &quot;do&quot; you?" />' in page
    assert "prefers-color-scheme: dark" in page and 'data-theme="light"' in page and "<noscript>" in page
    assert "canonical" not in page, "there is no address yet"
    monkeypatch.setattr(finish.gcbook, "repository_url", lambda: "https://github.com/Ada/course")
    page = finish.with_head(PAGE, "chapters/a.html")
    assert '<link rel="canonical" href="https://ada.github.io/course/chapters/a.html" />' in page
    assert 'content="https://ada.github.io/course/_static/social.png"' in page


def test_mathjax_is_told_of_no_menu() -> None:
    page = finish.with_head(
        PAGE.replace("<article", '<script>window.MathJax = {"a": {}}</script><article'), "a.html"
    )
    assert "delete MathJax.config.options.menuOptions" in page and page.count("sha256-") == 3


def test_the_two_indices_have_two_titles_and_a_listing_is_described_by_its_name() -> None:
    page = finish.with_head(
        '<meta charset="utf-8" /><title>Index</title><h1 id="index">Index</h1>', "genindex.html"
    )
    assert (
        page.count("Index of the package") == 5
        and 'name="description" content="Index of the package"' in page
    )


def test_a_description_ends_at_a_word() -> None:
    text = finish.description(f"<h1>T</h1><p>{'word ' * 100}</p>")
    assert text.endswith("word …") and len(text) <= finish.LONGEST + 2

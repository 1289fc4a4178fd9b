"""The search leads to the section, with the hit in view: by words, numbers, other names and Chinese ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

# What is typed, and where one of the first three results has to lead.
QUERIES = {
    "2.5": "02_gan.html#eq-2-5",
    "(4.7)": "04_aae.html#eq-4-7",
    "eq. A.5": "background.html#eq-a-5",
    "exercise 3.2": "03_ae_gan.html#exercise-3-2-",
    "7.4": "07_measuring.html#exercise-7-4-",
    "001-7": "errata.html#item-001-7",
    "chapter 5": "05_mae.html#masked-autoencoder",
    "WGAN": "02_gan.html#a-distance-that-does-not-go-flat",
    "Wasserstein": "02_gan.html#a-distance-that-does-not-go-flat",
    "DCGAN": "02_gan.html#the-two-networks",
    "KL": "background.html#the-kullback-leibler-divergence",
    "Kullback-Leibler": "background.html#the-kullback-leibler-divergence",
    "VAE": "03_ae_gan.html#one-way-the-variational-autoencoder",
    "ELBO": "03_ae_gan.html#one-way-the-variational-autoencoder",
    "reparametrization": "03_ae_gan.html#one-way-the-variational-autoencoder",
    "reparameterisation": "03_ae_gan.html#one-way-the-variational-autoencoder",
    "mode dropping": "02_gan.html#mode-collapse-provoked-and-cured",
    "模式崩溃": "02_gan.html#mode-collapse-provoked-and-cured",
    "判别器": "glossary.html#term-discriminator",
    "重参数化": "glossary.html#term-reparametrisation",
    "FID": "02_gan.html#how-to-judge-a-set-of-samples",
    "LSGAN": "02_gan.html#least-squares",
    "R1 penalty": "02_gan.html#a-penalty-at-the-data",
    "PCA": "01_autoencoder.html#the-linear-autoencoder-is-principal-components",
    "posterior collapse": "03_ae_gan.html#posterior-collapse",
    "inpainting": "03_ae_gan.html#filling-",
    "optimal transport": "04_aae.html#optimal-transport-",
    "mask ratio": "05_mae.html#exercise-5-7-",
    "self-attention": "05_mae.html#attention-and-what-it-costs",
    "bfloat16": "06_scaling.html#numbers-of-sixteen-bits",
    "batch size": "06_scaling.html#larger-mini-batches-larger-steps",
    "hyperparameter tuning": "07_measuring.html#tuning",
    "error bar": "07_measuring.html#a-number-and-its-interval",
    "discriminator_loss": "api.html#gencourse.losses.discriminator_loss",
    "Goodfellow 2014": "bibliography.html#work-",
    "gradiant penalty": "glossary.html#term-gradient-penalty",
    "troubleshooting": "troubleshooting.html#",
    "Colab": "launch.html#colab",
}
RAW = ("\\", "$", "{", "}")


@pytest.fixture(scope="module", params=["http", "file"])
def found(request: pytest.FixtureRequest, browser: Browser, html: Path) -> Iterator[Page]:
    """The search page, from a server and from the disk."""
    base = request.getfixturevalue("server") if request.param == "http" else html.as_uri()
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"{base}/search.html")
    page.locator("html[data-gc-search=ready]").wait_for(timeout=60_000)
    yield page
    page.close()


def ask(page: Page, query: str) -> list[str]:
    """Where the results lead."""
    page.get_by_label("Search the book").fill(query)
    page.keyboard.press("Enter")
    links = page.locator(".gc-results a")
    return [str(href) for href in links.evaluate_all("all => all.map(a => a.href)")]


def test_every_query_finds_its_place_among_the_first_three(
    found: Page, counted: Callable[[str], None]
) -> None:
    missed = {}
    for query, place in QUERIES.items():
        first = [href.rsplit("/", 1)[1] for href in ask(found, query)[:3]]
        plain = [href.partition("?")[0] + "#" + href.partition("#")[2] for href in first]
        if not any(href.startswith(place) for href in plain):
            missed[query] = plain
        shown = found.locator(".gc-results").inner_text()
        assert not [sign for sign in RAW if sign in shown], f"{query}: raw TeX"
    counted(
        f"searches that find their place among the first three: {len(QUERIES) - len(missed)} of {len(QUERIES)}"
    )
    assert not missed


def test_what_is_not_there_is_said(found: Page) -> None:
    assert ask(found, "xylophone zymurgy") == []
    expect(found.get_by_role("status")).to_contain_text("Nothing was found")


def test_a_result_leads_to_the_hit(found: Page) -> None:
    """Also where it lies in a fold; the word is marked, in view, and the keyboard goes on from there."""
    ask(found, "mode dropping")
    found.keyboard.press("ArrowDown")
    expect(found.locator(".gc-results a").first).to_be_focused()
    found.locator(".gc-results a[href*='mode-collapse-provoked']").press("Enter")
    mark = found.locator("mark.gc-hit").first
    mark.wait_for(state="visible", timeout=60_000)
    expect(mark).to_be_in_viewport()
    assert mark.inner_text().lower() == "mode collapse" or mark.inner_text().lower() == "collapse"
    assert found.evaluate("document.activeElement.contains(document.querySelector('mark.gc-hit'))")
    found.keyboard.press("Escape")
    expect(found.locator("mark.gc-hit")).to_have_count(0)
    found.go_back()
    found.locator("html[data-gc-search=ready]").wait_for(timeout=60_000)
    expect(found.get_by_label("Search the book")).to_have_value("mode dropping")


def test_a_hit_in_a_fold_is_opened(browser: Browser, base: str) -> None:
    page = browser.new_page()
    page.goto(f"{base}/chapters/02_gan.html")
    # A word that the section has in a fold and nowhere else.
    found = page.evaluate(
        """() => { for (const p of document.querySelectorAll("article details:not([open]) p")) {
            const section = p.closest("section");
            for (const word of p.lastChild.textContent.match(/[a-z]{9,}/g) ?? [])
              if (section.textContent.toLowerCase().split(word).length === 2) return [word, section.id];
        } }"""
    )
    assert found, "no fold has a word of its own"
    words, section = found
    page.goto(f"{base}/chapters/02_gan.html?find={words}#{section}")
    expect(page.locator("mark.gc-hit").first).to_be_in_viewport(timeout=60_000)
    page.close()


def test_the_data_are_loaded_on_the_search_page_only(browser: Browser, server: str, chapter: str) -> None:
    loaded: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(f"{server}/{chapter}", wait_until="load")
    page.close()
    assert not [url for url in loaded if "gc-search" in url or "searchindex" in url]


def test_without_javascript_other_ways_are_named(browser: Browser, server: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server}/search.html")
    note = page.locator("article .gc-noscript").first
    expect(note).to_be_visible()
    for name in ("index", "glossary", "lists"):
        href = page.locator(f".gc-noscript a:has-text('{name}')").first.get_attribute("href")
        assert page.request.get(f"{server}/{href}").ok
    expect(page.locator("form.gc-search")).to_be_hidden()
    context.close()

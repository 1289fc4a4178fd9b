"""What the search looks through: sections with their own words, formulas that can be read, things by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import search
import yaml

PAGE = """<nav>menu</nav><article class="bd-article"><section id="top"><h1>2. GAN<a class="headerlink">#</a></h1>
<p>First.</p>
<section id="one"><h2>One<a class="headerlink">#</a></h2>
<p>The <strong>hinge</strong> loss of <span class="math">\\(\\hat x\\)</span>
<strong>A whole sentence that is set in bold
and is no name of anything</strong></p>
<div class="math" id="eq-2-5">\\[\\frac{1}{2}\\]</div>
<div class="cell"><div class="cell_input"><div class="highlight">
<pre>optimizer.zero_grad()\noptimizer.step()</pre></div></div>
<div class="cell_output">0.25</div></div>
<section id="ex"><h3>Exercise 2.5: Try</h3><p>Do it.</p></section></section>
<dl class="glossary"><dt id="term-judge">judge</dt><dt id="term-0">判别器</dt><dd><p>One who decides.</p></dd></dl>
</section></article>"""


@pytest.mark.parametrize(
    ("tex", "words"),
    [
        (r"\(z\)", "z"),
        (r"\hat{x} = \lambda z^2", "x̂ = λ z²"),
        (r"\mathcal{N}(0, \sigma^2 I)", "N(0, σ² I)"),
        (r"\lVert x \rVert_2", "…"),
        (r"\[\frac{1}{2}\]", "…"),
        (r"x_{i+1}", "…"),
        (r"10^{-3}", "10⁻³"),
        (r"\log 2 \le 1", "log 2 ≤ 1"),
    ],
)
def test_a_formula_is_words_or_left_out_and_never_tex(tex: str, words: str) -> None:
    assert search.readable(tex) == words


def test_a_section_has_its_own_words_only() -> None:
    found = search.sections(search.prepared(PAGE), "chapters/02_gan.html")
    assert [(place.anchor, place.title, place.where) for place in found] == [
        ("top", "2. GAN", ""),
        ("one", "One", "2. GAN"),
        ("ex", "Exercise 2.5: Try", "2. GAN › One"),
    ]
    top, one, exercise = found
    assert top.text == "First." and exercise.text == "Do it."
    assert (
        one.text.startswith("The hinge loss of x̂") and "0.25" not in one.text and "zero_grad" not in one.text
    )
    assert one.names == ("hinge",)
    assert one.code == "optimizer zero_grad step"
    assert (exercise.kind, exercise.number) == ("exercise", "2.5")


def test_equations_and_words_are_places_of_their_own() -> None:
    named = [("equation 2.5", "eq-2-5"), ("term judge", "term-judge"), ("chapter 2", "")]
    equation, term = search.entries(search.prepared(PAGE), "a.html", named)
    assert (equation.title, equation.number, equation.where) == ("Equation (2.5)", "2.5", "2. GAN › One")
    assert equation.text.startswith("The hinge loss")
    assert term.names == ("judge", "判别器") and term.text == "One who decides."


def test_the_data_are_one_script_with_all_names_of_a_thing() -> None:
    term = search.Place("a.html", "term-judge", "term", "judge", names=("judge", "判别器"), text="</script>")
    text = search.packed([term], [["Wasserstein", "WGAN"]])
    assert "</script>" not in text
    data = json.loads(text.removeprefix("window.gcSearchData = ").removesuffix(";\n"))
    assert data["same"] == [["judge", "判别器"], ["Wasserstein", "WGAN"]]
    assert data["pages"] == ["a.html"] and data["places"][0][:4] == [0, "term-judge", "term", "judge"]


def test_no_other_name_stands_in_two_groups_that_lead_to_different_things() -> None:
    groups: list[list[str]] = yaml.safe_load(Path(search.SYNONYMS).read_text(encoding="utf-8"))
    assert all(len(group) > 1 and all(isinstance(name, str) for name in group) for group in groups)
    heads = [group[0].lower() for group in groups]
    assert sorted(set(heads)) == sorted(heads)

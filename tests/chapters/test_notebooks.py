"""The chapters are clean, readable in four viewers and of one shape; and the lint that says so can fail."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))

# tools/ is no package, and holds names like `test` that must not shadow other modules
spec = importlib.util.spec_from_file_location("notebooks", ROOT / "tools" / "notebooks.py")
assert spec and spec.loader
notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebooks)

COLAB = 'import sys\nif "google.colab" in sys.modules:\n    %pip install -q "gencourse @ git+https://h/o/r"'
GOOD = (
    f"# A title\n\n```python {{tags=[remove-cell]}}\n{COLAB}\n```\n\n"
    + "\n\n".join(f"## {heading}\n\nText with $x$." for heading in notebooks.HEADINGS)
    + "\n"
)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_clean_and_passes_the_lint(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = notebooks.loads(text)
    assert notebooks.lint(notebook) == []
    assert notebooks.dumps(notebooks.clean(notebook)) == text, "run python tools/notebooks.py"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_survives_the_text_format(path: Path) -> None:
    notebook = notebooks.loads(path.read_text(encoding="utf-8"))
    assert notebooks.from_text(notebooks.to_text(notebook), notebook) == notebooks.clean(notebook)


def test_a_good_chapter_has_no_problem() -> None:
    assert notebooks.lint(notebooks.from_text(GOOD)) == []


BAD_MARKDOWN = {
    "colon fence": ":::{note}",
    "directive": "```{exercise} x\n```",
    "MyST role": "see {eq}`a`",
    "MyST label": "(here)=",
    "labelled $$": "$$ x $$ (a)",
    "bare LaTeX": "\\begin{align}",
    "footnote": "word[^1]",
    "task list": "- [ ] do",
    "raw HTML": 'a <span class="b">c</span>',
    "attachment": "[a](attachment:x.png)",
    "image file": "![alt](x.png)",
    "LaTeX label or ref": "by \\eqref{a}",
    "GitHub alert": "> [!NOTE]",
    "block break": "+++",
    "display math in a quotation": "> $$\n> x\n> $$",
    "empty line after </summary>": "<details><summary>S</summary>\ntext\n\n</details>",
    "empty line before </details>": "<details><summary>S</summary>\n\ntext\n</details>",
}


@pytest.mark.parametrize("message", BAD_MARKDOWN)
def test_markdown_rules_fire(message: str) -> None:
    assert any(message in problem for problem in notebooks.lint_markdown(BAD_MARKDOWN[message]))


def test_each_rule_has_a_bad_sample() -> None:
    advice = [rule[1] for rule in notebooks.RULES]
    assert all(any(sentence.startswith(message) for message in BAD_MARKDOWN) for sentence in advice)


@pytest.mark.parametrize(
    "source",
    [
        "$$ \\begin{aligned} a &= b \\\\ &= c \\end{aligned} \\tag{1.1} $$",
        "> **Note.** A remark.\n>\n> $$ x \\tag{1.2} $$",
        "<details><summary>Proof</summary>\n\nText, $x$.\n\n</details>",
        "| a | b |\n|---|---|\n| 1 | [link](02_gan.ipynb#the-idea) |",
        "code `<div>` and `![`\n\n```text\n::: <div> [^1]\n```\n\nH<sub>2</sub>O",
    ],
)
def test_safe_markdown_passes(source: str) -> None:
    assert list(notebooks.lint_markdown(source)) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# A title\n", "Text\n", "exactly one title"),
        (" {tags=[remove-cell]}", "", "needs the tag remove-cell"),
        ("google.colab", "elsewhere", "must install the package on Colab"),
        ("## Look\n", "## Gaze\n", "'Look' is missing; 'Gaze' is not a shared heading"),
        ("## Look\n", "## Look\n\nx\n\n## Look\n", "wrong order, or one of them twice"),
    ],
)
def test_structure_rules_fire(old: str, new: str, message: str) -> None:
    assert any(message in p for p in notebooks.lint(notebooks.from_text(GOOD.replace(old, new, 1))))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("```python\ngencourse.figures.grid(x)\n```", "needs an alt text"),
        ("```python\nplt.plot(x)\n```", "needs an alt text"),
        ('```python {alt="A line."}\nplt.plot(x)\n```', None),
        ("```python\nplt.rcParams['x'] = 1\nfigures.table(x)\n# plt.plot(x)\nshow(figures.grid)\n```", None),
        ("```python\n# NBVAL_CHECK_OUTPUT\nprint(1)\n```", "no stored output"),
        (f"```python\nx = '{'x' * 82}'\n```", None),
        (f"```python\nx = '{'x' * 83}'\n```", "a line of code has 89 columns, at most 88 fit"),
        ("```python\nx = 1  # one\n```", "a comment needs a line of its own: # one"),
        ("```python\n%pip install x  # one\nx = '# two'\n```", None),
        ("```python {tags=[nbval-check-output]}\nprint(1)\n```", "no stored output"),
    ],
)
def test_code_rules_fire(cell: str, message: str | None) -> None:
    found = notebooks.lint(notebooks.from_text(cell), chapter=False)
    assert (message is None and found == []) or any(message and message in problem for problem in found)


FIGURES = """```python
figures.a()
```

**Figure 2.1.** Look.

```python
widgets.B()
```

**Figure 2.2.** See figure 2.1, figures 2.1 and 2.2, and `figure 9.9` of [another](x).

```python {tags=[remove-output]}
figures.c()
```
"""


def test_figures_with_numbers_that_run_have_no_problem() -> None:
    notebook = notebooks.from_text(FIGURES.replace("`figure 9.9` of ", ""))
    assert list(notebooks.lint_figures(notebook, "2")) == []
    assert notebooks.figures_of(notebook) == ["2.1", "2.2"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("**Figure 2.1.** Look.", "Look.", "needs a caption in the next cell: '**Figure 2.1.**"),
        ("**Figure 2.1.**", "**Figure 2.3.**", "figure 2.3 is number 2.1"),
        ("**Figure 2.2.**", "**Figure 2.1.**", "figure 2.1 is number 2.2"),
        ("**Figure 2.1.**", "**Figure 1.1.**", "figure 1.1 is number 2.1"),
        ("**Figure 2.1.** Look.", "**Figure 2.1.**", "needs a caption"),
        ("widgets.B()", "b()", "directly after the cell that draws"),
        ("See figure 2.1", "See figure 4.1", "no figure 4.1"),
        ("2.1 and 2.2", "2.1 and 2.3", "no figure 2.3"),
    ],
)
def test_figure_rules_fire(old: str, new: str, message: str) -> None:
    notebook = notebooks.from_text(FIGURES.replace(old, new, 1))
    assert any(message in problem for problem in notebooks.lint_figures(notebook, "2", ["9.9"]))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_figure_has_a_number_and_a_caption(path: Path) -> None:
    pages = {page: notebooks.loads(page.read_text(encoding="utf-8")) for page in CHAPTERS}
    known = [number for page in pages.values() for number in notebooks.figures_of(page)]
    assert list(notebooks.lint_figures(pages[path], notebooks.part_of(path), known)) == []
    assert len(notebooks.figures_of(pages[path])) >= 4


def test_stored_images_are_refused() -> None:
    notebook = notebooks.from_text("```python\n1  # NBVAL_CHECK_OUTPUT\n```")
    notebook.cells[0].outputs = [
        notebooks.nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": ""})
    ]
    assert any("image or a widget" in problem for problem in notebooks.lint(notebook, chapter=False))


TEXT = '''# Title

First.

+++

Second.

```py
listing = "not a cell"
## no heading either
```

## A heading

### Another

````python {tags=[a, b] alt="A \\"quoted\\" line."}
text = """
```
"""
````

```python
print(1)  # NBVAL_CHECK_OUTPUT
```

+++ {tags=[remove-cell]}

Hidden.
'''


def test_text_round_trip() -> None:
    notebook = notebooks.from_text(TEXT)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown"] * 4 + ["code", "code", "markdown"]
    assert notebook.cells[4].metadata.mystnb.image.alt == 'A "quoted" line.'
    assert notebooks.to_text(notebook) == TEXT
    assert notebooks.from_text(notebooks.to_text(notebook)) == notebook
    assert notebooks.clean(notebook) == notebook
    notebooks.nbformat.validate(notebook)


def test_text_refuses_what_it_cannot_carry() -> None:
    cell = notebooks.new_markdown_cell("```python\nlisting\n```")
    with pytest.raises(ValueError, match="fenced as ```py"):
        notebooks.to_text(notebooks.new_notebook(cells=[cell]))
    with pytest.raises(ValueError, match="not closed"):
        notebooks.from_text("```python\nx = 1\n")
    with pytest.raises(ValueError, match="Cannot read"):
        notebooks.from_text("```python {alt=plain}\nx = 1\n```")


def test_outputs_stay_only_where_they_are_compared() -> None:
    code = "```python\nprint(1)  # NBVAL_CHECK_OUTPUT\n```\n\n```python\nprint(2)\n```"
    notebook = notebooks.from_text(code)
    for cell in notebook.cells:
        cell.outputs = [notebooks.nbformat.v4.new_output("stream", text=part) for part in ("1", "\n")]
        cell.execution_count = 7
    clean = notebooks.clean(notebook)
    assert [cell.execution_count for cell in clean.cells] == [1, None]
    assert [output.text for output in clean.cells[0].outputs] == ["1\n"]  # pieces are joined
    assert clean.cells[1].outputs == []
    again = notebooks.from_text(code.replace("print(2)", "print(3)"), clean)
    assert again.cells[0].outputs == clean.cells[0].outputs
    assert notebooks.from_text(code.replace("print(1)", "print(3)"), clean).cells[0].outputs == []


def test_ids_stay_when_a_cell_is_added_above() -> None:
    before = [cell.id for cell in notebooks.from_text("## A\n\n## B\n\n## B").cells]
    after = [cell.id for cell in notebooks.from_text("## New\n\n## A\n\n## B\n\n## B").cells]
    assert after[1:] == before and len(set(after)) == 4


def test_run_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "book")
    path = tmp_path / "toy.ipynb"
    code = "```python\n# NBVAL_CHECK_OUTPUT\nimport os\nprint(os.environ['GENCOURSE_PRESET'])\n```\n"
    code += "\n```python\n2\n```"
    path.write_text(notebooks.dumps(notebooks.from_text(code)), encoding="utf-8")
    assert notebooks.main(["--run-checked", str(path)]) == 0
    cells = notebooks.loads(path.read_text(encoding="utf-8")).cells
    assert cells[0].outputs[0].text == "smoke\n" and cells[1].outputs == []
    assert notebooks.main(["--check", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert notebooks.main(["--check", str(path)]) == 1


def test_a_result_without_a_claim_beside_it_is_listed() -> None:
    text = (
        "## Look\n\nThe second is better, by 3 dB. A picture shows it.\n\n```python\nx = 1\n```\n\n"
        "## When it fails\n\nIt is twice as slow, eq. (2.1).\n\n```python\nclaim('slow', 2, at_least=1.5)\n```\n\n"
        "## Exercises\n\nFind a better one.\n"
    )
    found = list(notebooks.unclaimed(notebooks.from_text(text)))
    assert [sentence for _, sentence in found] == ["The second is better, by 3 dB."]

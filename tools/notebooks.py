"""Keep the chapters' notebooks clean, check how they are written, and edit them as text.

    python tools/notebooks.py                          format all chapters, then report what is wrong
    python tools/notebooks.py --check                  change nothing; fail if something is wrong (CI)
    python tools/notebooks.py --run-checked [FILE …]   run (preset smoke), store the checked cells' outputs
    python tools/notebooks.py --unclaimed              sentences that state a result with no claim beside them
    python tools/notebooks.py --to-text FILE.ipynb [OUT.md]
    python tools/notebooks.py --from-text FILE.md OUT.ipynb

A notebook is stored without outputs, except those of checked cells (`# NBVAL_CHECK_OUTPUT` or the tag
`nbval-check-output`), which nbval compares. The text format is Markdown:

    ## A heading of level 2 or 3 starts a new cell

    So does a line with only +++.

    ```python {tags=[remove-cell, other] alt="What the figure shows."}
    code_cell()
    ```

`tags` and `alt` are optional. A listing that is not a cell is fenced as ```py, ```text or ~~~python.

Alt texts. myst-nb 1.4 gives a cell's images the alt text in the cell metadata
{"mystnb": {"image": {"alt": "…"}}}. Other viewers ignore metadata, so the notebook stays plain for them.

Captions. The cell after one that shows a picture or a live figure begins with `**Figure 2.3.** What to look for.` The
numbers run through a chapter. In the book it becomes a figure with an anchor (book/_ext/figures.py), and "figure 2.3"
elsewhere a link to it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import json
import os
import re
import sys
import tokenize
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent

HEADINGS = [
    "The idea",
    "What you will be able to do",
    "The recipe as found",
    "The derivation",
    "The training loop, completed",
    "Train it",
    "Look",
    "When it fails",
    "What it is good for",
    "Where it lives now",
    "Exercises",
    "Summary and reading",
]


# ---- clean -------------------------------------------------------------------------------------------


def is_checked(cell: NotebookNode) -> bool:
    """Whether nbval compares this cell's output with the stored one."""
    return cell.cell_type == "code" and (
        "NBVAL_CHECK_OUTPUT" in cell.source or "nbval-check-output" in cell.metadata.get("tags", [])
    )


def clean_outputs(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Outputs as they are stored: count 1, no metadata, text that came in pieces joined."""
    kept: list[NotebookNode] = []
    for output in outputs:
        output = nbformat.from_dict(dict(output))
        if "execution_count" in output:
            output.execution_count = 1
        if "metadata" in output:
            output.metadata = NotebookNode()
        last = kept[-1] if kept else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            kept.append(output)
    return kept


def clean_metadata(cell: NotebookNode) -> NotebookNode:
    """Tags and alt text stay; whatever an editor left goes."""
    kept: dict[str, Any] = {}
    if cell.metadata.get("tags"):
        kept["tags"] = list(cell.metadata["tags"])
        if "hide-input" in kept["tags"]:
            kept["jupyter"] = {"source_hidden": True}  # JupyterLab folds it, as the book does
    if cell.cell_type == "code" and alt_text(cell):
        kept["mystnb"] = {"image": {"alt": alt_text(cell)}}
    return nbformat.from_dict(kept)


def alt_text(cell: NotebookNode) -> str:
    """The text that stands for the cell's figures when they cannot be seen."""
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def clean(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is stored. Outputs are kept where nbval needs them: count 1 there, or nbval fails."""
    cells = []
    times_seen: dict[str, int] = {}
    for old in notebook.cells:
        cell = nbformat.from_dict(dict(old))
        cell.source = old.source.strip("\n") if old.cell_type == "markdown" else old.source.rstrip()
        cell.metadata = clean_metadata(old)
        cell.pop("attachments", None)
        if cell.cell_type == "code":
            cell.outputs = clean_outputs(old.outputs) if is_checked(old) else []
            cell.execution_count = 1 if is_checked(old) else None
        # An id from the content does not change when a cell is added above, so that diffs stay small.
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        times_seen[digest] = times_seen.get(digest, 0) + 1
        cell.id = digest if times_seen[digest] == 1 else f"{digest}-{times_seen[digest]}"
        if cell.source or cell.cell_type == "code":
            cells.append(cell)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells})


def dumps(notebook: NotebookNode) -> str:
    """The notebook's file content, with a newline at its end."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def loads(text: str) -> NotebookNode:
    """A notebook from its file content, in today's format."""
    return nbformat.reads(text, as_version=4)


# ---- lint --------------------------------------------------------------------------------------------

# Four viewers show a chapter: the book, JupyterLab, GitHub or VS Code, and Colab. At least one of them shows
# these things raw, or not at all. (pattern, what to do instead, whether to look inside code spans)
RULES: list[tuple[str, str, bool]] = [
    (r"^\s*:{3,}\s*\{?", "colon fence: write '> **Note.** …'", False),
    (r"^\s*(`{3,}|~{3,})\{", "directive: plain Markdown only in notebooks", True),
    (r"\{[a-z][a-z:+.-]*\}`", "MyST role: write a plain link", True),
    (r"^\([\w-]+\)=\s*$", "MyST label: link to the heading instead", False),
    (r"\$\$\s*\([\w:-]+\)\s*$", "labelled $$: use \\tag{c.n}", False),
    (
        r"^\s*\\begin\{(align|equation|gather|multline)\*?\}",
        "bare LaTeX environment: use $$ \\begin{aligned} … \\end{aligned} \\tag{c.n} $$",
        False,
    ),
    (r"\[\^[\w-]+\]", "footnote: put it in the text", False),
    (r"^\s*[-*+] \[[ xX]\] ", "task list: use a plain list", False),
    (
        r"</?(a|center|div|figure|font|iframe|img|p|pre|script|span|style|table)\b[^>]*>",
        "raw HTML other than details, summary, br, sub, sup, kbd",
        False,
    ),
    (r"\]\(attachment:", "attachment: draw the figure in a code cell", False),
    (r"!\[", "image file: draw the figure in a code cell", False),
    (r"\\(label|eqref|ref)\{", "LaTeX label or ref: use \\tag{c.n} and write (c.n)", False),
    (r"^> ?\[!\w+\]", "GitHub alert: write '> **Note.** …'", False),
    (r"^\+\+\+", "block break: start a new cell", False),
    (r"^>\s*\$\$(?!.*\$\$)", "display math in a quotation: keep it on one line", False),
]


def prose_lines(source: str) -> Iterator[str]:
    """The lines of a Markdown cell that are not inside a listing; a fence's own first line is included."""
    fence = ""
    for line in source.split("\n"):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        if mark:
            fence = mark[1]
        yield line


def lint_markdown(source: str) -> Iterator[str]:
    """What one of the viewers would show wrong."""
    lines = list(prose_lines(source))
    for line in lines:
        bare = re.sub(r"`[^`]*`", "`…`", line)
        for pattern, advice, in_code in RULES:
            if re.search(pattern, line if in_code else bare):
                yield f"{advice}: {line.strip()[:60]!r}"
    for above, below in zip(lines, [*lines[1:], ""], strict=True):
        if "</summary>" in above and below.strip():
            yield "leave an empty line after </summary>, or its content is shown raw"
        if below.strip().startswith("</details>") and above.strip():
            yield "leave an empty line before </details>, or its content is shown raw"


DRAWS_NOTHING = {"table", "layers", "close", "ioff", "ion"}  # figures.table is text


def draws(source: str) -> bool:
    """Whether a cell calls something of `figures` or `plt`, and so shows an image."""
    try:
        tree = ast.parse(re.sub(r"^([ \t]*)[%!].*", r"\1pass", source, flags=re.M))
    except SyntaxError:
        return False  # running the notebook will say so
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = ast.unparse(node.func).split(".")
            if "figures" in parts[:-1] and parts[-1] == "table":
                continue  # a table is text
            if ("figures" in parts[:-1] or parts[0] == "plt") and parts[-1] not in DRAWS_NOTHING:
                return True
    return False


WIDTH = 88
"""Columns of code that a page shows without cutting a line."""


def crowded(source: str) -> Iterator[str]:
    """Lines of code that are too long, and comments that do not stand on a line of their own."""
    for line in source.splitlines():
        if len(line) > WIDTH:
            yield f"a line of code has {len(line)} columns, at most {WIDTH} fit: {line.strip()[:40]}…"
    # %magics are no Python
    plain = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(plain).readline):
            if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
                yield f"a comment needs a line of its own: {token.string[:40]}"


def lint_code(cell: NotebookNode) -> Iterator[str]:
    """Missing alt texts and outputs, crowded lines."""
    yield from crowded(cell.source)
    tags = cell.metadata.get("tags", [])
    if draws(cell.source) and not alt_text(cell) and not {"remove-cell", "remove-output"} & set(tags):
        yield "a cell that draws needs an alt text: metadata mystnb.image.alt"
    if is_checked(cell) and not cell.outputs:
        # nbval passes such a cell without a look
        yield "a checked cell has no stored output: run tools/notebooks.py --run-checked"
    for output in cell.outputs:
        if any(kind.startswith(("image/", "application/vnd.jupyter")) for kind in output.get("data", {})):
            yield "a stored output is an image or a widget: checked cells print text"


def lint_structure(notebook: NotebookNode) -> Iterator[str]:
    """The Colab cell, and the headings that all chapters share, in their order."""
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if first is None or "google.colab" not in first.source or "pip install" not in first.source:
        yield "the first code cell must install the package on Colab"
    elif "remove-cell" not in first.metadata.get("tags", []):
        yield "the Colab cell needs the tag remove-cell"
    text = [line for c in notebook.cells if c.cell_type == "markdown" for line in prose_lines(c.source)]
    if sum(line.startswith("# ") for line in text) != 1:
        yield "a chapter has exactly one title (# …)"
    found = [line[3:].strip() for line in text if line.startswith("## ")]
    if found != HEADINGS:
        wrong = [f"{h!r} is missing" for h in HEADINGS if h not in found]
        wrong += [f"{h!r} is not a shared heading" for h in found if h not in HEADINGS]
        yield "headings of level 2: " + ("; ".join(wrong) or "wrong order, or one of them twice")


NUMBER = r"(?:\d{1,2}|A)\.\d{1,2}"
CAPTION = re.compile(rf"\*\*Figure ({NUMBER})\.\*\* \S")
MENTIONED = re.compile(rf"\bfigures?\s+({NUMBER}(?:\s*(?:,|and|or|to|[-–])\s*{NUMBER})*)", re.I)


def is_figure(cell: NotebookNode) -> bool:
    """Whether a cell shows a picture or a live figure."""
    if cell.cell_type != "code" or {"remove-cell", "remove-output"} & set(cell.metadata.get("tags", [])):
        return False
    return draws(cell.source) or re.search(r"\bwidgets\.[A-Z]", cell.source) is not None


def part_of(path: Path) -> str:
    """What the numbers of a notebook's figures begin with: 2 for 02_gan.ipynb, 0 for a page before the chapters."""
    return str(int(path.name[:2])) if is_chapter(path) else "0"


def figures_of(notebook: NotebookNode) -> list[str]:
    """The numbers of a notebook's figures, as their captions say."""
    captions = (CAPTION.match(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    return [caption[1] for caption in captions if caption]


def lint_figures(notebook: NotebookNode, part: str, known: Collection[str] = ()) -> Iterator[str]:
    """Figures without a caption, captions without a figure, numbers that do not run, mentions that lead nowhere.

    Args:
        notebook: what to look at.
        part: what its numbers begin with.
        known: the numbers of the figures elsewhere in the book.
    """
    count = 0
    known = {*known, *figures_of(notebook)}
    for index, cell in enumerate(notebook.cells):
        after = notebook.cells[index + 1] if index + 1 < len(notebook.cells) else None
        if is_figure(cell):
            count += 1
            match = CAPTION.match(after.source) if after and after.cell_type == "markdown" else None
            if not match:
                yield f"cell {index}: a figure needs a caption in the next cell: '**Figure {part}.{count}.** …'"
            elif match[1] != f"{part}.{count}":
                yield f"cell {index + 1}: figure {match[1]} is number {part}.{count}"
        if cell.cell_type != "markdown":
            continue
        if CAPTION.match(cell.source) and not (index and is_figure(notebook.cells[index - 1])):
            yield f"cell {index}: a caption stands directly after the cell that draws: {cell.source[:40]!r}"
        for numbers in MENTIONED.findall("\n".join(prose_lines(cell.source))):
            for number in re.findall(NUMBER, numbers):
                if number not in known:
                    yield f"cell {index}: there is no figure {number}"


def lint(notebook: NotebookNode, *, chapter: bool = True) -> list[str]:
    """Everything that is wrong with a notebook, one sentence each."""
    found = list(lint_structure(notebook)) if chapter else []
    for index, cell in enumerate(notebook.cells):
        check = lint_markdown(cell.source) if cell.cell_type == "markdown" else lint_code(cell)
        found += [f"cell {index}: {problem}" for problem in check]
    return found


# ---- sentences without a claim -----------------------------------------------------------------------

RESULTS = (
    "The idea",
    "Train it",
    "Look",
    "When it fails",
    "What it is good for",
)  # where chapters state results
MATH = re.compile(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\[[^\]]*\]\([^)]*\)|\([^()]*\)", re.S)
STATES = re.compile(
    r"\d|\b(better|worse|best|worst|more|less|fewer|most|least|nearly|half|twice|third|as (?:well|good) as|"
    r"(?:larg|small|few|high|low|near|clos|fast|slow|sharp|strong|weak|short|long)e(?:r|st))\b"
)


def unclaimed(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Sentences of result sections with a number or a comparative, and no claim in a neighbouring code cell.

    A list to go through by hand: most of them state no measured result.
    """
    section, cells = "", notebook.cells
    for index, cell in enumerate(cells):
        heading = re.match(r"## (.+)", cell.source) if cell.cell_type == "markdown" else None
        section = heading[1].strip() if heading else section
        if cell.cell_type != "markdown" or section not in RESULTS:
            continue
        # the code cells up to the next text on either side
        near = [*_code_beside(cells[:index][::-1]), *_code_beside(cells[index + 1 :])]
        if any(re.search(r"\bclaim\(", code) for code in near):
            continue
        text = " ".join(line for line in prose_lines(cell.source) if not line.startswith(("#", "|", ">")))
        for sentence in re.split(r"(?<=[.!?:])\s+", text):
            if STATES.search(MATH.sub(" ", sentence)):
                yield index, sentence.strip()


def _code_beside(cells: list[NotebookNode]) -> Iterator[str]:
    for cell in cells:
        if cell.cell_type == "markdown":
            return
        yield cell.source


# ---- text --------------------------------------------------------------------------------------------

ATTRIBUTES = re.compile(r'\{(?:tags=\[(?P<tags>[^\]]*)\])?\s*(?:alt=(?P<alt>"(?:[^"\\]|\\.)*"))?\}')


def attributes_to_text(cell: NotebookNode) -> str:
    """' {tags=[…] alt="…"}', or nothing."""
    tags = cell.metadata.get("tags")
    parts = [f"tags=[{', '.join(tags)}]"] if tags else []
    if cell.cell_type == "code" and alt_text(cell):
        parts.append(f"alt={json.dumps(alt_text(cell), ensure_ascii=False)}")
    return f" {{{' '.join(parts)}}}" if parts else ""


def attributes_from_text(text: str) -> dict[str, Any]:
    """Cell metadata from '{tags=[…] alt="…"}'."""
    match = ATTRIBUTES.fullmatch(text.strip() or "{}")
    if not match:
        raise ValueError(f'Cannot read {text.strip()!r}: write {{tags=[a, b] alt="text"}}, in this order.')
    metadata: dict[str, Any] = {}
    if match["tags"]:
        metadata["tags"] = [tag.strip() for tag in match["tags"].split(",")]
    if match["alt"]:
        metadata["mystnb"] = {"image": {"alt": json.loads(match["alt"])}}
    return metadata


def from_text(text: str, existing: NotebookNode | None = None) -> NotebookNode:
    """A clean notebook from the text format; outputs come from `existing`, for checked cells that it has.

    Raises:
        ValueError: a fence is not closed, or attributes cannot be read.
    """
    cells: list[NotebookNode] = []
    buffer: list[str] = []
    metadata: dict[str, Any] = {}
    fence = ""  # the fence of a listing inside a Markdown cell
    lines = iter(text.split("\n"))

    def flush() -> None:
        nonlocal metadata
        source = "\n".join(buffer).strip("\n")
        if source:
            cells.append(new_markdown_cell(source, metadata=metadata))
        buffer.clear()
        metadata = {}

    for line in lines:
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        opening = re.fullmatch(r"(`{3,})python[ \t]*(\{.*\})?[ \t]*", line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            buffer.append(line)
        elif opening:
            flush()
            code: list[str] = []
            while (row := next(lines, None)) != opening[1]:
                if row is None:
                    raise ValueError(f"The code cell after {line!r} is not closed with {opening[1]}.")
                code.append(row)
            cells.append(new_code_cell("\n".join(code), metadata=attributes_from_text(opening[2] or "")))
        elif re.fullmatch(r"\+\+\+\s*(\{.*\})?\s*", line):
            flush()
            metadata = attributes_from_text(line[3:])
        else:
            if re.match(r"#{2,3} ", line) and "".join(buffer).strip():
                flush()
            fence = mark[1] if mark else ""
            buffer.append(line)
    flush()
    notebook = new_notebook(cells=cells)
    if existing is not None:
        stored = {cell.source: cell.outputs for cell in existing.cells if is_checked(cell)}
        for cell in notebook.cells:
            if is_checked(cell):
                cell.outputs = stored.get(cell.source.rstrip(), [])
    return clean(notebook)


def to_text(notebook: NotebookNode) -> str:
    """The text format of a notebook.

    Raises:
        ValueError: the text would not give the same cells back.
    """
    notebook = clean(notebook)
    blocks: list[str] = []
    after_markdown = False
    for cell in notebook.cells:
        attributes = attributes_to_text(cell)
        if cell.cell_type == "code":
            longest = max((len(run) for run in re.findall(r"^`{3,}", cell.source, re.M)), default=2)
            fence = "`" * max(3, longest + 1)
            blocks.append(f"{fence}python{attributes}\n{cell.source}\n{fence}")
        else:
            if attributes or (after_markdown and not re.match(r"#{2,3} ", cell.source)):
                blocks.append(f"+++{attributes}")
            blocks.append(cell.source)
        after_markdown = cell.cell_type == "markdown"
    text = "\n\n".join(blocks) + "\n"
    again = from_text(text, notebook)
    for index, (before, after) in enumerate(zip(notebook.cells, again.cells, strict=False)):
        if (before.cell_type, before.source) != (after.cell_type, after.source):
            raise ValueError(
                f"Cell {index} cannot be written as text: headings (## and ###) must start a cell, and a listing "
                f"inside Markdown must be fenced as ```py, ```text or ~~~python. It begins {before.source[:60]!r}."
            )
    if len(again.cells) != len(notebook.cells):
        raise ValueError("The last cell cannot be written as text: is a fence left open?")
    return text


# ---- run ---------------------------------------------------------------------------------------------


def run_checked(path: Path) -> None:
    """Run a notebook under the preset `smoke`, as the tests do, and store its checked cells' outputs."""
    from nbclient import NotebookClient

    os.environ["GENCOURSE_PRESET"] = "smoke"
    notebook = loads(path.read_text(encoding="utf-8"))
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    path.write_text(dumps(clean(notebook)), encoding="utf-8")


# ---- command -----------------------------------------------------------------------------------------


def is_chapter(path: Path) -> bool:
    """Chapters are named 01_name.ipynb; other notebooks need not have their headings."""
    return re.match(r"\d\d_", path.name) is not None


def report(paths: list[Path], *, write: bool) -> int:
    """Format (or compare) and lint; the number of problems."""
    count = 0
    pages = [ROOT / "book" / "intro.ipynb", *(ROOT / "chapters").glob("*.ipynb")]
    known = {number for page in pages for number in figures_of(loads(page.read_text(encoding="utf-8")))}
    for path in paths:
        text = path.read_text(encoding="utf-8")
        notebook = clean(loads(text))
        found = lint(notebook, chapter=is_chapter(path))
        found += lint_figures(notebook, part_of(path), known)
        if dumps(notebook) != text:
            if write:
                path.write_text(dumps(notebook), encoding="utf-8")
                print(f"{path}: formatted")
            else:
                found.insert(0, "not clean: run python tools/notebooks.py")
        for problem in found:
            print(f"{path}: {problem}")
        count += len(found)
    print(f"{len(known)} figures of the book have a number and a caption")
    return count


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description="Format, check and convert the chapters' notebooks.")
    action = parser.add_mutually_exclusive_group()
    for option in ("--check", "--run-checked", "--unclaimed", "--from-text", "--to-text"):
        action.add_argument(option, action="store_true")
    parser.add_argument("files", nargs="*", type=Path, help="default: chapters/*.ipynb")
    options = parser.parse_args(arguments)
    files: list[Path] = options.files or sorted((ROOT / "chapters").glob("*.ipynb"))

    if options.from_text or options.to_text:
        if not 1 <= len(options.files) <= 2 or (options.from_text and len(options.files) != 2):
            parser.error("give the file to read and the file to write")
        source = files[0].read_text(encoding="utf-8")
        target = files[1] if len(files) > 1 else None
        if options.from_text and target:
            existing = loads(target.read_text(encoding="utf-8")) if target.exists() else None
            target.write_text(dumps(from_text(source, existing)), encoding="utf-8")
        elif target:
            target.write_text(to_text(loads(source)), encoding="utf-8")
        else:
            print(to_text(loads(source)), end="")
        return 0
    if options.unclaimed:
        for path in files:
            for index, sentence in unclaimed(loads(path.read_text(encoding="utf-8"))):
                print(f"{path.name} [{index}] {sentence}")
        return 0
    if options.run_checked:
        for path in files:
            run_checked(path)
            print(f"{path}: run, outputs of checked cells stored")
    return 1 if report(files, write=not options.check) else 0


if __name__ == "__main__":
    sys.exit(main())

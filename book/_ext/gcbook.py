"""Sphinx glue for the course book.

- The execution cache of the notebooks sees the package code that a chapter imports, and the preset.
- `\\tag{1.4}` gives a display equation the anchor #eq-1-4; its number is set by links.py.
- A line `<!-- generated: ledger -->` in a page is replaced by generated text.
- The repository's address comes from pyproject.toml; Thebe is dropped (it fetches code from a CDN).

What is done to the written pages is in finish.py, links between them in links.py.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ledger
import lists
import words
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parents[2]
# Read by chapters through functions, so no import shows them: a change runs every chapter again.
ALWAYS = ("requirements.txt", "gencourse/checkpoints/**/*")
BESIDE = ("*.js", "*.css", "results/*.json")  # what a module of the package reads from its own folder
GENERATED = re.compile(r"^<!-- generated: (\w+) -->\s*$", re.M)
GENERATORS: dict[str, Callable[[], str]] = {
    "ledger": lambda: ledger.page(ledger.collect(ROOT)),
    "exercises": lambda: lists.exercises(ROOT),
    "figures": lambda: lists.figures(ROOT),
    "equations": lambda: lists.equations(ROOT),
    "studies": lambda: lists.studies(ROOT),
    "papers": lambda: _papers().page(ROOT),
    "curves": lambda: _papers().curves(ROOT),
    "words": lambda: words.index(ROOT),
}
# For every kernel that runs a page. A progress bar in it would be a dead widget. A thread that waits for the other
# threads spins, which is what makes them quick; but not for longer than a fraction of a millisecond, because on a busy
# machine it takes the core that they need: 30 to 50 s instead of 1.5 to 4.5 for the same training. (GNU's OpenMP only.)
# Each figure is drawn once more, as wide as a phone: figures.py puts the two together.
KERNEL = {"TQDM_DISABLE": "1", "GOMP_SPINCOUNT": "10000", "GENCOURSE_DRAW_FOR_PHONES": "1"}
# Drawings with twice the pixels, and as lines: figures.py takes the better of the two. Some 0.1 s for each drawing.
RUN_TIME = "Run Time (s)"  # a head of myst-nb's table of what notebooks took
KERNEL_ARGUMENTS = ["--InlineBackend.figure_formats={'retina', 'svg'}"]


# ---- what a chapter depends on -----------------------------------------------------------------------


def parse(source: str) -> ast.Module:
    """The syntax tree of a cell or module, without IPython's % and ! lines."""
    return ast.parse(re.sub(r"^([ \t]*)[%!].*", r"\1pass", source, flags=re.M))


def names(tree: ast.AST, package: str, name: str, *, lazy: bool = True) -> Iterator[str]:
    """Dotted names of what this code imports or mentions of the package.

    Args:
        tree: parsed code.
        package: the package's name; mentions like `gencourse.losses.x` count as an import, because
            the package loads its rooms on first use.
        name: the package that relative imports start from; "" in a notebook.
        lazy: also look into functions, whose imports run only when they are called.
    """
    aliases = {package}
    todo: list[ast.AST] = [tree]
    found: list[ast.AST] = []
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            todo += node.orelse  # the body is for the type checker and never runs
        elif lazy or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(node)
            todo += ast.iter_child_nodes(node)
    for node in found:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                if alias.name == package and alias.asname:
                    aliases.add(alias.asname)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(name.split(".")[: len(name.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module or "") if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
    for node in found:
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            first, _, rest = dotted.partition(".")
            if first in aliases and re.fullmatch(r"[\w.]+", rest):
                yield f"{package}.{rest}"


def dependencies(cells: Iterable[str], package: Path) -> list[Path]:
    """Files of the package that these code cells use: Python, transitively, and what lies beside it."""
    seen: set[Path] = set()
    wanted = list(names(parse("\n".join(cells)), package.name, ""))
    done: set[str] = set()
    init = package / "__init__.py"
    doors = {n.name: n for n in parse(init.read_text("utf-8")).body if isinstance(n, ast.FunctionDef)}

    def load(path: Path) -> None:
        if path in seen or not path.is_file():
            return
        seen.add(path)
        parts = path.relative_to(package.parent).with_suffix("").parts
        home = ".".join(parts[:-1])  # what a relative import starts from
        text = path.read_text(encoding="utf-8")
        # The package's own functions (gencourse.check) import their room when called: see doors.
        wanted.extend(names(parse(text), package.name, home, lazy=path != init))
        if path != init and path.name == "__init__.py" and re.search(r"import_module|pkgutil", text):
            for sibling in sorted(path.parent.glob("*.py")):  # loaded by name at run time: take them all
                load(sibling)

    while wanted:
        name = wanted.pop()
        if name in done or name.split(".")[0] != package.name:
            continue
        done.add(name)
        parts = name.split(".")[1:]
        if len(parts) == 1 and parts[0] in doors:
            wanted.extend(names(doors[parts[0]], package.name, package.name))
        for length in range(len(parts) + 1):
            place = package.joinpath(*parts[:length])
            load(place / "__init__.py")
            if length:
                load(place.with_suffix(".py"))
    folders = {path.parent for path in seen}
    beside = {file for folder in folders for pattern in BESIDE for file in folder.glob(pattern)}
    return sorted(seen | beside)


def notebook_key(notebook: dict[str, Any]) -> str:
    """Changes when a chapter's outputs may have changed, beyond its own code."""
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    files = dependencies(cells, ROOT / "gencourse")
    files += sorted(path for pattern in ALWAYS for path in ROOT.glob(pattern) if path.is_file())
    digest = hashlib.sha256(os.environ.get("GENCOURSE_PRESET", "book").encode())
    digest.update(repr((KERNEL, KERNEL_ARGUMENTS)).encode())
    for file in files:
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def with_key(text: str, key: str) -> str:
    """A notebook's text with its key, where jupyter-cache sees it: it compares code cells and kernelspec only."""
    notebook = json.loads(text)
    kernel = notebook["metadata"].setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
    kernel["gencourse_key"] = key
    return json.dumps(notebook)


# ---- reading pages -----------------------------------------------------------------------------------


def seen_keys(env: BuildEnvironment) -> dict[str, str]:
    """Page name -> key under which it was last read; kept with Sphinx's own records."""
    if not hasattr(env, "gencourse_keys"):
        # mypy: an attribute of our own
        env.gencourse_keys = {}  # type: ignore[attr-defined]
    # the same
    return env.gencourse_keys  # type: ignore[attr-defined]


def _papers() -> ModuleType:
    """The module of the papers' tables: the package comes with it, and torch, so it is loaded for that page alone."""
    import papers

    return papers


def expand(text: str) -> str:
    """Put generated text in the place of its marker."""
    return GENERATED.sub(lambda match: GENERATORS[match[1]](), text)


def key_of(text: str, *, is_notebook: bool) -> str | None:
    """The key of a page's source; None for a page that depends on itself only."""
    if is_notebook:
        return notebook_key(json.loads(text))
    return hashlib.sha256(expand(text).encode()).hexdigest() if GENERATED.search(text) else None


def source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Add the key to a notebook (in memory only), generated text to a page."""
    is_notebook = str(app.env.doc2path(docname)).endswith(".ipynb")
    key = key_of(source[0], is_notebook=is_notebook)
    if key is None:
        return
    seen_keys(app.env)[docname] = key
    source[0] = with_key(source[0], key) if is_notebook else expand(source[0])


def outdated(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Pages whose own file is unchanged, but not what they depend on."""
    old = []
    for docname, key in seen_keys(env).items():
        path = Path(env.doc2path(docname))
        if docname in removed or not path.is_file():
            continue
        if key_of(path.read_text(encoding="utf-8"), is_notebook=path.suffix == ".ipynb") != key:
            old.append(docname)
    return old


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget a page before it is read again."""
    seen_keys(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader has seen."""
    seen_keys(env).update({name: key for name, key in seen_keys(other).items() if name in docnames})


def keep_tags(app: Sphinx, doctree: nodes.document) -> None:
    """Take the number out of an equation, and make it a link target: links.py sets the number beside the formula.

    A number that MathJax sets is off the screen when the formula is wide, and is no link. Sphinx wraps display math
    that has a line break in `split`; this one is left as it is written.
    """
    std = app.env.get_domain("std")
    for block in doctree.findall(nodes.math_block):
        text = block.astext()
        tags = ledger.TAGGED.findall(text)
        if not tags or block.get("nowrap"):
            continue
        block["nowrap"] = True
        block.children = [nodes.Text(f"\\[{ledger.TAGGED.sub('', text).rstrip()}\\]")]
        for tag in tags:
            name = ledger.anchor(tag)
            block["ids"].append(name)
            # mypy: the standard domain has it
            std.note_hyperlink_target(name, app.env.docname, name, f"({tag})")  # type: ignore[attr-defined]


def plain_attributes(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Show a property's docstring as it is; napoleon would take the words before a colon for its type.

    An empty comment as first line is what napoleon looks at instead.
    """
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]


def skip_what_is_ahead(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out of the package page what cites equations that this edition of the book does not have."""
    return True if ledger.is_ahead_of_the_book(getattr(obj, "__doc__", None) or "") else None


def plain_times(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Of the table of what chapters took, leave what a reader wants: titles, and times that can be compared."""
    for table in doctree.findall(nodes.table):
        heads = [entry.astext() for entry in next(iter(table.findall(nodes.row))).children]
        if RUN_TIME not in heads:
            continue
        kept = [0, heads.index("Modified"), heads.index(RUN_TIME)]
        table["classes"] = []
        for column in reversed(list(table.findall(nodes.colspec))[len(kept) :]):
            column.parent.remove(column)
        for index, row in enumerate(table.findall(nodes.row)):
            link, when, seconds = (row[place] for place in kept)
            row.clear()
            if index == 0:
                row += [_cell("chapter"), _cell("run"), _cell("seconds", "text-right")]
                continue
            for reference in link.findall(nodes.reference):
                number = app.env.toc_secnumbers.get(link.astext(), {}).get("", ())
                words = [*map(str, number), app.env.titles[link.astext()].astext()]
                reference.clear()
                reference += nodes.Text(" ".join(words))
            row += [link, when, _cell(f"{float(seconds.astext()):.1f}", "text-right")]


def _cell(text: str, *classes: str) -> nodes.entry:
    return nodes.entry("", nodes.paragraph("", text), classes=list(classes))


# ---- writing pages -----------------------------------------------------------------------------------


def repository_url(pyproject: Path = ROOT / "pyproject.toml") -> str:
    """The address in [project.urls]; "" when there is none or the placeholder. (Python 3.10 has no tomllib.)"""
    table = re.search(r"^\[project\.urls\]\n(.*?)(?=^\[|\Z)", pyproject.read_text("utf-8"), re.S | re.M)
    line = re.search(r'^Repository\s*=\s*"([^"]+)"', table[1] if table else "", re.M)
    return line[1].rstrip("/") if line and "/OWNER/" not in line[1] else ""


def set_repository(app: Sphinx, config: Config) -> None:
    """Fill in the buttons that lead to the repository and to Colab; leave them out while they would lead nowhere."""
    url = repository_url()
    if url:
        options = {"repository_url": url, "repository_branch": "main", "use_repository_button": True}
        config.html_theme_options.update(options)
    else:
        config.html_theme_options.pop("launch_buttons", None)


def drop_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Jupyter Book always loads Thebe: a script from a CDN that this book does not use."""

    def is_thebe(file: Any) -> bool:
        body = getattr(file, "attributes", {}).get("body", "")
        return "thebe" in str(getattr(file, "filename", "")) or "THEBE_JS_URL" in str(body)

    for kind in ("script_files", "css_files"):
        context[kind][:] = [file for file in context[kind] if not is_thebe(file)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    # For notebooks that Sphinx executes itself: tools/book.py has executed them before.
    os.environ.update(KERNEL)
    if app.parallel > 1:  # several kernels with a thread a core each would spin against each other
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    app.connect("config-inited", set_repository)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("source-read", source_read)
    app.connect("doctree-read", keep_tags)
    if "autodoc-process-docstring" in app.events.events:
        app.connect("autodoc-process-docstring", plain_attributes, priority=100)  # before napoleon
        app.connect("autodoc-skip-member", skip_what_is_ahead)
    app.connect("doctree-resolved", plain_times)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

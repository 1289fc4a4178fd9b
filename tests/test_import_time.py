"""`import gencourse` stays quick, and rooms are imported when they are first used."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gencourse

ROOT = Path(gencourse.__file__).parents[1]


def run(code: str) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    return done.stdout


def test_import_brings_nothing_but_the_standard_library_and_itself() -> None:
    code = (
        "import sys; before = set(sys.modules); import gencourse; new = set(sys.modules) - before; "
        "print(*{name.split('.')[0] for name in new} - sys.stdlib_module_names)"
    )
    assert run(code).split() == ["gencourse"]


@pytest.fixture(scope="module")
def imports() -> str:
    """Every import of the chapters' first working cell."""
    lines: set[str] = set()
    for chapter in sorted(ROOT.glob("chapters/[0-9]*.ipynb")):
        cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        first = next(source for source in sources if "gencourse.preset()" in source)
        nodes = ast.parse(first).body
        lines |= {ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)}
    assert "import gencourse" in lines and any("evaluation" in line for line in lines)
    return "\n".join(sorted(lines))


def test_a_chapters_imports_leave_out_what_is_used_later(imports: str) -> None:
    loaded = run(imports + "\nimport sys; print(*sys.modules)").split()
    assert "gencourse.evaluation" in loaded and "gencourse.studies" in loaded
    # they cost twice what torch costs, and most sessions never use them
    assert not {"sklearn", "scipy", "torchmetrics", "torchvision", "pandas", "sympy"} & set(loaded)


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    loaded = run("import sys, gencourse; print(*sys.modules)").split()
    assert not {"torch", "torchvision", "matplotlib", "sklearn", "gencourse.data"} & set(loaded)


def test_rooms_come_when_they_are_named() -> None:
    loaded = run("import sys, gencourse; gencourse.losses.squared_error; print(*sys.modules)").split()
    assert "gencourse.losses" in loaded
    assert "gencourse.training" not in loaded


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gencourse' has no attribute 'gans'"):
        _ = gencourse.gans

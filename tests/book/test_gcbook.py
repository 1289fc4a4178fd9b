"""The cache key of a chapter sees exactly the code that the chapter can run."""

from __future__ import annotations

from pathlib import Path

import gcbook
import pytest

FILES = {
    "__init__.py": (
        "from typing import TYPE_CHECKING\nfrom pkg.presets import preset\n"
        "if TYPE_CHECKING:\n    from pkg import methods\n"
        "def check():\n    from pkg.exercises import run\n"
    ),
    "presets.py": "def preset(): ...\n",
    "losses/__init__.py": "from .gan import hinge\n",
    "losses/gan.py": "from ..presets import preset\nfrom . import common\n",
    "losses/common.py": "",
    "methods/__init__.py": "from pkg.losses.gan import hinge\n",
    "widgets/__init__.py": "",
    "widgets/pad.js": "export default {};",
    "widgets/results/study.json": "[]",
    "exercises/__init__.py": "import importlib\ndef run(): importlib.import_module('pkg.exercises.gan')\n",
    "exercises/gan.py": "",
}
BASE = {"__init__.py", "presets.py"}
LOSSES = BASE | {"losses/__init__.py", "losses/gan.py", "losses/common.py"}
WIDGETS = BASE | {"widgets/__init__.py", "widgets/pad.js", "widgets/results/study.json"}
EXERCISES = BASE | {"exercises/__init__.py", "exercises/gan.py"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "pkg"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("x = 1", set()),
        ("%pip install pkg\nimport pkg", BASE),
        ("import pkg\npkg.losses.hinge(x)", LOSSES),
        ("import pkg as p\np.methods.GAN()", LOSSES | {"methods/__init__.py"}),
        ("from pkg import losses", LOSSES),
        ("from pkg.losses.gan import hinge", LOSSES),
        ("import pkg\npkg.check('1.1')", EXERCISES),
        ("from pkg import check", EXERCISES),
        ("from pkg.widgets import Pad", WIDGETS),
    ],
)
def test_dependencies(package: Path, cell: str, expected: set[str]) -> None:
    found = gcbook.dependencies([cell], package)
    assert {path.relative_to(package).as_posix() for path in found} == expected


def test_key_depends_on_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = {"cells": [{"cell_type": "code", "source": ["import gencourse\n"]}]}
    keys = set()
    for preset in ("smoke", "book"):
        monkeypatch.setenv("GENCOURSE_PRESET", preset)
        keys.add(gcbook.notebook_key(notebook))
    monkeypatch.delenv("GENCOURSE_PRESET")
    assert len(keys) == 2 and gcbook.notebook_key(notebook) in keys  # unset means "book"


def test_repository_address_is_found(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname = "x"\n[project.urls]\nRepository = "https://h/o/r/"\n[tool.x]\n')
    assert gcbook.repository_url(file) == "https://h/o/r"
    file.write_text('[project]\n[tool.x]\nRepository = "https://h/o/r"\n')
    assert gcbook.repository_url(file) == ""
    # the placeholder leads nowhere, so it counts as none
    file.write_text('[project.urls]\nRepository = "https://h/OWNER/r"\n')
    assert gcbook.repository_url(file) == ""

"""The first cell of a chapter, run in IPython under a stub of Colab: what it installs, or says if it cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
IN_A_WHEEL = (
    "gencourse",
    "chapters",
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
    "LICENSE-content",
)

# `python -S` leaves out the .pth file through which this checkout's own package would be found.
SHELL = """
import os, sys, types
sys.path.append(os.environ["PACKAGES"])
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
if os.environ["COLAB"]:
    sys.modules["google.colab"] = types.ModuleType("google.colab")
done = shell.run_cell(sys.stdin.read())
gencourse = sys.modules.get("gencourse")
if done.success and os.environ["COLAB"]:
    import gencourse
print("success", done.success)
print("error", repr(done.error_in_exec))
print("package", gencourse and gencourse.__file__)
print("preset", os.environ.get("GENCOURSE_PRESET"))
"""


def first_cell(chapter: Path) -> str:
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    return "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])


def run(folder: Path, *, colab: bool = True, path: Path | None = None) -> dict[str, str]:
    """Run the cell in a folder; pip asks no registry, and installs into `folder/site` only."""
    site = folder / "site"
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "GENCOURSE"))
    }
    variables |= {
        "PYTHONPATH": os.pathsep.join(str(place) for place in (site, path) if place),
        "PACKAGES": sysconfig.get_path("purelib"),
        "COLAB": "1" if colab else "",
        "IPYTHONDIR": str(folder / "ipython"),
        "PIP_TARGET": str(site),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", SHELL],
        input=first_cell(CHAPTERS[0]),
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    facts = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    return {**facts, "output": done.stdout + done.stderr}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, built from a copy, so that nothing is left here."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in IN_A_WHEEL:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "-q", "-w", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(copy)], check=True)
    (made,) = out.glob("gencourse-*.whl")
    return made


def test_every_chapter_has_the_same_first_cell() -> None:
    assert {first_cell(chapter) for chapter in CHAPTERS} == {first_cell(CHAPTERS[0])}


def test_elsewhere_it_does_nothing(tmp_path: Path) -> None:
    found = run(tmp_path, colab=False)
    assert found["success"] == "True" and found["package"] == found["preset"] == "None"
    assert not (tmp_path / "site").exists()


def test_a_package_that_imports_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gencourse-9.9-py3-none-any.whl").write_text("not looked at")
    found = run(tmp_path, path=ROOT)
    assert found["success"] == "True" and not (tmp_path / "site").exists()
    assert Path(found["package"]).parent == ROOT / "gencourse" and found["preset"] == "book"


def test_an_uploaded_wheel_is_installed(tmp_path: Path, wheel: Path) -> None:
    shutil.copy(wheel, tmp_path)
    found = run(tmp_path)
    assert found["success"] == "True", found["output"]
    assert Path(found["package"]).parent == tmp_path / "site" / "gencourse"
    assert len(list((tmp_path / "site/gencourse/chapters").glob("*.ipynb"))) == len(CHAPTERS)


@pytest.mark.parametrize("upload", [None, b"half a file"], ids=["no network", "a broken upload"])
def test_a_failure_says_what_to_upload(tmp_path: Path, upload: bytes | None) -> None:
    if upload:
        (tmp_path / "gencourse-0.1.0-py3-none-any.whl").write_bytes(upload)
    found = run(tmp_path)
    assert found["success"] == "False" and found["error"].startswith("SystemExit('gencourse could not be")
    assert (
        "upload gencourse-*.whl" in found["error"] and found["error"].count(".") == 2
    )  # of "*.whl", and the end
    assert ("git clone" in found["output"]) is (upload is None)
    assert "Traceback" not in found["output"].split("SystemExit")[-1]

"""Build the book strictly: every warning is an error, every chapter is run.

    python tools/book.py                                        the book, in _build/html
    python tools/book.py --preset smoke --path-output _build/smoke     a quick one, for the tests
    python tools/book.py --jobs 1                               one chapter at a time, on all cores
    python tools/book.py --format epub                          the book as an EPUB, in _build/epub

First the outdated chapters are executed side by side into a cache (execute.py); if all succeed, Sphinx builds the
pages from the cache. The preset is --preset, else GENCOURSE_PRESET, else "book". With --path-output DIR the pages
lie in DIR/_build/html, because Jupyter Book adds a _build of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from epub import faults
from execute import execute_outdated

ROOT = Path(__file__).resolve().parent.parent
# What shapes every page, though Sphinx does not look at it again once a page is built.
SHAPES_ALL = (
    "_toc.yml",
    "_config.yml",
    "pyproject.toml",
    "requirements.txt",
    "book/_ext/**/*.py",
    "book/_templates/**/*",
)


def signature(preset: str) -> str:
    """Changes when pages that were built before can no longer be trusted."""
    digest = hashlib.sha256(preset.encode())
    for pattern in SHAPES_ALL:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def start_afresh(build: Path) -> None:
    """Remove the pages, so that none is left of a chapter that is gone; keep the executed notebooks."""
    for name in ("html", "epub", ".doctrees"):
        shutil.rmtree(build / name, ignore_errors=True)


def at_least_one(text: str) -> int:
    """A number of chapters, from the command line."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} chapters at a time: give 1 or more.")
    return int(text)


def main() -> int:
    """Build, and say where the book is or why there is none."""
    parser = argparse.ArgumentParser(description="Build the book strictly.")
    parser.add_argument("--preset", default=os.environ.get("GENCOURSE_PRESET", "book"))
    parser.add_argument("--path-output", type=Path, default=ROOT, help="folder that gets the _build folder")
    parser.add_argument("--jobs", type=at_least_one, help="chapters at a time (default: as many as cores)")
    parser.add_argument("--format", choices=["html", "epub"], default="html", help="web pages, or one EPUB")
    options = parser.parse_args()

    output = options.path_output.resolve()
    build = output / "_build"
    os.environ["GENCOURSE_PRESET"] = options.preset  # kernels, cache keys and Sphinx all read it
    try:
        failed = execute_outdated(build / ".jupyter_cache", options.preset, options.jobs)
    except KeyboardInterrupt:
        print("\nStopped. Chapters that had finished are kept.", file=sys.stderr)
        return 130
    if failed:
        names = ", ".join(failed)
        print(
            f"\nThe book was not built (preset {options.preset}): {names} failed, see above.", file=sys.stderr
        )
        return 1

    stamp = build / "gencourse-signature"
    now = signature(options.preset)
    # The stamp is written by a success only. After a failure, Sphinx would not read the bad page again,
    # would have nothing to warn about, and the second try would pass.
    if not stamp.is_file() or stamp.read_text() != now:
        start_afresh(build)
    stamp.unlink(missing_ok=True)

    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    command += ["-W", "--keep-going", "-n", "--path-output", str(output)]
    if options.format != "html":
        command += ["--builder", "custom", "--custom-builder", options.format]
    code = subprocess.run(command, cwd=ROOT).returncode
    if code:
        print(f"\nThe book was not built (preset {options.preset}): see above.", file=sys.stderr)
        return code
    made = {"html": build / "html" / "index.html", "epub": build / "epub" / "gencourse.epub"}
    found = faults(made["epub"]) if options.format == "epub" else []
    if found:
        print("\n".join(["\nThe EPUB is not fit to be read:", *found]), file=sys.stderr)
        return 1
    stamp.write_text(now)
    print(f"\nThe book is built (preset {options.preset}). Open {made[options.format]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

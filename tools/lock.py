"""Choose exact versions for everything in tools/requirements.in and write them to requirements.txt.

Beside it, requirements-hashes.txt has the same versions with the hashes of their files, without PyTorch: which file
of it fits depends on the machine, and PyTorch's own host has others than the registry. One list serves every system
and every Python from 3.10 on: differences are markers on the lines.
Needs uv, on PATH or installed in this Python (pip install uv).
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Exact versions for building and testing the book, made by 'make lock' from tools/requirements.in.
# PyTorch's own CUDA packages are left to the torch wheel, which pins them itself.
"""
HASHES_HEADER = """\
# requirements.txt without PyTorch, with the hashes of all files that the registry has of these versions.
# Made by 'make lock'. Install it with --no-deps: the list is complete.
"""
# Listed here, these would put gigabytes of CUDA on machines without a GPU.
LEFT_TO_TORCH = ("nvidia-", "cuda-", "triton")
TORCH = ("torch==", "torchvision==")


def entries(compiled: str) -> list[str]:
    """A compiled list, cut into one text for each package, less those that torch's wheel pins itself."""
    found: list[str] = []
    for line in compiled.splitlines():
        if line.startswith(" "):  # a hash of the package above
            found[-1] += line + "\n"
        elif line.strip() and not line.startswith("#"):
            found.append(line + "\n")
    return [one for one in found if not one.startswith(LEFT_TO_TORCH)]


def without_hashes(compiled: str) -> str:
    """What requirements.txt holds."""
    return HEADER + "".join(
        one.split("\n")[0].removesuffix("\\").rstrip() + "\n" for one in entries(compiled)
    )


def with_hashes(compiled: str) -> str:
    """What requirements-hashes.txt holds."""
    return HASHES_HEADER + "".join(one for one in entries(compiled) if not one.startswith(TORCH))


def main() -> None:
    """Compile, filter and write."""
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    if len(uv) > 1 and importlib.util.find_spec("uv") is None:
        sys.exit("lock: needs uv; install it with 'pip install uv'.")
    command = [*uv, "pip", "compile", "--universal", "--python-version", "3.10"]
    command += ["--generate-hashes", "--no-header", "--no-annotate", "tools/requirements.in"]
    compiled = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if compiled.returncode:
        sys.exit("lock: uv found no versions that fit together; requirements.txt is unchanged.")
    for name, text in (
        ("requirements.txt", without_hashes(compiled.stdout)),
        ("requirements-hashes.txt", with_hashes(compiled.stdout)),
    ):
        (ROOT / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

"""Choose exact versions for everything in tools/requirements.in and write them to requirements.txt.

One file serves every system and every Python from 3.10 on: differences are markers on the lines.
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
# Listed here, these would put gigabytes of CUDA on machines without a GPU.
LEFT_TO_TORCH = ("nvidia-", "cuda-", "triton")


def without_cuda(compiled: str) -> str:
    """The lines of a compiled list, less those that torch's wheel pins itself."""
    lines = [line for line in compiled.splitlines() if line.strip() and not line.startswith(LEFT_TO_TORCH)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compile, filter and write."""
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    if len(uv) > 1 and importlib.util.find_spec("uv") is None:
        sys.exit("lock: needs uv; install it with 'pip install uv'.")
    command = [*uv, "pip", "compile", "--universal", "--python-version", "3.10"]
    command += ["--no-header", "--no-annotate", "tools/requirements.in"]
    compiled = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if compiled.returncode:
        sys.exit("lock: uv found no versions that fit together; requirements.txt is unchanged.")
    (ROOT / "requirements.txt").write_text(
        HEADER + without_cuda(compiled.stdout), encoding="utf-8", newline="\n"
    )


if __name__ == "__main__":
    main()

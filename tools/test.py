"""Run the tests in stages, cheap ones first; one failure does not hide the next.

python tools/test.py                    all stages
python tools/test.py check              lint format types layers notebooks unit: under 90 seconds
python tools/test.py unit nbval         these stages, in the order of the list below
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SMOKE = Path("_build/smoke")

# Two test processes with two threads each on two cores are ten times slower than with one thread each.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
PYTEST = [sys.executable, "-m", "pytest", "-q"]


def tool(name: str) -> str:
    """Path of a command that was installed beside this Python."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


# name -> (what it proves, command, additions to the environment)
STAGES: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "system": ("a browser to test with", [sys.executable, "tools/system.py"], {}),
    "lint": ("style: ruff", [tool("ruff"), "check"], {}),
    "format": ("layout: ruff format", [tool("ruff"), "format", "--check"], {}),
    "types": ("types: mypy", [tool("mypy")], {}),
    "layers": ("arrows only go down: import-linter", [tool("lint-imports")], {}),
    "notebooks": ("notebooks are clean", [sys.executable, "tools/notebooks.py", "--check"], {}),
    "unit": (
        "equations, code, exercises, chapters' text",
        [*PYTEST, "tests", "-n", "2", "--ignore=tests/browser"],
        ONE_THREAD,
    ),
    "nbval": (
        "every notebook runs",
        # loadfile: the cells of one notebook stay together
        [*PYTEST, "chapters", "book", "--nbval-lax", "--nbval-current-env"]
        + ["--nbval-sanitize-with", "tests/nbval.cfg", "-n", "2", "--dist", "loadfile"],
        {**ONE_THREAD, "GENCOURSE_PRESET": "smoke"},
    ),
    "loaded": (
        "so do the chapters with shipped networks in place of trained ones",
        [sys.executable, "tools/loaded.py"],
        {**ONE_THREAD, "GENCOURSE_PRESET": "smoke"},
    ),
    "classroom": (
        "nbgrader and otter grade every answer as they should",
        # every wrong answer, and students' copies run whole: versions.yml, weekly
        [sys.executable, "tools/classroom.py", "nbgrader", "otter", "--wrong", "2"],
        ONE_THREAD,
    ),
    "smoke": (
        "the book builds without a warning",
        [sys.executable, "tools/book.py", "--preset", "smoke", "--path-output", str(SMOKE)],
        {},
    ),
    "browser": ("the pages work in a browser, offline", [*PYTEST, "tests/browser"], {}),
}
GROUPS = {
    "all": list(STAGES),
    "check": ["lint", "format", "types", "layers", "notebooks", "unit"],
}
# A stage that means nothing when another one failed in the same run.
NEEDS = {"browser": "smoke"}


def chosen(words: list[str]) -> list[str]:
    """Names of stages and groups -> stages, in the order in which they run."""
    known = [*GROUPS, *STAGES]
    for word in words:
        if word not in known:
            sys.exit(f"test: there is no stage {word!r}; choose from {', '.join(known)}.")
    wanted = {stage for word in words or ["all"] for stage in GROUPS.get(word, [word])}
    return [stage for stage in STAGES if stage in wanted]


def run(stage: str) -> bool:
    """Run one stage under a header; whether it passed."""
    proves, command, additions = STAGES[stage]
    print(f"\n=== {stage}: {proves}", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **additions}).returncode == 0


def main() -> int:
    """Run the stages that were asked for and sum up."""
    verdicts: dict[str, str] = {}
    for stage in chosen(sys.argv[1:]):
        if verdicts.get(NEEDS.get(stage, ""), "").startswith("FAILED"):
            verdicts[stage] = f"FAILED  not run, because {NEEDS[stage]} failed"
            continue
        start = time.monotonic()
        passed = run(stage)
        seconds = time.monotonic() - start
        verdicts[stage] = f"{'passed' if passed else 'FAILED'}  {seconds:6.1f} s"
        print(f"--- {stage}: {verdicts[stage]}", flush=True)
    print("\n=== summary")
    for stage, verdict in verdicts.items():
        print(f"{stage:10} {verdict}")
    return int(any(verdict.startswith("FAILED") for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())

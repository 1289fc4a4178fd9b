"""The one thing that pip cannot install: a Chromium for the browser tests.

On a continuous-integration machine (CI is set; Debian or Ubuntu, as root or with sudo) a missing Chromium
is installed. On anybody's own machine nothing is touched: one line says what is skipped and how to get it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
# macOS and Windows do not put a browser on PATH
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome on PATH or in its usual place, or None."""
    on_path = (path for name in NAMES if (path := shutil.which(name)))
    return next(on_path, next((place for place in PLACES if Path(place).is_file()), None))


def become_root() -> list[str] | None:
    """What to write before a command so that it runs as root; None when that would ask a question."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def main() -> None:
    """Find Chromium, or install it where that is ours to do, or say that it is missing."""
    if find_chromium():
        return
    root = become_root() if os.environ.get("CI") and shutil.which("apt-get") else None
    if root is not None:
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "-y", "--no-install-recommends", "chromium"],
        ):
            print("+", " ".join(command), flush=True)
            # a failure is not the end: the browser tests themselves fail on CI without Chromium
            subprocess.run([*root, *command], check=False)
    if not find_chromium():
        print(
            f"Browser tests need a Chromium on PATH ({', '.join(NAMES)}): none here. Debian: apt install chromium."
        )


if __name__ == "__main__":
    main()

"""Make .venv, the environment that builds and tests the book. Does nothing when nothing has changed.

    python3 tools/env.py                  the packages of requirements.txt and gencourse itself, editable; each file
                                          is compared with its hash, where pip or uv asks the usual registry
    python3 tools/env.py --torch cpu      PyTorch's CPU wheels: on Linux without a GPU, gigabytes smaller
    python3 tools/env.py --dry-run        print the commands, run none

Run by the system's Python, so: the standard library only, and no syntax newer than Python 3.6, so that
an old Python gets as far as the sentence that says it is too old.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "gencourse-stamp"
OLDEST = (3, 10)
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
SOURCES = {"index-url", "extra-index-url", "find-links", "no-index"}
CONNECTIONS = {"cert", "client-cert", "proxy"}
UV_SOURCES = {
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
}


def fingerprint(torch):
    """Changes when the environment has to be made again."""
    digest = hashlib.sha256(torch.encode())
    for name in ("requirements.txt", "requirements-hashes.txt", "pyproject.toml"):
        # normalised, so that a checkout with Windows line ends gives the same answer
        digest.update((ROOT / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def is_current(torch):
    """Whether the last finished installation is the one that is asked for."""
    return PYTHON.exists() and STAMP.is_file() and STAMP.read_text().strip() == fingerprint(torch)


def starts(python):
    """Whether this Python runs, has pip and is new enough. An environment outlives the Python that made it."""
    probe = "import pip, sys; sys.exit(sys.version_info[:2] < {!r})".format(OLDEST)  # noqa: UP032
    try:
        return subprocess.run([str(python), "-c", probe], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def configured(listing):
    """Which settings of `pip config list` uv would not see, or would make a hash useless.

    >>> configured("global.find-links='/wheels'")
    {'find-links'}
    >>> configured(":env:.disable-pip-version-check='1'")
    set()
    """
    keys = {line.split("=")[0].strip().split(".")[-1] for line in listing.splitlines()}
    return keys & (SOURCES | CONNECTIONS)


def working_uv():
    """Path of uv, or None. A launcher that is on PATH but does not start does not count."""
    uv = shutil.which("uv")
    if (
        uv
        and subprocess.run([uv, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    ):
        return None
    return uv


def answers(address, seconds=5):
    """Whether a host can be reached within so many seconds: one question, so that pip need not ask 165 times."""
    try:
        urllib.request.urlopen(address, timeout=seconds).close()
    except urllib.error.HTTPError:
        return True  # it answers, whatever it says
    except (OSError, ValueError):
        return False
    return True


def pinned_torch():
    """The lines of requirements.txt for torch and torchvision: all that PyTorch's host is asked for."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if re.match(r"torch(vision)?==", line)]


def install_commands(torch, uv, hashed):
    """The commands that fill the environment, for pip (uv is None) or for uv."""
    install = [uv, "pip", "install", "--python", str(PYTHON)] if uv else [str(PYTHON), "-m", "pip", "install"]
    # --upgrade: an installed 2.x.y would count as good enough, and 2.x.y+cpu never be looked at.
    # --no-deps: only these two come from PyTorch's host; everything else from the usual place.
    from_host = [*install, "--upgrade", "--no-deps", "--index-url", CPU_WHEELS, *pinned_torch()]
    # setuptools is among the requirements: building here needs no second download of it
    own = [*install, "--no-deps", "--no-build-isolation", "-e", "."]
    if not hashed:
        return [*([from_host] if torch == "cpu" else []), [*install, "-r", "requirements.txt"], own]
    # PyTorch comes last, without a hash: what it needs is there, but for CUDA, which its wheel pins itself
    checked = [*install, "--require-hashes", "--no-deps", "-r", "requirements-hashes.txt"]
    return [checked, from_host if torch == "cpu" else [*install, *pinned_torch()], own]


def fail(sentence):
    """Stop with one sentence instead of a traceback."""
    sys.exit("env: " + sentence)


def run(command, dry_run):
    """Run and show a command; stop where it stops."""
    print("+", " ".join(command), flush=True)
    if not dry_run and subprocess.run(command, cwd=str(ROOT)).returncode:
        fail("this command failed: " + " ".join(command))


def make_venv(dry_run):
    """Make .venv, or make it again when its Python is gone or too old."""
    if starts(PYTHON):
        return
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    # Debian and Ubuntu ship Python without ensurepip, and venv then fails with half a page of advice
    probe = [sys.executable, "-c", "import ensurepip, venv"]
    if not dry_run and subprocess.run(probe, stderr=subprocess.DEVNULL).returncode:
        fail(
            "this Python lacks its venv module; install it and try again "
            "(Debian, Ubuntu: sudo apt install python3-venv)."
        )
    run(command, dry_run)


def choose_installer():
    """(path of uv where it is there and would look where pip looks, else None; whether to compare hashes)."""
    uv = working_uv()
    pip = str(PYTHON) if PYTHON.exists() else sys.executable
    listing = subprocess.run([pip, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True)
    found = configured(listing.stdout)
    if uv and found:
        print(
            "env: pip has its own settings here ({}), so pip installs, not uv.".format(
                ", ".join(sorted(found))
            )
        )
        uv = None
    own = sorted(found & SOURCES) + (sorted(UV_SOURCES & set(os.environ)) if uv else [])
    if own:
        print(
            "env: packages come from sources of your own ({}), which may hold other files of the same versions. So "
            "versions are compared, and hashes are not.".format(", ".join(own))
        )
    return uv, not own


def main():
    """Read the options, then bring .venv up to date."""
    if sys.version_info[:2] < OLDEST:
        fail(
            "Python {}.{} is too old: the course needs {}.{} or newer. With a newer one installed: "
            "make PYTHON=python3.12 ...".format(*(sys.version_info[:2] + OLDEST))
        )
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", default="", choices=["", "cpu"], help="cpu: PyTorch's CPU wheels")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    options = parser.parse_args()

    if is_current(options.torch) and not options.dry_run:
        return
    if not options.dry_run and STAMP.exists():
        STAMP.unlink()  # from here until the end, an interrupted installation counts as none
    if options.torch == "cpu" and not options.dry_run and not answers(CPU_WHEELS):
        print(
            "env: "
            + CPU_WHEELS
            + " did not answer within five seconds. PyTorch comes from your usual package "
            "source instead; on Linux that one may bring CUDA and several gigabytes."
        )
        options.torch = ""
    make_venv(options.dry_run)
    for command in install_commands(options.torch, *choose_installer()):
        run(command, options.dry_run)
    if not options.dry_run:
        STAMP.write_text(fingerprint(options.torch) + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; run it again to go on.")

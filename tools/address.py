"""Copy the repository's address and version from pyproject.toml to the files that cannot look them up.

    python tools/address.py                                   bring every copy up to date
    python tools/address.py --check                           list the copies that disagree
    python tools/address.py --set https://github.com/ME/gencourse     move the course, copies and all
    python tools/address.py --release v0.1.0                  fail unless this tag may be published

A fork sets its address, commits, and tags; the tag makes the release that Colab installs.

A badge, a Colab link and the cell that installs the package on Colab must carry the address themselves.
Everything else reads it from [project.urls] in pyproject.toml.

While the address is the placeholder, nothing may lead to it. What stands in Markdown between `<!-- if published -->`
and `<!-- end -->` is then one comment, and what stands after `<!-- if unpublished -->` is seen; later the other way
round.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "_config.yml",
    "pyproject.toml",
    "gencourse/__init__.py",
    "gencourse/exercises/export.py",
    "book/**/*.md",
    "chapters/*.ipynb",
)
PLACEHOLDER = "OWNER"
ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
NOT_IN_NAME = r"(?![\w-])"


def read_project(text: str) -> tuple[str, str]:
    """(address, version) that a pyproject.toml states. Python 3.10 has no TOML reader."""
    address = re.search(r'^Repository\s*=\s*"([^"]+)"', text, re.MULTILINE)
    version = re.search(r'^version\s*=\s*"([^"]+)"', text, re.MULTILINE)
    if not address or not version:
        raise ValueError("pyproject.toml states no Repository under [project.urls], or no version.")
    if not ADDRESS.fullmatch(address[1]):
        raise ValueError(f"Repository is {address[1]!r}; it must look like https://github.com/OWNER/NAME.")
    return address[1], version[1]


def stamp(text: str, address: str, version: str, names: tuple[str, ...] = ("gencourse",)) -> str:
    """The text with every copy of the address and version replaced by these.

    Args:
        text: the contents of any file.
        address: https://github.com/OWNER/NAME
        version: the package's version; the tag to install is v<version>.
        names: names that the repository has or had; a link to anything else is left alone.
    """
    owner, name = ADDRESS.fullmatch(address).groups()  # type: ignore[union-attr]
    path = rf"[\w.-]+/(?:{'|'.join(map(re.escape, sorted({*names, name})))}){NOT_IN_NAME}"
    pages = rf"[\w-]+\.github\.io/(?:{'|'.join(map(re.escape, sorted({*names, name})))}){NOT_IN_NAME}"
    for pattern, replacement in (
        (rf"https://github\.com/{path}", address),
        (
            rf"https://colab\.research\.google\.com/github/{path}",
            f"https://colab.research.google.com/github/{owner}/{name}",
        ),
        (rf"https://raw\.githubusercontent\.com/{path}", f"https://raw.githubusercontent.com/{owner}/{name}"),
        (rf"https://{pages}", f"https://{owner.lower()}.github.io/{name}"),
        # the version, where the address is followed by a tag, and where a file states it as its own
        (rf"{re.escape(address)}@v[0-9][\w.]*", f"{address}@v{version}"),
        (r'(?m)^(version: |__version__ = ")[0-9][\w.]*', rf"\g<1>{version}"),
    ):
        text = re.sub(pattern, replacement, text)
    return show(text, published=owner != PLACEHOLDER)


def show(text: str, published: bool) -> str:
    """Markdown that shows what is for a course with an address, or what is for one without, and hides the other."""
    for name, seen in (("published", published), ("unpublished", not published)):
        shown, hidden = rf"<!-- if {name} -->\n\1\n<!-- end -->", rf"<!-- if {name}\n\1\nend -->"
        part = rf"<!-- if {name}(?: -->)?\n(.*?)\n(?:<!-- )?end -->"
        text = re.sub(part, shown if seen else hidden, text, flags=re.DOTALL)
    return text


def disagreements(root: Path = ROOT) -> dict[Path, str]:
    """Each file with an outdated copy, with the text that it should have."""
    address, version = read_project((root / "pyproject.toml").read_text(encoding="utf-8"))
    found = {}
    for path in sorted({path for pattern in PLACES for path in root.glob(pattern)}):
        text = path.read_text(encoding="utf-8")
        wanted = stamp(text, address, version)
        if wanted != text:
            found[path] = wanted
    return found


def move(root: Path, address: str) -> None:
    """Write a new address into pyproject.toml, and so that the old name is still found, into the copies."""
    if not ADDRESS.fullmatch(address):
        raise ValueError(f"{address!r} is no address of a repository: write https://github.com/OWNER/NAME.")
    project = root / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    old, version = read_project(text)
    write(project, text.replace(f'"{old}"', f'"{address}"'))
    names = ("gencourse", old.rsplit("/", 1)[1])
    for path in sorted({path for pattern in PLACES for path in root.glob(pattern)}):
        text = path.read_text(encoding="utf-8")
        if stamp(text, address, version, names) != text:
            write(path, stamp(text, address, version, names))


def refuse(root: Path, tag: str) -> str | None:
    """Why a release under this tag would be wrong, or None: a placeholder address, another version, old copies."""
    address, version = read_project((root / "pyproject.toml").read_text(encoding="utf-8"))
    if f"/{PLACEHOLDER}/" in address:
        return f"the address is still the placeholder {address}: run tools/address.py --set, commit, and tag again."
    if tag != f"v{version}":
        return f"the tag is {tag}, but pyproject.toml states version {version}: the tag must be v{version}."
    if outdated := disagreements(root):
        names = ", ".join(path.relative_to(root).as_posix() for path in outdated)
        return f"these files carry another address or version: {names}. Run tools/address.py and commit."
    return None


def write(path: Path, text: str) -> None:
    """Write with the line ends of the repository, on Windows too."""
    path.write_text(text, encoding="utf-8", newline="\n")


def main() -> int:
    """Copy, check or move."""
    parser = argparse.ArgumentParser(description="Copy the repository's address to where it is needed.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a copy disagrees")
    parser.add_argument("--set", metavar="ADDRESS", help="write a new address into pyproject.toml first")
    parser.add_argument("--release", metavar="TAG", help="change nothing; fail unless TAG may be published")
    options = parser.parse_args()
    try:
        if options.release:
            if reason := refuse(ROOT, options.release):
                raise ValueError(reason)
            return 0
        if options.set:
            move(ROOT, options.set)
        found = disagreements()
    except ValueError as error:
        sys.exit(f"address: {error}")
    for path, wanted in found.items():
        name = path.relative_to(ROOT).as_posix()
        if options.check:
            now = path.read_text(encoding="utf-8").splitlines()
            for number, (line, right) in enumerate(zip(now, wanted.splitlines(), strict=True), start=1):
                if line != right:
                    print(f"{name}:{number}: {line.strip()}")
        else:
            write(path, wanted)
            print(f"address: brought up to date: {name}")
    if options.check and found:
        print("Run 'python tools/address.py' to bring these up to date.")
    return int(options.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())

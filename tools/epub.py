"""Look through an EPUB for what readers of books stumble over.

    python tools/epub.py                       _build/epub/gencourse.epub
    python tools/epub.py FILE.epub

It needs no Java, so every build of the EPUB ends with it. The whole standard is checked by epubcheck, which
.github/workflows/book.yml runs.
"""

from __future__ import annotations

import argparse
import posixpath
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit
from zipfile import ZIP_STORED, ZipFile

ROOT = Path(__file__).resolve().parents[1]
OPF = "{http://www.idpf.org/2007/opf}"
DC = "{http://purl.org/dc/elements/1.1/}"
HTML = "{http://www.w3.org/1999/xhtml}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# What the list of files has to say of a page -> an element of such a page.
PROPERTIES = {
    "mathml": "{http://www.w3.org/1998/Math/MathML}math",
    "svg": "{http://www.w3.org/2000/svg}svg",
    "scripted": f"{HTML}script",
}


def faults(epub: Path) -> list[str]:
    """Sentences about what is wrong with an EPUB; none for one that is fit to be read."""
    with ZipFile(epub) as file:
        names = file.namelist()
        first = file.infolist()[0]
        if (first.filename, first.compress_type) != ("mimetype", ZIP_STORED):
            return ["the first file is not an unpacked mimetype"]
        files = {name: file.read(name) for name in names}
    found = [f"{name} is there twice" for name, times in Counter(names).items() if times > 1]
    container = ElementTree.fromstring(files["META-INF/container.xml"])
    package = next(one.attrib["full-path"] for one in container.iter() if "full-path" in one.attrib)
    opf, root = ElementTree.fromstring(files[package]), posixpath.dirname(package)
    items = {one.attrib["id"]: one.attrib for one in opf.iter(f"{OPF}item")}
    listed = {posixpath.normpath(posixpath.join(root, unquote(one["href"]))): one for one in items.values()}
    there = {name for name in names if name not in {"mimetype", package} and not name.startswith("META-INF/")}
    found += [f"{name} is not in the list of files" for name in sorted(there - set(listed))]
    found += [f"{name} is in the list of files only" for name in sorted(set(listed) - there)]
    if len(listed) != sum(1 for _ in opf.iter(f"{OPF}item")):
        found.append("the list of files names one twice")
    found += [
        f"no file {one.attrib['idref']}"
        for one in opf.iter(f"{OPF}itemref")
        if one.attrib["idref"] not in items
    ]
    empty = (one.tag for one in opf.iter() if one.tag.startswith(DC) and not (one.text or "").strip())
    found += [f"the list of files has nothing under {tag.removeprefix(DC)}" for tag in empty]
    if not any("nav" in one.get("properties", "").split() for one in items.values()):
        found.append("no file is the contents")
    pages: dict[str, ElementTree.Element] = {}
    for name, item in listed.items():
        if item["media-type"] == "application/xhtml+xml" and name in files:
            try:
                pages[name] = ElementTree.fromstring(files[name])
            except ElementTree.ParseError as error:
                found.append(f"{name} is not well-formed: {error}")
    ids = {
        name: Counter(one.attrib["id"] for one in page.iter() if "id" in one.attrib)
        for name, page in pages.items()
    }
    for name, page in pages.items():
        found += [f"{name} has the id {one!r} twice" for one, times in ids[name].items() if times > 1]
        found += [
            f"{name} {fault}" for fault in faults_of_page(page, listed[name].get("properties", "").split())
        ]
        found += [f"{name} leads to {link}" for link in dead_links(page, name, there, ids)]
    return found


def faults_of_page(page: ElementTree.Element, properties: list[str]) -> Iterator[str]:
    """What is wrong with a page, wherever it lies."""
    if not page.get("lang") or page.get("lang") != page.get(LANGUAGE):
        yield "does not say its language"
    title = page.find(f".//{HTML}title")
    if title is None or not "".join(title.itertext()).strip():
        yield "has no title"
    for word, tag in PROPERTIES.items():
        if (page.find(f".//{tag}") is not None) != (word in properties):
            yield f"is listed wrongly: {word}"
    for image in page.iter(f"{HTML}img"):
        if image.get("alt") is None:
            yield f"has a picture without a description: {image.get('src')}"


def dead_links(
    page: ElementTree.Element, name: str, there: set[str], ids: dict[str, Counter[str]]
) -> Iterator[str]:
    """Addresses in a page that lead to nothing, or fetch something from the network."""
    for one in page.iter():
        for key in ("href", "src"):
            address = one.get(key)
            if address is None:
                continue
            if urlsplit(address).scheme:
                if one.tag != f"{HTML}a":
                    yield f"{address}, which a reader would have to fetch"
                continue
            path, anchor = urldefrag(address)
            target = (
                posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(path))) if path else name
            )
            if target not in there:
                yield f"{address}: no such file"
            elif anchor and target in ids and unquote(anchor) not in ids[target]:
                yield f"{address}: no such place"


def main() -> int:
    """Say what is wrong."""
    parser = argparse.ArgumentParser(description="Look through an EPUB.")
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "_build" / "epub" / "gencourse.epub")
    file = parser.parse_args().file
    found = faults(file)
    for fault in found:
        print(f"  {fault}", file=sys.stderr)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, {len(found)} faults")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

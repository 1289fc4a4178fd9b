"""Take pictures of the built book, for people who look at the result.

    python tools/screenshots.py OUT_FOLDER [PAGE …] [--html _build/html]

Each page (default: all) is taken 1400 and 390 pixels wide, light and dark, folded parts open. A tall page is cut
into slices: chapters/01_autoencoder.html -> 01_autoencoder-1400-light-00.png, -01.png, …
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SLICE = 1600  # pixels: still readable when the picture is shown on one screen
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPEN_AND_WAIT = """async () => {
  document.querySelectorAll("article details").forEach(e => { e.open = true; });
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await document.fonts.ready;
}"""


def take(browser: Browser, html: Path, name: str, out: Path, width: int, mode: str) -> list[Path]:
    """Pictures of one page in one width and mode, from top to bottom."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=mode)
    context.add_init_script(
        f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')"
    )
    page = context.new_page()
    page.goto((html / name).as_uri(), wait_until="load")
    page.evaluate(OPEN_AND_WAIT)
    height = int(page.evaluate("document.documentElement.scrollHeight"))
    # A window as tall as the page: what sticks to the window's top is then shown once.
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(300)
    files = []
    for index, top in enumerate(range(0, height, SLICE)):
        files.append(out / f"{Path(name).stem}-{width}-{mode}-{index:02}.png")
        clip = {"x": 0, "y": top, "width": width, "height": min(SLICE, height - top)}
        page.screenshot(path=files[-1], clip=clip)
    context.close()
    return files


def main() -> int:
    """Take the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description="Take pictures of the built book.")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("pages", nargs="*", help="for example chapters/01_autoencoder.html")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--widths", type=int, nargs="+", default=[1400, 390])
    parser.add_argument("--modes", nargs="+", choices=["light", "dark"], default=["light", "dark"])
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    html: Path = options.html.resolve()
    if not chromium or not (html / "index.html").is_file():
        print(f"Needs a built book in {html} and Chromium on the PATH.", file=sys.stderr)
        return 1
    pages = options.pages or sorted(
        path.relative_to(html).as_posix()
        for room in ("book", "chapters")
        for path in (html / room).glob("*.html")
    )
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name in pages:
            for width in options.widths:
                for mode in options.modes:
                    for file in take(browser, html, name, options.out, width, mode):
                        print(file)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

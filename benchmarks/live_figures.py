"""What the live figures ask of a page: the masked digit's main thread on a phone, the laboratory's frames and steps.

    python benchmarks/live_figures.py       prints the figures; needs Chromium

A phone's core is taken to be six times as slow. Milliseconds of the main thread are processor time, by the browser's
own clock of the thread, times six: they mean the same on a busy machine. Frames (requestAnimationFrame, while the
laboratory plays at 1400 pixels) and steps a second are by the clock on the wall: measure them on a quiet machine. The
browser's switch that slows a page does not slow its worker, so --one-core counts steps with one core for all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gencourse.data import load  # noqa: E402 (found through the line above)
from gencourse.widgets import GanLab, MaskedDigit, masked_digit_model  # noqa: E402
from tests.browser.bench import LOADER, source  # noqa: E402
from tools.system import find_chromium  # noqa: E402

SLOWER = 6
# Hides a patch or moves the ring, so many times, each in a frame of its own.
STROKES = """async (count) => {
  const pad = document.querySelector("canvas.gc-pad");
  for (let i = 0; i < count; i++) {
    pad.dispatchEvent(new KeyboardEvent("keydown", { key: i % 2 ? " " : "ArrowRight", bubbles: true }));
    await new Promise((done) => setTimeout(done, 80));
  }
}"""
FRAMES = """async (seconds) => {
  let frames = 0;
  const end = performance.now() + 1000 * seconds;
  await new Promise((done) => requestAnimationFrame(function next(now) {
    frames += 1;
    now < end ? requestAnimationFrame(next) : done();
  }));
  return frames / seconds;
}"""
STEP = "Number(document.querySelector('.gc-lab-said').textContent.match(/Step (\\d+)/)?.[1] ?? 0)"


def show(browser: Browser, folder: Path, figure: MaskedDigit | GanLab, width: int, hash: str = "") -> Page:
    """A page with one figure."""
    (folder / "gc-widgets.js").write_bytes(LOADER.read_bytes())
    (folder / "page.html").write_text(source(figure, "light"), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((folder / "page.html").as_uri() + hash)
    page.wait_for_selector("[data-gc-widget=ready]")
    page.wait_for_timeout(1500)
    return page


def stroke(page: Page, count: int = 60) -> float:
    """Milliseconds of the main thread's processor time for each change of the masked digit."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")

    page.evaluate(STROKES, 10)
    start = spent()
    page.evaluate(STROKES, count)
    return (spent() - start) / count


def steps(page: Page, seconds: float) -> float:
    """Steps a second that the laboratory makes while it plays."""
    page.locator("[data-do=restart]").click()
    page.locator("[data-do=play]").click()
    page.wait_for_timeout(1000 * seconds)
    page.locator("[data-do=play]").click()
    page.wait_for_timeout(1500)
    return float(page.evaluate(STEP)) / seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the live figures in a page.")
    parser.add_argument("--one-core", action="store_true", help="page and worker share one core")
    options = parser.parse_args()
    if options.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    load_now = os.getloadavg()[0]
    test = load("mnist", split="test").take(4)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        digit = MaskedDigit.from_mae(masked_digit_model(), test.x, test.labels)
        page = show(browser, Path(place), digit, 390)
        print(f"masked digit: {SLOWER} × {stroke(page):.2f} ms of the main thread for a change")
        page.close()
        runs = "a=non_saturating,0,0.005,0.1,0,1,0&b=non_saturating,0.5,0.005,0,0,1,0"
        game = f"#gan-lab&data=ring&units=24&seed=1&{runs}"
        page = show(browser, Path(place), GanLab(), 1400, game)
        idle = page.evaluate(FRAMES, 3)
        page.locator("[data-do=play]").click()
        playing = page.evaluate(FRAMES, 5)
        page.locator("[data-do=play]").click()
        print(f"laboratory at 1400 px: {playing:.0f} frames/s while it plays; {idle:.0f} at rest")
        print(f"laboratory: {steps(page, 5):.0f} steps/s of two runs")
        browser.close()
    print(
        f"load of the machine: {load_now:.1f} before, {os.getloadavg()[0]:.1f} after; {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()

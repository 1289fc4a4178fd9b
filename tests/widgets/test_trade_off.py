"""The live figure of chapter 3 shows in the browser the frames and numbers that were recorded."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gencourse.data import load
from gencourse.evaluation import psnr
from gencourse.studies import ae_gan
from gencourse.studies.trade_off_frames import FRAME_WEIGHTS, record_trade_off
from gencourse.training import read_checkpoint
from gencourse.widgets import TradeOff
from gencourse.widgets.trade_off import TRADE_OFF_FRAMES

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
BINARY = ("pictures", "frames")
S, N = 7, 10

GENERATOR = torch.Generator().manual_seed(0)
PICTURES = torch.randint(0, 256, (N, 1, 28, 28), generator=GENERATOR) / 255
FRAMES = torch.randint(0, 256, (S, N, 1, 28, 28), generator=GENERATOR) / 255
NUMBERS: dict[str, Any] = {
    "weights": [0, 0.5, 2, 8, 32, 128, 512],
    "psnr": [20.123, 19.9, 19.5, 19.0, 18.4, 17.5, 16.5],
    "distance": [120.0, 60.5, 40.25, 22.0, 15.13, 12.0, 10.5],
    "labels": torch.arange(N),
    "tested": 12_345,
}


def make(pictures: Any = PICTURES, frames: Any = FRAMES, **other: Any) -> TradeOff:
    return TradeOff.from_frames(pictures, frames, **(NUMBERS | other))


@pytest.fixture(scope="module")
def figure() -> TradeOff:
    return make()


# ---- what is sent --------------------------------------------------------------------------------------


def test_every_pixel_is_sent_as_the_nearest_byte() -> None:
    pictures, frames = 0.9 * PICTURES, 0.9 * FRAMES  # most lie between two bytes
    figure = make(pictures, frames)
    for name, given in (("pictures", pictures), ("frames", frames)):
        sent = torch.frombuffer(bytearray(getattr(figure, name)), dtype=torch.uint8)
        assert (sent / 255 - given.flatten()).abs().max() < 0.501 / 255, name
    assert figure.shape == [28, 28] and figure.labels == list(range(N)) and figure.setting == 0


@pytest.mark.parametrize("recorded", [False, True])
def test_size_in_the_page(figure: TradeOff, recorded: bool) -> None:
    shown = TradeOff.recorded() if recorded else figure
    assert sum(4 * -(-len(getattr(shown, name)) // 3) for name in BINARY) < 150_000, "as base64"
    assert len(shown._esm) + len(shown._css) < 25_000


def test_module_needs_nothing_else(figure: TradeOff) -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(TradeOff)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in figure._esm
    code = re.sub(r"^\s*//.*$", "", figure._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in figure._css and "url(" not in figure._css


def test_state_refers_to_no_other_model(figure: TradeOff) -> None:
    state = figure.get_state()
    assert "IPY_MODEL_" not in repr({key: value for key, value in state.items() if key not in BINARY})
    wanted = {"setting", "difference", "weights", "psnr", "distance", "tested", "shape", "labels"}
    assert wanted | {"_esm", "_css", *BINARY} <= set(state), "a trait that the page needs is not synced"
    assert "application/vnd.jupyter.widget-view+json" in figure._repr_mimebundle_()[0]


def test_traits_are_synced_both_ways() -> None:
    figure, seen = make(), []
    figure.observe(lambda change: seen.append(change["new"]), ["setting", "difference"])
    figure.set_state({"setting": 3, "difference": True})
    figure.setting = 1
    assert seen == [3, True, 1]
    assert repr(figure) == "TradeOff(10 pictures, λ from 0 to 512)"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"weights": [3.0]}, r"weights is \[3.0\]"),
        ({"weights": NUMBERS["weights"][::-1]}, "increasing"),
        ({"weights": [-1, *NUMBERS["weights"][1:]]}, "none below 0"),
        ({"psnr": NUMBERS["psnr"][1:]}, "psnr has 6 numbers: give 7"),
        ({"psnr": [float("nan")] * S}, "finite"),
        ({"distance": [0.0] * S}, "distance has 0"),
        ({"distance": [1.0] * 8}, "distance has 8 numbers"),
        ({"pictures": PICTURES[:, 0]}, r"pictures has shape \(10, 28, 28\)"),
        ({"pictures": PICTURES[:0]}, "pictures is empty"),
        ({"pictures": PICTURES * 255}, r"pictures goes from 0 to 255: give pictures in \[0, 1\]"),
        ({"frames": FRAMES / 0}, "frames has .* NaN or infinite"),
        ({"frames": FRAMES[1:]}, r"frames has shape \(6, 10, 1, 28, 28\): give \(7, 10, 1, 28, 28\)"),
        ({"frames": FRAMES[:, 1:]}, r"frames has shape \(7, 9, 1, 28, 28\)"),
        (
            {"pictures": PICTURES.repeat(6, 1, 1, 1), "frames": FRAMES.repeat(1, 6, 1, 1, 1)},
            "frames has 329280 pixels",
        ),
        ({"labels": torch.arange(9)}, r"labels has shape \(9,\)"),
        ({"tested": 0}, "tested is 0"),
    ],
)
def test_errors_are_one_sentence(wrong: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        make(**wrong)
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text and text.count(". ") == 0


# ---- what the module computes --------------------------------------------------------------------------

SCRIPT = """
import { readFileSync } from "node:fs";
import { decades, difference, nearest, psnrOf } from "./trade_off.mjs";
const bytes = (name) => new Uint8Array(readFileSync(name));
const [a, b] = [bytes("a"), bytes("b")];
console.log(JSON.stringify({
  psnr: psnrOf(a, b, 784),
  difference: Array.from(difference(a, b)),
  nearest: nearest([[0, 0], [5, 5], [-5, 5]], 4, 3),
  decades: [decades(14, 113), decades(0.04, 0.2)],
}));
"""


@needs_node
def test_browser_computes_what_python_computes(figure: TradeOff, tmp_path: Path) -> None:
    (tmp_path / "trade_off.mjs").write_text(figure._esm, encoding="utf-8")
    (tmp_path / "run.mjs").write_text(SCRIPT)
    (tmp_path / "a").write_bytes(figure.pictures)
    (tmp_path / "b").write_bytes(figure.frames[: N * 784])
    done = subprocess.run([NODE, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout)
    assert ran["psnr"] == pytest.approx(psnr(FRAMES[0], PICTURES), abs=1e-4)
    assert ran["difference"] == ((FRAMES[0] - PICTURES).abs() * 255).round().flatten().tolist()
    assert ran["nearest"] == 1
    assert ran["decades"] == [[20, 30, 50, 70, 100], [0.05, 0.07, 0.1, 0.2]]


# ---- what a reader sees and does -----------------------------------------------------------------------

COLOURS = {"light": ("#fff", "#222222", 0x22), "dark": ("#121212", "#dddddd", 0xDD)}  # paper, ink, ink's grey


class Shown:
    """A figure in a page without a kernel, opened by the script of the book."""

    def __init__(self, page: Any, figure: TradeOff, theme: str) -> None:
        self.page, self.figure, self.ink = page, figure, COLOURS[theme][2]

    @property
    def setting(self) -> int:
        return int(self.page.input_value("[type=range]"))

    @property
    def text(self) -> str:
        return self.page.inner_text("output")

    def pixels(self, canvas: str) -> np.ndarray:
        """Of one canvas, (height, width, 4)."""
        url = self.page.eval_on_selector(canvas, "canvas => canvas.toDataURL()")
        return np.array(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))).astype(int)

    def picture(self, i: int, row: int, rows: int, blocks: int = 1) -> np.ndarray:
        """The 28 × 28 pixels that are drawn for the i-th picture in one of the rows."""
        canvas, columns = self.pixels("canvas.gc-image"), -(-N // blocks)
        step = canvas.shape[1] / (columns + 0.8)
        left = (0.8 + i % columns + 0.05) * step
        top = (i // columns * (rows + 0.25) + row + 0.05) * step
        middles = (np.arange(28) + 0.5) * 0.9 * step / 28
        return canvas[np.ix_((top + middles).astype(int), (left + middles).astype(int))][..., 0]

    def dot(self, s: int) -> tuple[float, float]:
        """Where the dot of a setting belongs, in pixels of the plot: computed from the numbers, not read off."""
        box = self.page.locator("canvas.gc-pad").bounding_box()
        decibels, log = np.array(self.figure.psnr), np.log10(self.figure.distance)
        across = 1 / 9 + 7 / 9 * (decibels[s] - decibels.min()) / np.ptp(decibels)
        down = 1 / 9 + 7 / 9 * (log.max() - log[s]) / np.ptp(log)
        return 40 + across * (box["width"] - 56), 30 + down * (box["height"] - 76)

    def marked(self) -> list[int]:
        """The settings whose dots have a ring in the page's ink."""
        plot, found = self.pixels("canvas.gc-pad"), []
        for s in range(len(self.figure.weights)):
            x, y = self.dot(s)
            around = [(8.5 * np.cos(a), 8.5 * np.sin(a)) for a in np.arange(8) * np.pi / 4]
            ring = np.array([plot[int(y + v), int(x + u)] for u, v in around])
            if (np.abs(ring - [self.ink, self.ink, self.ink, 255]) < 60).all(1).mean() > 0.8:
                found.append(s)
        return found

    def click(self, x: float, y: float) -> None:
        self.page.locator("canvas.gc-pad").click(position={"x": x, "y": y})


@pytest.fixture
def show(show: Callable[..., Any]) -> Callable[..., Shown]:
    """A figure in a page of its own, with what the tests ask of it."""

    def opened(figure: TradeOff, *, theme: str = "light", **options: Any) -> Shown:
        page = show(figure, theme=theme, colours=COLOURS[theme][:2], binary=BINARY, **options)
        return Shown(page, figure, theme)

    return opened


def check(shown: Shown, setting: int) -> None:
    """Everything on the page is of this setting: picture, marker, slider and numbers."""
    figure = shown.figure
    assert shown.setting == setting
    made = (FRAMES[setting] * 255).round()
    assert np.abs(shown.picture(4, 1, 2) - made[4, 0].numpy()).max() <= 1
    assert shown.marked() == [setting]
    assert f"PSNR {figure.psnr[setting]:.2f} dB\n" in shown.text
    assert f"classifier distance {figure.distance[setting]:.2f} (no unit)\n" in shown.text
    assert shown.text.endswith(f"of the 10 above alone: PSNR {psnr(FRAMES[setting], PICTURES):.2f} dB")
    assert shown.page.inner_text(".gc-trade-control b") == f"{figure.weights[setting]:g}"
    assert shown.page.inner_text(".gc-trade-now") == f"{figure.weights[setting]:g}"
    pad = shown.page.locator("canvas.gc-pad")
    assert pad.get_attribute("aria-valuenow") == str(setting)
    assert f"λ = {figure.weights[setting]:g}: PSNR" in str(pad.get_attribute("aria-valuetext"))


def test_the_slider_moves_picture_marker_and_numbers(figure: TradeOff, show: Any) -> None:
    shown = show(figure)
    check(shown, 0)
    for setting in (3, S - 1, 1):
        shown.page.fill("[type=range]", str(setting))
        check(shown, setting)
    assert "over 12\u202f345 test digits" in shown.page.inner_text(".gc-figure-help")


def test_the_keyboard_is_enough(figure: TradeOff, show: Any) -> None:
    shown = show(figure)
    for key, setting in [
        ("ArrowLeft", 0),
        ("ArrowRight", 1),
        ("ArrowUp", 2),
        ("ArrowDown", 1),
        ("End", S - 1),
        ("ArrowRight", S - 1),
        ("ArrowLeft", S - 2),
        ("Home", 0),
    ]:
        shown.page.focus("canvas.gc-pad")
        shown.page.keyboard.press(key)
        check(shown, setting)
    shown.page.focus("[type=range]")
    shown.page.keyboard.press("ArrowRight")
    check(shown, 1)
    order = "[type=checkbox], [type=range], canvas.gc-pad"
    shown.page.focus("[type=checkbox]")
    for i in range(3):
        assert (
            shown.page.evaluate(f"[...document.querySelectorAll('{order}')].indexOf(document.activeElement)")
            == i
        )
        shown.page.keyboard.press("Tab")


def test_a_click_and_a_drag_choose_the_nearest_dot(figure: TradeOff, show: Any) -> None:
    shown = show(figure)
    for setting in (5, 2):
        x, y = shown.dot(setting)
        shown.click(x + 4, y - 6)
        check(shown, setting)
    box = shown.page.locator("canvas.gc-pad").bounding_box()
    shown.page.mouse.move(box["x"] + x, box["y"] + y)
    shown.page.mouse.down()
    x, y = shown.dot(4)
    shown.page.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    shown.page.mouse.up()
    shown.page.mouse.move(box["x"] + 60, box["y"] + 60)  # the button is up: nothing follows
    check(shown, 4)


def test_the_difference_is_a_third_row(figure: TradeOff, show: Any) -> None:
    shown = show(figure)
    shown.page.fill("[type=range]", "2")
    before = shown.page.locator("[type=checkbox]").bounding_box()
    height = shown.page.locator("canvas.gc-image").bounding_box()["height"]
    shown.page.focus("[type=checkbox]")
    shown.page.keyboard.press("Space")
    bigger = shown.page.locator("canvas.gc-image").bounding_box()["height"]
    assert bigger == pytest.approx(1.5 * height, rel=0.02)
    assert shown.page.locator("[type=checkbox]").bounding_box() == before, "the switch moved away"
    x, made = PICTURES[7, 0] * 255, FRAMES[2, 7, 0] * 255
    for row, expected in enumerate((x, made, (x - made).abs())):
        assert np.abs(shown.picture(7, row, 3) - expected.round().numpy()).max() <= 1
    assert "difference" in shown.page.get_attribute("canvas.gc-image", "aria-label")
    shown.page.keyboard.press("Space")
    check(shown, 2)


def test_dark_pages_and_a_change_of_theme(figure: TradeOff, show: Any) -> None:
    shown = show(figure, theme="dark")
    check(shown, 0)
    scheme = "getComputedStyle(document.querySelector('.gc-trade')).colorScheme"
    assert shown.page.evaluate(scheme) == "dark"
    shown.page.evaluate(
        "document.body.style.color = '#222222', document.documentElement.dataset.theme = 'light'"
    )
    shown.page.wait_for_function(f"{scheme} === 'light'")
    shown.ink = 0x22
    check(shown, 0)


@pytest.mark.parametrize("difference", [False, True])
def test_a_phone_has_two_blocks_of_pictures_and_nothing_sticks_out(difference: bool, show: Any) -> None:
    figure = make()
    figure.setting, figure.difference = S - 1, difference
    shown = show(figure, width=390)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 390
    right = "e => Math.max(...[...e.querySelectorAll('*')].map(part => part.getBoundingClientRect().right))"
    assert shown.page.eval_on_selector(".gc-trade", right) <= 390
    for i in (0, 4, 5, 9):
        drawn = shown.picture(i, 1, 2 + difference, blocks=2)
        assert np.abs(drawn - (FRAMES[-1, i, 0] * 255).round().numpy()).max() <= 1, f"picture {i}"
    assert shown.marked() == [S - 1]
    shown.click(*shown.dot(1))
    assert shown.setting == 1 and shown.marked() == [1]
    shown.page.set_viewport_size({"width": 900, "height": 844})  # turned on its side: one block
    shown.page.wait_for_timeout(100)
    drawn = shown.picture(9, 1, 2 + difference)
    assert np.abs(drawn - (FRAMES[1, 9, 0] * 255).round().numpy()).max() <= 1


def test_two_views_of_one_model_move_together(figure: TradeOff, show: Any) -> None:
    sliders = show(figure, views=2).page.locator("[type=range]")
    sliders.nth(1).fill("3")
    assert [slider.input_value() for slider in sliders.all()] == ["3", "3"]


# ---- the record that ships with the course -------------------------------------------------------------


def test_what_the_book_tests_of_every_figure_holds_for_the_record(show: Any) -> None:
    """A drag over the plot and an arrow key after it change the pictures: see tests/browser."""
    shown = show(TradeOff.recorded())
    drawn, box = [shown.pixels("canvas.gc-image")], shown.page.locator("canvas.gc-pad").bounding_box()
    shown.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    shown.page.mouse.up()
    drawn.append(shown.pixels("canvas.gc-image"))
    shown.page.focus("canvas.gc-pad")
    shown.page.keyboard.press("ArrowLeft")
    drawn.append(shown.pixels("canvas.gc-image"))
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])


def test_the_record_says_where_it_comes_from() -> None:
    record, facts = read_checkpoint(TRADE_OFF_FRAMES)
    assert facts["command"] == "python -m gencourse.studies.trade_off_frames"
    assert {"preset", "epochs", "tested", "seed", "seconds", "threads", "torch", "python"} <= set(facts)
    train = load("mnist").take(facts["images"])
    assert facts["data_sha256"] == hashlib.sha256(train.images.numpy().tobytes()).hexdigest()
    first = load("mnist", split="test").of_each_class(1)
    assert torch.equal(record["pictures"], first.images) and torch.equal(record["labels"], first.labels)
    assert TRADE_OFF_FRAMES.stat().st_size < 100_000


def test_the_recorded_psnr_is_that_of_the_recorded_frames() -> None:
    record, _ = read_checkpoint(TRADE_OFF_FRAMES)
    pictures = record["pictures"] / 255
    found = [psnr(frame / 255, pictures) for frame in record["frames"]]
    assert found == pytest.approx(record["shown_psnr"].tolist(), abs=0.02)  # a pixel was rounded to a byte
    # ten digits are not the test set, but nothing else either
    assert (record["psnr"] - record["shown_psnr"]).abs().max() < 3


def test_the_record_shows_the_trade_off() -> None:
    figure = TradeOff.recorded()
    assert figure.weights == list(FRAME_WEIGHTS) and figure.weights[0] == 0
    assert figure.psnr[0] == max(figure.psnr) and figure.distance[0] == max(figure.distance)
    assert figure.distance[-1] < 0.5 * figure.distance[0]


def test_settings_are_the_studys_and_some_between() -> None:
    assert set(ae_gan.WEIGHTS) <= set(FRAME_WEIGHTS) and 6 <= len(FRAME_WEIGHTS) <= 9
    assert list(FRAME_WEIGHTS) == sorted(set(FRAME_WEIGHTS))


def test_recording_trains_what_the_study_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    path = tmp_path / "frames.safetensors"
    found = record_trade_off(path, weights=(0.0, 64.0), seed=1)
    row = ae_gan.trade_off(64.0, seed=1)
    assert (found["psnr"][1], found["distance"][1]) == pytest.approx((row["psnr"], row["distance"]), rel=1e-5)
    figure = TradeOff.recorded(path)
    assert figure.weights == [0, 64] and figure.psnr == found["psnr"] and figure.tested == 512
    half = len(figure.frames) // 2
    assert figure.frames[:half] != figure.frames[half:]
    facts, shipped = read_checkpoint(path)[1], read_checkpoint(TRADE_OFF_FRAMES)[1]
    assert facts["preset"] == "smoke" and facts["seed"] == 1
    assert facts["command"] == shipped["command"] and set(facts) == set(shipped)

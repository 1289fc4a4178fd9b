"""The live figure of chapter 6 computes in the browser what the package computes, and can be used in any way."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from PIL import Image

from gencourse.training import amdahl
from gencourse.widgets import ProcessGain

NODE = shutil.which("node")
TIMES = {"small": (0.005, 0.001), "large": (0.02, 0.25)}
THEMES = ("light", "dark")


@pytest.fixture
def figure() -> ProcessGain:
    return ProcessGain.from_times(TIMES)


# ---- the text and what is sent -------------------------------------------------------------------------


@pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
def test_the_browser_computes_amdahl_s_law(tmp_path: Path) -> None:
    (tmp_path / "figure.mjs").write_text(ProcessGain._esm, encoding="utf-8")
    (tmp_path / "run.mjs").write_text(
        'import { share, gain, told } from "./figure.mjs";\n'
        "const at = [[0.005, 0.001], [0, 0.25], [2, 0.001]];\n"
        "const found = at.map(([a, b]) => [1, 64, 1024].map((B) => [1, 2, 100].map((K) => gain(share(a, b, B), K))));\n"
        "console.log(JSON.stringify({ found, words: [0.0123, 4.5].map(told) }));\n"
    )
    done = subprocess.run([str(NODE), "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout)
    for (a, b), rows in zip([(0.005, 0.001), (0, 0.25), (2, 0.001)], ran["found"], strict=True):
        expected = [[amdahl(a / (a + b * batch), k) for k in (1, 2, 100)] for batch in (1, 64, 1024)]
        np.testing.assert_allclose(rows, expected, rtol=1e-12)
    assert ran["words"] == ["12.3 ms", "4.50 s"]


def test_module_needs_nothing_else() -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(ProcessGain)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in ProcessGain._esm
    code = re.sub(r"^\s*//.*$", "", ProcessGain._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in ProcessGain._css and "url(" not in ProcessGain._css
    assert len(ProcessGain._esm) + len(ProcessGain._css) < 25_000


def test_state_refers_to_no_other_model(figure: ProcessGain) -> None:
    state = figure.get_state()
    assert "IPY_MODEL_" not in repr(state)
    assert {"kind", "batch", "processes", "names", "fixed", "each", "_esm", "_css"} <= set(state)
    assert (figure.names, figure.fixed, figure.each) == (["small", "large"], [0.005, 0.02], [0.001, 0.25])
    assert repr(figure) == "ProcessGain(small, large)"


def test_reset_returns_to_the_defaults(figure: ProcessGain) -> None:
    """The button's values, in the module, are the traits' own."""
    found = re.search(r"const HOME = (\{.*\});", figure._esm)
    assert found
    home = json.loads(re.sub(r"(\w+):", r'"\1":', found[1]))
    assert home == {name: getattr(figure, name) for name in home} and len(home) == 3


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({}, "times"),
        ({"a": (0.1,)}, "two numbers"),
        ({"a": (0.1, 0.2, 0.3)}, "give two"),
        ({"a": (-0.1, 0.2)}, "a of times"),
        ({"a": (0.1, 0.0)}, "b of times"),
    ],
)
def test_times_that_are_none_are_refused(times: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProcessGain.from_times(times)


@pytest.mark.parametrize("wrong", [{"batch": 1}, {"batch": 13}, {"processes": 8}, {"kind": -1}])
def test_a_value_without_a_control_is_refused(wrong: dict) -> None:
    with pytest.raises(traitlets.TraitError):
        ProcessGain(**wrong)


# ---- in a page -----------------------------------------------------------------------------------------


def expected(name: str, batch: int, processes: int) -> str:
    a, b = TIMES[name]
    return f"{amdahl(a / (a + b * batch), processes):#.3g}".rstrip(".") + " times faster"


def test_controls_keyboard_and_reset(figure: ProcessGain, show: Any) -> None:
    page = show(figure)
    pad = page.locator("canvas.gc-pad")
    assert expected("small", 64, 8) in page.inner_text("output")
    page.focus("canvas.gc-pad")
    for key, processes in [("ArrowRight", 16), ("ArrowLeft", 8), ("ArrowDown", 4), ("End", 64), ("Home", 1)]:
        page.keyboard.press(key)  # 64 pictures: no more than 64 processes
        assert pad.get_attribute("aria-valuenow") == str(processes)
        assert expected("small", 64, processes) in page.inner_text("output")
    page.fill("[type=range]", "10")
    page.select_option("select", "large")
    page.focus("canvas.gc-pad")
    page.keyboard.press("End")
    assert expected("large", 1024, 128) in page.inner_text("output")
    assert "large" in str(pad.get_attribute("aria-valuetext"))
    page.click("button")
    assert expected("small", 64, 8) in page.inner_text("output")
    assert page.input_value("[type=range]") == "6" and page.input_value("select") == "small"


def test_the_bars_show_that_the_fixed_part_stays(figure: ProcessGain, show: Any) -> None:
    page = show(figure)
    page.focus("canvas.gc-pad")
    for key, processes in (("Home", 1), ("End", 64)):
        page.keyboard.press(key)
        url = page.eval_on_selector("canvas.gc-image", "canvas => canvas.toDataURL()")
        drawn = np.array(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))).astype(int)
        row = drawn[56]  # the middle of the second bar
        red = ((row[:, 0] > row[:, 2]) & (row[:, 3] > 200)).sum()
        blue = ((row[:, 0] < row[:, 2]) & (row[:, 3] > 200)).sum()
        whole = drawn.shape[1] / (0.005 + 0.064)
        assert abs(red - 0.005 * whole) < 3 and abs(blue - 0.064 / processes * whole) < 3


def test_a_click_chooses_the_number_of_processes(figure: ProcessGain, show: Any) -> None:
    page = show(figure)
    box = page.locator("canvas.gc-pad").bounding_box()
    for exponent in (5, 1):
        x = 44 + exponent / 7 * (box["width"] - 66)
        page.locator("canvas.gc-pad").click(position={"x": x + 3, "y": 60})
        assert expected("small", 64, 2**exponent) in page.inner_text("output")


@pytest.mark.parametrize(("theme", "width"), list(itertools.product(THEMES, (390, 900))))
def test_it_is_drawn_in_both_themes_and_on_a_phone(
    figure: ProcessGain, show: Any, theme: str, width: int
) -> None:
    page = show(figure, width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    url = page.eval_on_selector("canvas.gc-pad", "canvas => canvas.toDataURL()")
    drawn = np.array(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))
    assert (drawn[..., 3] > 200).sum() > 500
    numbers = drawn[60:, :36]  # beside the axis, in the page's ink
    ink = numbers[numbers[..., 3] > 150][:, 0]
    assert len(ink) > 20
    assert (ink > 200).all() if theme == "dark" else (ink < 60).all()

"""The live figure of chapter 7 shows what was recorded, places methods by it, and can be used in any way."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest
import traitlets
from PIL import Image

from gencourse import studies
from gencourse.evaluation import seed_interval
from gencourse.widgets import PanelExplorer

NODE = shutil.which("node")
THEMES = ("light", "dark")
# psnr: more is better; parameters: less is, and they spread over a factor of 1000
ROWS = [
    {"method": name, "seed": seed, "parameters": size, **({"psnr": psnr + seed} if psnr else {})}
    for name, psnr, size in [("a", 20.0, 1e5), ("b", 10.0, 1e4), ("c", 15.0, 100.0), ("d", None, 0.0)]
    for seed in (0, 1, 2)
]


@pytest.fixture
def figure() -> PanelExplorer:
    return PanelExplorer.from_rows(ROWS, ["b"])


# ---- the text and what is sent -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the module's functions give."""
    if NODE is None:
        pytest.skip("node is not installed: the JavaScript cannot run here")
    folder = tmp_path_factory.mktemp("module")
    (folder / "figure.mjs").write_text(PanelExplorer._esm, encoding="utf-8")
    (folder / "run.mjs").write_text(
        'import { isLogarithmic, places, ordered, told, axis } from "./figure.mjs";\n'
        "const of = ({ share, marks }, all) => (\n"
        "  { shares: all.map(share), marks: marks.map(({ at, label }) => [label, share(at)]) });\n"
        "console.log(JSON.stringify({\n"
        "  log: [[1, 20], [1, 20.1], [0, 5], [0, 1, 30]].map(isLogarithmic),\n"
        "  less: places([3, null, 1, 3], true), more: places([3, null, 1, 3], false),\n"
        "  ordered: ordered([3, null, 1, 2]), words: [12345.6, 0.12345, 999.9, 0].map(told),\n"
        "  even: of(axis([2, 4], [1, 0]), [2, 3, 4]), tens: of(axis([1, 1000], [0, 0]), [1, 10, 100, 1000]),\n"
        "  zero: of(axis([0, 1, 1000], [0, 5, 0]), [0, -4, 1, 1000]),\n"
        "  below: of(axis([-0.5, 1, 1000], [0, 0, 0]), [-0.5, 1, 1000]), one: of(axis([5], [0]), [5]),\n"
        "}));\n",
        encoding="utf-8",
    )
    done = subprocess.run([str(NODE), "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_places_and_order(ran: Any) -> None:
    assert ran["less"] == [2, None, 1, 2] and ran["more"] == [1, None, 3, 1]
    assert ran["ordered"] == [2, 3, 0, 1]
    assert ran["words"] == ["12\u202f346", "0.123", "1000", "0"]


def test_an_axis_is_logarithmic_above_a_factor_of_twenty(ran: Any) -> None:
    assert ran["log"] == [False, True, False, True]
    even, tens = ran["even"]["shares"], np.diff(ran["tens"]["shares"])
    assert even[1] == pytest.approx((even[0] + even[2]) / 2) and even[0] > 0 and even[2] < 1
    np.testing.assert_allclose(tens, tens[0])
    assert [label for label, _ in ran["tens"]["marks"]] == ["1", "10", "100", "1000"]


def test_a_zero_stands_at_the_end_of_a_logarithmic_axis(ran: Any) -> None:
    shares = ran["zero"]["shares"]
    assert shares[:2] == [0, 0] and 0.05 < shares[2] < shares[3] < 1
    assert ran["zero"]["marks"][0] == ran["below"]["marks"][0] == ["0", 0]
    # an estimate without bias may fall below zero
    assert ran["below"]["shares"][0] == 0 < ran["below"]["shares"][1] < ran["below"]["shares"][2]
    for kind in ("even", "tens", "zero", "below", "one"):
        assert all(0 <= share <= 1 for share in ran[kind]["shares"]), kind
        assert all(0 <= share <= 1 for _, share in ran[kind]["marks"]), kind


def test_module_needs_nothing_else() -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(PanelExplorer)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in PanelExplorer._esm
    code = re.sub(r"^\s*//.*$", "", PanelExplorer._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in PanelExplorer._css and "url(" not in PanelExplorer._css
    assert len(PanelExplorer._esm) + len(PanelExplorer._css) < 27_000


def test_the_recorded_panel_is_sent_and_little_else() -> None:
    figure, rows = PanelExplorer.recorded(), [*studies.read("panel"), *studies.read("panel_clothes")]
    state = figure.get_state()
    assert "IPY_MODEL_" not in repr(state)
    assert len(json.dumps({k: v for k, v in state.items() if k in figure.keys})) < 270_000
    assert {figure.methods[i] for i in figure.baselines} == set(studies.BASELINES)
    assert set(figure.methods) == {*studies.BASELINES, *studies.LEARNT}
    assert figure.titles[figure.up].startswith("classifier distance")
    assert figure.method not in figure.baselines
    named = [("SSIM", "ssim"), ("recall", "recall"), ("seconds of training", "training_seconds")]
    of_data = [
        [row for row in rows if row["data"] == data] for data in dict.fromkeys(r["data"] for r in rows)
    ]
    assert len(of_data) == len(figure.datasets) == len(figure.values) == len(figure.intervals)
    for (title, name), (data, one) in itertools.product(named, enumerate(of_data)):
        column = figure.titles.index(title)
        for index, method in enumerate(figure.methods):
            found = [row[name] for row in one if row["method"] == method and name in row]
            number, spread = figure.values[data][index][column], figure.intervals[data][index][column]
            if not found:
                assert number is None and spread is None
                continue
            np.testing.assert_allclose(number, found, rtol=1e-4)
            mean, low, high = seed_interval(found)
            np.testing.assert_allclose(spread, [mean, (high - low) / 2], rtol=1e-4, atol=1e-12)


def test_pictures_come_with_the_record_and_say_how_long_their_methods_learnt() -> None:
    figure = PanelExplorer.recorded()
    assert len(figure.strips) == len(figure.captions) == len(figure.datasets)
    shown = [pair for pair in zip(figure.strips, figure.captions, strict=True) if pair[0]]
    assert shown
    for strip, caption in shown:
        head, _, code = strip.partition(",")
        sheet = Image.open(io.BytesIO(base64.b64decode(code)))
        assert head == "data:image/png;base64" and sheet.size == (8 * 28, (1 + 2 * len(figure.methods)) * 28)
        assert re.fullmatch(r"Pictures of seed \d+ after \d+ s of training\.", caption)
        picture = np.array(sheet.convert("L")).reshape(-1, 28, 8 * 28)
        memory = figure.methods.index("memory")
        # what a method cannot do is blank; memory redraws with the nearest training picture
        drawn = {kind: picture[1 + 2 * figure.methods.index("raw pixels") + kind].any() for kind in (0, 1)}
        assert drawn == {0: False, 1: False} and picture[1 + 2 * memory].any()
        apart = np.abs(picture[0].astype(int) - picture[1 + 2 * figure.methods.index("VAE")]).mean()
        assert apart < np.abs(picture[0].astype(int) - picture[2 + 2 * figure.methods.index("VAE")]).mean()


def test_a_method_with_both_figures_is_chosen_first() -> None:
    turned = sorted(ROWS, key=lambda row: row["method"], reverse=True)
    found = PanelExplorer.from_rows(turned, ["c"])
    assert found.methods == ["d", "c", "b", "a"] and found.methods[found.method] == "b"
    assert repr(found) == "PanelExplorer(4 methods, 2 figures)"


@pytest.mark.parametrize(
    ("rows", "baselines", "words"),
    [
        ([], [], "rows"),
        (ROWS, ["e"], r"baselines\[0\]"),
        ([*ROWS, ROWS[0]], [], "twice"),
        (ROWS[:-1], [], r"'d' with seeds \[0, 1\]"),
        ([row for row in ROWS if row["seed"] == 1], [], "two seeds"),
        ([{**row, "psnr": -1.0} for row in ROWS], [], "rows: psnr of 'a' is -1"),
        ([{k: v for k, v in row.items() if k != "psnr"} for row in ROWS], [], "two at least"),
        ([{**ROWS[-1], "psnr": 3.0}, *ROWS[:-1]], [], "1 of 3 seeds"),
        ([*ROWS, *({**row, "data": "clothes"} for row in ROWS[3:])], [], r"'a' with seeds \[\] on clothes"),
    ],
)
def test_rows_that_are_none_are_refused(rows: list, baselines: list, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PanelExplorer.from_rows(rows, baselines)


@pytest.mark.parametrize("wrong", [{"data": -1}, {"across": -1}, {"up": -1}, {"run": -2}, {"method": -1}])
def test_a_value_without_a_control_is_refused(wrong: dict) -> None:
    with pytest.raises(traitlets.TraitError):
        PanelExplorer(**wrong)


# ---- in a page -----------------------------------------------------------------------------------------


def pixels(page: Any, canvas: str) -> np.ndarray:
    url = page.eval_on_selector(f"canvas.{canvas}", "canvas => canvas.toDataURL()")
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))).astype(int)


def test_numbers_with_their_interval_or_of_one_seed(figure: PanelExplorer, show: Any) -> None:
    page = show(figure)
    mean, low, _ = seed_interval([20.0, 21.0, 22.0])
    assert page.inner_text("output").split("\n") == [
        "a",
        f"PSNR in dB: {mean:.0f} ± {mean - low:.1f}, place 1 of 3",
        "parameters: 100\u202f000, place 4 of 4",
        "It can do all that is asked for here.",
    ]
    page.select_option("[data-trait=run]", "seed 2")
    assert page.inner_text("output").startswith("a, seed 2\nPSNR in dB: 22, place 1 of 3")
    page.select_option("[data-trait=method]", "d")
    said = page.inner_text("output")
    assert said.startswith("d, seed 2: cannot be placed\nPSNR in dB: none\n")
    assert "parameters: 0, place 1 of 4" in said and "It cannot redraw a picture." in said
    assert page.inner_text(".gc-panel-plot span") == "Cannot be placed, for want of a figure: d."
    page.select_option("[data-trait=across]", "parameters")
    assert page.inner_text(".gc-panel-plot span") == ""
    assert "cannot be placed" not in page.inner_text("output")


def test_keys_walk_in_the_order_of_either_figure_and_reset_returns(figure: PanelExplorer, show: Any) -> None:
    page = show(figure)
    pad = page.locator("canvas.gc-pad")
    page.focus("canvas.gc-pad")
    # by psnr: b c a, then d; by parameters: d c b a
    steps = [
        ("Home", "b"),
        ("ArrowRight", "c"),
        ("ArrowRight", "a"),
        ("ArrowRight", "d"),
        ("ArrowRight", "b"),
    ]
    steps += [("ArrowLeft", "d"), ("ArrowUp", "c"), ("ArrowUp", "b"), ("ArrowDown", "c"), ("ArrowDown", "d")]
    for key, name in [*steps, ("ArrowDown", "a"), ("End", "d")]:
        page.keyboard.press(key)
        assert page.inner_text("output")[0] == name, key
        assert str(pad.get_attribute("aria-valuetext"))[0] == name
        assert pad.get_attribute("aria-valuenow") == str("bcad".index(name) + 1)
    for trait, label in [("across", "parameters"), ("up", "PSNR in dB"), ("run", "seed 1")]:
        page.select_option(f"[data-trait={trait}]", label)
    page.click("button")
    assert not page.is_visible("[data-trait=data]")
    chosen = "all => all.slice(1).map(menu => menu.selectedOptions[0].text)"
    assert page.eval_on_selector_all("select", chosen) == [
        "PSNR in dB",
        "parameters",
        "mean and interval",
        "a",
    ]
    assert page.inner_text("output")[0] == "a"


def test_another_data_set_has_other_numbers_and_other_pictures(show: Any) -> None:
    other = [
        {**row, "data": "clothes", **({"psnr": 30 - row["psnr"]} if "psnr" in row else {})} for row in ROWS
    ]
    both = PanelExplorer.from_rows([*({**row, "data": "mnist"} for row in ROWS), *other], ["b"])
    assert both.datasets == ["MNIST", "clothes"]
    recorded = PanelExplorer.recorded()
    both.strips, both.captions = [recorded.strips[0], ""], [recorded.captions[0], ""]
    page = show(both)
    assert page.inner_text("output").startswith("a, MNIST\nPSNR in dB: 21 ±")
    page.wait_for_function("document.querySelector('canvas.gc-strip').width > 300")
    assert page.is_visible("canvas.gc-strip") and "s of training" in page.inner_text(".gc-panel-pictures")
    assert (pixels(page, "gc-strip")[..., 3] > 200).sum() > 500
    page.select_option("[data-trait=data]", "clothes")
    assert page.inner_text("output").startswith("a, clothes\nPSNR in dB: 9 ±")
    assert not page.is_visible("canvas.gc-strip")


def test_what_a_method_cannot_do_is_said_in_place_of_its_pictures(show: Any) -> None:
    page = show(PanelExplorer.recorded(), width=390)
    label = "all => all[0].getAttribute('aria-label')"
    for method, said in [
        ("GAN", "GAN: cannot redraw a picture, drawn."),
        ("raw pixels", "raw pixels: cannot redraw a picture, cannot draw a new picture."),
        ("VAE", "VAE: redrawn, drawn."),
    ]:
        page.select_option("[data-trait=method]", method)
        assert page.eval_on_selector_all("canvas.gc-strip", label) == f"Eight test pictures. {said}"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_bars_show_the_place(figure: PanelExplorer, show: Any) -> None:
    """The row of PSNR: full for the best, empty for the last; the row of parameters the other way round."""
    page = show(figure)
    full = {}
    for name in "abc":
        page.select_option("[data-trait=method]", name)
        drawn = pixels(page, "gc-image")
        rows = drawn[[13, 35]]
        full[name] = ((rows[..., 2] - rows[..., 0] > 60) & (rows[..., 3] > 200)).sum(1)
    whole = full["a"][0]
    assert whole > 60
    shares = np.array([full[name] for name in "abc"]) / whole
    # places of three by psnr: 1, 3, 2; of four by parameters: 4, 3, 2
    np.testing.assert_allclose(shares, [[1, 0], [0, 1 / 3], [1 / 2, 2 / 3]], atol=0.05)


@pytest.mark.parametrize("finger", [False, True])
def test_a_click_or_a_tap_chooses_the_nearest_method(figure: PanelExplorer, show: Any, finger: bool) -> None:
    """More PSNR is further right, more parameters further up."""
    page = show(figure, has_touch=finger)
    pad = page.locator("canvas.gc-pad")
    box = pad.bounding_box()
    for name, x, y in [("b", 0.15, 0.4), ("a", 0.9, 0.1), ("c", 0.5, 0.8)]:
        place = {"x": x * box["width"], "y": y * box["height"]}
        pad.tap(position=place) if finger else pad.click(position=place)
        assert page.inner_text("output")[0] == name
    assert pad.evaluate("e => getComputedStyle(e).touchAction") == "pan-y"


def test_a_baseline_is_grey(show: Any) -> None:
    blue = []
    for baselines in ([], ["b"], ["b", "c"]):
        page = show(PanelExplorer.from_rows(ROWS, baselines))
        page.select_option("[data-trait=method]", "d")
        drawn = pixels(page, "gc-pad")
        blue.append(((drawn[..., 2] - drawn[..., 0] > 60) & (drawn[..., 3] > 200)).sum())
    assert blue[0] > blue[1] + 40 and blue[1] > blue[2] + 40


@pytest.mark.parametrize(("theme", "width"), list(itertools.product(THEMES, (390, 900))))
def test_it_is_drawn_in_both_themes_and_on_a_phone(show: Any, theme: str, width: int) -> None:
    page = show(PanelExplorer.recorded(), width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = pixels(page, "gc-pad")
    assert (drawn[..., 3] > 200).sum() > 500
    numbers = drawn[60:, :36]  # beside the axis, in the page's ink
    ink = numbers[numbers[..., 3] > 100][:, 0]
    assert len(ink) > 20
    assert (ink > 200).all() if theme == "dark" else (ink < 60).all()


def test_every_pair_of_figures_can_be_drawn(show: Any) -> None:
    figure = PanelExplorer.recorded()
    page = show(figure, width=390)
    for across, up in itertools.combinations_with_replacement(range(len(figure.titles)), 2):
        page.select_option("[data-trait=across]", index=across)
        page.select_option("[data-trait=up]", index=up)
        assert "NaN" not in page.inner_text("output") and "undefined" not in page.inner_text("output")

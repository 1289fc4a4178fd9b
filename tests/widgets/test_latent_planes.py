"""The live figure of chapter 4 decodes in the browser what PyTorch decodes here, and its planes move together."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gencourse.methods import AAE, VAE, WAE, Autoencoder, ConditionalAAE
from gencourse.networks import Plan
from gencourse.widgets import LatentPlanes
from gencourse.widgets.plane import linear_layers, quantise

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
BINARY = ("weights", "rows", "codes", "labels")
HIDDEN = (88, 64)  # the largest that the error message recommends

# Reads state.json (binary traits as base64, as a page has them), decodes every point, and times a redraw.
SCRIPT = """
import { readFileSync } from "node:fs";
import { unpackAll, withDigit, forward } from "./latent_planes.mjs";
const state = JSON.parse(readFileSync("state.json"));
const view = (text) => new DataView(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const decoders = unpackAll(view(state.weights), view(state.rows), state.sizes);
const told = decoders[state.sizes.length - 1];
const planes = decoders.slice(0, -1).map((own) => state.points.map((z) => Array.from(forward(own, z))));
const digits = state.points.map((z) => state.digits.map((d) => Array.from(forward(told, withDigit(z, d)))));
const times = Array.from({ length: 30 }, (_, i) => {
  const start = performance.now(), z = state.points[i % state.points.length];
  decoders.slice(0, -1).forEach((own) => forward(own, z));
  state.digits.forEach((d) => forward(told, withDigit(z, d)));
  return performance.now() - start;
});
console.log(JSON.stringify({ planes, digits, milliseconds: times.sort((a, b) => a - b)[15] }));
"""

# Shows the figure as a notebook or the book does, with a model that can be looked at.
SHOW = """async ({ esm, css, state, binary }) => {
  for (const [key, text] of Object.entries(binary)) {
    state[key] = new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  }
  const callbacks = {};
  window.model = {
    saved: 0,
    get: (key) => state[key],
    set: (key, value) => { state[key] = value; (callbacks[`change:${key}`] || []).forEach((call) => call()); },
    on: (event, call) => { (callbacks[event] ??= []).push(call); },
    off: (event, call) => { callbacks[event] = callbacks[event].filter((other) => other !== call); },
    save_changes: () => { window.model.saved++; },
  };
  window.listeners = () => Object.values(callbacks).flat().length;
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  window.close = await (await import(url)).default.render({ model: window.model, el: document.body });
}"""


def bold(method: Any) -> Any:
    """Untrained, but its pictures are as black and white as a trained one's."""
    layers = linear_layers(method.decoder)
    with torch.no_grad():
        inputs = torch.randn(100, layers[0].in_features, generator=torch.Generator().manual_seed(0))
        layers[-1].weight.mul_(2 / method.decoder(inputs).std())
    return method.eval()


def normal(n: int, seed: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def methods() -> dict[str, Any]:
    made = (kind(Plan("dense", HIDDEN), 2, seed=seed) for seed, kind in enumerate((Autoencoder, VAE, AAE)))
    return dict(zip(("AE", "VAE", "AAE"), map(bold, made), strict=True))


@pytest.fixture(scope="module")
def conditional() -> ConditionalAAE:
    return bold(ConditionalAAE(Plan("dense", HIDDEN), 2, seed=5))


@pytest.fixture(scope="module")
def codes() -> dict[str, Tensor]:
    return {"AE": normal(2000, 1, 6.0), "VAE": normal(2000, 2, 0.5), "AAE": normal(2000, 3)}


LABELS = torch.arange(2000) % 10


@pytest.fixture(scope="module")
def figure(methods: dict, codes: dict, conditional: ConditionalAAE) -> LatentPlanes:
    return LatentPlanes.from_methods(
        methods, codes, LABELS, conditional=conditional, style_codes=normal(2000, 4)
    )


# ---- what is computed ----------------------------------------------------------------------------------


@needs_node
def test_browser_decodes_what_pytorch_decodes(
    figure: LatentPlanes, methods: dict, conditional: AAE, tmp_path: Path
) -> None:
    points = normal(20, 0)
    state = {key: base64.b64encode(getattr(figure, key)).decode() for key in ("weights", "rows")}
    state |= {"sizes": figure.sizes, "points": points.tolist(), "digits": list(range(10))}
    (tmp_path / "state.json").write_text(json.dumps(state))
    (tmp_path / "latent_planes.mjs").write_text(figure._esm, encoding="utf-8")
    (tmp_path / "run.mjs").write_text(SCRIPT)
    done = subprocess.run([NODE, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout)
    assert len(ran["planes"]) == 3
    with torch.no_grad():
        expected = [method.decode(points).flatten(1) for method in methods.values()]
        told = [conditional.decode(points, torch.full((20,), digit)).flatten(1) for digit in range(10)]
    found = torch.tensor(ran["digits"]).unbind(1)  # by digit
    pairs = [*zip(map(torch.tensor, ran["planes"]), expected, strict=True), *zip(found, told, strict=True)]
    for pixels, wanted in pairs:
        assert wanted.std() > 0.15, "the pictures are too grey to show an error"
        assert (pixels - wanted).abs().mean() < 2 / 255
        assert (pixels - wanted).abs().max() < 32 / 255
    apart = [(a - b).abs().mean() for a, b in itertools.pairwise(told)]
    assert min(apart) > 4 / 255, "the digits are too much alike to be told apart"
    assert ran["milliseconds"] < 16


def test_codes_outside_are_counted(figure: LatentPlanes, codes: dict) -> None:
    for part, own in zip(figure.outside, codes.values(), strict=True):
        assert part == pytest.approx(((own[:, 0].abs() > 3) | (own[:, 1].abs() > 3)).float().mean().item())
    assert figure.outside[0] > 0.5 and figure.outside[1] == 0


def test_it_starts_in_a_hole_of_the_first_plane(methods: dict, codes: dict) -> None:
    around = normal(2000, 1, 5.0)
    around = around[(around - torch.tensor([0.4, -0.8])).norm(dim=1) > 0.9]
    figure = LatentPlanes.from_methods({"AE": methods["AE"]}, {"AE": around}, LABELS[: len(around)])
    assert (torch.tensor(figure.z) - torch.tensor([0.4, -0.8])).norm() < 0.4


def test_size_in_the_page(figure: LatentPlanes) -> None:
    assert figure.sizes == [[2, 64, 88, 784]] * 3 + [[12, 64, 88, 784]]
    assert sum(4 * -(-len(getattr(figure, key)) // 3) for key in BINARY) <= 450_000, "as base64"
    assert len(figure._esm) + len(figure._css) < 25_000


def test_points_are_a_fixed_choice(methods: dict, codes: dict, conditional: ConditionalAAE) -> None:
    one, two = (
        LatentPlanes.from_methods(
            methods, codes, LABELS, conditional=conditional, style_codes=codes["AE"], max_points=40
        )
        for _ in range(2)
    )
    assert one.codes == two.codes and len(one.labels) == 40
    sent = torch.frombuffer(bytearray(one.codes), dtype=torch.float16).float().view(4, 40, 2)
    for plane, own in zip(sent, [*codes.values(), codes["AE"]], strict=True):
        distance, row = torch.cdist(plane, own).min(1)
        assert distance.max() < 0.02, "a sent code is none of the codes"
        assert bytes(LABELS[row].tolist()) == one.labels


def test_far_codes_stay_finite(methods: dict) -> None:
    far = torch.tensor([[1e6, -1e6], [0.0, 0.0]])
    figure = LatentPlanes.from_methods({"AE": methods["AE"]}, {"AE": far}, LABELS[:2])
    assert torch.frombuffer(bytearray(figure.codes), dtype=torch.float16).isfinite().all()


def test_module_needs_nothing_else(figure: LatentPlanes) -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(LatentPlanes)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in figure._esm
    code = re.sub(r"^\s*//.*$", "", figure._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in figure._css and "url(" not in figure._css


def test_state_refers_to_no_other_model(figure: LatentPlanes) -> None:
    state = figure.get_state()
    assert "IPY_MODEL_" not in repr({key: value for key, value in state.items() if key not in BINARY})
    wanted = {"z", "style_z", "titles", "outside", "reach", "conditional", "sizes", "shape", "colours"}
    assert wanted | {"_esm", "_css", *BINARY} <= set(state), "a trait that the page needs is not synced"
    assert "application/vnd.jupyter.widget-view+json" in figure._repr_mimebundle_()[0]


def test_traits_are_synced_both_ways(methods: dict, codes: dict) -> None:
    figure = LatentPlanes.from_methods(methods, codes, LABELS)
    seen = []
    figure.observe(lambda change: seen.append(change["new"]), ["z", "style_z"])
    figure.set_state({"z": [1, -2.5], "style_z": [0, 1]})  # what the browser sends; JSON has no 1.0
    figure.z = [0.5, 0.5]
    assert seen == [[1, -2.5], [0, 1], [0.5, 0.5]]
    with pytest.raises(Exception, match="z"):
        figure.z = [1.0]


def test_repr_is_short(figure: LatentPlanes) -> None:
    assert repr(figure) == "LatentPlanes(AE, VAE, AAE and ten digits of one style, 600 codes each)"


# ---- in a page -----------------------------------------------------------------------------------------


def show(browser: Any, figure: LatentPlanes, width: int = 900, theme: str = "light") -> Any:
    """A page that shows the figure and nothing else; `page.wrong` are the errors in it."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    colours = "background:#121212;color:#ddd" if theme == "dark" else "background:#fff;color:#222"
    page.set_content(
        f"<html data-theme='{theme}'><body style='font-family:sans-serif;{colours}'></body></html>"
    )
    state = {key: value for key, value in figure.get_state().items() if key not in (*BINARY, "_esm", "_css")}
    binary = {key: base64.b64encode(getattr(figure, key)).decode() for key in BINARY}
    page.evaluate(SHOW, {"esm": figure._esm, "css": figure._css, "state": state, "binary": binary})
    return page


@pytest.fixture
def page(browser: Any, figure: LatentPlanes) -> Iterator[Any]:
    page = show(browser, figure)
    yield page
    assert page.wrong == []
    page.close()


def drawn(page: Any, what: str) -> list[str]:
    return page.eval_on_selector_all(what, "all => all.map((canvas) => canvas.toDataURL())")


def value(page: Any, trait: str) -> list[float]:
    return page.evaluate(f"model.get('{trait}')")


def ink(page: Any, pad: int, z: list[float]) -> float:
    """How dark the ring is that should lie around z in this plane: 255 is black."""
    return page.evaluate(
        """([pad, [a, b]]) => {
          const canvas = document.querySelectorAll("canvas.gc-pad")[pad], side = canvas.width - 36;
          const [x, y] = [26 + (a + 3) / 6 * side, 10 + (3 - b) / 6 * side], pen = canvas.getContext("2d");
          const dark = [0, 1, 2, 3].map((k) => {
            const at = [x + 8 * Math.cos(k * Math.PI / 2), y + 8 * Math.sin(k * Math.PI / 2)].map(Math.floor);
            const [red, , , solid] = pen.getImageData(...at, 1, 1).data;
            return solid - red;
          });
          return Math.min(...dark);
        }""",
        [pad, z],
    )


def drag(page: Any, pad: int, across: float, down: float) -> None:
    box = page.query_selector_all("canvas.gc-pad")[pad].bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * down, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("pad", [0, 1, 2])
def test_dragging_in_one_plane_moves_z_in_all(page: Any, pad: int) -> None:
    before, digits = drawn(page, ".gc-planes-views canvas.gc-image"), drawn(page, ".gc-planes-digits canvas")
    saved, style = page.evaluate("model.saved"), value(page, "style_z")
    drag(page, pad, 0.8, 0.3)
    z = value(page, "z")
    assert 1.5 < z[0] < 2.5 and 0.8 < z[1] < 1.7
    assert min(ink(page, k, z) for k in range(3)) > 150, "a ring is not where z is"
    assert max(ink(page, k, [-2.0, 2.0]) for k in range(3)) < 150, "dark everywhere: the check shows nothing"
    after = drawn(page, ".gc-planes-views canvas.gc-image")
    assert len(after) == 3 and all(a != b for a, b in zip(before, after, strict=True))
    assert page.evaluate("model.saved") > saved, "Python is not told"
    assert page.query_selector("output").inner_text() == f"z = ({z[0]:.2f}, {z[1]:.2f})"
    # the style is another point
    assert value(page, "style_z") == style and drawn(page, ".gc-planes-digits canvas") == digits


def test_dragging_the_style_changes_all_ten_digits(page: Any) -> None:
    before, above = drawn(page, ".gc-planes-digits canvas"), drawn(page, ".gc-planes-views canvas")
    drag(page, 3, 0.3, 0.2)
    z = value(page, "style_z")
    assert -2 < z[0] < -1 and z[1] > 1
    assert ink(page, 3, z) > 150
    after = drawn(page, ".gc-planes-digits canvas")
    assert len(set(after)) == 10 and all(a != b for a, b in zip(before, after, strict=True))
    assert drawn(page, ".gc-planes-views canvas") == above


def test_pictures_are_those_of_the_named_decoder(
    page: Any, methods: dict, conditional: ConditionalAAE
) -> None:
    z = torch.tensor([[0.6, -1.2]])
    page.evaluate("model.set('z', [0.6, -1.2]); model.set('style_z', [0.6, -1.2])")
    pixels = page.eval_on_selector_all(
        "canvas.gc-image",
        "all => all.map((c) => [...c.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0))",
    )
    with torch.no_grad():
        wanted = [method.decode(z) for method in methods.values()]
        wanted += [conditional.decode(z, torch.tensor([digit])) for digit in range(10)]
    for found, expected in zip(pixels, wanted, strict=True):
        assert (torch.tensor(found) - 255 * expected.flatten()).abs().mean() < 3
    captions = page.eval_on_selector_all("figcaption", "all => all.map((caption) => caption.textContent)")
    assert captions == ["AE", "VAE", "AAE", *map(str, range(10))]


@pytest.mark.parametrize(("pad", "trait"), [(0, "z"), (2, "z"), (3, "style_z")])
def test_keys_move_the_handle(page: Any, pad: int, trait: str) -> None:
    page.query_selector_all("canvas.gc-pad")[pad].focus()
    page.keyboard.press("Home")
    assert value(page, trait) == [0, 0]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    assert value(page, trait) == pytest.approx([-0.06, 0.3])
    for _ in range(20):
        page.keyboard.press("Shift+ArrowRight")
    assert value(page, trait) == pytest.approx([3, 0.3]), "z leaves the plane"
    assert ink(page, pad, [3, 0.3]) > 150, "the ring is cut off at the edge"


def test_python_moves_the_handle(page: Any) -> None:
    page.evaluate("model.set('z', [-1, -1])")
    assert min(ink(page, pad, [-1, -1]) for pad in range(3)) > 150
    assert "z = (−1.00, −1.00)" in page.inner_text("body")


def test_random_point_and_reset(page: Any) -> None:
    start = [value(page, trait) for trait in ("z", "style_z")]
    for number, trait in enumerate(("z", "style_z")):
        random, reset = page.query_selector_all("button")[2 * number : 2 * number + 2]
        random.click()
        first = value(page, trait)
        random.click()
        assert value(page, trait) != first
        reset.click()
        assert value(page, trait) == start[number]


def test_notes_say_how_far_the_codes_are(page: Any, figure: LatentPlanes) -> None:
    notes = page.eval_on_selector_all(".gc-planes-views p", "all => all.map((note) => note.textContent)")
    assert f"{100 * figure.outside[0]:.0f} % of codes lie outside." in notes[0]
    assert "No codes lie outside." in notes[1]
    assert "Under 1 % of codes lie outside." in notes[2]
    sent = torch.frombuffer(bytearray(figure.codes), dtype=torch.float16).float().view(4, 600, 2)
    for note, own in zip(notes, sent, strict=False):
        distance, row = (own - torch.tensor(figure.z)).norm(dim=1).min(0)
        digit = figure.labels[row]
        assert f"Nearest point: {'an' if digit == 8 else 'a'} {digit}, {distance:.2f} away." in note


def test_every_control_has_a_name(page: Any) -> None:
    for canvas in page.query_selector_all("canvas"):
        assert canvas.get_attribute("role") in ("application", "img") and canvas.get_attribute("aria-label")
    for pad in page.query_selector_all("canvas.gc-pad"):
        assert pad.get_attribute("tabindex") == "0" and "arrow keys" in pad.get_attribute("aria-label")


def test_dark_page_is_lighter(browser: Any, figure: LatentPlanes) -> None:
    light, dark = show(browser, figure), show(browser, figure, theme="dark")
    swatch = "getComputedStyle(document.querySelector('.gc-planes-legend span')).backgroundColor"
    assert light.evaluate(swatch) == "rgb(68, 119, 170)"
    assert dark.evaluate(swatch) == "rgb(130, 164, 198)"
    light.evaluate("document.documentElement.dataset.theme = 'dark'")  # the reader switches
    light.wait_for_timeout(50)
    assert light.evaluate(swatch) == "rgb(130, 164, 198)"
    light.close()
    dark.close()


@pytest.mark.parametrize("width", [320, 390, 640, 900])
def test_fits_the_width(browser: Any, figure: LatentPlanes, width: int) -> None:
    page = show(browser, figure, width)
    right = "Math.max(...[...document.querySelectorAll('.gc-planes *')].map((e) => e.getBoundingClientRect().right))"
    assert page.evaluate(right) <= width - 8, "into or over the margin of the page"
    boxes = [canvas.bounding_box() for canvas in page.query_selector_all(".gc-planes-views canvas")]
    assert all(box["width"] == pytest.approx(box["height"], abs=1) for box in boxes)
    if width < 560:
        assert boxes[0]["y"] + 300 > boxes[1]["y"], "a picture is not beside its plane"
        assert boxes[-1]["y"] + boxes[-1]["height"] - boxes[0]["y"] < 844, "not all pictures are in view"
    page.close()


@pytest.mark.parametrize("trait", ["z", "style_z"])
def test_redraws_within_a_frame(page: Any, trait: str) -> None:
    milliseconds = page.evaluate(
        """(trait) => {
          const times = Array.from({ length: 31 }, (_, i) => {
            const start = performance.now();
            model.set(trait, [i / 20, -i / 20]);
            return performance.now() - start;
          });
          return times.sort((a, b) => a - b)[15];
        }""",
        trait,
    )
    assert milliseconds < 16


def test_without_the_lower_part(browser: Any, methods: dict, codes: dict) -> None:
    one = LatentPlanes.from_methods({"VAE": methods["VAE"]}, {"VAE": codes["VAE"]}, LABELS)
    page = show(browser, one)
    assert page.locator("canvas.gc-pad:visible").count() == 1
    drag(page, 0, 0.8, 0.3)
    assert 1.5 < value(page, "z")[0] < 2.5 and page.wrong == []
    page.close()


def test_closing_leaves_no_listener(page: Any) -> None:
    assert page.evaluate("listeners()") == 2
    page.evaluate("close()")
    assert page.evaluate("listeners()") == 0


# ---- what cannot be used -------------------------------------------------------------------------------


def tiny(kind: Any = Autoencoder, hidden: tuple[int, ...] = (8,), **other: Any) -> Any:
    return kind(Plan("dense", hidden), **{"code_size": 2, **other})


ZEROS, DIGITS = torch.zeros(5, 2), torch.zeros(5, dtype=torch.long)
GOOD = {"methods": {"AE": tiny()}, "codes": {"AE": ZEROS}, "labels": DIGITS}


def ae(method: Any) -> dict[str, Any]:
    return {"methods": {"AE": method}}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"methods": {}, "codes": {}}, "methods is empty"),
        ({"methods": dict.fromkeys("abcd", tiny()), "codes": dict.fromkeys("abcd", ZEROS)}, "has 4 entries"),
        ({"codes": {"VAE": ZEROS}}, r"codes has the keys \['VAE'\]"),
        ({"max_points": 0}, "max_points is 0"),
        (ae(Autoencoder("conv", code_size=2)), r"methods\['AE'\] is 'conv'"),
        (ae(Autoencoder("linear", code_size=2)), "is 'linear'"),
        (ae(VAE("conv", code_size=2)), "give a dense method"),
        (ae(torch.nn.ReLU()), "is 'ReLU'"),
        (ae(tiny(code_size=3)), "code_size=3"),
        (ae(tiny(VAE, code_size=3)), "code_size=3"),
        (ae(tiny(shape=(3, 28, 28))), "one-channel"),
        (ae(tiny(ConditionalAAE)), r"methods\['AE'\] has a decoder that is told 10 labels"),
        ({"codes": {"AE": torch.zeros(5, 3)}}, r"codes\['AE'\] has shape \(5, 3\)"),
        ({"codes": {"AE": ZEROS / 0}}, "finite"),
        ({"labels": DIGITS[:4]}, r"labels has shape \(4,\)"),
        ({"labels": DIGITS + 10}, "0 to 9"),
        ({"conditional": tiny(AAE)}, "conditional has a decoder that is told 0 labels"),
        ({"conditional": tiny(ConditionalAAE, classes=3)}, "told 3 labels"),
        ({"conditional": tiny(ConditionalAAE, code_size=3)}, "conditional has code_size=3"),
        ({"conditional": tiny(ConditionalAAE, shape=(1, 8, 8))}, "give methods of one shape"),
        ({"style_codes": ZEROS}, "style_codes is given without a method"),
        ({"conditional": tiny(ConditionalAAE), "style_codes": ZEROS[:4]}, "labels has shape"),
        (ae(tiny(hidden=(512, 256))), r"take \d+ kB together: a page takes at most 450 kB"),
    ],
)
def test_errors_are_one_sentence(wrong: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        LatentPlanes.from_methods(**{**GOOD, **wrong})
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text and text.count(". ") == 0


def test_a_wae_will_do() -> None:
    figure = LatentPlanes.from_methods({"WAE": tiny(WAE)}, {"WAE": ZEROS}, DIGITS)
    assert figure.sizes == [[2, 8, 784]]


def test_weights_of_all_decoders_are_sent_in_order(
    figure: LatentPlanes, methods: dict, conditional: ConditionalAAE
) -> None:
    layers = [layer for one in [*methods.values(), conditional] for layer in linear_layers(one.decoder)]
    assert figure.weights == b"".join(quantise(layer)[0] for layer in layers)
    assert figure.rows == b"".join(quantise(layer)[1] for layer in layers)

"""The live figure of chapter 5 fills in the browser what PyTorch fills in here."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gencourse.methods import MAE, Autoencoder
from gencourse.networks import Plan, sincos_positions
from gencourse.widgets import MaskedDigit, masked_digit

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
BINARY = ("weights", "pictures")

# Reads state.json (binary traits as base64, as a page has them), fills in each picture under each mask, and times it.
SCRIPT = """
import { readFileSync } from "node:fs";
import { unpack, predict, positions, hiddenError } from "./masked_digit.mjs";
const state = JSON.parse(readFileSync("state.json"));
const view = (text) => new DataView(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const network = unpack(view(state.weights), state.sizes), bytes = view(state.pictures), n = state.sizes.side ** 2;
const read = (p) => Float32Array.from({ length: n }, (_, i) => bytes.getUint8(p * n + i) / 255);
const pictures = state.labels.map((_, p) => read(p));
const masks = state.masks.map((mask) => Uint8Array.from(mask));
const filled = pictures.map((x) => masks.map((mask) => Array.from(predict(network, x, mask))));
const errors = pictures.map((x, p) => masks.map((mask, m) => hiddenError(state.sizes, x, filled[p][m], mask)));
const times = Array.from({ length: 15 }, () => {
  const start = performance.now();
  predict(network, pictures[0], masks[0]);
  return performance.now() - start;
});
console.log(JSON.stringify({
  filled, errors, positions: Array.from(positions(5, 12)), milliseconds: times.sort((a, b) => a - b)[7],
}));
"""


def made(**options) -> MAE:
    torch.manual_seed(0)
    model = MAE(**{**masked_digit.MASKED_DIGIT_SIZES, **options})
    with torch.no_grad():  # a fresh network's biases and norms would hide a mistake in their order
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
        model.decoder.head.weight.mul_(2)
        model.decoder.head.bias.add_(0.3)
    return model.eval()


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 1, 28, 28), generator=generator).float() / 255


@pytest.fixture(scope="module")
def model() -> MAE:
    return made()


@pytest.fixture(scope="module")
def figure(model: MAE, pictures: Tensor) -> MaskedDigit:
    return MaskedDigit.from_mae(model, pictures, torch.tensor([7, 8, 9]))


def masks_for(count: int) -> list[list[int]]:
    """A few hidden, three quarters, all but one, and none."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(2))
    return [(order < hidden).int().tolist() for hidden in (3, round(0.75 * count), count - 1, 0)]


def run_in_node(figure: MaskedDigit, masks: list[list[int]], folder: Path) -> dict:
    state = {key: base64.b64encode(getattr(figure, key)).decode() for key in BINARY}
    state |= {"sizes": figure.sizes, "labels": figure.labels, "masks": masks}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "masked_digit.mjs").write_text(figure._esm, encoding="utf-8")
    (folder / "run.mjs").write_text(SCRIPT)
    done = subprocess.run([NODE, "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
@pytest.mark.parametrize(
    "options", [{}, {"patch": 7, "width": 20, "depth": 1, "heads": 5, "decoder_depth": 2}]
)
def test_browser_fills_in_what_pytorch_fills_in(options: dict, pictures: Tensor, tmp_path: Path) -> None:
    model = made(**options)
    figure = MaskedDigit.from_mae(model, pictures, torch.tensor([7, 8, 9]))
    masks = masks_for(model.patches)
    ran = run_in_node(figure, masks, tmp_path)
    rounded = made(**options)
    for weight in rounded.parameters():
        weight.data = weight.data.half().float()
    n = model.patch**2
    for m, mask in enumerate(masks):
        found = torch.tensor([ran["filled"][p][m] for p in range(3)]).view(3, 1, 28, 28)
        expected = rounded.inpaint(pictures, torch.tensor(mask))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
        exact = model.inpaint(pictures, torch.tensor(mask))  # weights that were not rounded
        assert (found - exact).abs().max() < 1e-2 and (found - exact).abs().mean() < 1e-3
        squares = (found - pictures).square().flatten(1).sum(1) / max(1, n * sum(mask))
        errors = [ran["errors"][p][m] for p in range(3)]
        assert errors == pytest.approx(squares.tolist(), rel=1e-4)
        if sum(mask) > 3:
            assert found[found != pictures].std() > 0.1, "the pictures are too grey to show an error"


@needs_node
def test_positions_and_time(figure: MaskedDigit, tmp_path: Path) -> None:
    ran = run_in_node(figure, [masks_for(49)[0]], tmp_path)  # nearly everything visible: the most work
    expected = sincos_positions(5, 5, 12).flatten().tolist()
    assert ran["positions"] == pytest.approx(expected, abs=1e-6)
    assert ran["milliseconds"] < 60  # a redraw; about 9 on an idle machine, 3 with three quarters hidden


@pytest.mark.parametrize(
    ("hidden", "most"), [(1, 0.4), (2, 0.4), (4, 0.4), (12, 0.4), (24, 0.5), (37, 0.7), (48, 1.05)]
)
def test_the_shipped_network_is_at_home_with_few_holes_and_with_many(hidden: int, most: float) -> None:
    """Better than the mean picture on the same patches; one that was trained on three quarters is not."""
    from gencourse.data import load
    from gencourse.studies import hidden_errors, some_hidden

    test, mean = load("mnist", split="test").take(500), load("mnist").take(5000).x.mean(0, keepdim=True)
    masks = some_hidden(500, hidden, patches=49)
    ours, by_mean = hidden_errors(masked_digit.masked_digit_model(), test.x, masks, mean)
    assert ours < most * by_mean


def test_size_in_the_page(figure: MaskedDigit) -> None:
    assert len(figure.weights) == 2 * 183_488
    assert 4 * -(-len(figure.weights) // 3) < 500_000, "as base64"
    assert len(figure._esm) + len(figure._css) < 25_000
    assert masked_digit.MASKED_DIGIT_WEIGHTS.stat().st_size < 500_000


def test_module_needs_nothing_else(figure: MaskedDigit) -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(MaskedDigit)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in figure._esm
    code = re.sub(r"^\s*//.*$", "", figure._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in figure._css and "url(" not in figure._css


def test_state_refers_to_no_other_model(figure: MaskedDigit) -> None:
    state = figure.get_state()
    assert "IPY_MODEL_" not in repr({key: value for key, value in state.items() if key not in BINARY})
    assert {"hidden", "picture", "sizes", "labels", "_esm", "_css", *BINARY} <= set(state)
    assert "application/vnd.jupyter.widget-view+json" in figure._repr_mimebundle_()[0]


def test_what_is_sent_is_every_parameter_once(model: MAE, figure: MaskedDigit) -> None:
    ordered = masked_digit._parameters(model)
    assert len({id(p) for p in ordered}) == len(ordered) == len(list(model.parameters()))
    assert {id(p) for p in ordered} == {id(p) for p in model.parameters()}
    assert figure.sizes == {
        "side": 28,
        "patch": 4,
        "width": 64,
        "depth": 3,
        "heads": 4,
        "decoderWidth": 48,
        "decoderDepth": 1,
        "decoderHeads": 4,
    }


def test_it_starts_with_few_patches_hidden(figure: MaskedDigit, model: MAE, pictures: Tensor) -> None:
    assert len(figure.hidden) == 8 and figure.hidden == sorted(set(figure.hidden))
    again = MaskedDigit.from_mae(model, pictures, torch.tensor([7, 8, 9]))
    assert again.hidden == figure.hidden
    assert MaskedDigit.from_mae(model, pictures, torch.tensor([7, 8, 9]), seed=1).hidden != figure.hidden


def test_traits_are_synced_both_ways(model: MAE, pictures: Tensor) -> None:
    figure = MaskedDigit.from_mae(model, pictures, torch.tensor([7, 8, 9]))
    seen = []
    figure.observe(lambda change: seen.append(change["new"]), ["hidden", "picture"])
    figure.set_state({"hidden": [1, 2], "picture": 2})
    figure.hidden = []
    assert seen == [[1, 2], 2, []]
    assert repr(figure) == "MaskedDigit(3 pictures, 0 patches hidden)"


@pytest.mark.parametrize(
    ("model", "shape", "labels", "words"),
    [
        (lambda: Autoencoder(Plan("dense", (8,))), (1, 1, 28, 28), 1, "model is Autoencoder"),
        (lambda: made(class_token=True), (1, 1, 28, 28), 1, "class_token=False"),
        (lambda: made(mask_tokens_in="encoder"), (1, 1, 28, 28), 1, "mask_tokens_in='decoder'"),
        (lambda: made(normalise=True), (1, 1, 28, 28), 1, "normalise=False"),
        (lambda: made(shape=(3, 28, 28)), (1, 3, 28, 28), 1, "one channel"),
        (lambda: made(width=128), (1, 1, 28, 28), 1, "at most 250000"),
        (made, (1, 1, 32, 32), 1, r"pictures has shape \(1, 1, 32, 32\)"),
        (made, (0, 1, 28, 28), 0, "at least one"),
        (made, (2, 1, 28, 28), 1, r"labels has shape \(1,\)"),
    ],
)
def test_errors_are_one_sentence(model, shape: tuple[int, ...], labels: int, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        MaskedDigit.from_mae(model(), torch.zeros(shape), torch.zeros(labels, dtype=torch.long))
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text

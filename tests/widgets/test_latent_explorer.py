"""The live figure of chapter 1 decodes in the browser what PyTorch decodes here."""

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

from gencourse.methods import Autoencoder
from gencourse.networks import Plan
from gencourse.widgets import LatentExplorer, latent_explorer

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
BINARY = ("weights", "rows", "codes", "labels")

# Reads state.json (binary traits as base64, as a page has them), decodes every point, and times it.
SCRIPT = """
import { readFileSync } from "node:fs";
import { unpack, forward, nearest } from "./latent_explorer.mjs";
const state = JSON.parse(readFileSync("state.json"));
const view = (text) => new DataView(Uint8Array.from(Buffer.from(text, "base64")).buffer);
const layers = unpack(view(state.weights), view(state.rows), state.sizes);
const pictures = state.points.map((z) => Array.from(forward(layers, z)));
const times = Array.from({ length: 30 }, (_, i) => {
  const start = performance.now();
  forward(layers, state.points[i % state.points.length]);
  return performance.now() - start;
});
const near = nearest(new Float32Array([0, 0, 5, 5, -5, 5]), [4, 3]);
console.log(JSON.stringify({ pictures, milliseconds: times.sort((a, b) => a - b)[15], near }));
"""


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    """Untrained, but its pictures are as black and white as a trained one's, and one output row is zero."""
    model = Autoencoder(Plan("dense", (256, 64)), code_size=2)
    with torch.no_grad():
        last = latent_explorer._dense_layers(model)[-1]
        last.weight.mul_(3)
        last.weight[0] = 0
    return model


@pytest.fixture(scope="module")
def codes() -> Tensor:
    spread = torch.tensor([8.0, 4.0])
    return torch.randn(2000, 2, generator=torch.Generator().manual_seed(1)) * spread + torch.tensor(
        [0.0, -5.0]
    )


@pytest.fixture(scope="module")
def labels(codes: Tensor) -> Tensor:
    return torch.arange(len(codes)) % 10


@pytest.fixture(scope="module")
def explorer(model: Autoencoder, codes: Tensor, labels: Tensor) -> LatentExplorer:
    return LatentExplorer.from_autoencoder(model, codes, labels)


def run_in_node(explorer: LatentExplorer, points: Tensor, folder: Path) -> dict:
    state = {key: base64.b64encode(getattr(explorer, key)).decode() for key in ("weights", "rows")}
    state |= {"sizes": explorer.sizes, "points": points.tolist()}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "latent_explorer.mjs").write_text(explorer._esm, encoding="utf-8")
    (folder / "run.mjs").write_text(SCRIPT)
    done = subprocess.run([NODE, "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
def test_browser_decodes_what_pytorch_decodes(
    model: Autoencoder, explorer: LatentExplorer, codes: Tensor, tmp_path: Path
) -> None:
    points = codes[:50]
    ran = run_in_node(explorer, points, tmp_path)
    with torch.no_grad():
        expected = model.decode(points).flatten(1)
    error = (torch.tensor(ran["pictures"]) - expected).abs()
    assert expected.std() > 0.2, "the pictures are too grey to show an error"
    assert error.mean() < 2 / 255
    assert error.max() < 32 / 255
    assert ran["milliseconds"] < 16
    assert ran["near"] == 1


@needs_node
def test_rounding_the_weights_is_the_only_error(
    model: Autoencoder, explorer: LatentExplorer, codes: Tensor, tmp_path: Path
) -> None:
    """With the rounded weights put into PyTorch, the two agree to float32."""
    rounded = Autoencoder(Plan("dense", (256, 64)), code_size=2)
    weights = torch.frombuffer(bytearray(explorer.weights), dtype=torch.int8).float()
    rows = torch.frombuffer(bytearray(explorer.rows), dtype=torch.float16).float().view(-1, 2)
    with torch.no_grad():
        for layer in latent_explorer._dense_layers(rounded):
            n, row = layer.weight.numel(), layer.out_features
            layer.weight.copy_(weights[:n].view_as(layer.weight) * rows[:row, :1])
            layer.bias.copy_(rows[:row, 1])
            weights, rows = weights[n:], rows[row:]
        expected = rounded.decode(codes[:50]).flatten(1)
    assert len(weights) == len(rows) == 0
    pictures = torch.tensor(run_in_node(explorer, codes[:50], tmp_path)["pictures"])
    assert torch.allclose(pictures, expected, atol=1e-4)


def test_every_weight_is_within_half_a_step(model: Autoencoder, explorer: LatentExplorer) -> None:
    weights = torch.frombuffer(bytearray(explorer.weights), dtype=torch.int8).float()
    scales = torch.frombuffer(bytearray(explorer.rows), dtype=torch.float16).float().view(-1, 2)[:, 0]
    assert weights.abs().max() == 127, "a part of the byte is left unused"
    for layer in latent_explorer._dense_layers(model):
        n, row = layer.weight.numel(), layer.out_features
        error = (weights[:n].view_as(layer.weight) * scales[:row, None] - layer.weight.detach()).abs()
        # the largest weight of a row may lose the rounding of its scale too: 127 · 2⁻¹¹ of a step
        assert (error <= 0.57 * scales[:row, None]).all()
        weights, scales = weights[n:], scales[row:]


def test_size_in_the_page(explorer: LatentExplorer) -> None:
    assert explorer.sizes == [2, 64, 256, 784]
    base64_bytes = {key: 4 * -(-len(getattr(explorer, key)) // 3) for key in BINARY}
    assert base64_bytes["weights"] + base64_bytes["rows"] <= 300_000
    assert sum(base64_bytes.values()) + len(explorer._esm) + len(explorer._css) <= 325_000


def test_module_needs_nothing_else(explorer: LatentExplorer) -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(LatentExplorer)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in explorer._esm
    code = re.sub(r"^\s*//.*$", "", explorer._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in explorer._css and "url(" not in explorer._css


def test_state_refers_to_no_other_model(explorer: LatentExplorer) -> None:
    state = explorer.get_state()
    assert "IPY_MODEL_" not in repr({key: value for key, value in state.items() if key not in BINARY})
    wanted = {"z", "sizes", "shape", "plane", "colours", "_esm", "_css", *BINARY}
    assert wanted <= set(state), "a trait that the page needs is not synced"
    assert "application/vnd.jupyter.widget-view+json" in explorer._repr_mimebundle_()[0]


def test_z_is_synced_both_ways(explorer: LatentExplorer) -> None:
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]), "z")
    explorer.set_state({"z": [1, -2.5]})  # what the browser sends; JSON has no 1.0
    explorer.z = [0.5, 0.5]
    assert seen == [[1, -2.5], [0.5, 0.5]]
    with pytest.raises(Exception, match="z"):
        explorer.z = [1.0]


def test_points_are_a_fixed_choice(model: Autoencoder, codes: Tensor, labels: Tensor) -> None:
    one, two = (LatentExplorer.from_autoencoder(model, codes, labels, max_points=40) for _ in range(2))
    assert one.codes == two.codes and len(one.labels) == 40
    sent = torch.frombuffer(bytearray(one.codes), dtype=torch.float16).float().view(-1, 2)
    distance, row = torch.cdist(sent, codes).min(1)
    assert distance.max() < 0.02, "a sent code is none of the codes"
    assert bytes(labels[row].tolist()) == one.labels
    assert len(LatentExplorer.from_autoencoder(model, codes[:7], labels[:7]).labels) == 7


def test_plane_holds_the_codes(explorer: LatentExplorer, codes: Tensor) -> None:
    a_low, a_high, b_low, b_high = explorer.plane
    low, high = torch.tensor([a_low, b_low]), torch.tensor([a_high, b_high])
    assert ((codes > low) & (codes < high)).all(1).float().mean() > 0.95
    assert a_high < codes[:, 0].max(), "a few far codes must not shrink the others"
    assert a_low < explorer.z[0] < a_high and b_low < explorer.z[1] < b_high


def test_plane_holds_the_prior_of_a_small_cloud(model: Autoencoder, codes: Tensor, labels: Tensor) -> None:
    a_low, a_high, b_low, b_high = LatentExplorer.from_autoencoder(model, codes / 100, labels).plane
    assert max(a_low, b_low) < -3 and min(a_high, b_high) > 3, "a point from N(0, I) can fall off the plane"


def test_colours_are_the_courses() -> None:
    from gencourse.figures.style import DIGIT_COLOURS

    assert len(set(DIGIT_COLOURS)) == 10
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in DIGIT_COLOURS)  # what lighter() reads


def test_repr_is_short(explorer: LatentExplorer) -> None:
    assert repr(explorer) == "LatentExplorer(1500 codes, decoder 2-64-256-784)"


def dense(**other: object) -> Autoencoder:
    return Autoencoder(Plan("dense", (8,)), code_size=2, **other)


ZEROS, DIGITS = torch.zeros(5, 2), torch.zeros(5, dtype=torch.long)


@pytest.mark.parametrize(
    ("make", "codes", "labels", "points", "words"),
    [
        (lambda: Autoencoder("conv", code_size=2), ZEROS, DIGITS, 5, "model is 'conv'"),
        (lambda: Autoencoder("linear", code_size=2), ZEROS, DIGITS, 5, "model is 'linear'"),
        (lambda: Autoencoder(Plan("dense", (8,)), code_size=3), ZEROS, DIGITS, 5, "code has size 3"),
        (lambda: dense(shape=(3, 28, 28)), ZEROS, DIGITS, 5, "one-channel"),
        (lambda: torch.nn.ReLU(), ZEROS, DIGITS, 5, "model is 'ReLU'"),
        (dense, torch.zeros(5, 3), DIGITS, 5, r"codes has shape \(5, 3\)"),
        (dense, torch.zeros(0, 2), DIGITS[:0], 5, r"codes is empty, of shape \(0, 2\)"),
        (dense, ZEROS / 0, DIGITS, 5, "finite"),
        (dense, ZEROS, DIGITS[:4], 5, r"labels has shape \(4,\)"),
        (dense, ZEROS, DIGITS + 10, 5, "give 0 to 9"),
        (dense, ZEROS, DIGITS, 0, "max_points is 0"),
    ],
)
def test_errors_are_one_sentence(make, codes: Tensor, labels: Tensor, points: int, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        LatentExplorer.from_autoencoder(make(), codes, labels, points)
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text and text.count(". ") == 0

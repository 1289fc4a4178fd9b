"""The second live figure of chapter 2 shows in the browser the frames that were recorded here."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gencourse.data import ring
from gencourse.losses import discriminator_loss, generator_loss
from gencourse.methods import GAN
from gencourse.networks import mlp
from gencourse.training import fit
from gencourse.widgets import RunPlayer, record_run

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
T, N, G, K = 60, 200, 24, 30
LOW, HIGH = -3.0, 3.0
ANGLES = np.arange(8) * np.pi / 4
CENTRES = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
STEPS = list(range(0, 100 * T, 100))

# Reads state.json (binary traits as base64, as a page has them) and writes every number of the recording.
SCRIPT = """
import { readFileSync } from "node:fs";
import { unpack } from "./run_player.mjs";
const { data, points, sizes, frames } = JSON.parse(readFileSync("state.json"));
const bytes = Buffer.from(data, "base64");
const shifted = new Uint8Array(bytes.length + 3); // a part of a larger buffer, as some hosts give it
shifted.set(bytes, 3);
const start = performance.now();
const { real, runs } = unpack(shifted.subarray(3), points, sizes, frames);
const milliseconds = performance.now() - start;
const list = (numbers) => Array.from(numbers); // JSON writes NaN as null
const all = runs.map((run) => Object.fromEntries(Object.entries(run).map(([name, of]) => [name, list(of)])));
console.log(JSON.stringify({ real: list(real), runs: all, milliseconds }));
"""


def make_run(title: str, seed: int, arrows: bool = True, samples: int = N) -> dict[str, Any]:
    """Samples that walk from the middle to all centres (even seed) or to one, and a field that is lopsided."""
    rng = np.random.default_rng(seed)
    goal = CENTRES[rng.integers(0, 8, samples) if seed % 2 == 0 else np.zeros(samples, int)]
    time = np.linspace(0, 1, T)[:, None, None]
    run = {
        "title": title,
        "samples": time * goal + 0.1 * rng.normal(size=(T, samples, 2)),
        "field": rng.random((T, G, G)),
    }
    if arrows:
        run["arrows"] = np.concatenate([run["samples"][:, :K], 1e-3 * rng.normal(size=(T, K, 2))], axis=2)
    return run


RUNS = [make_run("Without a penalty", 1), make_run("With the penalty R1", 2)]
REAL = CENTRES[np.arange(2000) % 8] + 0.05 * np.random.default_rng(0).normal(size=(2000, 2))


def make(real: Any = REAL, runs: Any = RUNS, **other: Any) -> RunPlayer:
    return RunPlayer.from_frames(
        real, runs, **({"extent": (LOW, HIGH), "steps": STEPS, "centres": CENTRES} | other)
    )


@pytest.fixture(scope="module")
def player() -> RunPlayer:
    return make()


def run_in_node(player: RunPlayer, folder: Path) -> dict:
    state = {"points": player.points, "sizes": player.sizes, "frames": len(player.steps)}
    state["data"] = base64.b64encode(player.data).decode()
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "run_player.mjs").write_text(player._esm, encoding="utf-8")
    (folder / "run.mjs").write_text(SCRIPT)
    done = subprocess.run([NODE, "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def positions(numbers: list) -> np.ndarray:
    """Unpacked numbers as (x, y) in the data's own measure."""
    return LOW + (HIGH - LOW) * np.array(numbers, float).reshape(-1, 2)


@needs_node
def test_browser_has_the_frames_that_were_recorded(player: RunPlayer, tmp_path: Path) -> None:
    ran = run_in_node(player, tmp_path)
    half = (HIGH - LOW) / 65534 / 2 * 1.02  # half a step of two bytes
    distance = np.abs(positions(ran["real"])[:, None] - REAL[None]).max(-1).min(1)
    assert len(ran["real"]) == 2 * 500 and distance.max() <= half
    for run, found in zip(RUNS, ran["runs"], strict=True):
        samples, feet = positions(found["samples"]), positions(found["feet"])
        np.testing.assert_allclose(samples, run["samples"].reshape(-1, 2), rtol=0, atol=half)
        np.testing.assert_allclose(feet, run["arrows"][..., :2].reshape(-1, 2), rtol=0, atol=half)
        field = np.array(found["field"]) / 255
        np.testing.assert_allclose(field, run["field"].ravel(), rtol=0, atol=0.51 / 255)
    assert ran["milliseconds"] < 100


@needs_node
def test_arrows_of_both_runs_have_one_scale(tmp_path: Path) -> None:
    weak = {**RUNS[1], "arrows": RUNS[1]["arrows"] * (1, 1, 0.5, 0.5)}
    ran = run_in_node(make(runs=[RUNS[0], weak]), tmp_path)
    found = [np.array(run["lengths"]).reshape(-1, 2) for run in ran["runs"]]
    given = [run["arrows"][..., 2:].reshape(-1, 2) for run in (RUNS[0], weak)]
    longest = max(np.hypot(*f.T).max() for f in found)
    assert longest == pytest.approx(0.12, abs=1e-4), "of the extent's width"
    for f, g in zip(found, given, strict=True):
        size = np.hypot(*f.T)
        whole = size < 0.119  # the others are cut
        assert 0.8 < whole.mean() <= 1
        scale = size[whole] / np.hypot(*g[whole].T)
        assert np.median(scale) == pytest.approx(
            0.12 / np.quantile(np.hypot(*np.vstack(given).T), 0.95), rel=0.01
        )
        turn = np.arctan2(*f.T) - np.arctan2(*g.T)
        assert np.median(np.abs(turn)) < 1e-3 and np.quantile(np.cos(turn), 0.01) > 0.999


@needs_node
def test_what_lies_outside_is_not_drawn_at_the_edge(tmp_path: Path) -> None:
    run = make_run("one", 2, arrows=False, samples=3)
    run["samples"][:, 1] = (9.0, 0.0)
    run["samples"][:, 2] = (LOW, HIGH)  # just inside
    samples = positions(run_in_node(make(runs=[run]), tmp_path)["runs"][0]["samples"]).reshape(T, 3, 2)
    assert np.isnan(samples[:, 1]).all() and np.isfinite(samples[:, [0, 2]]).all()
    np.testing.assert_allclose(samples[:, 2], np.tile((LOW, HIGH), (T, 1)))


def test_coverage_counts_clusters_with_samples_near() -> None:
    run = make_run("one", 2, samples=80)
    run["samples"][0] = 0  # nobody is near a centre
    run["samples"][1] = np.repeat(CENTRES, 10, axis=0)
    run["samples"][2] = np.repeat(CENTRES[:5], 16, axis=0)
    run["samples"][3] = np.repeat(CENTRES, 10, axis=0) * 1.25  # half a unit away from each
    run["samples"][4] = 100 * CENTRES[0]  # outside of what is shown
    player = make(runs=[run])
    assert player.coverage[0][:5] == [0, 8, 5, 0, 0] and player.clusters == 8
    assert make(runs=[run], near=0.6).coverage[0][:5] == [0, 8, 5, 8, 0]


def test_coverage_of_both_runs(player: RunPlayer) -> None:
    stuck, spread = player.coverage
    assert len(stuck) == len(spread) == T
    assert (stuck[0], spread[0], stuck[-1], spread[-1]) == (0, 0, 1, 8)


def test_starts_in_the_middle(player: RunPlayer) -> None:
    """A page's reader can then go to both sides, and either changes the picture."""
    assert player.frame == T // 2
    short = [{**run, **{k: run[k][:2] for k in ("samples", "field", "arrows")}} for run in RUNS]
    assert make(runs=short, steps=[0, 5]).frame == 1


def test_size_in_the_page(player: RunPlayer) -> None:
    assert len(player.data) == 500 * 4 + 2 * T * (N * 4 + K * 8 + G * G)
    assert 4 * -(-len(player.data) // 3) + len(player._esm) + len(player._css) <= 300_000


def test_one_run_without_arrows_and_tensors() -> None:
    run = {key: torch.as_tensor(of) if key != "title" else of for key, of in RUNS[0].items()}
    run["arrows"] = None
    player = make(torch.as_tensor(REAL[:7]), [run], centres=torch.as_tensor(CENTRES))
    assert player.sizes == [[N, G, 0]] and player.points == 7
    assert len(player.data) == 7 * 4 + T * (N * 4 + G * G)


def test_real_points_are_a_fixed_choice(player: RunPlayer) -> None:
    assert make().data == player.data


def test_module_needs_nothing_else(player: RunPlayer) -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(RunPlayer)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in player._esm
    code = re.sub(r"^\s*//.*$", "", player._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in player._css and "url(" not in player._css


def test_state_refers_to_no_other_model(player: RunPlayer) -> None:
    state = player.get_state()
    assert "IPY_MODEL_" not in repr({key: value for key, value in state.items() if key != "data"})
    wanted = {"frame", "titles", "steps", "extent", "points", "sizes", "data", "coverage", "clusters"}
    assert wanted | {"_esm", "_css"} <= set(state), "a trait that the page needs is not synced"
    assert "application/vnd.jupyter.widget-view+json" in player._repr_mimebundle_()[0]


def test_repr_is_short(player: RunPlayer) -> None:
    assert repr(player) == "RunPlayer('Without a penalty' and 'With the penalty R1', 60 frames)"


def but(**other: Any) -> list[dict[str, Any]]:
    return [{**RUNS[0], **other}]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"real": REAL[:, :1]}, r"real has shape \(2000, 1\)"),
        ({"real": REAL * np.inf}, "finite"),
        ({"runs": []}, "runs has 0 entries"),
        ({"runs": [*RUNS, *RUNS]}, "runs has 4 entries"),
        ({"runs": [{"title": "x", "samples": RUNS[0]["samples"]}]}, r"runs\[0\] has no 'field'"),
        ({"runs": but(samples=RUNS[0]["samples"][1:])}, r"\['samples'\] has shape \(59, 200, 2\)"),
        ({"runs": but(field=RUNS[0]["field"][:, 1:])}, r"\['field'\] has shape \(60, 23, 24\)"),
        ({"runs": but(field=RUNS[0]["field"] + 1)}, r"in \[0, 1\]"),
        ({"runs": but(arrows=RUNS[0]["arrows"][..., :3])}, r"\['arrows'\] has shape \(60, 30, 3\)"),
        ({"extent": (1, 1)}, "extent is"),
        ({"steps": [3]}, "steps has 1 numbers"),
        ({"steps": STEPS[::-1]}, "increasing"),
        ({"centres": CENTRES[:1]}, "centres has one row"),
        ({"centres": CENTRES[0]}, r"centres has shape \(2,\)"),
        ({"near": 0}, "near is 0"),
    ],
)
def test_errors_are_one_sentence(wrong: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        make(**wrong)
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text and text.count(". ") == 0


# ---- recording a run -----------------------------------------------------------------------------------


def plane_gan() -> GAN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GAN(shape=(2,), noise_size=2, generator=mlp((2, 8, 2)), discriminator=mlp((2, 8, 1)))


def test_a_recording_trains_and_notes_what_is_to_be_seen() -> None:
    gan, data = plane_gan(), ring(200)
    start = [p.detach().clone() for p in gan.parameters()]
    run = record_run("a run", gan, data, steps=[0, 3, 7], samples=20, arrows=5, side=6, batch_size=16)
    assert {name: tuple(run[name].shape) for name in ("samples", "field", "arrows", "losses")} == {
        "losses": (3, 2),
        "samples": (3, 20, 2),
        "field": (3, 6, 6),
        "arrows": (3, 5, 4),
    }
    assert any(not torch.equal(p, q) for p, q in zip(gan.parameters(), start, strict=True))
    assert not torch.equal(run["samples"][0], run["samples"][1])
    assert torch.equal(run["arrows"][..., :2], run["samples"][:, :5])
    RunPlayer.from_frames(data.points, [run], extent=(-3, 3), steps=[0, 3, 7], centres=data.centres)


def test_the_first_frame_is_the_untrained_game() -> None:
    gan, data = plane_gan(), ring(200)
    twin = plane_gan()
    run = record_run("a run", gan, data, steps=[0, 1], samples=20, arrows=5, side=6)
    x = torch.linspace(-3, 3, 6)
    for i, j in ((0, 0), (2, 5), (4, 1)):  # row i is a height, column j a position
        logit = twin.score(torch.tensor([[x[j], x[i]]]))
        assert run["field"][0, i, j].item() == pytest.approx(torch.sigmoid(logit).item(), abs=1e-6)
    points = run["samples"][0, :5].clone().requires_grad_()
    (slope,) = torch.autograd.grad(generator_loss(twin.score(points)) * 5, points)
    torch.testing.assert_close(run["arrows"][0, :, 2:], -slope)
    fake, real = twin.score(run["samples"][0]), twin.score(data.points[:20])
    torch.testing.assert_close(
        run["losses"][0], torch.stack([discriminator_loss(real, fake), generator_loss(fake)])
    )


def test_losses_may_be_left_out_but_not_be_wrong() -> None:
    losses = np.linspace(0, 1, 2 * T).reshape(T, 2)
    options = {"extent": (-3, 3), "steps": list(range(T)), "centres": np.eye(2)}
    player = RunPlayer.from_frames(np.zeros((1, 2)), [{**RUNS[0], "losses": losses}, RUNS[1]], **options)
    assert player.losses == [losses.tolist(), []]
    with pytest.raises(ValueError, match=r"runs\[0\]\['losses'\] has shape"):
        RunPlayer.from_frames(np.zeros((1, 2)), [{**RUNS[0], "losses": losses[:2]}], **options)


def test_taking_frames_leaves_no_trace_in_the_run() -> None:
    data = ring(200)
    often, rarely = plane_gan(), plane_gan()
    a = record_run("often", often, data, steps=range(11), samples=20)
    b = record_run("rarely", rarely, data, steps=[0, 10], samples=20)
    torch.testing.assert_close(a["samples"][10], b["samples"][1])


def test_a_gan_of_points_can_be_fitted() -> None:
    gan, data = plane_gan(), ring(500)
    history = fit(gan, data, epochs=2, batch_size=50, device="cpu", progress=False)
    assert len(history) == 2 and gan.sample(7).shape == (7, 2)

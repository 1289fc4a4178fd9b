"""The first live figure of chapter 2 takes in the browser the steps that PyTorch takes here."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import traitlets

from gencourse.methods.dirac import dirac_flow, dirac_path
from gencourse.widgets import DiracGame

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")
LOSSES, MODES = ("logistic", "wasserstein"), ("simultaneous", "alternating")
GAMES = [
    {"loss": loss, "mode": mode, "h": h, "gamma": gamma}
    for loss, mode, h, gamma in itertools.product(LOSSES, MODES, (0.01, 0.2, 0.5), (0.0, 0.05, 0.5, 1.0, 2.0))
]

# Plays every game of games.json from two starts, and times 400 steps.
SCRIPT = """
import { readFileSync } from "node:fs";
import { flow, step, run, modulus, verdict } from "./dirac_game.mjs";
const games = JSON.parse(readFileSync("games.json"));
const played = games.map(({ loss, mode, h, gamma }) => ({
  paths: [[1, 0], [-2.5, 1.5]].map(([a, b]) => Array.from(run(a, b, h, 400, gamma, mode, loss))),
  step: step(-0.7, 0.4, h, gamma, mode, loss),
  flow: flow(-0.7, 0.4, gamma, loss),
  modulus: modulus(h, gamma, mode, loss),
  verdict: verdict(h, gamma, mode, loss),
}));
const times = Array.from({ length: 30 }, () => {
  const start = performance.now();
  run(1, 0, 0.2, 400, 0, "simultaneous", "logistic");
  return performance.now() - start;
});
console.log(JSON.stringify({ played, milliseconds: times.sort((a, b) => a - b)[15] }));
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("dirac")
    (folder / "games.json").write_text(json.dumps(GAMES))
    (folder / "dirac_game.mjs").write_text(DiracGame._esm, encoding="utf-8")
    (folder / "run.mjs").write_text(SCRIPT)
    done = subprocess.run([NODE, "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
def test_browser_plays_what_pytorch_plays(ran: dict) -> None:
    for game, played in zip(GAMES, ran["played"], strict=True):
        for start, path in zip([(1.0, 0.0), (-2.5, 1.5)], played["paths"], strict=True):
            expected = dirac_path(*start, steps=400, **game).numpy()
            np.testing.assert_allclose(np.array(path, float).reshape(401, 2), expected, rtol=1e-9, atol=1e-9)
        expected = [float(v) for v in dirac_flow(-0.7, 0.4, game["gamma"], game["loss"])]
        np.testing.assert_allclose(played["flow"], expected, rtol=1e-12)
    assert ran["milliseconds"] < 8


@needs_node
def test_modulus_is_that_of_the_linear_step(ran: dict) -> None:
    """Against the Jacobian of one step at the solution, by differences: no formula is shared."""
    for game, played in zip(GAMES, ran["played"], strict=True):
        e = 1e-4
        columns = [dirac_path(*e_i, steps=1, **game)[1].numpy() / e for e_i in ((e, 0.0), (0.0, e))]
        expected = np.abs(np.linalg.eigvals(np.stack(columns, axis=1))).max()
        # near a double eigenvalue the difference counts with its root
        assert played["modulus"] == pytest.approx(expected, abs=1e-4), game


@needs_node
def test_words_follow_the_path(ran: dict) -> None:
    for game, played in zip(GAMES, ran["played"], strict=True):
        a = 0.5 if game["loss"] == "logistic" else 1.0
        matrix = np.array([[1, -game["h"] * a], [game["h"] * a, 1 - game["h"] * game["gamma"]]])
        if game["mode"] == "alternating":
            first, then = np.array(matrix), np.array(matrix)
            first[0], then[1] = (1, 0), (0, 1)  # the discriminator moves, then the generator
            matrix = then @ first
        radius = np.hypot(*(np.linalg.matrix_power(matrix, 4000) @ (1.0, 0.0)))
        words = played["verdict"]
        if words == "spirals out":
            assert radius > 1.02, game
        elif words == "orbits":
            # in turn: always, without a penalty; at the same time: where the penalty is just h·a²
            still = 0 if game["mode"] == "alternating" else game["h"] * a**2
            assert 0.5 < radius < 2 and game["gamma"] == pytest.approx(still), game
        else:
            assert radius < 0.8, game
            assert ("without turning" in words) == bool(np.isrealobj(np.linalg.eigvals(matrix))), game
    assert {played["verdict"] for played in ran["played"]} == {
        "spirals out",
        "orbits",
        "spirals in",
        "comes in without turning",
    }


def test_module_needs_nothing_else() -> None:
    """No other file, no network, no kernel: the book runs the text alone, also from a disk."""
    assert all(isinstance(vars(DiracGame)[name], str) for name in ("_esm", "_css")), "text, not a path"
    assert "export default" in DiracGame._esm
    code = re.sub(r"^\s*//.*$", "", DiracGame._esm, flags=re.M)
    for word in ("import", "require", "http", "fetch", "model.send", "msg:custom"):
        assert not re.search(rf"\b{word}\b", code), f"the module says {word!r}"
    assert "@import" not in DiracGame._css and "url(" not in DiracGame._css
    assert len(DiracGame._esm) + len(DiracGame._css) < 25_000


def test_state_refers_to_no_other_model() -> None:
    state = DiracGame().get_state()
    assert "IPY_MODEL_" not in repr(state)
    wanted = {"start", "loss", "mode", "h", "gamma", "_esm", "_css"}
    assert wanted <= set(state), "a trait that the page needs is not synced"
    assert "application/vnd.jupyter.widget-view+json" in DiracGame()._repr_mimebundle_()[0]


def test_traits_are_synced_both_ways() -> None:
    game, seen = DiracGame(mode="alternating", gamma=0.5), []
    game.observe(lambda change: seen.append(change["new"]), ["start", "h"])
    game.set_state({"start": [1, -2.5], "h": 0.1})  # what the browser sends; JSON has no 1.0
    game.h = 0.3
    assert len(seen) == 3 and 0.1 in seen and 0.3 in seen and [1, -2.5] in seen


def test_reset_returns_to_the_defaults() -> None:
    """The button's values, in the module, are the traits' own."""
    found = re.search(r"const HOME = (\{.*\});", DiracGame._esm)
    assert found
    game = DiracGame()
    assert json.loads(re.sub(r"(\w+):", r'"\1":', found[1])) == {
        name: getattr(game, name) for name in ("start", "loss", "mode", "h", "gamma")
    }


@pytest.mark.parametrize(
    "wrong",
    [{"loss": "hinge"}, {"mode": "both"}, {"h": 0.0}, {"h": 0.6}, {"gamma": -1.0}, {"start": [1.0]}],
)
def test_a_value_without_a_control_is_refused(wrong: dict) -> None:
    with pytest.raises(traitlets.TraitError, match=f"'{next(iter(wrong))}'"):
        DiracGame(**wrong)


def test_repr_is_short() -> None:
    assert repr(DiracGame()) == "DiracGame(logistic, simultaneous, h=0.2, gamma=0, start=(1, 0))"

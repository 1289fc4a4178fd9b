"""The laboratory trains autoencoders in the browser as PyTorch trains here, and shows what the chapter proves."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gencourse.losses import squared_error
from gencourse.widgets import AutoencoderLab
from tests.widgets import laboratory
from tests.widgets.laboratory import flat, needs_node, network, points

LINE = {"net": "linear", "code": 1, "noise": 0, "rate": 0.01}
GAMES = [
    {"net": net, "code": code, "noise": noise, "rate": 0.03 if noise else 0.003}
    for net, code, noise in product(("linear", "tanh"), (1, 2), (0, 0.5))
]


def run(folder: Path, script: str, **given: Any) -> Any:
    return laboratory.run(AutoencoderLab, folder, script, **given)


# Six steps of every kind of run, and all that was drawn for them.
ROUNDS = """
show(given.games.map((how) => {
  const run = lab.fresh(5, lab.chance(1), how), dice = lab.chance(2), source = lab.known({ data: "moons", drawn: [] });
  const start = plain({ E: run.E, Dec: run.Dec }), x = [], y = [], losses = [];
  for (let n = 0; n < 6; n++) {
    x.push(many(() => source.real[Math.floor(400 * dice.uniform())]));
    y.push(x[n].map((p) => dice.normal().map((e, c) => p[c] + how.noise * e)));
    lab.learn(run, how, x[n], y[n]);
    losses.push(run.loss);
  }
  return { start, x, y, losses, E: run.E, Dec: run.Dec, step: run.step };
}));
"""


@needs_node
def test_rounds_are_those_of_pytorch(tmp_path: Path) -> None:
    for how, seen in zip(GAMES, run(tmp_path, ROUNDS, games=GAMES), strict=True):
        encoder, decoder = network(seen["start"]["E"]), network(seen["start"]["Dec"])
        assert len(encoder) == len(decoder) == (1 if how["net"] == "linear" else 5)
        assert encoder[-1].out_features == decoder[0].in_features == how["code"]
        adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=how["rate"])
        losses = []
        for x, y in zip(points(seen["x"]), points(seen["y"]), strict=True):
            loss = squared_error(decoder(encoder(y)), x)
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        assert seen["step"] == 6
        np.testing.assert_allclose(seen["losses"], losses, atol=1e-9)
        for net, found in ((encoder, seen["E"]), (decoder, seen["Dec"])):
            expected = torch.cat([p.detach().flatten() for p in net.parameters()])
            torch.testing.assert_close(
                flat(found), expected, atol=1e-7, rtol=0, msg=lambda m, how=how: f"{how}: {m}"
            )


LOOKED = """
const setup = { data: given.data, drawn: [] }, source = lab.known(setup);
show({ source, seen: given.games.map((how) => {
  const run = lab.fresh(6, lab.chance(3), how);
  if (given.best) Object.assign(run, given.best[how.code - 1]);
  return { E: run.E, Dec: run.Dec, ...lab.picture(run, how, source) };
}) });
"""


def averages(real: Tensor, noise: float, y: Tensor) -> Tensor:
    """r*(y) by eq. (1.13): y + σ² times the score of the blurred points, which PyTorch finds."""
    y = y.clone().requires_grad_()
    log = torch.logsumexp(-torch.cdist(y, real).square() / (2 * noise**2), 1)
    return y.detach() + noise**2 * torch.autograd.grad(log.sum(), y)[0]


@needs_node
def test_picture_is_that_of_pytorch(tmp_path: Path) -> None:
    found = run(tmp_path, LOOKED, data="moons", games=GAMES)
    real = points(found["source"]["real"])
    for how, seen in zip(GAMES, found["seen"], strict=True):
        encoder, decoder = network(seen["E"]), network(seen["Dec"])
        with torch.no_grad():
            start = points(seen["from"]).view(-1, 2)
            pulls = decoder(encoder(start)) - start
            shown = encoder(real[:128])
            samples = decoder(shown)
        np.testing.assert_allclose(np.reshape(seen["pulls"], (-1, 2)), pulls, atol=1e-5)
        np.testing.assert_allclose(np.reshape(seen["samples"], (-1, 2)), samples, atol=1e-5)
        low, high = shown.min(0).values, shown.max(0).values
        low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
        assert len(seen["curves"]) == (1 if how["code"] == 1 else 14)
        corners = [seen["curves"][0][:2], seen["curves"][-1][-2:]]  # the first code, and the last of all
        np.testing.assert_allclose(corners, decoder(torch.stack([low, high])).detach(), atol=1e-5)
        if not how["noise"]:
            continue
        exact = averages(real, how["noise"], start) - start
        np.testing.assert_allclose(np.reshape(seen["exact"], (-1, 2)), exact, atol=1e-5)
        # where the blurred density is higher the plane is bluer
        axis = (torch.arange(20, dtype=torch.float64) + 0.5) / 20 * 6 - 3
        grid = torch.stack(torch.meshgrid(-axis, axis, indexing="ij"), dim=-1).flip(-1).view(-1, 2)
        log = torch.logsumexp(-torch.cdist(grid, real).square() / (2 * how["noise"] ** 2), 1)
        assert (np.diff(np.array(seen["field"])[log.argsort().numpy()]) >= 0).all()
        assert max(seen["field"]) == 255


def linear(matrix: Tensor, code: int, mean: Tensor) -> dict[str, Any]:
    """Encoder and decoder of one layer each whose product is the best of this rank, around the mean."""
    u, s, v = torch.linalg.svd(matrix)
    out, into = u[:, :code] * s[:code], v[:code]
    return {
        "E": [{"w": into.flatten().tolist(), "b": (-into @ mean).tolist(), "rows": code, "columns": 2}],
        "Dec": [{"w": out.flatten().tolist(), "b": mean.tolist(), "rows": 2, "columns": code}],
    }


@needs_node
@pytest.mark.parametrize("noise", [0, 0.5])
def test_least_errors_are_those_of_the_chapter(noise: float, tmp_path: Path) -> None:
    """Linear: eqs. (1.8) and (1.12), reached by the networks that they name. Others: the first term of (1.7)."""
    games = [{"net": "linear", "code": code, "noise": noise, "rate": 0.01} for code in (1, 2)]
    real = points(run(tmp_path, LOOKED, data="cloud", games=games)["source"]["real"])
    mean, covariance = real.mean(0), torch.cov(real.T, correction=0)
    wiener = covariance @ torch.linalg.inv(covariance + noise**2 * torch.eye(2))  # eq. (1.12)
    values, vectors = torch.linalg.eigh(covariance)
    best = [linear(vectors[:, [1]] @ vectors[:, [1]].T @ wiener, 1, mean), linear(wiener, 2, mean)]
    found = run(tmp_path, LOOKED, data="cloud", games=games, best=best)
    full = torch.trace(covariance - wiener @ covariance).item()
    kept = (values[1] - values[1] ** 2 / (values[1] + noise**2) + values[0]).item()
    for seen, least in zip(found["seen"], (kept, full), strict=True):
        assert seen["least"] == pytest.approx(least, abs=1e-9)
        assert seen["error"] == pytest.approx(least, rel=0.01, abs=1e-9), "measured on points with noise"
    x, y = (vectors[:, 1] * vectors[0, 1].sign()).tolist()
    assert found["source"]["turn"] == pytest.approx(np.arctan2(y, x))
    np.testing.assert_allclose(found["source"]["mean"], mean)

    found = run(tmp_path, LOOKED, data="ring", games=[{**games[0], "net": "tanh"}])
    least = found["seen"][0]["least"]
    if not noise:
        assert least == 0
        return
    real, noisy = points(found["source"]["real"]), points(found["source"]["blurred"][str(noise)]["noisy"])
    own = squared_error(averages(real, noise, noisy), real.repeat_interleave(2, 0)).item()
    assert least == pytest.approx(own, abs=1e-9)
    many = real.repeat(50, 1)
    y = many + noise * torch.randn(many.shape, generator=torch.Generator().manual_seed(0), dtype=many.dtype)
    assert least == pytest.approx(squared_error(averages(real, noise, y), many).item(), rel=0.08)


EXAMPLE = """
const { data, units, seed, a, b } = { ...lab.EXAMPLES[given.index][1], ...given };
const source = lab.known({ data, drawn: [] });
show({ source, runs: [a, b].map((how) => {
  const run = lab.fresh(units, lab.chance(seed), how), dice = lab.chance(seed + 1);
  for (let n = 0; n < given.steps; n++) {
    const x = many(() => source.real[Math.floor(400 * dice.uniform())], 32);
    lab.learn(run, how, x, x.map((p) => dice.normal().map((e, c) => p[c] + how.noise * e)));
  }
  return { ...lab.picture(run, how, source), E: run.E, Dec: run.Dec };
}) });
"""


@needs_node
def test_a_linear_code_finds_the_first_principal_direction(tmp_path: Path) -> None:
    """Eqs. (1.8) and (1.9), and what the curve of the first example does better."""
    found = run(tmp_path, EXAMPLE, index=0, steps=1200)
    line, curve = found["runs"]
    assert line["least"] * (1 - 1e-9) <= line["error"] < 1.03 * line["least"]
    first = torch.linalg.eigh(torch.cov(points(found["source"]["real"]).T)).eigenvectors[:, 1]
    product = network(line["Dec"])[0].weight @ network(line["E"])[0].weight
    torch.testing.assert_close(product.detach(), torch.outer(first, first), atol=0.05, rtol=0)
    assert curve["error"] < 0.1 * line["least"]


@needs_node
def test_a_road_is_found_where_there_is_one(tmp_path: Path) -> None:
    """Through nine places, but not through a cloud: what the chapter tells to try."""
    line, road = run(tmp_path, EXAMPLE, index=1, steps=1200)["runs"]
    assert road["error"] < 0.05 * line["error"]
    line, road = run(tmp_path, EXAMPLE, index=0, steps=1200, data="cloud")["runs"]
    assert 0.9 < road["error"] / line["error"] < 1.1, "the curve gains next to nothing"


@needs_node
def test_copies_shrinks_and_climbs(tmp_path: Path) -> None:
    """Without noise a linear map copies; with noise it is (1.12), and a bent one comes close to (1.13)."""
    copy, shrink = run(tmp_path, EXAMPLE, index=2, steps=1000)["runs"]
    assert np.abs(copy["pulls"]).max() < 0.05
    assert shrink["error"] == pytest.approx(shrink["least"], rel=0.05)
    shrink, climb = run(tmp_path, EXAMPLE, index=3, steps=1500)["runs"]
    assert climb["error"] < 0.75 * shrink["least"] and climb["error"] > 0.98 * climb["least"]
    exact, own = np.array(climb["exact"]), np.array(climb["pulls"])
    other = np.array(shrink["pulls"])
    norm = np.linalg.norm
    assert norm(own - exact) < 0.35 * norm(exact)
    assert norm(own - exact) < 0.5 * norm(other - exact), "the bent denoiser is nearer to the score"


def test_what_is_left_out_is_as_in_the_first_example() -> None:
    lab = AutoencoderLab(a={"noise": 0.5}, b={})
    assert lab.a == {**LINE, "noise": 0.5} and lab.b == LINE
    assert repr(lab) == "AutoencoderLab(moons, units=16, seed=1, the runs differ in noise)"

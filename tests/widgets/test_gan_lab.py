"""The laboratory trains in the browser as PyTorch trains here, and shows what the chapter proves."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from torch import Tensor, nn

from gencourse.data import PointDataset, ring
from gencourse.evaluation import mode_coverage
from gencourse.losses import ADVERSARIAL_KINDS, discriminator_loss, generator_loss, r1_penalty
from gencourse.methods import dirac_path
from gencourse.widgets import GanLab
from tests.widgets import laboratory
from tests.widgets.laboratory import flat, needs_node, network, points

FREE = {"loss": "minimax", "momentum": "plain", "rate": 0.2, "r1": 0, "gp": 0, "moves": 1, "average": 0}
ADAM = {
    "loss": "non_saturating",
    "momentum": 0.5,
    "rate": 0.005,
    "r1": 0,
    "gp": 0,
    "moves": 1,
    "average": 0,
}
GAMES = [
    *({**ADAM, "loss": kind} for kind in ADVERSARIAL_KINDS),
    *({**FREE, "loss": kind, "rate": 0.05, "r1": 0.3} for kind in ADVERSARIAL_KINDS),
    {**ADAM, "r1": 0.1, "momentum": 0.9, "average": 0.9},
    {**ADAM, "gp": 10, "loss": "wasserstein", "moves": 5, "momentum": 0},
    {**ADAM, "gp": 1, "r1": 0.1, "moves": 0, "loss": "relativistic", "average": 0.99},
]

# Plays six rounds of every game, and hands out all that was drawn for it.
ROUNDS = """
const played = given.games.map((how) => {
  const run = lab.fresh(5, lab.chance(1)), dice = lab.chance(2), source = lab.law("ring");
  const start = plain({ D: run.D, G: run.G }), draws = [], losses = [];
  for (let n = 0; n < 6; n++) {
    const draw = { x: many(() => source.draw(dice)), noise: [], share: [] };
    lab.play(run, how, draw.x, () => keep(draw.noise, many(dice.normal)), () => keep(draw.share, dice.uniform()));
    draws.push(draw);
    losses.push([...run.losses]);
  }
  return { start, draws, losses, D: run.D, G: run.G, mean: run.mean };
});
show(played);
"""


def run(folder: Path, script: str, **given: Any) -> Any:
    return laboratory.run(GanLab, folder, script, **given)


def replay(how: dict, played: dict) -> tuple[nn.Sequential, nn.Sequential, Tensor, list[list[float]]]:
    """The same rounds in PyTorch, from the same weights and draws."""
    d, g = network(played["start"]["D"]), network(played["start"]["G"])
    betas = {0: (0.0, 0.99), 0.5: (0.5, 0.99), 0.9: (0.9, 0.999)}
    both = [
        torch.optim.SGD(net.parameters(), lr=how["rate"])
        if how["momentum"] == "plain"
        else torch.optim.Adam(net.parameters(), lr=how["rate"], betas=betas[how["momentum"]])
        for net in (d, g)
    ]
    mean, losses = torch.zeros(0), []
    for n, draw in enumerate(played["draws"]):
        x, noise = points(draw["x"]), [points(z) for z in draw["noise"]]
        share = iter(draw["share"])

        def wish(x: Tensor = x, noise: list[Tensor] = noise) -> Tensor:
            return generator_loss(d(g(noise.pop(0))), how["loss"], d(x))

        def step(loss: Tensor, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
            for p, grad in zip(
                net.parameters(),
                torch.autograd.grad(loss, [*net.parameters()], allow_unused=True),
                strict=True,
            ):
                p.grad = torch.zeros_like(p) if grad is None else grad
            optimizer.step()

        if how["moves"] == 0:
            answer = wish()
            grads = torch.autograd.grad(answer, [*g.parameters()])
        for _move in range(max(1, how["moves"])):
            fake = g(noise.pop(0)).detach()
            judge = discriminator_loss(d(x), d(fake), how["loss"])
            loss = judge
            if how["r1"]:
                loss = loss + how["r1"] * r1_penalty(d, x)
            if how["gp"]:
                e = points([next(share) for _ in x])[:, None]
                middle = (e * x + (1 - e) * fake).requires_grad_()
                (slope,) = torch.autograd.grad(d(middle).sum(), middle, create_graph=True)
                loss = loss + how["gp"] * ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean()
            step(loss, d, both[0])
        if how["moves"]:
            answer = wish()
            step(answer, g, both[1])
        else:
            for p, grad in zip(g.parameters(), grads, strict=True):
                p.grad = grad
            both[1].step()
        now = torch.cat([p.detach().flatten() for p in g.parameters()])
        mean = how["average"] * mean + (1 - how["average"]) * now if n else now
        losses.append([judge.item(), answer.item()])
    return d, g, mean, losses


@needs_node
def test_rounds_are_those_of_pytorch(tmp_path: Path) -> None:
    for how, played in zip(GAMES, run(tmp_path, ROUNDS, games=GAMES), strict=True):
        d, g, mean, losses = replay(how, played)
        for net, found in ((d, played["D"]), (g, played["G"])):
            expected = torch.cat([p.detach().flatten() for p in net.parameters()])
            torch.testing.assert_close(
                flat(found), expected, atol=1e-7, rtol=0, msg=lambda m, how=how: f"{how}: {m}"
            )
        torch.testing.assert_close(flat(played["mean"]), mean, atol=1e-7, rtol=0)
        np.testing.assert_allclose(played["losses"], losses, atol=1e-7)


SMALLEST = """
show(given.games.map(({ start, steps, ...how }) => {
  const run = lab.fresh(0, lab.chance(1)), dice = lab.chance(2), source = lab.law("point"), path = [];
  if (start) [run.G[0].b, run.D[0].w] = [[start[0], 0], [-start[1], 0]];
  for (let n = 0; n <= steps; n++) {
    path.push([...run.G[0].b, ...run.D[0].w]);
    lab.play(run, how, many(() => source.draw(dice)), () => many(dice.normal), dice.uniform);
  }
  return path;
}));
"""


@needs_node
def test_smallest_game_is_that_of_the_chapter(tmp_path: Path) -> None:
    """On a line it is the Dirac-GAN, whose ψ has the other sign; from its own start the plane shows a circle."""
    starts, gammas, moves = ((1.0, 0.0), (-0.7, 0.4)), (0, 0.3, 1), (0, 1)
    games = [
        {**FREE, "start": s, "r1": g, "moves": m, "steps": 60} for s, g, m in product(starts, gammas, moves)
    ]
    for game, path in zip(games, run(tmp_path, SMALLEST, games=games), strict=True):
        mode = "alternating" if game["moves"] else "simultaneous"
        expected = dirac_path(*game["start"], h=0.2, steps=60, gamma=game["r1"], mode=mode).numpy()
        found = np.array(path)[:, [0, 2]] * (1, -1)
        np.testing.assert_allclose(found, expected, atol=1e-12)

    own = [{**FREE, "steps": 500, **more} for more in ({"moves": 0}, {}, {"r1": 0.3})]
    out, orbit, decay = (np.linalg.norm(path, axis=1) for path in run(tmp_path, SMALLEST, games=own))
    np.testing.assert_allclose(out[1:] / out[:-1], np.sqrt(1 + (0.2 * 0.5) ** 2))  # eq. (2.18)
    assert np.abs(orbit / orbit[0] - 1).max() < 0.1  # eq. (2.17)
    assert decay[-1] < 1e-4  # eq. (2.19)


LOOKED = """
const run = lab.fresh(6, lab.chance(given.seed)), dice = lab.chance(4), source = lab.law("ring");
const z = many(dice.normal, 30);
show({ D: run.D, G: run.G, z, kinds: given.kinds.map((kind) => lab.picture(run, kind, z, source)) });
"""


@needs_node
def test_picture_shows_judge_and_pull(tmp_path: Path) -> None:
    kinds = [kind for kind in ADVERSARIAL_KINDS if kind != "relativistic"]  # its real logit is a mean here
    found = run(tmp_path, LOOKED, kinds=kinds, seed=5)
    d, g = network(found["D"]), network(found["G"])
    samples = g(points(found["z"])).detach().requires_grad_()
    side = int(len(found["kinds"][0]["field"]) ** 0.5)
    axis = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 6 - 3
    grid = torch.stack(torch.meshgrid(-axis, axis, indexing="ij"), dim=-1).flip(-1).view(-1, 2)
    for kind, seen in zip(kinds, found["kinds"], strict=True):
        (slope,) = torch.autograd.grad(generator_loss(d(samples), kind) * len(samples), samples)
        np.testing.assert_allclose(np.reshape(seen["pulls"], (-1, 2)), -slope, atol=1e-5)
        np.testing.assert_allclose(np.reshape(seen["samples"], (-1, 2)), samples.detach(), atol=1e-5)
        if kind in ("minimax", "non_saturating", "hinge"):
            np.testing.assert_allclose(
                seen["field"], 255 * torch.sigmoid(d(grid)).detach().flatten(), atol=0.6
            )
        # whatever the scale, where the judge's logit is larger the plane is bluer
        order = d(grid).flatten().argsort().numpy()
        assert (np.diff(np.array(seen["field"])[order]) >= 0).all(), kind


LAWS = """
show(given.data.map((name) => {
  const source = lab.law(name, given.drawn), dice = lab.chance(3), list = many(() => source.draw(dice), 2000);
  const uneven = source.centres.flatMap((centre, i) => Array(i * i).fill(centre));
  return { ...source, list, all: lab.covered(list, source), some: lab.covered(uneven, source) };
}));
"""


@needs_node
def test_coverage_is_that_of_the_chapter(tmp_path: Path) -> None:
    """Of each kind of data: real points cover all places, and an uneven lot covers as many as `mode_coverage` says."""
    names = [name for name in GanLab.data.values if name != "point"]
    drawn = [[-2, 0], [-2, 0.1], [1, 1.5], [2, -2]]
    for name, found in zip(names, run(tmp_path, LAWS, data=names, drawn=drawn), strict=True):
        centres, real = (torch.tensor(found[key], dtype=torch.float32) for key in ("centres", "list"))
        data = PointDataset(real, torch.zeros(len(real), dtype=torch.int64), centres)
        labels = data.cluster_of(real, near=found["near"])
        assert found["all"] == len(centres) == mode_coverage(labels, len(centres)), name
        number = torch.arange(len(centres))
        assert found["some"] == mode_coverage(number.repeat_interleave(number**2), len(centres)), name
        assert (labels >= 0).float().mean() > 0.99, f"{name}: real points that belong to no place"
        assert real.abs().max() < 3, f"{name} does not fit into the plane"
        if name == "ring":
            torch.testing.assert_close(centres.norm(dim=1), ring(1).centres.norm(dim=1))


EXAMPLE = """
const { data, units, a, b } = lab.EXAMPLES[given.index][1], source = lab.law(data);
show([a, b].map((how) => {
  const run = lab.fresh(units, lab.chance(given.seed)), dice = lab.chance(given.seed + 1), seen = [];
  const z = many(lab.chance(given.seed + 2).normal, 128);
  for (let n = 1; n <= given.steps; n++) {
    lab.play(run, how, many(() => source.draw(dice), 32), () => many(dice.normal, 32), dice.uniform);
    if (n % 50 === 0) seen.push(lab.picture(run, how.loss, z, source).places);
  }
  return seen;
}));
"""


@needs_node
def test_modes_are_lost_and_kept(tmp_path: Path) -> None:
    lost, kept = run(tmp_path, EXAMPLE, index=3, seed=3, steps=1200)
    assert np.mean(lost[4:]) < 4, "most places stay empty"
    assert np.mean(kept[-4:]) > 7, "all places, or nearly all"


def test_what_is_left_out_is_as_in_the_first_example() -> None:
    lab = GanLab(a={"momentum": 0.9}, b={})
    assert lab.a == {**FREE, "momentum": 0.9} and lab.b == FREE
    assert repr(lab) == "GanLab(point, units=0, seed=1, the runs differ in momentum)"


@pytest.mark.parametrize("wrong", [{"a": {"loss": "cats"}}, {"b": {"speed": 1}}, {"b": {"r1": True}}])
def test_a_value_without_a_control_is_refused(wrong: dict) -> None:
    with pytest.raises(traitlets.TraitError, match=f"'{next(iter(wrong))}'"):
        GanLab(**wrong)

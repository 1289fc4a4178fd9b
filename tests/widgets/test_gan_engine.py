"""The two small networks of the browser have the losses, gradients and steps that PyTorch has."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gencourse.losses import (
    ADVERSARIAL_KINDS,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)
from gencourse.widgets.text import module

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed: the JavaScript cannot run here")

SCRIPT = """
import { readFileSync } from "node:fs";
import { judgeStep, generatorStep, penalty, adam } from "./engine.mjs";
const { D, G, real, fake, noise, kinds } = JSON.parse(readFileSync("in.json"));
const out = {};
for (const kind of kinds) {
  out[kind] = [judgeStep(D, real, fake, kind), generatorStep(G, D, noise, real, kind)];
}
out.r1 = penalty(D, real, false);
out.unit = penalty(D, real, true);
const state = {};
for (let n = 0; n < 3; n++) adam(D, judgeStep(D, real, fake, "non_saturating").grads, state, 0.01, 0.5, 0.9);
out.adam = D;
console.log(JSON.stringify(out, (_, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v)));
"""


def mlp(out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 7), nn.Tanh(), nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, out)).double()


def layers(net: nn.Sequential) -> list[dict]:
    return [
        {
            "w": m.weight.flatten().tolist(),
            "b": m.bias.tolist(),
            "rows": m.out_features,
            "columns": m.in_features,
        }
        for m in net
        if isinstance(m, nn.Linear)
    ]


def flat(found: list[dict]) -> Tensor:
    return torch.tensor([v for k in found for part in ("w", "b") for v in k[part]], dtype=torch.float64)


def same(found: dict, loss: Tensor, net: nn.Sequential) -> None:
    grads = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, materialize_grads=True)
    assert found["loss"] == pytest.approx(loss.item(), abs=1e-9)
    torch.testing.assert_close(
        flat(found["grads"]), torch.cat([g.flatten() for g in grads]), atol=1e-9, rtol=0
    )


def test_numbers_are_those_of_pytorch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    d, g = mlp(1), mlp(2)
    real, noise = torch.randn(2, 9, 2, dtype=torch.float64)
    fake = g(noise).detach()
    given = {"D": layers(d), "G": layers(g), "kinds": ADVERSARIAL_KINDS}
    given |= {"real": real.tolist(), "fake": fake.tolist(), "noise": noise.tolist()}
    (tmp_path / "in.json").write_text(json.dumps(given))
    (tmp_path / "engine.mjs").write_text(module("engine", "gan_engine"), encoding="utf-8")
    (tmp_path / "run.mjs").write_text(SCRIPT)
    done = subprocess.run([str(NODE), "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for kind in ADVERSARIAL_KINDS:
        same(found[kind][0], discriminator_loss(d(real), d(fake), kind), d)
        same(found[kind][1], generator_loss(d(g(noise)), kind, d(real)), g)
    same(found["r1"], r1_penalty(d, real), d)
    x = real.clone().requires_grad_()
    (slope,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
    same(found["unit"], ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean(), d)
    adam = torch.optim.Adam(d.parameters(), lr=0.01, betas=(0.5, 0.9))
    for _ in range(3):
        adam.zero_grad()
        discriminator_loss(d(real), d(fake)).backward()
        adam.step()
    torch.testing.assert_close(flat(found["adam"]), flat(layers(d)), atol=1e-9, rtol=0)

"""The laboratory of chapter 1 in a page of its own: the numbers of PyTorch, and what its runs are told to do."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from gencourse.losses import squared_error
from gencourse.widgets import AutoencoderLab
from tests.browser.bench import Bench, wait
from tests.browser.laboratory import NUMBERS, choose, opened, press, step
from tests.widgets.laboratory import flat, network, points

# The same text as in the page's worker, asked for twenty steps and all that was drawn for them.
TRAIN = """async ({ text, how }) => {
  const lab = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v)));
  const source = lab.known({ data: "ring", drawn: [] }), dice = lab.chance(7), run = lab.fresh(8, lab.chance(5), how);
  const start = plain({ E: run.E, Dec: run.Dec }), x = [], y = [];
  for (let n = 0; n < 20; n++) {
    x.push(Array.from({ length: 32 }, () => source.real[Math.floor(400 * dice.uniform())]));
    y.push(x[n].map((p) => dice.normal().map((e, c) => p[c] + how.noise * e)));
    lab.learn(run, how, x[n], y[n]);
  }
  return plain({ start, x, y, E: run.E, Dec: run.Dec, loss: run.loss, ...lab.picture(run, how, source) });
}"""


@pytest.mark.parametrize(
    "how",
    [
        {"net": "linear", "code": 1, "noise": 0, "rate": 0.01},
        {"net": "tanh", "code": 1, "noise": 0, "rate": 0.01},
        {"net": "tanh", "code": 2, "noise": 0.5, "rate": 0.01},
    ],
)
def test_numbers_in_the_browser_are_those_of_pytorch(bench: Bench, how: dict) -> None:
    seen = bench.show(AutoencoderLab()).evaluate(TRAIN, {"text": AutoencoderLab._esm, "how": how})
    encoder, decoder = network(seen["start"]["E"]), network(seen["start"]["Dec"])
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=how["rate"])
    for x, y in zip(points(seen["x"]), points(seen["y"]), strict=True):
        loss = squared_error(decoder(encoder(y)), x)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert seen["loss"] == pytest.approx(loss.item(), abs=1e-5)
    for net, found in ((encoder, seen["E"]), (decoder, seen["Dec"])):
        own = torch.cat([p.detach().flatten() for p in net.parameters()])
        np.testing.assert_allclose(flat(found).detach(), own, atol=1e-5, rtol=0)
    start = points(seen["from"]).view(-1, 2)
    pulls = points(seen["pulls"]).view(-1, 2)
    np.testing.assert_allclose(pulls, (decoder(encoder(start)) - start).detach(), atol=1e-5)


def errors(said: str) -> list[float]:
    """Error and least error of both runs."""
    return [float(v) for v in re.findall(r"(?:error|least) (\S+\d)", said)]


def test_a_setting_acts_in_the_run_it_belongs_to(bench: Bench) -> None:
    page = opened(bench, AutoencoderLab())
    choose(page, "Layers", "linear", run=1)
    a, b = step(page, 5).split(". ")[1:]
    assert a.removeprefix("A") == b.removeprefix("B").removesuffix("."), "two equal runs differ"
    choose(page, "Noise, σ", "1", run=1)
    a, least, b, more = errors(step(page, 1))
    assert page.evaluate(NUMBERS).startswith("Step 6."), "noise does not start anew"
    assert b > a and more > least
    choose(page, "Code", "2 numbers", run=0)
    assert page.evaluate(NUMBERS).endswith("Code: 2 numbers. The runs start anew.")
    assert step(page).startswith("Step 1.")
    assert errors(page.evaluate(NUMBERS))[1] == 0
    assert page.locator("fieldset .gc-lab-differs").count() == 4


def test_a_linear_code_comes_down_to_its_floor(bench: Bench) -> None:
    """Eq. (1.8), in the page's own worker, while it plays."""
    page = opened(bench, AutoencoderLab())
    press(page, "play")
    caption = "document.querySelector('figcaption output').textContent.match(/[0-9.]+/g)"
    wait(page, f"(([a, b]) => a < 1.03 * b)({caption}.map(Number))", seconds=60)
    press(page, "play")
    wait(page, f"{NUMBERS}.startsWith('Step ')")
    error, least, *_ = errors(page.evaluate(NUMBERS))
    assert 0.999 * least <= error < 1.05 * least

"""precision="auto": the faster one is taken, said and kept, and the measurement leaves no trace in the run."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.methods import GAN
from gencourse.training import Method, Mover, fit, read_checkpoint
from gencourse.training.precision import Way, faster, fastest_way, step_seconds

# formulations have tests of their own
QUIET = {"batch_size": 8, "device": "cpu", "progress": False, "formulation": ()}


class Uneven(Method):
    """A method that one precision is made slow for, or spoilt."""

    shape = (1, 3, 3)

    slow: torch.dtype | None = None
    spoilt = False

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(9, 1)
        nn.init.constant_(self.net.weight, 0.1)
        nn.init.zeros_(self.net.bias)
        self.used: list[torch.dtype] = []

    def players(self):
        return {"net": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        out = self.net(x.flatten(1) + 0.1 * torch.randn(len(x), 9))
        self.used.append(out.dtype)
        if out.dtype == self.slow:
            time.sleep(0.01)
        if self.spoilt and out.dtype == torch.bfloat16:
            out = out * math.nan
        return {"net": update("net", out.float().square().mean())}


def uneven(slow: torch.dtype, spoilt: bool = False) -> Uneven:
    method = Uneven()
    method.slow, method.spoilt = slow, spoilt
    return method


@pytest.mark.parametrize(
    ("slow", "chosen"),
    [(torch.float32, "bfloat16"), (torch.bfloat16, "float32")],
    ids=["bfloat16", "float32"],
)
def test_the_faster_one_is_taken_and_said(
    slow: torch.dtype, chosen: str, toy_data: ImageDataset, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    method = uneven(slow)
    fit(method, toy_data, precision="auto", checkpoint=tmp_path / "run", **{**QUIET, "progress": True})
    said = capsys.readouterr().out
    assert said.startswith(f"precision: {chosen} (") and said.count("ms a step in") == 2
    assert set(method.used) == {getattr(torch, chosen)}  # of the run itself: the measurement has its own copy
    assert read_checkpoint(tmp_path / "run")[1]["precision"] == chosen


def test_the_run_is_that_of_the_chosen_precision_bit_for_bit(toy_data: ImageDataset) -> None:
    plain, chosen = uneven(torch.bfloat16), uneven(torch.bfloat16)
    outside = torch.get_rng_state()
    fit(plain, toy_data, epochs=2, precision="float32", **QUIET)
    fit(chosen, toy_data, epochs=2, precision="auto", **QUIET)
    assert torch.equal(torch.get_rng_state(), outside)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), chosen.parameters(), strict=True))


def test_a_resumed_run_keeps_its_precision_whatever_is_faster_now(
    toy_data: ImageDataset, tmp_path: Path
) -> None:
    options = {"checkpoint": tmp_path / "run", "precision": "auto", **QUIET}
    fit(uneven(torch.float32), toy_data, **options)
    later = uneven(torch.bfloat16)
    fit(later, toy_data, epochs=2, resume=True, **options)
    assert set(later.used) == {torch.bfloat16}


def test_what_bfloat16_spoils_is_learnt_in_float32(toy_data: ImageDataset) -> None:
    method = uneven(torch.float32, spoilt=True)
    history = fit(method, toy_data, precision="auto", **QUIET)
    assert math.isfinite(history["net"][0]) and set(method.used) == {torch.float32}


def test_quiet_is_quiet(toy_data: ImageDataset, capsys: pytest.CaptureFixture[str]) -> None:
    fit(Uneven(), toy_data, precision="auto", **QUIET)
    assert capsys.readouterr() == ("", "")


FINE, COARSE = Way("float32"), Way("bfloat16")


def test_a_small_gain_is_no_reason() -> None:
    assert faster({FINE: 1.0, COARSE: 0.97}) == FINE
    assert faster({FINE: 1.0, COARSE: 0.9}) == COARSE
    assert faster({FINE: 1.0, COARSE: math.inf}) == FINE


def test_formulations_that_help_are_tried_together_and_the_others_are_not() -> None:
    gains = {"channels last": 0.8, "doubling apart": 1.2, "products by oneDNN": 0.7}

    def measure(ways: Sequence[Way]) -> dict[Way, float]:
        return {
            way: (0.9 if way.precision == "bfloat16" else 1) * math.prod(gains[n] for n in way.formulation)
            for way in ways
        }

    chosen, seconds = fastest_way(measure, ["float32", "bfloat16"], list(gains))
    # in bfloat16 no product is left for oneDNN, so float32 wins
    assert chosen == Way("float32", ("channels last", "products by oneDNN"))
    assert Way("bfloat16", ("channels last",)) in seconds and len(seconds) == 4 + 3 + 1
    chosen, seconds = fastest_way(measure, ["bfloat16"], [], always=["doubling apart"])
    assert list(seconds) == [chosen] == [Way("bfloat16", ("doubling apart",))]


def test_measuring_leaves_a_game_as_it_was() -> None:
    gan = GAN(network="dense", noise_size=3).eval()
    before = {name: t.clone() for name, t in gan.state_dict().items()}
    seconds = step_seconds(gan, torch.rand(4, 1, 28, 28), torch.zeros(4), [FINE, COARSE])
    assert set(seconds) == {FINE, COARSE} and all(0 < value < math.inf for value in seconds.values())
    assert all(torch.equal(t, before[name]) for name, t in gan.state_dict().items())
    assert not gan.training and all(p.grad is None for p in gan.parameters())

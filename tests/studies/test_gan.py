"""Studies of chapter 2: what their rows must have in common, whatever came out."""

from __future__ import annotations

import math

import pytest
from torch import Tensor

from gencourse.methods import GAN
from gencourse.studies import JUDGE_AHEAD, OVER_TIME, SMALL_DATA, read
from gencourse.training import Mover


@pytest.mark.parametrize("seed", range(3))
def test_the_judge_s_lead_does_not_depend_on_what_the_generator_will_do(seed: int) -> None:
    rows = [row for row in read(JUDGE_AHEAD.name) if row["seed"] == seed]
    assert len(rows) == 4
    assert len({row["start_logit"] for row in rows}) == 1
    for loss in ("minimax", "non_saturating"):
        assert len({row["start_slope"] for row in rows if row["loss"] == loss}) == 1


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_a_row_can_be_run_and_its_slope_is_that_of_its_loss(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eqs. (2.5) and (2.6): the two pulls differ by the factor σ(a) / (1 − σ(a)) for each sample."""
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    row = JUDGE_AHEAD.run(loss=loss, optimizer="SGD", seed=0)
    other = {"minimax": "non_saturating", "non_saturating": "minimax"}[loss]
    twin = JUDGE_AHEAD.run(loss=other, optimizer="SGD", seed=0)
    assert row["start_logit"] == twin["start_logit"]
    factor = math.exp(row["start_logit"]) ** (1 if loss == "minimax" else -1)
    assert row["start_slope"] / twin["start_slope"] == pytest.approx(factor, rel=0.25)


def test_over_time_marks_both_kinds_of_weights_alike() -> None:
    for row in read(OVER_TIME.name):
        marks = {int(name.split("_")[1]) for name in row if name.startswith("last_")}
        assert marks == set(range(1, len(marks) + 1))
        assert all({f"averaged_{m}", f"digits_{m}"} < set(row) for m in marks)
        assert all(0 <= row[f"digits_{m}"] <= 10 for m in marks)


@pytest.mark.parametrize("seed", range(3))
def test_changes_keep_the_discriminator_from_knowing_its_pictures_by_heart(seed: int) -> None:
    rows = {row["augment"]: row for row in read(SMALL_DATA.name) if row["seed"] == seed}
    assert set(rows) == {"none", "colour, shift, cutout"}
    gaps = {name: row["known"] - row["new"] for name, row in rows.items()}
    assert gaps["none"] > 1 > 0.5 > gaps["colour, shift, cutout"]
    for row in rows.values():
        assert row["distance_4"] < row["distance_1"] and 0 <= row["recall_4"] <= 1


def test_a_row_on_few_pictures_sees_as_many_steps_with_the_changes_as_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    steps: list[bool] = []
    step = GAN.step

    def counted(self: GAN, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        steps.append(self.augment is not None)
        assert len(x) <= 64
        return step(self, x, update, y)

    monkeypatch.setattr(GAN, "step", counted)
    found = [SMALL_DATA.run(augment=name, seed=0) for name in ("none", "colour, shift, cutout")]
    assert steps.count(True) == steps.count(False) == 8
    assert found[0] != found[1] and found[0].keys() == found[1].keys()

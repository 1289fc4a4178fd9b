"""Studies of chapter 2: what their rows must have in common, whatever came out."""

from __future__ import annotations

import math

import pytest

from gencourse.studies import JUDGE_AHEAD, OVER_TIME, read


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

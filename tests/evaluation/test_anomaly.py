"""Ranking and thresholds of anomaly scores."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gencourse.evaluation import auroc, threshold_at


def test_auroc_is_the_chance_that_an_anomaly_scores_higher() -> None:
    generator = torch.Generator().manual_seed(0)
    normal, odd = torch.randn(60, generator=generator), torch.randn(40, generator=generator) + 1
    pairs = (odd[:, None] > normal).float().mean().item()
    is_odd = torch.tensor([False] * 60 + [True] * 40)
    assert auroc(torch.cat([normal, odd]), is_odd) == pytest.approx(pairs)
    assert auroc(-torch.cat([normal, odd]), is_odd) == pytest.approx(1 - pairs)


def test_auroc_refuses_one_class_and_broken_scores() -> None:
    with pytest.raises(ValueError, match="one value only"):
        auroc(torch.rand(5), torch.zeros(5))
    with pytest.raises(ValueError, match="NaN or infinite"):
        auroc(torch.tensor([1.0, float("nan")]), torch.tensor([True, False]))


@pytest.mark.equation("1.17")
@given(rate=st.floats(0.01, 0.5), seed=st.integers(0, 50))
def test_the_threshold_gives_the_false_alarms_asked_for(rate: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    validation, fresh = torch.rand(4000, generator=generator), torch.rand(4000, generator=generator)
    assert (fresh > threshold_at(validation, rate)).float().mean() == pytest.approx(rate, abs=0.05)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 2])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="false_alarms is"):
        threshold_at(torch.rand(10), rate)

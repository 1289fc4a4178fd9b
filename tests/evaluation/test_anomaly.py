"""Ranking and thresholds of anomaly scores."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gencourse.data import ImageDataset
from gencourse.evaluation import anomaly_scores, auroc, errors_of, threshold_at


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


@pytest.mark.equation("1.17")
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("law", ["uniform", "skewed", "two heaps"])
def test_the_share_of_alarms_is_right_on_any_scale_and_for_any_law(law: str, rate: float) -> None:
    """Errors summed over pixels are in the tens, skewed, and nothing like a normal distribution."""
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(2, 5000, generator=generator)
    scores = {
        "uniform": 40 + 20 * u,
        "skewed": -30 * u.log() ** 3,
        "two heaps": torch.where(u < 0.15, 400 + u, 5 + u),
    }[law]
    threshold = threshold_at(scores[0], rate)
    assert (
        (scores[0] > threshold).float().mean() - rate
    ).abs() <= 1 / 5000  # counted, on those it was set by
    assert (scores[1] > threshold).float().mean().item() == pytest.approx(rate, abs=0.015)


@pytest.mark.equation("1.17")
def test_the_score_is_the_squared_error_summed_over_a_pictures_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (7, 2, 3, 4), generator=generator).to(torch.uint8)
    data = ImageDataset(images, torch.zeros(7, dtype=torch.int64))
    found = errors_of(lambda x: x / 2 + 0.1, data)
    for row, picture in enumerate(images.double() / 255):
        by_hand = sum((p - (p / 2 + 0.1)) ** 2 for p in picture.flatten().tolist())
        assert found[row].item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 2])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="false_alarms is"):
        threshold_at(torch.rand(10), rate)


def test_a_methods_own_score_comes_before_its_error() -> None:
    images = torch.randint(
        0, 256, (30, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    data = ImageDataset(images, torch.zeros(30, dtype=torch.int64))
    redraws = SimpleNamespace(reconstruct=torch.zeros_like)
    scores = SimpleNamespace(reconstruct=torch.zeros_like, anomaly_score=lambda x: -x.flatten(1).sum(1))
    assert torch.equal(anomaly_scores(redraws, data), errors_of(torch.zeros_like, data))
    torch.testing.assert_close(anomaly_scores(scores, data), -data.x.flatten(1).sum(1))
    with pytest.raises(TypeError, match="give something with 'anomaly_score' or 'reconstruct'"):
        anomaly_scores(object(), data)
    scores.anomaly_score = lambda x: x.flatten(1).sum(1)[:3]
    with pytest.raises(ValueError, match="3 numbers for 30 pictures"):
        anomaly_scores(scores, data)

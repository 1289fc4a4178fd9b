"""Intervals cover what they say, and the distance without its bias is the distance of the laws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gencourse.evaluation import (
    extrapolated_distance,
    frechet_bias,
    frechet_from_features,
    seed_interval,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.equation("7.1")
@pytest.mark.parametrize(("n", "level"), [(3, 0.95), (3, 0.8), (6, 0.95)])
def test_an_interval_covers_the_mean_as_often_as_it_says(n: int, level: float) -> None:
    runs = 2.0 + 3.0 * normal(4000, n)
    ends = torch.tensor([seed_interval(row, level)[1:] for row in runs.tolist()])
    covered = ((ends[:, 0] <= 2.0) & (ends[:, 1] >= 2.0)).double().mean().item()
    assert covered == pytest.approx(level, abs=0.02)


@pytest.mark.equation("7.1")
def test_an_interval_lies_round_the_mean_and_shrinks_with_the_root_of_n() -> None:
    mean, low, high = seed_interval([1.0, 2.0, 6.0])
    assert mean == pytest.approx(3.0) and mean - low == pytest.approx(high - mean)
    # t of two degrees of freedom is 4.30, s is the root of 7
    assert high - mean == pytest.approx(4.3027 * 7**0.5 / 3**0.5, rel=1e-4)
    assert seed_interval([5, 5, 5]) == (5, 5, 5)
    with pytest.raises(ValueError, match="values has 1 entries: give at least 2"):
        seed_interval([1.0])
    with pytest.raises(ValueError, match="level is 1"):
        seed_interval([1.0, 2.0], 1)


@pytest.mark.equation("7.2")
@pytest.mark.parametrize(
    ("width", "n", "m", "std"), [(1, 60, 60, 1.0), (4, 200, 100, 2.0), (8, 300, 300, 1.0)]
)
def test_two_samples_of_one_law_are_apart_by_the_bias(width: int, n: int, m: int, std: float) -> None:
    times = 300
    a, b = std * normal(times, n, width), std * normal(times, m, width, seed=1)
    mean = sum(frechet_from_features(x, y) for x, y in zip(a, b, strict=True)) / times
    assert mean == pytest.approx(frechet_bias(width, n, m, std), rel=0.12)


@pytest.mark.equation("7.3")
def test_the_limit_is_the_distance_of_the_laws() -> None:
    width, shift = 6, 0.5
    a, b = normal(4000, width), normal(4000, width, seed=1) + shift
    apart = width * shift**2
    limit, slope = extrapolated_distance(a, b)
    assert limit == pytest.approx(apart, rel=0.1)
    equal, equal_slope = extrapolated_distance(a, normal(4000, width, seed=2))
    assert abs(equal) < 0.3 * frechet_from_features(a[:500], b[:500] - shift)
    assert equal_slope == pytest.approx(frechet_bias(width, 1, 1), rel=0.3)
    assert slope > 0


def test_too_few_rows_for_the_line_are_refused() -> None:
    with pytest.raises(ValueError, match="give more than 39 rows"):
        extrapolated_distance(normal(39, 4), normal(60, 4))
    with pytest.raises(ValueError, match="same width"):
        extrapolated_distance(normal(99, 4), normal(99, 5))
    limit, _ = extrapolated_distance(normal(40, 4), normal(60, 4, seed=1))
    assert limit == limit

"""Equations of chapter 7 that no function computes: the best of many, random search, a likelihood that misleads."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gencourse.evaluation import parzen_log_likelihood


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.equation("7.4")
@pytest.mark.parametrize("count", [2, 10, 100])
def test_the_best_of_many_equal_settings_flatters_by_less_than_the_bound(count: int) -> None:
    mean, spread = 0.8, 0.02
    best = (mean + spread * normal(4000, count)).amax(1).mean().item()
    bound = mean + spread * math.sqrt(2 * math.log(count))
    assert mean < best < bound
    # the bound is of the right size: it is not twice as far from the mean as the truth
    assert best - mean > (bound - mean) / 2.2


@pytest.mark.equation("7.5")
def test_random_trials_find_the_best_share_as_often_as_it_says() -> None:
    share, trials = 0.1, 9
    drawn = torch.rand(20_000, trials, generator=torch.Generator().manual_seed(0))
    found = (drawn.amin(1) < share).double().mean().item()
    assert found == pytest.approx(1 - (1 - share) ** trials, abs=0.01)
    # a grid of nine in two knobs tries three values of the one that matters, wherever the best share lies
    start = torch.rand(20_000, generator=torch.Generator().manual_seed(1)) * (1 - share)
    grid = torch.tensor([1 / 6, 3 / 6, 5 / 6])
    hit = ((grid >= start[:, None]) & (grid < start[:, None] + share)).any(1).double().mean().item()
    assert hit < found - 0.2
    assert math.ceil(math.log(0.05) / math.log(0.95)) == 59


@pytest.mark.equation("7.6")
def test_a_sampler_that_always_draws_the_mean_has_the_best_parzen_estimate_there_is() -> None:
    width, spread = 20, 0.7
    mean = normal(width, seed=3)
    x = mean + spread * normal(3000, width)
    entropy = width / 2 * math.log(2 * math.pi * math.e * spread**2)
    always_the_mean = parzen_log_likelihood(mean[None], x, spread).mean().item()
    assert always_the_mean == pytest.approx(-entropy, rel=0.02)
    # the true law's own draws do worse at every width of the kernel
    drawn = mean + spread * normal(1000, width, seed=1)
    for sigma in (0.3, 0.5, 0.7, 0.9):
        assert parzen_log_likelihood(drawn, x, sigma).mean().item() < -entropy - 1

"""A judge that has won or only guesses, lost classes and lucky seeds are found; healthy ones are called fine."""

from __future__ import annotations

import pytest
import torch

from gencourse.evaluation import check_judge, check_modes, check_seeds

DRAWS = torch.Generator().manual_seed(0)
REAL, FAKE = torch.randn(500, generator=DRAWS) + 1, torch.randn(400, generator=DRAWS) - 0.5


def test_a_judge_teaches_while_it_is_right_more_often_than_not_and_not_always() -> None:
    assert check_judge(REAL, FAKE).startswith("Fine: ")
    assert "it has won" in check_judge(REAL + 20, FAKE)
    assert "either the made ones are perfect" in check_judge(REAL[:250], REAL[250:])
    assert "worse than guessing" in check_judge(FAKE, REAL)


@pytest.mark.parametrize("shift", [-50.0, 50.0])
def test_it_does_not_matter_where_a_judge_puts_its_zero(shift: float) -> None:
    assert check_judge(REAL + shift, FAKE + shift) == check_judge(REAL, FAKE)
    assert check_judge(7 * REAL, 7 * FAKE) == check_judge(REAL, FAKE)


def test_lost_and_rare_classes_are_found() -> None:
    assert check_modes(torch.arange(500) % 10).startswith("Fine: 10 of 10")
    lost = check_modes(torch.arange(500) % 7)
    assert lost.startswith("Look: 7 of 10") and "lost some" in lost
    rare = torch.cat([torch.arange(500) % 10, torch.zeros(1000, dtype=torch.int64)])
    assert check_modes(rare).startswith("Look: 10 of 10") and "some are rare" in check_modes(rare)
    assert check_modes(torch.arange(400) % 4, classes=4).startswith("Fine: 4 of 4")


def test_a_gain_below_the_interval_of_the_seeds_cannot_be_seen() -> None:
    values = [0.80, 0.82, 0.84]  # mean 0.82, half the interval 4.30 · 0.02 / √3 = 0.0497
    assert "cannot be seen" in check_seeds(values, 0.049)
    assert check_seeds(values, 0.050).startswith("Fine: 3 seeds give 0.82 ± 0.05")

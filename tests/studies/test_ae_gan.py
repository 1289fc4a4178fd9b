"""Chapter 3's studies: every kind of row can be run, and the distance is the one of the evaluation room."""

from __future__ import annotations

import math

import pytest
import torch

from gencourse.data import load
from gencourse.evaluation import classifier_distance, digit_classifier, frechet_from_features
from gencourse.studies.ae_gan import (
    INPAINTING,
    SAMPLERS,
    TRADE_OFF,
    drawn,
)
from gencourse.studies.engine import Study


@pytest.mark.parametrize("study", [TRADE_OFF, SAMPLERS, INPAINTING], ids=lambda study: study.name)
def test_a_row_gives_finite_numbers_and_rows_differ_in_seed_and_variant(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    assert len({tuple(row.items()) for row in study.settings}) == len(study.settings)
    assert {row["seed"] for row in study.settings} == {0, 1, 2}
    found = study.run(**study.settings[1])
    assert "distance" in found and all(math.isfinite(v) for v in found.values())


def test_the_distance_of_real_digits_is_small_and_that_of_noise_is_not() -> None:
    test = load("mnist", split="test").take(600)
    other = load("mnist").take(600).x
    features = digit_classifier().features
    expected = frechet_from_features(features(other), features(test.x))
    assert classifier_distance(other, test.x) == pytest.approx(expected, rel=1e-4)
    assert classifier_distance(torch.rand_like(other), test.x) > 20 * expected


def test_samples_are_drawn_by_the_thousand_and_by_seed() -> None:
    def sample(n: int, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(n, 1, generator=generator)

    made = drawn(sample, 2300, 1)
    assert made.shape == (2300, 1) and len(made.unique()) > 2200
    assert torch.equal(made, drawn(sample, 2300, 1)) and not torch.equal(made, drawn(sample, 2300, 2))

"""Chapter 5's studies run in miniature, and measure what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gencourse.data import load
from gencourse.losses import masked_patch_loss
from gencourse.methods import MAE
from gencourse.networks import patchify
from gencourse.studies import mae, read, reproduce
from gencourse.studies.engine import Study
from gencourse.studies.masked_digit import masked_error, train_masked_digit
from gencourse.widgets.masked_digit import MASKED_DIGIT_SIZES


@pytest.fixture(autouse=True)
def smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    monkeypatch.setattr(mae, "_LABELS", 50)
    monkeypatch.setattr(mae, "_PROBED", 300)
    tuned = mae.fine_tune
    monkeypatch.setattr(mae, "fine_tune", lambda encoder, data, seed: tuned(encoder, data, seed, epochs=1))


@pytest.mark.parametrize("study", [mae.MASK_RATIO, mae.MAE_VARIANTS], ids=lambda study: study.name)
def test_a_row_can_be_run(study: Study, tmp_path: Path) -> None:
    one = Study(study.name, study.settings[:1], study.run)
    reproduce(one, tmp_path, report=lambda _: None)
    (row,) = read(study.name, tmp_path)
    assert {"error_at_three_quarters", "fine_tuned", "probed", "pretraining_seconds"} <= set(row)
    assert all(0 < row[name] < 1 for name in ("error_at_three_quarters", "probed"))


@pytest.mark.parametrize("start", ["pretrained", "scratch", "pixels", "pca"])
def test_few_labels_are_compared_on_the_same_pictures(start: str) -> None:
    row = mae.few_labels(start, 60, seed=0)
    assert set(row) == {"accuracy"} and 0 <= row["accuracy"] <= 1
    assert {"start": start, "labels": 100, "seed": 2} in mae.FEW_LABELS.settings


def test_the_strange_digit_is_not_in_the_training_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = [], mae.fit

    def watched(method, data, **options):
        seen.append(set(data.labels.tolist()))
        return real(method, data.take(100), **options)

    monkeypatch.setattr(mae, "fit", watched)
    row = mae.anomaly(4, seed=0)
    assert seen == [set(range(10)) - {4}] * 2
    assert all(0 <= value <= 1 for value in row.values()) and len(row) == 3


def test_the_mask_ratios_differ_in_what_they_hide() -> None:
    hidden = [int(MAE(mask_ratio=ratio, width=8, depth=1).random_mask(1).sum()) for ratio in mae.RATIOS]
    assert hidden == [4, 8, 10, 12, 14] and len(mae.MASK_RATIO.settings) == 15
    assert {"normalise": True} in mae.VARIANTS.values() and mae.VARIANTS["as published"] == {}


def test_the_masked_error_is_the_loss_at_fixed_masks() -> None:
    model, test = MAE(width=8, depth=1, heads=2), load("mnist", split="test").take(1500)
    generator = torch.Generator().manual_seed(0)
    mask = torch.cat([model.random_mask(n, generator) for n in (1000, 500)])
    by_hand = masked_patch_loss(model.predict(test.x, mask), patchify(test.x, 7), mask)
    assert masked_error(model, test) == pytest.approx(by_hand.item(), rel=1e-4)


def test_few_labels_are_a_choice_of_the_seed() -> None:
    one, two, other = (mae.labelled(20, seed) for seed in (0, 0, 1))
    assert torch.equal(one.images, two.images) and not torch.equal(one.images, other.images)


def test_the_figures_network_is_trained_and_saved_as_half_floats(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    reached = train_masked_digit(path, images=256, epochs=1, tested=100)
    weights = load_file(path)
    assert {t.dtype for t in weights.values()} == {torch.float16}
    model = MAE(**MASKED_DIGIT_SIZES)
    assert {n: t.shape for n, t in weights.items()} == {n: t.shape for n, t in model.state_dict().items()}
    model.load_state_dict(weights)
    assert masked_error(model, load("mnist", split="test").take(100)) == pytest.approx(reached, rel=1e-5)

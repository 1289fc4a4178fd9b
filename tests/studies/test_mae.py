"""Chapter 5's studies run in miniature, and measure what they say."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from gencourse.data import ImageDataset, load
from gencourse.evaluation import features_of, linear_probe
from gencourse.losses import masked_patch_loss
from gencourse.methods import MAE, Classifier
from gencourse.networks import patchify
from gencourse.presets import preset
from gencourse.studies import mae, read, reproduce
from gencourse.studies.engine import Study
from gencourse.studies.masked_digit import AnyShare, masked_error, train_masked_digit
from gencourse.training import seeded
from gencourse.widgets.masked_digit import MASKED_DIGIT_SIZES


@pytest.fixture(autouse=True)
def smoke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCOURSE_PRESET", "smoke")
    monkeypatch.setattr(mae, "_LABELS", 50)
    monkeypatch.setattr(mae, "_PROBED", 300)
    tuned = mae.fine_tune
    monkeypatch.setattr(
        mae, "fine_tune", lambda encoder, data, seed, epochs=1: tuned(encoder, data, seed, epochs=1)
    )


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


def test_longer_fine_tuning_is_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def watched(encoder: nn.Module, data: ImageDataset, seed: int, epochs: int) -> Classifier:
        asked.append(epochs)
        return Classifier(encoder)

    monkeypatch.setattr(mae, "fine_tune", watched)
    for longer in (1, 4):
        mae.few_labels("scratch", 60, seed=0, longer=longer)
    assert asked == [4 * preset().epochs, 16 * preset().epochs]
    assert {row["longer"] for row in mae.LONGER_TUNING.settings} == {4}


@pytest.mark.parametrize("start", ["PCA 128", "untrained", "2 passes", "8 passes"])
def test_passes_measures_what_it_says(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], mae.pretrain

    def watched(seed: int, epochs: int) -> tuple[MAE, float]:
        asked.append(epochs)
        return real(seed, 1, width=16, depth=1)

    monkeypatch.setattr(mae, "pretrain", watched)
    # as many passes as the name says, wherever a result is worth reading
    proving = dataclasses.replace(preset(), proves=True)
    monkeypatch.setattr(mae, "preset", lambda: proving)
    row = mae.passes(start, 0)
    probes = {"linear_100", "linear_50", "linear_300"}
    assert probes <= set(row) and all(0 < row[name] < 1 for name in probes)
    assert asked == ([int(start[0])] if "passes" in start else [])
    assert ("square_averaged" in row) == ("passes" in start)
    assert ("tuned_100" in row) == (start == "8 passes")
    assert {row["start"] for row in mae.MAE_PASSES.settings} == set(mae.STARTS)


def test_any_share_hides_any_number_and_then_its_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = AnyShare(width=8, depth=1, heads=2), []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    with seeded(0):
        for _ in range(100):
            model.step(torch.rand(2, 1, 28, 28), lambda _, loss: loss.item())
    assert set(seen) == set(range(1, 16)) and model.mask_ratio == 0.75

    def broken(_: str, loss: torch.Tensor) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.step(torch.rand(2, 1, 28, 28), broken)
    assert model.mask_ratio == 0.75, "an interrupted step leaves the model as it was"


def test_errors_stand_beside_the_mean_picture_on_the_same_patches() -> None:
    model, test = MAE(width=8, depth=1, heads=2), load("mnist", split="test").take(1500)
    mean, mask = test.x.mean(0, keepdim=True), mae.some_hidden(1500, 5, seed=3)
    assert (mask.sum(1) == 5).all() and len(mask.unique(dim=0)) > 1000
    ours, by_mean = mae.hidden_errors(model, test.x, mask, mean)
    target = patchify(test.x, 7)
    expected = masked_patch_loss(model.predict(test.x, mask), target, mask)
    assert ours == pytest.approx(expected.item(), rel=1e-4)
    pixels = mask[:, :, None].expand(-1, -1, 49)
    by_hand = (pixels * (patchify(mean.expand_as(test.x), 7) - target)).square().sum() / pixels.sum()
    assert by_mean == pytest.approx(by_hand.item(), rel=1e-4)


def test_the_square_is_in_the_middle() -> None:
    assert mae.middle_square().nonzero().flatten().tolist() == [5, 6, 9, 10]


def test_a_mean_of_predictions_from_four_patches_that_are_not_hidden() -> None:
    model, asked = MAE(width=8, depth=1, heads=2), []
    x, mask = torch.rand(40, 1, 28, 28), mae.middle_square().expand(40, -1)
    real = model.predict

    def watched(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        asked.append(mask)
        return real(x, mask)

    model.predict = watched
    found = mae.from_few(model, x, mask, draws=3)
    assert len(asked) == 3 and all(((m == 0).sum(1) == 4).all() for m in asked)
    assert all((m[:, mask[0] == 1] == 1).all() for m in asked), "it never sees what is hidden"
    assert len(torch.cat(asked).unique(dim=0)) > 60, "another choice for each picture and draw"
    torch.testing.assert_close(found, torch.stack([real(x, m) for m in asked]).mean(0))
    terrible = x.clone()
    terrible[:, :, 7:21, 7:21] = torch.nan
    torch.testing.assert_close(mae.from_few(model, terrible, mask, draws=3), found)


def test_the_longer_trained_network_is_saved_as_half_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mae.safetensors"
    monkeypatch.setattr(mae, "MAE_WEIGHTS", path)
    reached = mae.train_mae(path, epochs=1)
    assert {t.dtype for t in load_file(path).values()} == {torch.float16}
    model, facts = mae.trained_mae()
    again, _ = mae.pretrain(0, 1)
    for name, weight in again.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], weight.half().float())
    assert facts["test_error"] == reached and facts["epochs"] == 1 and facts["seed"] == 0


def test_the_shipped_network_is_what_its_facts_say() -> None:
    model, facts = mae.trained_mae()
    assert not model.training and mae.MAE_WEIGHTS.stat().st_size < 3_000_000
    images = load("mnist").take(facts["images"]).images
    assert hashlib.sha256(images.numpy().tobytes()).hexdigest() == facts["data_sha256"]
    assert (facts["epochs"], facts["seed"]) == (mae.PASSES, 0) and facts["seconds"] > 60
    test = load("mnist", split="test")
    assert masked_error(model, test.take(2000)) == pytest.approx(facts["test_error"], rel=0.05)
    few, some = load("mnist").take(3000), test.take(2000)
    known, unknown = (features_of(model.features, data) for data in (few, some))
    accuracy = linear_probe(known, few.labels, unknown, some.labels)
    assert 0.90 < accuracy < 0.97


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
    assert {"normalise": True} in mae.VARIANTS.values() and mae.VARIANTS["as above"] == {}


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

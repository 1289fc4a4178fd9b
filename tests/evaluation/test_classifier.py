"""The classifier that ships: as good as its record says, and its distances order what they should order."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch

from gencourse.data import ImageDataset, load
from gencourse.evaluation import (
    CLASSIFIER_WEIGHTS,
    DigitClassifier,
    classifier_facts,
    digit_classifier,
    features_of,
    frechet_from_features,
    precision_recall,
    score_digits,
    share_right,
)


def test_it_names_ninety_nine_of_a_hundred_test_digits() -> None:
    test, model = load("mnist", split="test"), digit_classifier()
    right = sum((model.classify(x) == y).sum().item() for x, y in test.batches(1000))
    assert right / len(test) >= 0.99
    assert right / len(test) == pytest.approx(classifier_facts()["test_accuracy"], abs=2e-4)


def test_its_record_says_how_it_was_made() -> None:
    facts = classifier_facts()
    assert facts["class"] == "DigitClassifier"
    assert facts["command"] == "python -m gencourse.studies.classifier"
    for name in ("seed", "epochs", "seconds", "torch", "python", "data_sha256"):
        assert facts[name] not in (None, "")
    assert CLASSIFIER_WEIGHTS.stat().st_size <= 500_000
    json.dumps(facts)


def test_it_comes_in_eval_mode_frozen_and_once() -> None:
    model, x = digit_classifier(), torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert digit_classifier() is model
    assert model.features(x).shape == (3, 64)
    torch.testing.assert_close(model.head(model.features(x)), model(x))
    torch.testing.assert_close(model(x)[:1], model(x[:1]), rtol=1e-4, atol=1e-4)
    assert torch.equal(model.classify(x), model(x).argmax(1))


def test_its_weights_are_read_when_they_are_first_needed() -> None:
    spec = importlib.util.find_spec("gencourse.evaluation.classifier")
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert fresh.digit_classifier.cache_info().currsize == 0


def test_the_classifier_distance_orders_digits_blur_and_noise() -> None:
    """Real digits are closer to real digits than blurred ones, and those than noise or one grey picture."""
    test, model = load("mnist", split="test"), digit_classifier()
    x = test.take(1200).x
    one, two = x[:600], x[600:]
    blurred = torch.nn.functional.avg_pool2d(two, 5, stride=1, padding=2)
    noise = torch.rand(two.shape, generator=torch.Generator().manual_seed(0))
    reference = model.features(one)
    found = [
        frechet_from_features(reference, model.features(other))
        for other in (two, blurred, noise, one.mean(0).expand_as(two))
    ]
    real, blur, random, grey = found
    assert real < blur / 5 and blur < random and blur < grey


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 32, 32\): give \(B, 1, 28, 28\)"):
        DigitClassifier().classify(torch.zeros(2, 3, 32, 32))


def test_features_of_a_dataset() -> None:
    test = load("mnist", split="test").take(50)
    assert torch.equal(features_of(digit_classifier().features, test), digit_classifier().features(test.x))


def test_scores_of_digits_order_what_they_should_order() -> None:
    test = load("mnist", split="test")
    real, other = test.take(1000).x, test.take(range(5000, 6000)).x
    ones = test.of_class(1).take(1000).x
    noise = torch.rand(1000, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    scores = {
        name: score_digits(s, real)
        for name, s in {"other": other, "ones": ones, "noise": noise, "same": real}.items()
    }
    assert scores["same"]["distance"] == pytest.approx(0, abs=1e-6)
    assert scores["other"]["distance"] < scores["ones"]["distance"] / 10 < scores["noise"]["distance"] / 10
    assert scores["other"]["modes"] == 10 and scores["ones"]["modes"] == 1
    assert scores["ones"]["precision"] > 0.5 > scores["ones"]["recall"]
    assert scores["noise"]["precision"] == scores["noise"]["recall"] == 0
    assert scores["other"]["entropy"] > 2.25 and scores["ones"]["entropy"] < 0.1


def test_precision_and_recall_are_those_of_the_first_pictures() -> None:
    test, model = load("mnist", split="test"), digit_classifier()
    a, b = test.take(300).x, test.take(range(300, 600)).x
    found = score_digits(a, b, nearest=100)
    expected = precision_recall(model.features(b[:100]), model.features(a[:100]))
    assert (found["precision"], found["recall"]) == expected


def test_the_share_that_gets_its_own_label() -> None:
    data = ImageDataset(
        torch.zeros(2500, 1, 2, 2, dtype=torch.uint8), torch.arange(2500) % 5
    )  # three batches
    assert share_right(lambda x: torch.zeros(len(x), dtype=torch.int64), data) == 0.2
    assert share_right(lambda x: torch.arange(len(x)) % 5, data) == 1
    with pytest.raises(ValueError, match=r"classify\(x\)"):
        share_right(lambda x: torch.zeros(1, dtype=torch.int64), data)

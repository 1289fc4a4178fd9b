"""The classifiers that ship: as good as their records say, and their distances order what they should order."""

from __future__ import annotations

import importlib.util
import json
import math

import pytest
import torch

from gencourse.data import ImageDataset, load, shapes
from gencourse.evaluation import (
    CLASSIFIERS,
    PictureClassifier,
    classifier_distance,
    classifier_facts,
    classifier_of,
    digit_classifier,
    features_of,
    frechet_from_features,
    picture_classifier,
    precision_recall,
    score_digits,
    share_right,
)


@pytest.mark.usefixtures("clothes")
@pytest.mark.parametrize(
    ("name", "test", "least", "most"),
    [
        ("mnist", lambda: load("mnist", split="test"), 0.99, 1),
        ("fashion_mnist", lambda: load("fashion_mnist", split="test"), 0.90, 0.96),
        ("shapes", lambda: shapes(2000, 64, 77), 0.97, 1),
    ],
)
def test_it_is_as_good_on_its_test_pictures_as_its_record_says(name, test, least, most) -> None:
    data, told = test(), classifier_facts(name)["test_accuracy"]
    right = share_right(picture_classifier(name).classify, data)
    assert least <= right <= most
    # the same pictures, or others from the same law: within three standard deviations of their share
    scatter = max(3 * math.sqrt(told * (1 - told) / len(data)), 0.01)
    assert right == pytest.approx(told, abs=2e-4 if len(data) == 10_000 else scatter)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_its_record_says_how_it_was_made(name: str) -> None:
    facts = classifier_facts(name)
    assert facts["class"] == "PictureClassifier"
    assert facts["command"] == f"python -m gencourse.studies.classifier {name}"
    for key in ("seed", "epochs", "seconds", "torch", "python", "data_sha256"):
        assert facts[key] not in (None, "")
    assert CLASSIFIERS[name].weights.stat().st_size <= 500_000
    json.dumps(facts)


def test_a_dataset_has_the_classifier_of_its_name_if_its_pictures_fit() -> None:
    digits = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    assert (
        classifier_of(ImageDataset(digits, torch.zeros(2, dtype=torch.int64), "mnist")) is digit_classifier()
    )
    assert classifier_of(ImageDataset(digits, torch.zeros(2, dtype=torch.int64), "mine")) is None
    assert classifier_of(ImageDataset(digits[..., :14], torch.zeros(2, dtype=torch.int64), "mnist")) is None
    assert (
        classifier_of(ImageDataset(digits.expand(2, 3, 28, 28), torch.zeros(2, dtype=torch.int64), "mnist"))
        is None
    )
    assert classifier_of(shapes(3, 128)) is picture_classifier("shapes")
    assert classifier_of(shapes(3, 48)) is None  # which 32 does not divide
    with pytest.raises(ValueError, match="data is 'cifar10': choose one of mnist, fashion_mnist, shapes"):
        picture_classifier("cifar10")


def test_larger_pictures_are_averaged_down_to_what_the_classifier_knows() -> None:
    judge, x = picture_classifier("shapes"), shapes(6, 128).x
    small = torch.nn.functional.avg_pool2d(x, 4)
    torch.testing.assert_close(judge.features(x), judge.features(small))
    with pytest.raises(ValueError, match=r"x has shape \(6, 3, 64, 32\): give \(B, 3, 32, 32\)"):
        judge.features(x[..., :64, :32])


def test_colour_has_a_distance_that_orders_shapes_blur_and_noise() -> None:
    one, two = shapes(600, 64, 5).x, shapes(600, 64, 6).x
    blurred = torch.nn.functional.avg_pool2d(two, 13, stride=1, padding=6)
    noise = torch.rand(two.shape, generator=torch.Generator().manual_seed(0))
    real, blur, random = (classifier_distance(other, one, "shapes") for other in (two, blurred, noise))
    assert real < blur / 5 and real < random / 5


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
    assert fresh._trained.cache_info().currsize == 0


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
        PictureClassifier().classify(torch.zeros(2, 3, 32, 32))


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

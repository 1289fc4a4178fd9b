"""All figures that a trained method can give on held-out pictures, each beside what it must be compared with."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.errors import need_data, need_kind, need_seed, need_size
from gencourse.evaluation import (
    MeanPicture,
    cluster_result,
    code_report,
    frechet_from_features,
    kmeans_purity,
    linear_probe,
    precision_recall,
    psnr,
    reconstruction_error,
    score_digits,
    share_right,
    ssim,
)
from gencourse.evaluation import features_of as all_features
from gencourse.methods import ClusteringAAE, SemiSupervisedAAE
from gencourse.training import Method, seeded

__all__ = ["MEANING", "Measured", "measure", "told"]

_LEAST = 20  # pictures from which anything can be said about two sets

MEANING = {
    "reconstruction_error": "squared error of a test picture, summed over pixels",
    "mean_picture_error": "the same, when every picture is answered with the mean picture",
    "psnr": "decibels",
    "ssim": "structural similarity, 1 for equal pictures",
    "classifier_distance": "Fréchet distance of drawn and test digits in the digit classifier's features",
    "classifier_distance_real": "the same between training and test digits: what a perfect method would reach",
    "precision": "share of drawn digits that lie among real ones",
    "recall": "share of real digits that lie among drawn ones",
    "modes": "digits that are drawn at all, of 10",
    "entropy": "how evenly, in nats; log 10 = 2.303 at best",
    "pixel_distance": "Fréchet distance of drawn and test pictures, each shrunk to 4 by 4",
    "pixel_distance_real": "the same between training and test pictures",
    "pixel_precision": "share of drawn pictures that lie among real ones, shrunk to 4 by 4",
    "pixel_recall": "share of real pictures that lie among drawn ones, shrunk to 4 by 4",
    "probe_accuracy": "test accuracy of a linear classifier on the features",
    "probe_accuracy_pixels": "the same on the pixels",
    "purity": "of k-means clusters of the features, as many as there are classes",
    "code_two_sample_accuracy": "of a classifier that tells codes from draws of the prior; 0.5 when it cannot",
    "code_mmd": "squared maximum mean discrepancy between codes and prior, about 0 for equal laws",
    "cluster_error": "share of pictures in a cluster that was named after another class",
    "accuracy": "share of test pictures that get their own label",
}
"""What each figure of `measure` is."""


@dataclass(frozen=True)
class Measured:
    """A trained method's figures; `measure` makes it.

    Attributes:
        figures: name to value; `MEANING` has the same names.
        missing: what the method cannot do, to the sentence that says why.
    """

    figures: dict[str, float]
    missing: dict[str, str]


@torch.no_grad()
def measure(
    method: Method, test: ImageDataset, train: ImageDataset, *, pictures: int = 2000, seed: int = 0
) -> Measured:
    """Measure whatever the method can do: reconstruct, sample, give features, match a prior, classify.

    Numbers of two methods can be compared if both were measured on the same pictures, as many, with one seed.

    Args:
        method: trained.
        test: pictures that it has not seen.
        train: pictures that it may have seen; probes learn on them.
        pictures: how many of each set to use, at most; all of them if there are fewer.
        seed: of the draws.

    Raises:
        TypeError, ValueError: an argument cannot be used, or the pictures do not fit the method.
    """
    need_kind("method", method, Method, "a trained method")
    need_data("test", test)
    need_data("train", train)
    need_seed("seed", seed)
    need_size("pictures", pictures, _LEAST)
    for name, data in (("test", test), ("train", train)):
        if len(data) < _LEAST:
            raise ValueError(f"{name} has {len(data)} pictures: give at least {_LEAST} to measure on.")
    test, train = (data.take(min(pictures, len(data))) for data in (test, train))
    figures: dict[str, float] = {}
    missing: dict[str, str] = {}
    with seeded(seed):
        for name, part in (
            ("reconstruct", _reconstructions),
            ("sample", _samples),
            ("features", _features),
            ("prior", _codes),
            ("classify", _classes),
        ):
            try:
                figures |= part(method.eval(), test, train, seed)
            except NotImplementedError as reason:
                missing[name] = str(reason)
    return Measured(figures, missing)


def _reconstructions(method: Method, test: ImageDataset, train: ImageDataset, seed: int) -> dict[str, float]:
    draws = torch.Generator(method.device).manual_seed(seed)
    parts = []
    for x, y in test.batches(1000, device=method.device):
        parts.append(told(method.reconstruct, x, y=y, generator=draws).cpu())
    x_hat, x = torch.cat(parts), test.to("cpu").x
    mean = MeanPicture(train.to("cpu"))
    found = {
        "reconstruction_error": (x_hat - x).square().flatten(1).sum(1).mean().item(),
        "mean_picture_error": reconstruction_error(mean.reconstruct, test.to("cpu")),
        "psnr": psnr(x_hat.clamp(0, 1), x),
    }
    if min(test.shape[1:]) >= 11:
        found["ssim"] = ssim(x_hat.clamp(0, 1), x)
    return found


def _samples(method: Method, test: ImageDataset, train: ImageDataset, seed: int) -> dict[str, float]:
    draws = torch.Generator(method.device).manual_seed(seed)
    drawn, real, seen = method.sample(len(test), draws).cpu(), test.to("cpu").x, train.to("cpu").x
    if test.name == "mnist":
        found, floor = score_digits(drawn, real), score_digits(seen, real)
        found["classifier_distance"] = found.pop("distance")
        return {**found, "classifier_distance_real": floor["distance"]}
    small = [torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1) for x in (drawn, real, seen)]
    precision, recall = precision_recall(small[1], small[0])
    return {
        "pixel_distance": frechet_from_features(small[0], small[1]),
        "pixel_distance_real": frechet_from_features(small[2], small[1]),
        "pixel_precision": precision,
        "pixel_recall": recall,
    }


def _features(method: Method, test: ImageDataset, train: ImageDataset, seed: int) -> dict[str, float]:
    known = [data.labels.cpu() for data in (train, test)]
    if min(int(labels.min()) for labels in known) < 0 or len(known[0].unique()) < 2:
        raise NotImplementedError(
            "the pictures have no labels of two classes, which features are tested with."
        )
    seen, held = (all_features(method.features, data, device=method.device) for data in (train, test))
    pixels = [data.to("cpu").x.flatten(1) for data in (train, test)]
    return {
        "probe_accuracy": linear_probe(seen, known[0], held, known[1]),
        "probe_accuracy_pixels": linear_probe(pixels[0], known[0], pixels[1], known[1]),
        "purity": kmeans_purity(held, known[1], min(len(known[1].unique()), len(held)), seed),
    }


def _codes(method: Method, test: ImageDataset, train: ImageDataset, seed: int) -> dict[str, float]:
    if getattr(method, "prior", None) is None:
        raise NotImplementedError(f"{type(method).__name__} has no prior for its codes.")
    z = all_features(method.encode, test, device=method.device)
    prior_z = method.draw(len(z), torch.Generator(method.device).manual_seed(seed))  # type: ignore[operator]
    report = code_report(z, prior_z.cpu(), seed)
    return {"code_two_sample_accuracy": report.two_sample_accuracy, "code_mmd": report.mmd}


def _classes(method: Method, test: ImageDataset, train: ImageDataset, seed: int) -> dict[str, float]:
    classify = getattr(method, "classify", None)
    if classify is None or int(test.labels.min()) < 0:
        raise NotImplementedError(
            f"{type(method).__name__} does not classify, or the pictures have no labels."
        )
    if isinstance(method, ClusteringAAE) and not isinstance(method, SemiSupervisedAAE):
        # nobody told it which cluster is which digit
        posteriors = all_features(lambda x: method.label_logits(x).softmax(1), test, device=method.device)
        return {"cluster_error": cluster_result(posteriors, test.labels.cpu()).error}
    return {"accuracy": share_right(classify, test, device=method.device)}


def told(function: Callable[..., Tensor], x: Tensor, **known: Any) -> Tensor:
    """Call a method's ability with those of the known arguments that it takes."""
    takes = inspect.signature(function).parameters
    return function(x, **{name: value for name, value in known.items() if name in takes})

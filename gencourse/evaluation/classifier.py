"""A small digit classifier that ships with the course: its features say what two digits have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.errors import (
    need_callable,
    need_data,
    need_device,
    need_input,
    need_labels,
    need_pictures,
    need_whole,
)
from gencourse.evaluation.samples import (
    class_entropy,
    frechet_from_features,
    mode_coverage,
    precision_recall,
)

__all__ = [
    "CLASSIFIER_WEIGHTS",
    "DigitClassifier",
    "classifier_distance",
    "classifier_facts",
    "digit_classifier",
    "score_digits",
    "share_right",
]

_DIGITS = "(B, 1, 28, 28)"

CLASSIFIER_WEIGHTS = Path(__file__).resolve().parent.parent / "checkpoints" / "digit_classifier.safetensors"
"""Where the trained weights lie. `python -m gencourse.studies.classifier` makes them again."""


class DigitClassifier(nn.Module):
    """Three convolutions, one hidden layer of 64 numbers, ten classes; `digit_classifier` gives a trained one.

    Distances between its features are "classifier distances". They are not the FID, whose features come from
    an Inception network, and numbers of the two kinds cannot be compared.
    """

    shape = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in ((1, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(n_out)]
            layers += [nn.MaxPool2d(2), nn.ReLU()]
        layers += [nn.Flatten(), nn.Linear(64 * 3 * 3, 64), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(64, 10)

    def features(self, x: Tensor) -> Tensor:
        """Pictures in [0, 1], shape (B, 1, 28, 28), to the last hidden layer, (B, 64).

        Raises:
            ValueError: the pictures have another shape; or, in eval mode, they are not in [0, 1].
        """
        need_input("x", x, _DIGITS, self)
        if not self.training:  # training has looked at its data before the first step
            need_pictures("x", x)
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 1, 28, 28) to logits (B, 10)."""
        return self.head(self.features(x))

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Pictures (B, 1, 28, 28) to the likeliest digit of each, int64 (B,)."""
        return self(x).argmax(1)


@lru_cache(maxsize=1)
def digit_classifier() -> DigitClassifier:
    """The trained classifier, read from the package when it is first asked for; in eval mode, frozen.

    On the CPU; its error on the test set is below one in a hundred (see `classifier_facts`).
    """
    model = DigitClassifier()
    with safe_open(CLASSIFIER_WEIGHTS, framework="pt") as file:
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (not a dict)
    return model.requires_grad_(False).eval()


def classifier_facts() -> dict[str, Any]:
    """Where the weights come from: command, seed, seconds, versions, the data's checksum, test accuracy."""
    with safe_open(CLASSIFIER_WEIGHTS, framework="pt") as file:
        return json.loads(file.metadata()["facts"])


@torch.no_grad()
def _features(name: str, pictures: Tensor, least: int) -> Tensor:
    """Features of digits, at least so many."""
    need_pictures(name, pictures, _DIGITS)
    if len(pictures) < least:
        raise ValueError(f"{name} has {len(pictures)} pictures: give at least {least}.")
    judge = digit_classifier()
    return torch.cat([judge.features(part) for part in pictures.cpu().float().split(1000)])


def classifier_distance(samples: Tensor, real: Tensor) -> float:
    """Fréchet distance, eq. (2.21), of two sets of pictures in the features of `digit_classifier`.

    Args:
        samples: pictures (N, 1, 28, 28) in [0, 1]; as many as real ones, whenever two results are compared.
        real: pictures (M, 1, 28, 28), held out from whatever made the samples.

    Raises:
        ValueError: a set has fewer than two pictures, or they are not digits in [0, 1].
    """
    return frechet_from_features(_features("samples", samples, 2), _features("real", real, 2))


@torch.no_grad()
def share_right(
    classify: Callable[[Tensor], Tensor], data: ImageDataset, *, device: torch.device | str = "cpu"
) -> float:
    """Share of the pictures that get their own label.

    Args:
        classify: pictures (B, C, H, W) to labels (B,), for example `model.classify`.
        data: pictures with labels.
        device: where to compute.

    Raises:
        ValueError: the data are empty, or `classify` does not give one label a picture.
    """
    need_callable("classify", classify, "from pictures (B, C, H, W) to labels (B,)")
    need_data("data", data)
    need_device("device", device)
    right = 0
    for x, y in data.batches(1000, device=device):
        found = classify(x)
        need_labels("classify(x)", found, len(x))
        right += int((found == y).sum())
    return right / len(data)


@torch.no_grad()
def score_digits(samples: Tensor, real: Tensor, nearest: int = 2000) -> dict[str, float]:
    """How good are these digits, as a set? All numbers come from `digit_classifier`.

    Use as many samples as real pictures, and the same number whenever two results are compared.

    Args:
        samples: pictures (N, 1, 28, 28) in [0, 1].
        real: pictures (M, 1, 28, 28), held out from whatever made the samples.
        nearest: precision and recall look at so many pictures of each set, since they compare all pairs.

    Returns:
        "distance", eq. (2.21); "precision" and "recall", eq. (2.23); "modes" and "entropy" (nats), eq. (2.24).

    Raises:
        ValueError: a set has fewer than four pictures, or they are not digits in [0, 1].
    """
    need_whole("nearest", nearest, 4)
    features = [_features("samples", samples, 4), _features("real", real, 4)]
    labels = digit_classifier().head(features[0]).argmax(1)
    precision, recall = precision_recall(features[1][:nearest], features[0][:nearest])
    return {
        "distance": frechet_from_features(*features),
        "precision": precision,
        "recall": recall,
        "modes": mode_coverage(labels),
        "entropy": class_entropy(labels),
    }

"""Small classifiers that ship with the course: their features say what two pictures have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.errors import (
    need_callable,
    need_data,
    need_device,
    need_input,
    need_kind,
    need_labels,
    need_one_of,
    need_pictures,
    need_shape,
    need_size,
    need_whole,
    shown,
)
from gencourse.evaluation.samples import (
    class_entropy,
    frechet_from_features,
    mode_coverage,
    precision_recall,
)

__all__ = [
    "CLASSIFIERS",
    "Judge",
    "PictureClassifier",
    "classifier_distance",
    "classifier_facts",
    "classifier_of",
    "digit_classifier",
    "picture_classifier",
    "score_digits",
    "share_right",
]

_FOLDER = Path(__file__).resolve().parent.parent / "checkpoints"


@dataclass(frozen=True)
class Judge:
    """A trained classifier that ships: where its weights lie, and what it looks at.

    Attributes:
        weights: the file. `python -m gencourse.studies.classifier NAME` makes it again.
        shape: of its pictures, (C, H, W); larger ones by a whole factor are averaged down.
        classes: how many.
    """

    weights: Path
    shape: tuple[int, int, int]
    classes: int


CLASSIFIERS = {
    "mnist": Judge(_FOLDER / "digit_classifier.safetensors", (1, 28, 28), 10),
    "fashion_mnist": Judge(_FOLDER / "clothes_classifier.safetensors", (1, 28, 28), 10),
    "shapes": Judge(_FOLDER / "shape_classifier.safetensors", (3, 32, 32), 5),
}
"""The name of a dataset to its classifier."""


class PictureClassifier(nn.Module):
    """Three convolutions, one hidden layer of 64 numbers, and the classes; `picture_classifier` gives a trained one.

    Distances between its features are "classifier distances". They are not the FID, whose features come from
    an Inception network, and numbers of the two kinds cannot be compared; nor can those of two classifiers.

    Args:
        shape: of a picture, (C, H, W), a square from 8 pixels. Larger pictures by a whole factor are averaged down.
        classes: how many.

    Raises:
        ValueError: the shape is no such square, or there are fewer than two classes.
    """

    def __init__(self, shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10) -> None:
        super().__init__()
        channels, height, width = need_shape("shape", shape)
        if height != width or height < 8:
            raise ValueError(
                f"shape is {shown(shape)}: give a square from 8 pixels, for example (1, 28, 28)."
            )
        need_size("classes", classes, 2)
        self.shape, self.classes = (channels, height, width), classes
        layers: list[nn.Module] = []
        for n_in, n_out in ((channels, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(n_out)]
            layers += [nn.MaxPool2d(2), nn.ReLU()]
        layers += [nn.Flatten(), nn.Linear(64 * (width // 8) ** 2, 64), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(64, classes)

    def features(self, x: Tensor) -> Tensor:
        """Pictures in [0, 1], shape (B, C, H, W), to the last hidden layer, (B, 64).

        Raises:
            ValueError: the pictures have another shape; or, in eval mode, they are not in [0, 1].
        """
        x = _averaged(x, self.shape)
        need_input("x", x, _form(self.shape), self)
        if not self.training:  # training has looked at its data before the first step
            need_pictures("x", x)
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to logits (B, classes)."""
        return self.head(self.features(x))

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the likeliest class of each, int64 (B,)."""
        return self(x).argmax(1)


def _form(shape: tuple[int, ...]) -> str:
    return f"(B, {', '.join(map(str, shape))})"


def _fits(x: Any, shape: tuple[int, ...]) -> int:
    """By which whole factor pictures (..., C, H, W) are larger than `shape`; 0 if by none."""
    channels, height, width = x.shape[-3:] if getattr(x, "ndim", 0) >= 3 else (0, 0, 0)
    times = height // shape[1]
    return times if (channels, height, width) == (shape[0], times * shape[1], times * shape[2]) else 0


def _averaged(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Pictures that are larger by a whole factor, averaged down to `shape`; all others as they are."""
    times = _fits(x, shape)
    return F.avg_pool2d(x, times) if times > 1 and x.ndim == 4 and x.is_floating_point() else x


def picture_classifier(data: str = "mnist") -> PictureClassifier:
    """A trained classifier, read from the package when it is first asked for; in eval mode, frozen, on the CPU.

    Args:
        data: a name of `CLASSIFIERS`. What each reaches on its test set is in `classifier_facts`.

    Raises:
        ValueError: no classifier ships for that name.
    """
    need_one_of("data", data, CLASSIFIERS)
    return _trained(data)


@cache
def _trained(data: str) -> PictureClassifier:
    judge = CLASSIFIERS[data]
    model = PictureClassifier(judge.shape, judge.classes)
    with safe_open(judge.weights, framework="pt") as file:
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (not a dict)
    return model.requires_grad_(False).eval()


def digit_classifier() -> PictureClassifier:
    """The classifier of MNIST; its error on the test set is below one in a hundred."""
    return picture_classifier("mnist")


def classifier_of(data: ImageDataset) -> PictureClassifier | None:
    """The classifier that belongs to a dataset by its name and the shape of its pictures; None if none ships."""
    need_kind("data", data, ImageDataset, "an ImageDataset, for example gencourse.data.load('mnist')")
    judge = CLASSIFIERS.get(data.name)
    return picture_classifier(data.name) if judge and _fits(data.images, judge.shape) else None


def classifier_facts(data: str = "mnist") -> dict[str, Any]:
    """Where the weights come from: command, seed, seconds, versions, the data's checksum, test accuracy.

    Args:
        data: a name of `CLASSIFIERS`.

    Raises:
        ValueError: no classifier ships for that name.
    """
    need_one_of("data", data, CLASSIFIERS)
    with safe_open(CLASSIFIERS[data].weights, framework="pt") as file:
        return json.loads(file.metadata()["facts"])


@torch.no_grad()
def _features(name: str, pictures: Tensor, least: int, data: str = "mnist") -> Tensor:
    """Features of pictures of that dataset, at least so many."""
    judge = picture_classifier(data)
    pictures = _averaged(pictures, judge.shape)
    need_pictures(name, pictures, _form(judge.shape))
    if len(pictures) < least:
        raise ValueError(f"{name} has {len(pictures)} pictures: give at least {least}.")
    return torch.cat([judge.features(part) for part in pictures.cpu().float().split(1000)])


def classifier_distance(samples: Tensor, real: Tensor, data: str = "mnist") -> float:
    """Fréchet distance, eq. (2.21), of two sets of pictures in the features of a `picture_classifier`.

    Args:
        samples: pictures (N, C, H, W) in [0, 1]; as many as real ones, whenever two results are compared.
        real: pictures (M, C, H, W), held out from whatever made the samples.
        data: whose classifier, a name of `CLASSIFIERS`.

    Raises:
        ValueError: a set has fewer than two pictures, they have not the shape of that dataset or are not in
            [0, 1], or there is no such classifier.
    """
    return frechet_from_features(_features("samples", samples, 2, data), _features("real", real, 2, data))


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

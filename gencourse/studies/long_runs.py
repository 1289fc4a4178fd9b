"""Studies that show their curve over many passes: what would more time buy? One for each method of the course."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gencourse.data import ImageDataset, load
from gencourse.evaluation import (
    classifier_distance,
    code_report,
    features_of,
    reconstruction_error,
    score_digits,
    share_right,
)
from gencourse.methods import AAE, GAN, SemiSupervisedAAE
from gencourse.methods.priors import SwissRollPrior
from gencourse.networks import Plan
from gencourse.presets import preset
from gencourse.studies.ae_gan import drawn
from gencourse.studies.engine import Study
from gencourse.studies.mae import passes
from gencourse.training import History, Method, fit, warmup_cosine

__all__ = [
    "AAE_LONG",
    "FEW_LABELS_LONG",
    "GAN_LONG",
    "MAE_LONG",
    "aae_long",
    "curve",
    "few_labels_long",
    "gan_long",
    "pictures",
    "train_for",
]

_QUARTERS = 4
_PASSES = {"smoke": 4, "book": 24, "full": 400}
_SHOWN = 2_000  # samples and test pictures for a distance that is taken again and again


def pictures() -> tuple[ImageDataset, ImageDataset]:
    """Training and test pictures, as many as the preset has."""
    sizes = preset()
    return load("mnist").take(sizes.train_images), load("mnist", split="test").take(sizes.test_images)


def train_for(
    model: Method, train: ImageDataset, seed: int, passes: int, calls: Sequence[Any] = (), **options: Any
) -> Any:
    """Train by one recipe; gives back the averaged weights.

    Args:
        model: any method.
        train: pictures.
        seed: of shuffling and noise.
        passes: over the pictures.
        calls: called after each pass, see `fit`.
        options: of `fit`, where they differ from mini-batches of 200, the faster precision, a cosine, and an average
            that forgets by a factor of 0.998 a step.
    """
    recipe: dict[str, Any] = {
        "batch_size": 200,
        "precision": "auto",
        "schedule": warmup_cosine(0.02),
        "average": 0.998,
    }
    history = fit(
        model, train, epochs=passes, seed=seed, on_epoch=calls, progress=False, **(recipe | options)
    )
    return history.averaged


def curve(
    model: Method,
    train: ImageDataset,
    seed: int,
    measure: Callable[[Any], dict[str, float]],
    passes: int,
    calls: Sequence[Any] = (),
    **options: Any,
) -> dict[str, float]:
    """Train, and measure the averaged weights after each quarter of the passes, as "NAME_1" to "NAME_4".

    Args:
        model: any method.
        train: pictures.
        seed: of shuffling and noise.
        measure: the method with averaged weights in, numbers by name out.
        passes: over the pictures, a multiple of four.
        calls: called after each pass, before a measurement.
        options: of `fit`, see `train_for`.
    """
    row: dict[str, float] = {}

    def look(_: Method, history: History) -> None:
        quarter, rest = divmod(len(history) * _QUARTERS, passes)
        if not rest:
            row.update({f"{name}_{quarter}": value for name, value in measure(history.averaged).items()})

    train_for(model, train, seed, passes, (*calls, look), **options)
    return row


def few_labels_long(labels: int, seed: int) -> dict[str, float]:
    """Test error of a semi-supervised AAE over many passes: networks and step sizes of `few_labels_aae`.

    Args:
        labels: how many pictures may show their label, as many for each digit.
        seed: which pictures they are, and of weights, shuffling and draws.

    Returns:
        "passes" in all, and after each quarter of them "error_1" to "error_4".
    """
    train, test = pictures()
    few = load("mnist").of_each_class(labels // 10, torch.Generator().manual_seed(seed))
    model = SemiSupervisedAAE("dense", 5, classes=10, labelled=few, noise=0.3, seed=seed)

    def measure(averaged: SemiSupervisedAAE) -> dict[str, float]:
        return {"error": 1 - share_right(averaged.classify, test, device=averaged.device)}

    many = _PASSES[preset().name]
    found = curve(model, train, seed, measure, many, batch_size=100, learning_rate=1e-3)
    return {"passes": float(many), **found}


def aae_long(kind: str, seed: int) -> dict[str, float]:
    """An adversarial autoencoder over many passes: redrawing, match of the codes, samples.

    Args:
        kind: "convolutional", eight numbers and a Gaussian prior, the networks of chapter 1; "Swiss roll", two
            numbers matched to a spiral, dense; both with a step of 0.001 for the reconstruction, three times
            that of the method; and "Swiss roll, its own step".
        seed: of weights, shuffling, draws and the two-sample test.

    Returns:
        "passes" in all; after each quarter "error", "two_sample", "holes", "strays" and "distance", the last of two
        thousand samples.
    """
    train, test = pictures()
    model = AAE("conv", 8, seed=seed)
    if kind.startswith("Swiss roll"):
        model = AAE(Plan("dense", (512, 512)), 2, prior=SwissRollPrior(), seed=seed)
    if not kind.endswith("its own step"):
        model.rates = {**model.rates, "autoencoder": 1e-3}
    shot = test.take(min(_SHOWN, len(test)))

    def measure(averaged: AAE) -> dict[str, float]:
        def sample(n: int, generator: torch.Generator) -> Tensor:
            return averaged.decode(averaged.draw(n, generator).to(averaged.device))

        with torch.no_grad():
            z = features_of(averaged.encode, shot, device=averaged.device).float()
        report = code_report(z, averaged.draw(len(z), torch.Generator().manual_seed(seed)).cpu(), seed)
        return {
            "error": reconstruction_error(averaged.reconstruct, test, device=averaged.device),
            "two_sample": report.two_sample_accuracy,
            "holes": report.holes,
            "strays": report.strays,
            "distance": classifier_distance(drawn(sample, len(shot), seed), shot.x),
        }

    many = _PASSES[preset().name]
    return {"passes": float(many), **curve(model, train, seed, measure, many, batch_size=64)}


def gan_long(variant: str, seed: int) -> dict[str, float]:
    """A GAN over twenty passes: distance, precision and recall of two thousand samples of the averaged weights.

    Args:
        variant: "plain", chapter 2's networks and loss; "R1", the same with the penalty of weight 0.1; "batch norm",
            the same with batch norm in the generator, as a DCGAN has it. (A DCGAN itself takes sides of 32 and more.)
        seed: of weights, shuffling and noise.

    Returns:
        "passes" in all; after each quarter what `gencourse.evaluation.score_digits` measures.
    """
    train, test = pictures()
    gan = GAN(r1=0.1 if variant == "R1" else 0.0, batch_norm=variant == "batch norm", seed=seed)
    real = test.take(min(_SHOWN, len(test))).x

    def measure(averaged: GAN) -> dict[str, float]:
        return score_digits(averaged.sample(len(real), torch.Generator().manual_seed(seed)), real)

    many = {"smoke": 4, "book": 20, "full": 200}[preset().name]
    options: dict[str, Any] = {"batch_size": 64, "precision": "float32", "schedule": None, "average": 0.99}
    return {"passes": float(many), **curve(gan, train, seed, measure, many, **options)}


FEW_LABELS_LONG = Study(
    name="few_labels_long",
    settings=tuple({"labels": n, "seed": s} for s in range(3) for n in (100, 1000)),
    run=few_labels_long,
    chapters=(4,),
)

MAE_LONG = Study(
    name="mae_long",
    settings=tuple({"start": "32 passes", "seed": s} for s in range(3)),
    run=passes,
    chapters=(5,),
)

GAN_LONG = Study(
    name="gan_long",
    settings=tuple({"variant": v, "seed": s} for s in range(3) for v in ("R1", "plain", "batch norm")),
    run=gan_long,
    chapters=(2,),
)

AAE_LONG = Study(
    name="aae_long",
    settings=tuple(
        {"kind": k, "seed": s}
        for k in ("convolutional", "Swiss roll", "Swiss roll, its own step")
        for s in range(3)
    ),
    run=aae_long,
    chapters=(4,),
)

"""Studies of chapter 5: the mask ratio, one change at a time to the method, few labels, and anomalies."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gencourse.data import ImageDataset, load
from gencourse.evaluation import PCA, auroc, errors_of, features_of, linear_probe, share_right
from gencourse.methods import MAE, Autoencoder, Classifier
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.studies.masked_digit import masked_error
from gencourse.training import fit, warmup_cosine

__all__ = [
    "ANOMALY",
    "FEW_LABELS",
    "MAE_VARIANTS",
    "MASK_RATIO",
    "RATIOS",
    "VARIANTS",
    "anomaly",
    "few_labels",
    "fine_tune",
    "labelled",
    "mae_variant",
    "mask_ratio",
    "pretrain",
]

RATIOS = (0.25, 0.5, 0.625, 0.75, 0.875)
"""Of 16 patches 4, 8, 10, 12 and 14 are hidden."""

VARIANTS: dict[str, dict[str, Any]] = {
    "as published": {},
    "mask tokens in the encoder": {"mask_tokens_in": "encoder"},
    "loss on all patches": {"loss_on": "all"},
    "normalised targets": {"normalise": True},
    "decoder of four blocks": {"decoder_depth": 4},
}
"""One change each to `MAE`'s defaults."""

_LABELS, _PROBED = 1000, 10_000  # labels for fine-tuning and for the linear probe


def pretrain(seed: int = 0, epochs: int | None = None, **options: Any) -> tuple[MAE, float]:
    """Train an MAE on MNIST without labels; one recipe for all studies.

    Args:
        seed: of weights, shuffling and masks.
        epochs: passes over the training pictures; two for every five of the preset when not given.
        options: of `MAE`.

    Returns:
        The model and the seconds that it took.
    """
    sizes = preset()
    model = MAE(seed=seed, **options)
    history = fit(
        model,
        load("mnist").take(sizes.train_images),
        epochs=max(1, 2 * sizes.epochs // 5) if epochs is None else epochs,
        batch_size=64,
        learning_rate=1e-3,
        schedule=warmup_cosine(0.05),
        seed=seed,
        progress=False,
    )
    return model, history.seconds


def labelled(count: int, seed: int) -> ImageDataset:
    """Training pictures whose labels may be used: so many, chosen at random by the seed."""
    train = load("mnist").take(preset().train_images)
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return train.take(chosen[:count])


def fine_tune(encoder: nn.Module, data: ImageDataset, seed: int = 0, epochs: int | None = None) -> Classifier:
    """Train encoder and linear layer on a few labels; the same recipe for a new encoder and a pre-trained one.

    Args:
        encoder: copied, see `Classifier`.
        data: pictures with labels.
        seed: of the linear layer and of the shuffling.
        epochs: passes over 1000 pictures, four for each of the preset's when not given; with fewer pictures, as
            many more as give the same number of mini-batches.
    """
    model = Classifier(encoder, seed=seed)
    epochs = 4 * preset().epochs if epochs is None else epochs
    fit(
        model,
        data,
        epochs=max(1, round(epochs * 1000 / max(len(data), 50))),
        batch_size=50,
        learning_rate=1e-3,
        schedule=warmup_cosine(0.1),
        seed=seed,
        progress=False,
    )
    return model


def mask_ratio(ratio: float, seed: int) -> dict[str, float]:
    """How well patches are filled in and what the encoder is worth, for one mask ratio.

    The error has the same masks of three quarters for all: at each ratio's own masks it would be on different
    patches, and two of them must not be compared.

    Args:
        ratio: share of patches to hide in training.
        seed: of weights, shuffling, masks, and of the choice of labels.
    """
    model, seconds = pretrain(seed, mask_ratio=ratio)
    return {**_measured(model, seed), "pretraining_seconds": seconds}


def mae_variant(variant: str, seed: int) -> dict[str, float]:
    """The same measurements for one variant of the method.

    Args:
        variant: one of `VARIANTS`.
        seed: of weights, shuffling, masks, and of the choice of labels.
    """
    model, seconds = pretrain(seed, **VARIANTS[variant])
    return {**_measured(model, seed), "pretraining_seconds": seconds}


def _measured(model: MAE, seed: int) -> dict[str, float]:
    test = load("mnist", split="test").take(preset().test_images)
    model.mask_ratio = 0.75  # the same masks for every model
    error = masked_error(model, test)
    few = labelled(_LABELS, seed)
    many = labelled(_PROBED, seed)
    probed = linear_probe(
        features_of(model.features, many, device=model.device),
        many.labels,
        features_of(model.features, test, device=model.device),
        test.labels,
    )
    tuned = fine_tune(model.encoder, few, seed)
    return {
        "error_at_three_quarters": error,
        "fine_tuned": share_right(tuned.classify, test, device=tuned.device),
        "probed": probed,
    }


def few_labels(start: str, labels: int, seed: int) -> dict[str, float]:
    """Test accuracy with a few labels: the same network pre-trained and from scratch, and simple baselines.

    Args:
        start: "pretrained", "scratch", "pixels" (logistic regression on raw pixels) or "pca" (on 32 principal
            components of all training pictures).
        labels: how many labelled pictures.
        seed: of weights, shuffling, masks, and of the choice of labels.
    """
    sizes = preset()
    few, test = labelled(labels, seed), load("mnist", split="test").take(sizes.test_images)
    if start in ("pretrained", "scratch"):
        model = pretrain(seed)[0] if start == "pretrained" else MAE(seed=seed)
        tuned = fine_tune(model.encoder, few, seed)
        return {"accuracy": share_right(tuned.classify, test, device=tuned.device)}
    if start == "pixels":
        rows = [data.x.flatten(1) for data in (few, test)]
    else:
        pca = PCA(load("mnist").take(sizes.train_images), 32)
        rows = [pca.encode(data.x) for data in (few, test)]
    return {"accuracy": linear_probe(rows[0], few.labels, rows[1], test.labels)}


def anomaly(digit: int, seed: int) -> dict[str, float]:
    """AUROC for a digit that was left out of training: masked autoencoder against chapter 1's autoencoder.

    Args:
        digit: the anomaly.
        seed: of weights, shuffling and masks.
    """
    sizes = preset()
    normal = load("mnist").take(sizes.train_images).of_class(*(d for d in range(10) if d != digit))
    test = load("mnist", split="test").take(sizes.test_images)
    is_anomaly = test.labels == digit
    masked, epochs = MAE(seed=seed), max(1, 2 * sizes.epochs // 5)
    fit(
        masked,
        normal,
        epochs=epochs,
        batch_size=64,
        learning_rate=1e-3,
        schedule=warmup_cosine(0.05),
        seed=seed,
        progress=False,
    )
    plain = Autoencoder("conv", code_size=32, seed=seed)
    fit(plain, normal, epochs=epochs, seed=seed, progress=False)

    def masked_auroc(masks: int) -> float:
        scores = [masked.anomaly_score(x, masks) for x, _ in test.batches(1000, device=masked.device)]
        return auroc(torch.cat(scores), is_anomaly)

    errors = errors_of(plain.reconstruct, test, device=plain.device)
    return {
        "one_mask": masked_auroc(1),
        "sixteen_masks": masked_auroc(16),
        "autoencoder": auroc(errors, is_anomaly),
    }


MASK_RATIO = Study(
    name="mask_ratio",
    settings=tuple({"ratio": ratio, "seed": seed} for seed in range(3) for ratio in RATIOS),
    run=mask_ratio,
)

MAE_VARIANTS = Study(
    name="mae_variants",
    settings=tuple({"variant": variant, "seed": seed} for seed in range(2) for variant in VARIANTS),
    run=mae_variant,
)

FEW_LABELS = Study(
    name="few_labels",
    settings=tuple(
        {"start": start, "labels": labels, "seed": seed}
        for seed in range(3)
        for start in ("pretrained", "scratch", "pixels", "pca")
        for labels in (100, 1000)
    ),
    run=few_labels,
)

ANOMALY = Study(
    name="mae_anomaly",
    settings=tuple({"digit": digit, "seed": 0} for digit in range(10)),
    run=anomaly,
)

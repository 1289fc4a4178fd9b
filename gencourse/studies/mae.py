"""Studies of chapter 5: the mask ratio, one change at a time to the method, few labels, and anomalies."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset, load
from gencourse.evaluation import PCA, auroc, errors_of, features_of, linear_probe, share_right
from gencourse.losses import masked_patch_loss
from gencourse.methods import MAE, AllPatchesMAE, Autoencoder, Classifier, MaskedConvAutoencoder
from gencourse.networks import patchify
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.studies.masked_digit import masked_error
from gencourse.training import fit, load_weights, save_weights, warmup_cosine

__all__ = [
    "ANOMALY",
    "FEW_LABELS",
    "HIDDEN",
    "LONGER_TUNING",
    "MAE_PASSES",
    "MAE_VARIANTS",
    "MAE_WEIGHTS",
    "MASK_RATIO",
    "PASSES",
    "RATIOS",
    "STARTS",
    "VARIANTS",
    "anomaly",
    "few_labels",
    "fine_tune",
    "flat",
    "from_few",
    "hidden_errors",
    "labelled",
    "mae_variant",
    "mask_ratio",
    "middle_square",
    "painting",
    "passes",
    "pretrain",
    "some_hidden",
    "train_mae",
    "trained_mae",
]

RATIOS = (0.25, 0.5, 0.625, 0.75, 0.875)
"""Of 16 patches 4, 8, 10, 12 and 14 are hidden."""

VARIANTS: dict[str, dict[str, Any]] = {
    "as above": {},
    "mask tokens in the encoder": {"mask_tokens_in": "encoder"},
    "loss on all patches": {},
    "normalised targets": {"normalise": True},
    "decoder of four blocks": {"decoder_depth": 4},
}
"""One change each to `MAE`'s defaults; the loss on all patches is a class of its own."""

STARTS = ("pixels", "PCA 128", "untrained", "2 passes", "8 passes")
"""Where a classifier may start from: see `passes`."""

HIDDEN = (2, 4, 8, 12, 14)
"""How many of 16 patches are hidden when holes of several sizes are compared."""

MAE_WEIGHTS = Path(__file__).resolve().parent.parent / "checkpoints" / "mae.safetensors"
"""The weights that chapter 5 loads. `python -m gencourse.studies.mae` makes them again."""

PASSES = 8
"""Over how many passes they were trained."""

_TUNED = ("8 passes", "32 passes")  # networks that are fine-tuned, too
_LABELS, _PROBED = 1000, 10_000  # labels for fine-tuning and for the linear probe


def pretrain(
    seed: int = 0, epochs: int | None = None, kind: type[MAE] = MAE, **options: Any
) -> tuple[MAE, float]:
    """Train an MAE on MNIST without labels; one recipe for all studies.

    Args:
        seed: of weights, shuffling and masks.
        epochs: passes over the training pictures; two for every five of the preset when not given.
        kind: class to train.
        options: of that class.

    Returns:
        The model and the seconds that it took.
    """
    sizes = preset()
    model = kind(seed=seed, **options)
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
    kind = AllPatchesMAE if variant == "loss on all patches" else MAE
    model, seconds = pretrain(seed, kind=kind, **VARIANTS[variant])
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


def few_labels(start: str, labels: int, seed: int, longer: int = 1) -> dict[str, float]:
    """Test accuracy with a few labels: the same network pre-trained and from scratch, and simple baselines.

    Args:
        start: "pretrained", "scratch", "pixels" (logistic regression on raw pixels) or "pca" (on 32 principal
            components of all training pictures).
        labels: how many labelled pictures.
        seed: of weights, shuffling, masks, and of the choice of labels.
        longer: how many times as many mini-batches of fine-tuning.
    """
    sizes = preset()
    few, test = labelled(labels, seed), load("mnist", split="test").take(sizes.test_images)
    if start in ("pretrained", "scratch"):
        model = pretrain(seed)[0] if start == "pretrained" else MAE(seed=seed)
        tuned = fine_tune(model.encoder, few, seed, epochs=4 * sizes.epochs * longer)
        return {"accuracy": share_right(tuned.classify, test, device=tuned.device)}
    if start == "pixels":
        rows = [data.x.flatten(1) for data in (few, test)]
    else:
        pca = PCA(load("mnist").take(sizes.train_images), 32)
        rows = [pca.encode(data.x) for data in (few, test)]
    return {"accuracy": linear_probe(rows[0], few.labels, rows[1], test.labels)}


def passes(start: str, seed: int) -> dict[str, float]:
    """What so many passes of pre-training are worth: painting, a linear layer on the features, fine-tuning.

    Args:
        start: pixels, principal components, or a network, new or pre-trained for so many passes: one of `STARTS`,
            or "32 passes".
        seed: of weights, shuffling, masks, and of the choice of labels.

    Returns:
        Test accuracies: "linear_n" of a linear layer on the features, with n labels; after eight passes and more also
        "tuned_n" of encoder and linear layer trained together, see `few_labels`. Of pre-trained networks also
        what `painting` measures, and "pretraining_seconds".
    """
    sizes, few = preset(), {count: labelled(count, seed) for count in (100, _LABELS, _PROBED)}
    train, test = (load("mnist", split=split) for split in ("train", "test"))
    train, test = train.take(sizes.train_images), test.take(sizes.test_images)
    row: dict[str, float] = {}
    features: Callable[[Tensor], Tensor] = flat
    model = None
    if start.startswith("PCA"):
        features = PCA(train, int(start.split()[1])).encode
    elif start != "pixels":
        model = MAE(seed=seed)
        if start != "untrained":
            model, seconds = pretrain(seed, int(start.split()[0]) if sizes.proves else 1)
            row |= {"pretraining_seconds": seconds, **painting(model, train, test)}
        features = model.features
    device = "cpu" if model is None else model.device
    described = features_of(features, test, device=device)
    for count, data in few.items():
        known = features_of(features, data, device=device)
        row[f"linear_{count}"] = linear_probe(known, data.labels, described, test.labels)
        if model is not None and start in _TUNED and count < _PROBED:
            tuned = fine_tune(model.encoder, data, seed)
            row[f"tuned_{count}"] = share_right(tuned.classify, test, device=tuned.device)
    return row


def painting(model: MAE, train: ImageDataset, test: ImageDataset) -> dict[str, float]:
    """How well a model with 16 patches fills in holes of several sizes, and four neighbours in the middle.

    Args:
        model: pre-trained.
        train: pictures whose mean is the answer that needs no network.
        test: pictures to measure on; all but the first error on 2000 of them.

    Returns:
        "error_at_three_quarters"; "hides_n", the error with n random patches hidden over that of the mean picture
        on the same patches; and errors of the square in the middle: "square" seen from the 12 patches around
        it, "square_from_four" of these, "square_averaged" over 16 choices of four, "square_by_mean" picture.
    """
    mean, found = train.x.mean(0, keepdim=True), {"error_at_three_quarters": masked_error(model, test)}
    test = test.take(min(len(test), 2000))
    for count in HIDDEN:
        ours, by_mean = hidden_errors(model, test.x, some_hidden(len(test), count), mean)
        found[f"hides_{count}"] = ours / by_mean
    square = middle_square().expand(len(test), -1)
    found["square"], found["square_by_mean"] = hidden_errors(model, test.x, square, mean)
    for name, draws in (("square_from_four", 1), ("square_averaged", 16)):
        found[name] = hidden_errors(model, test.x, square, mean, draws=draws)[0]
    return found


def hidden_errors(
    model: MAE | MaskedConvAutoencoder, x: Tensor, mask: Tensor, mean: Tensor, *, draws: int = 0
) -> tuple[float, float]:
    """Mean squared error of hidden pixels, eq. (5.11): of a model, and of the mean picture on the same patches.

    Args:
        model: what predicts patches.
        x: pictures (B, C, H, W).
        mask: 1 where a patch is hidden, (B, N), the same number in every row.
        mean: the mean picture, (1, C, H, W).
        draws: if positive, average so many predictions, each from four visible patches, see `from_few`.
    """
    target, guess = patchify(x, model.patch), patchify(mean.expand_as(x), model.patch)
    painted = []
    with torch.no_grad():
        for part, hidden in zip(x.split(1000), mask.split(1000), strict=True):
            part, hidden = part.to(model.device), hidden.to(model.device)
            seen = from_few(model, part, hidden, draws=draws) if draws else model.predict(part, hidden)
            painted.append(seen.cpu())
    mask = mask.cpu()
    return (
        masked_patch_loss(torch.cat(painted), target, mask).item(),
        masked_patch_loss(guess, target, mask).item(),
    )


@torch.no_grad()
def from_few(
    model: MAE | MaskedConvAutoencoder,
    x: Tensor,
    mask: Tensor,
    *,
    visible: int = 4,
    draws: int = 16,
    seed: int = 0,
) -> Tensor:
    """The mean of several predictions, each from a few of the visible patches, chosen at random.

    For a model that practised with few visible patches, and is shown many.

    Args:
        model: what predicts patches.
        x: pictures (B, C, H, W).
        mask: 1 where a patch is hidden, (B, N); at least `visible` zeros in every row.
        visible: how many of the others to show at a time.
        draws: how many predictions to average.
        seed: of the choices.

    Returns:
        Patches (B, N, p·p·C).
    """
    generator, total = torch.Generator().manual_seed(seed), torch.zeros_like(patchify(x, model.patch))
    for _ in range(draws):
        luck = torch.rand(mask.shape, generator=generator).to(mask.device) - mask  # hidden ones come last
        shown = luck.topk(visible, dim=1).indices
        total += model.predict(x, torch.ones_like(mask).scatter(1, shown, 0.0))
    return total / draws


def some_hidden(n: int, count: int, patches: int = 16, seed: int = 0) -> Tensor:
    """Masks (n, patches) that hide so many patches each, chosen at random."""
    chance = torch.rand(n, patches, generator=torch.Generator().manual_seed(seed))
    return (chance.argsort(1).argsort(1) < count).float()


def middle_square() -> Tensor:
    """The mask (16,) that hides the four patches in the middle of a grid of four by four."""
    mask = torch.zeros(4, 4)
    mask[1:3, 1:3] = 1
    return mask.flatten()


def flat(x: Tensor) -> Tensor:
    """Pictures (B, C, H, W) to their pixels (B, C·H·W)."""
    return x.flatten(1)


def train_mae(path: str | Path = MAE_WEIGHTS, *, epochs: int = PASSES, seed: int = 0) -> float:
    """Pre-train the MAE that chapter 5 loads, and save it as float16 with the facts about the run.

    Args:
        path: where to save it.
        epochs: passes over the training pictures.
        seed: of weights, shuffling and masks.

    Returns:
        Masked-patch error on test pictures, eq. (5.11), of what is saved.
    """
    sizes = preset()
    model, seconds = pretrain(seed, epochs)
    for weight in model.parameters():
        weight.data = weight.data.half().float()
    reached = masked_error(model, load("mnist", split="test").take(sizes.test_images))
    save_weights(
        path,
        model.half(),
        command="python -m gencourse.studies.mae",
        images=sizes.train_images,
        epochs=epochs,
        precision="float32",
        seed=seed,
        seconds=round(seconds),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        python=sys.version.split()[0],
        data_sha256=hashlib.sha256(
            load("mnist").take(sizes.train_images).images.numpy().tobytes()
        ).hexdigest(),
        test_error=reached,
    )
    return reached


def trained_mae() -> tuple[MAE, dict[str, Any]]:
    """The MAE that ships with the course, in eval mode on the CPU, and the facts about its training."""
    model = MAE()
    facts = load_weights(MAE_WEIGHTS, model)
    return model.requires_grad_(False).eval(), facts


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
    chapters=(5,),
)

MAE_VARIANTS = Study(
    name="mae_variants",
    settings=tuple({"variant": variant, "seed": seed} for seed in range(2) for variant in VARIANTS),
    run=mae_variant,
    chapters=(5,),
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
    chapters=(5,),
)

LONGER_TUNING = Study(
    name="longer_tuning",
    settings=tuple(
        {"start": start, "labels": 1000, "seed": seed, "longer": 4}
        for seed in range(3)
        for start in ("pretrained", "scratch")
    ),
    run=few_labels,
    chapters=(5,),
)

MAE_PASSES = Study(
    name="mae_passes",
    settings=tuple({"start": start, "seed": seed} for start in STARTS for seed in range(3)),
    run=passes,
    chapters=(5,),
)

ANOMALY = Study(
    name="mae_anomaly",
    settings=tuple({"digit": digit, "seed": 0} for digit in range(10)),
    run=anomaly,
    chapters=(5,),
)

if __name__ == "__main__":
    print(f"test error {train_mae():.4f}, saved in {MAE_WEIGHTS}")

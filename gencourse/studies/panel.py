"""The studies of chapter 7: eleven methods and five baselines, one budget of seconds, one row of figures each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset, load, shapes
from gencourse.errors import need_number, need_one_of
from gencourse.evaluation import (
    PCA,
    CodeMixture,
    anomaly_scores,
    auroc,
    features_of,
    nearest_neighbours,
    panel,
)
from gencourse.methods import AAE, AEGAN, GAN, MAE, VAE, VAEGAN, WAE, Autoencoder, SamplingAEGAN
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.training import Method, fit, warmup_cosine

__all__ = [
    "BASELINES",
    "LEARNT",
    "LEFT_OUT",
    "PANEL",
    "PANEL_CLOTHES",
    "PANEL_COLOUR",
    "PANEL_SHORT",
    "chimeras",
    "left_out",
    "panel_method",
    "panel_row",
]

_CODE = 16  # numbers in a code, for all that have one
_PROBED = 5_000  # training pictures that probes and baselines learn from
_FAST: dict[str, Any] = {"learning_rate": 4e-3}

SECONDS = {"smoke": 0.1, "book": 60.0, "full": 600.0}
"""Of one core, that a method may learn."""

_SHORT = 0.1  # share of that, in the studies that ask for less
_COLOUR = 0.25  # the same, for coloured pictures


class _AAE(AAE):
    """The AAE with a step for reconstruction like the other methods': its own suits many passes."""

    rates: Mapping[str, float] = {**AAE.rates, "autoencoder": 2e-3}


LEARNT: dict[str, tuple[Callable[..., Method], int, dict[str, Any]]] = {
    "autoencoder": (partial(Autoencoder, "conv", _CODE), 8400, _FAST),
    "denoising": (partial(Autoencoder, "conv", _CODE, noise=0.3), 8400, _FAST),
    "VAE": (partial(VAE, "conv", _CODE), 8300, _FAST),
    "GAN": (partial(GAN, "conv"), 3900, {}),
    "hybrid": (partial(SamplingAEGAN, "conv", _CODE, weight=16.0), 2500, _FAST),
    "VAE-GAN": (partial(VAEGAN, "conv", _CODE, weight=10.0), 1800, _FAST),
    "AAE": (partial(_AAE, "conv", _CODE), 4200, {}),
    "WAE": (partial(WAE, "conv", _CODE), 6400, _FAST),
    "MAE": (partial(MAE, width=64), 3400, {"learning_rate": 2e-3}),
    "autoencoder + mixture": (partial(Autoencoder, "conv", _CODE), 8400, _FAST),
    "hybrid + mixture": (partial(AEGAN, "conv", _CODE, weight=16.0), 3400, _FAST),
}
"""Name to the method for a seed and a shape, pictures that it learns from in a second of one core, options of `fit`.

The rates were measured once, on one thread; they fix how many pictures a budget buys, so that a row does not
depend on what else the machine does. Convolutional networks of chapter 1 all round, and the options of the chapters.
"""

BASELINES = ("PCA", "GMM", "k-means", "raw pixels", "memory")
"""What has no network: see `panel_method`."""


def chimeras(data: ImageDataset, seed: int = 0) -> ImageDataset:
    """Strange pictures: the upper half of one picture on the lower half of one of another class.

    Every half is real and every pixel has its usual law; only the two do not belong together.

    Args:
        data: pictures of two classes at least.
        seed: of the pairs.

    Returns:
        At most as many pictures, without labels.

    Raises:
        ValueError: all pictures are of one class.
    """
    partner = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    apart = data.labels != data.labels[partner]
    if not apart.any():
        raise ValueError("data has one class only: give pictures of two, so that halves do not fit.")
    half = data.images.shape[2] // 2
    mixed = torch.cat([data.images[:, :, :half], data.images[partner][:, :, half:]], dim=2)[apart]
    return ImageDataset(mixed, torch.full((len(mixed),), -1), data.name, data.classes)


def panel_method(
    name: str, train: ImageDataset, seed: int = 0, share: float = 1.0
) -> tuple[Any, dict[str, float]]:
    """One method of the panel, trained for the preset's budget or a share of it.

    Args:
        name: a key of `LEARNT`, or one of `BASELINES`: "PCA" (as many components as the others' codes have
            numbers), "GMM" (30 Gaussians on 32 components), "k-means" (64 centres), "raw pixels", and "memory"
            (the training pictures themselves, which it draws from and answers with).
        train: what to learn from.
        seed: of weights, shuffling and draws.
        share: of the budget, above 0.

    Returns:
        Something that `panel` can measure, and what it cost: "training_seconds" (of this process), "pictures_seen",
        "passes".

    Raises:
        ValueError: there is no such method, or the share is not positive.
    """
    need_one_of("name", name, (*LEARNT, *BASELINES))
    need_number("share", share, above=0)
    start = time.process_time()
    if name in LEARNT:
        build, rate, options = LEARNT[name]
        method: Any = build(shape=train.shape, seed=seed)
        seen = max(256, round(rate * share * SECONDS[preset().name]))
        passes = -(-seen // len(train))
        used = train.take(seen // passes)
        fit(
            method,
            used,
            epochs=passes,
            schedule=warmup_cosine(0.05),
            device="auto" if preset().name == "full" else "cpu",  # one core, unless a GPU is asked for
            seed=seed,
            progress=False,
            **options,
        )
        method.to("cpu")
        cost = {"pictures_seen": float(passes * len(used)), "passes": float(passes)}
        if name.endswith("+ mixture"):
            method = _with_mixture(method, train.take(min(_PROBED, len(train))), seed)
    else:
        method, cost = (
            _baseline(name, train.take(min(_PROBED, len(train))), seed),
            {"pictures_seen": float(min(_PROBED, len(train)))},
        )
    return method, {"training_seconds": time.process_time() - start, **cost}


def _with_mixture(method: Autoencoder | AEGAN, train: ImageDataset, seed: int) -> SimpleNamespace:
    """A method that cannot sample, and ten Gaussians on its codes, eq. (3.10), which can."""
    mixture = CodeMixture(features_of(method.encode, train), method.decode, 10, seed)
    return SimpleNamespace(
        reconstruct=method.reconstruct,
        encode=method.encode,
        features=method.features,
        sample=mixture.sample,
        parameters=sum(p.numel() for p in method.parameters()) + 10 * (1 + _CODE + _CODE * (_CODE + 1) // 2),
    )


def _baseline(name: str, train: ImageDataset, seed: int) -> SimpleNamespace:
    rows = train.x.flatten(1)
    if name == "PCA":
        pca = PCA(train, _CODE)
        return SimpleNamespace(
            reconstruct=pca.reconstruct, encode=pca.encode, parameters=rows.shape[1] * (_CODE + 1)
        )
    if name == "GMM":
        pca = PCA(train, 32)
        mixture = CodeMixture(pca.encode(train.x), pca.decode, 30, seed)
        means = torch.from_numpy(mixture.density.means_).float()

        def responsibilities(x: Tensor) -> Tensor:
            return torch.from_numpy(mixture.density.predict_proba(pca.encode(x).double().numpy())).float()

        return SimpleNamespace(
            encode=responsibilities,
            reconstruct=lambda x: pca.decode(responsibilities(x) @ means),
            sample=mixture.sample,
            # what the components do not see counts, too
            anomaly_score=lambda x: (
                torch.from_numpy(-mixture.density.score_samples(pca.encode(x).double().numpy())).float()
                + (x - pca.reconstruct(x)).square().flatten(1).sum(1)
            ),
            parameters=rows.shape[1] * 33 + 30 * (1 + 32 + 32 * 33 // 2),
        )
    if name == "k-means":
        from sklearn.cluster import KMeans

        found = KMeans(64, n_init=1, random_state=seed).fit(rows.numpy())
        centres = torch.from_numpy(found.cluster_centers_).float()
        weight = torch.bincount(torch.from_numpy(found.labels_).long(), minlength=64).float()
        return SimpleNamespace(
            features=lambda x: torch.cdist(x.flatten(1), centres),
            reconstruct=lambda x: centres[torch.cdist(x.flatten(1), centres).argmin(1)].view_as(x),
            sample=lambda n, generator: centres[
                torch.multinomial(weight, n, replacement=True, generator=generator)
            ].unflatten(1, train.shape),
            parameters=centres.numel(),
        )
    if name == "raw pixels":
        return SimpleNamespace(features=lambda x: x.flatten(1), parameters=0)
    return SimpleNamespace(  # memory
        reconstruct=lambda x: train.x[nearest_neighbours(x, train.x)[1]],
        sample=lambda n, generator: train.x[torch.randint(len(train), (n,), generator=generator)],
        parameters=rows.numel(),
    )


def _pictures(data: str) -> tuple[ImageDataset, ImageDataset]:
    """Training and test pictures of that name, as many as the preset has, but at most two thousand to test on."""
    sizes = preset()
    tested = min(2_000, sizes.test_images)
    if data == "shapes":
        return shapes(sizes.train_images, 32, seed=0), shapes(tested, 32, seed=1)
    return load(data).take(sizes.train_images), load(data, split="test").take(tested)


def panel_row(method: str, seed: int, data: str = "mnist", share: float = 1.0) -> dict[str, float]:
    """Train one method for the budget and measure its row.

    Args:
        method: a name that `panel_method` knows.
        seed: of everything that is drawn.
        data: name of the data set, or "shapes", coloured ones of 32 by 32.
        share: of the budget, above 0.

    Returns:
        `gencourse.evaluation.Panel.row` of 2000 test pictures and draws, probes on 5000 training pictures; what
        is the same for all methods stands in the row of "memory".
    """
    train, test = _pictures(data)
    made, cost = panel_method(method, train, seed, share)
    found = panel(
        made,
        test,
        train.take(min(_PROBED, len(train))),
        strange=chimeras(test),
        seconds=cost.pop("training_seconds"),
        comparisons=method == "memory",
        seed=seed,
    )
    return {**found.row(), **cost}


def left_out(method: str, left_out: int, seed: int, data: str = "mnist") -> dict[str, float]:
    """Train without one class, for a tenth of the budget, and ask how well that class is told from the others.

    Args:
        method: a name that `panel_method` knows, of something that scores pictures or redraws them.
        left_out: the class.
        seed: of everything that is drawn.
        data: name of the data set.

    Returns:
        "auroc" among 2000 test pictures.
    """
    known, test = _pictures(data)
    made, _ = panel_method(method, known.take((known.labels != left_out).nonzero()[:, 0]), seed, _SHORT)
    if isinstance(made, nn.Module):
        made.eval()
    return {"auroc": auroc(anomaly_scores(made, test), test.labels == left_out)}


DATA = ("mnist", "fashion_mnist")
"""What the panel is measured on."""


def _rows(data: str) -> tuple[dict[str, Any], ...]:
    return tuple({"method": m, "seed": s, "data": data} for s in range(3) for m in (*LEARNT, *BASELINES))


PANEL = Study(name="panel", settings=_rows("mnist"), run=panel_row, chapters=(7,))

PANEL_CLOTHES = Study(name="panel_clothes", settings=_rows("fashion_mnist"), run=panel_row, chapters=(7,))

PANEL_SHORT = Study(
    name="panel_short",
    settings=tuple({"method": m, "seed": s} for s in range(3) for m in (*LEARNT, *BASELINES)),
    run=partial(panel_row, share=_SHORT),
    chapters=(7,),
)

PANEL_COLOUR = Study(
    name="panel_colour",
    settings=tuple(
        {"method": m, "seed": s, "data": "shapes"}
        for s in range(3)
        for m in (
            "VAE",
            "GAN",
            "VAE-GAN",
            "autoencoder + mixture",
            "hybrid + mixture",
            "GMM",
            "k-means",
            "memory",
        )
    ),
    run=partial(panel_row, share=_COLOUR),
    chapters=(7,),
)

LEFT_OUT = Study(
    name="left_out",
    settings=tuple(
        {"method": m, "left_out": c, "seed": s, "data": d}
        for d in DATA
        for m in ("PCA", "GMM", "memory", "autoencoder", "VAE", "MAE", "AAE")
        for s in range(3)
        for c in range(10)
    ),
    run=left_out,
    chapters=(7,),
)

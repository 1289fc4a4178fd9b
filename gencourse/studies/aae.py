"""Studies of chapter 4: four ways to treat the code, few labels, clusters, and generated training data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gencourse.data import ImageDataset, load
from gencourse.evaluation import (
    PCA,
    classifier_distance,
    cluster_result,
    code_report,
    digit_classifier,
    features_of,
    reconstruction_error,
    share_right,
)
from gencourse.methods import (
    AAE,
    VAE,
    WAE,
    Autoencoder,
    ClusteringAAE,
    ConditionalAAE,
    SemiSupervisedAAE,
)
from gencourse.networks import Plan
from gencourse.presets import preset
from gencourse.studies.ae_gan import drawn
from gencourse.studies.classifier import Recogniser
from gencourse.studies.engine import Study
from gencourse.training import History, Method, Mover, fit, warmup_cosine

__all__ = [
    "AUGMENTATION_AAE",
    "CLUSTERS",
    "CODE_PANEL",
    "FEW_LABELS_AAE",
    "SIZES",
    "LabelsOnly",
    "augmentation_aae",
    "clusters",
    "code_panel",
    "few_labels_aae",
    "nearness",
    "semi_supervised",
    "train_matched",
]

SIZES = (Plan("dense", hidden=(512, 512)), 8)
"""What every method of the panel is called with: the same dense networks, the same code."""

LONGER = "AAE, convolutional, four times the passes"
"""A deeper network with a tenth of the weights, which two passes do not train."""


def train_matched(method: Method, data: ImageDataset, epochs: int, seed: int = 0) -> Method:
    """Train a method of this chapter; returns the copy with averaged weights.

    The players of an AAE chase each other; the average over the last few hundred steps stands still.
    """
    history = fit(
        method, data, epochs=epochs, schedule=warmup_cosine(0.05), average=0.998, seed=seed, progress=False
    )
    assert isinstance(history.averaged, Method)  # `average` was given
    return history.averaged


def code_panel(method: str, seed: int) -> dict[str, float]:
    """Reconstruction, match of the codes, and samples of one method; all else is the same for all.

    Networks, data, passes, and the step size with which encoder and decoder learn to reconstruct (0.001).

    Args:
        method: "AE", "VAE", "AAE" or "WAE-MMD" with dense networks; "AAE, convolutional" and `LONGER` with those
            of chapter 1.
        seed: of weights, shuffling, draws and the two-sample test.
    """
    sizes = preset()
    train, test = load("mnist").take(sizes.train_images), load("mnist", split="test").take(sizes.test_images)
    model: Method = {
        "AE": lambda: Autoencoder(*SIZES, seed=seed),
        "VAE": lambda: VAE(*SIZES, seed=seed),
        "AAE": lambda: AAE(*SIZES, seed=seed),
        "WAE-MMD": lambda: WAE(*SIZES, seed=seed),
        "AAE, convolutional": lambda: AAE("conv", SIZES[1], seed=seed),
        LONGER: lambda: AAE("conv", SIZES[1], seed=seed),
    }[method]()
    model.rates = {
        **model.rates,
        "autoencoder": 1e-3,
    }  # with each method's own, the smallest would look worst
    passes = max(1, 2 * sizes.epochs // 5) * (4 if method == LONGER else 1)
    model = train_matched(model, train, passes, seed)
    with torch.no_grad():
        z = features_of(_drawn_code(model), test, device=model.device)
    prior_z = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed))
    report = code_report(z, prior_z, seed)

    def sample(n: int, generator: torch.Generator) -> Tensor:
        codes = torch.randn(n, z.shape[1], generator=generator).to(model.device)
        return model.decode(codes)

    return {
        "error": reconstruction_error(model.reconstruct, test, device=model.device),
        "two_sample": report.two_sample_accuracy,
        "mmd": report.mmd,
        "holes": report.holes,
        "strays": report.strays,
        "distance": classifier_distance(drawn(sample, len(test), seed), test.x),
    }


def _drawn_code(model: Method) -> Callable[[Tensor], Tensor]:
    """One draw from q(z|x) for each picture: for a VAE that is not its mean."""
    if isinstance(model, VAE):
        return lambda x: model.encoder(x)
    return model.encode


class LabelsOnly(SemiSupervisedAAE):
    """The encoder of a semi-supervised AAE, trained by its supervised phase alone: the baseline."""

    def __init__(self, *networks: Any, classes: int = 10, **options: Any) -> None:
        super().__init__(*networks, classes=classes, **options)
        self.labels = (0, classes - 1)

    def players(self) -> dict[str, Any]:
        """One player: the encoder, as a classifier."""
        return {"classifier": self.encoder.parameters()}

    def accepts(self, x: Tensor, labels: Tensor | None) -> None:
        """Any pictures of its shape with labels; it needs no others."""
        Method.accepts(self, x, labels)

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """Eq. (4.18) on labelled pictures."""
        return {"classifier": update("classifier", self.supervised_loss(x, self._told(y)))}


def semi_supervised(
    labelled: ImageDataset, data: ImageDataset, epochs: int, seed: int = 0, classes: int = 10
) -> tuple[ClusteringAAE, History]:
    """Train a semi-supervised AAE, eqs. (4.17) and (4.18), or a clustering one where no picture is labelled.

    Args:
        labelled: the few pictures whose labels may be used; with none of them, clusters.
        data: all pictures; their labels are not looked at.
        epochs: passes over them.
        seed: of weights, shuffling and draws.
        classes: labels, or clusters.

    Returns:
        The model with averaged weights, and what happened.
    """
    # a small style: with more room in it the decoder does without the label
    sizes: dict[str, Any] = {"code_size": 5, "classes": classes, "noise": 0.3, "seed": seed}
    if len(labelled):
        model: ClusteringAAE = SemiSupervisedAAE("dense", labelled=labelled, **sizes)
        rate: float | None = 1e-3
    else:
        # The label judge must not win before the decoder has found a use for the entries, or all pictures end up
        # in one of them, where the softmax is flat and no gradient leads back.
        model, rate = ClusteringAAE("dense", soften=0.2, **sizes), None
    model.rates = {"autoencoder": 1e-3, "discriminator": 1e-3, "label_discriminator": 1e-3, "encoder": 3e-4}
    history = fit(
        model,
        data,
        epochs=epochs,
        batch_size=100,
        learning_rate=rate,
        schedule=warmup_cosine(0.02),
        average=0.998,
        seed=seed,
        progress=False,
    )
    assert isinstance(history.averaged, ClusteringAAE)  # `average` was given
    return history.averaged, history


_LONG = {"smoke": 1, "book": 6, "full": 200}  # passes over all pictures


def few_labels_aae(method: str, labels: int, seed: int) -> dict[str, float]:
    """Test error with a few labels, as many for each digit.

    Args:
        method: "AAE", or "labels only": the same encoder, trained on the labelled pictures alone.
        labels: how many pictures may show their label.
        seed: which pictures they are, and of weights, shuffling and draws.
    """
    sizes = preset()
    train, test = load("mnist").take(sizes.train_images), load("mnist", split="test").take(sizes.test_images)
    few = load("mnist").of_each_class(labels // 10, torch.Generator().manual_seed(seed))
    if method == "AAE":
        model, _ = semi_supervised(few, train, _LONG[sizes.name], seed)
    else:
        model = LabelsOnly("dense", 5, noise=0.3, seed=seed)
        fit(model, few, epochs=60 * sizes.epochs * 100 // labels, batch_size=50, seed=seed, progress=False)
    return {"error": 1 - share_right(model.classify, test, device=model.device)}


def clusters(method: str, count: int, seed: int) -> dict[str, float]:
    """Clustering error without any label, by the protocol of eq. (4.19), and by a vote.

    Args:
        method: "AAE", or a baseline: "k-means" on the pixels, or "mixture", of Gaussians on 16 principal components.
        count: K, how many clusters.
        seed: of weights, shuffling and draws.
    """
    sizes = preset()
    train, test = load("mnist").take(sizes.train_images), load("mnist", split="test").take(sizes.test_images)
    if method == "k-means":
        posteriors = nearness(train.x.flatten(1), test.x.flatten(1), count, seed)
    elif method == "mixture":
        some = train.take(min(FITTED, len(train)))
        pca = PCA(some, 16)
        found = mixture_of(pca.encode(some.x), count, seed)
        posteriors = torch.from_numpy(found.predict_proba(pca.encode(test.x).numpy()))
    else:
        model, _ = semi_supervised(train.take(train.labels < 0), train, _LONG[sizes.name], seed, count)
        with torch.no_grad():
            posteriors = features_of(lambda x: model.parts(x)[0], test, device=model.device)
    named = cluster_result(posteriors, test.labels)
    used = len(posteriors.argmax(1).unique())
    return {
        "error": named.error,
        "vote_error": named.vote_error,
        "majority_error": named.majority_error,
        "used": float(used),
    }


def nearness(known: Tensor, asked: Tensor, count: int, seed: int) -> Tensor:
    """Posteriors (M, count) of round Gaussians, equally wide, round the centres that k-means finds.

    Args:
        known: rows that the centres are found from, (N, d).
        asked: rows to give posteriors of, (M, d).
        count: how many centres.
        seed: of the first centres.
    """
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=1, random_state=seed).fit(known.numpy())
    squares = torch.cdist(asked, torch.from_numpy(found.cluster_centers_)).square()
    return (-squares / squares.amin(1).mean()).softmax(1)


FITTED = 20_000
"""Codes that a mixture of Gaussians is fitted to."""


def mixture_of(known: Tensor, count: int, seed: int) -> Any:
    """Gaussians with full covariances, fitted to codes (N, d): scikit-learn's mixture.

    Args:
        known: the codes.
        count: how many Gaussians.
        seed: of the first centres.
    """
    from sklearn.mixture import GaussianMixture

    # a little more on the diagonal, for a cluster of few codes
    return GaussianMixture(count, random_state=seed, reg_covar=1e-3).fit(known.float().numpy())


_STEPS = {"smoke": 10, "book": 600, "full": 600}  # of the classifier, as in chapter 2
_SHOWN = {"smoke": 1_000, "book": 60_000, "full": 600_000}  # pictures that pass the AAE in its training


def augmentation_aae(labels: int, seed: int) -> dict[str, float]:
    """Chapter 2's question, `augmentation`, put to an AAE whose decoder is told the digit.

    It learns from the same labelled pictures as the classifier and draws half of each mini-batch. Everything
    else is as there, so the rows can be compared with its row "real". Its style has two numbers: with more room
    the style says the digit, and the decoder does not listen to the label.

    Args:
        labels: how many labelled pictures there are.
        seed: which pictures they are, and of weights, shuffling and draws.
    """
    size = preset().name
    train, test = load("mnist"), load("mnist", split="test").take(preset().test_images)
    few = train.take(torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:labels])
    model = ConditionalAAE("dense", 2, noise=0.3, seed=seed)
    fit(model, few, epochs=max(1, _SHOWN[size] // labels), seed=seed, device="cpu", progress=False)
    asked = torch.arange(2000) % 10
    drawn = model.sample(2000, torch.Generator().manual_seed(seed), asked)
    obeyed = (digit_classifier().classify(drawn) == asked).double().mean().item()
    judge = Recogniser(seed, shift=False, draw=lambda y: model.sample(len(y), y=y), share=0.5)
    passes = max(1, _STEPS[size] * 50 // labels)
    fit(judge, few, epochs=passes, batch_size=50, device="cpu", seed=seed, progress=False)
    return {"accuracy": share_right(judge.classifier.classify, test), "obeyed": obeyed}


AUGMENTATION_AAE = Study(
    name="augmentation_aae",
    settings=tuple({"labels": n, "seed": s} for n in (200, 1000) for s in range(3)),
    run=augmentation_aae,
    chapters=(4,),
)

CODE_PANEL = Study(
    name="code_panel",
    settings=tuple(
        {"method": m, "seed": s}
        for s in range(3)
        for m in ("AE", "VAE", "AAE", "WAE-MMD", "AAE, convolutional", LONGER)
    ),
    run=code_panel,
    chapters=(4,),
)

FEW_LABELS_AAE = Study(
    name="few_labels_aae",
    settings=tuple(
        {"method": m, "labels": n, "seed": s}
        for n in (100, 1000)
        for s in range(3)
        for m in ("labels only", "AAE")
    ),
    run=few_labels_aae,
    chapters=(4,),
)

CLUSTERS = Study(
    name="clusters",
    settings=tuple(
        {"method": m, "count": k, "seed": s}
        for s in range(3)
        for m in ("k-means", "mixture", "AAE")
        for k in (10, 16, 30)
    ),
    run=clusters,
    chapters=(4,),
)

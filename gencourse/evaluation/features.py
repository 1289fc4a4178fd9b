"""What codes are worth to somebody who has never seen the decoder: probes, clusters, two-sample tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from gencourse.data import ImageDataset

__all__ = ["features_of", "kmeans_purity", "linear_probe", "two_sample_accuracy"]


@torch.no_grad()
def features_of(
    features: Callable[[Tensor], Tensor], data: ImageDataset, *, device: torch.device | str = "cpu"
) -> Tensor:
    """Features of every picture of a dataset.

    Args:
        features: pictures (B, C, H, W) to vectors (B, F), for example `model.features`.
        data: the pictures.
        device: where to compute.

    Returns:
        Shape (N, F), on the CPU.
    """
    return torch.cat([features(x).cpu() for x, _ in data.batches(1000, device=device)])


def linear_probe(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor) -> float:
    """Accuracy on test data of a linear classifier trained on features.

    Multinomial logistic regression on standardised features.

    Args:
        features: training features, shape (N, F).
        labels: their classes, shape (N,).
        test_features: shape (M, F).
        test_labels: shape (M,).

    Returns:
        The fraction of test rows that are classified correctly.

    Raises:
        ValueError: features and labels differ in length, or the two sets of features in width.
    """
    for name, rows, classes in (
        ("features", features, labels),
        ("test_features", test_features, test_labels),
    ):
        if len(rows) != len(classes):
            raise ValueError(f"{name} has {len(rows)} rows for {len(classes)} labels: give one label a row.")
    if features.shape[1] != test_features.shape[1]:
        raise ValueError(
            f"features has {features.shape[1]} columns and test_features {test_features.shape[1]}: use the "
            "same encoder for both."
        )
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(_numpy(features), _numpy(labels))
    return float(probe.score(_numpy(test_features), _numpy(test_labels)))


def kmeans_purity(features: Tensor, labels: Tensor, clusters: int = 10, seed: int = 0) -> float:
    """Purity of k-means clusters: the share of points that carry their cluster's commonest label.

    Purity grows with the number of clusters, so compare only at the same number, and quote it.

    Args:
        features: shape (N, F).
        labels: shape (N,); used for scoring only.
        clusters: how many.
        seed: of the starting points.
    """
    if not 1 <= clusters <= len(features):
        raise ValueError(f"clusters is {clusters}: give 1 to {len(features)}, the number of points.")
    found = KMeans(clusters, n_init=4, random_state=seed).fit_predict(_numpy(features))
    table = contingency_matrix(_numpy(labels), found)
    return float(table.max(axis=0).sum() / table.sum())


def two_sample_accuracy(a: Tensor, b: Tensor, seed: int = 0) -> float:
    """How well a classifier tells two samples apart on rows it has not seen, eq. (1.18).

    0.5 means that it cannot, 1 that it always can (Lopez-Paz & Oquab, 2017). The classifier is a small
    neural network; it learns on half of the rows and is scored on the other half. The larger sample is cut
    to the size of the smaller.

    Args:
        a: first sample, shape (N, F).
        b: second sample, shape (M, F).
        seed: of the split and of the classifier.

    Raises:
        ValueError: a sample has fewer than 20 rows, or the widths differ.
    """
    n = min(len(a), len(b))
    if n < 20 or a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}: give two samples of at least 20 rows and "
            "the same width."
        )
    rng = np.random.default_rng(seed)
    rows = np.concatenate([_numpy(s)[rng.permutation(len(s))[:n]].reshape(n, -1) for s in (a, b)])
    label = np.repeat([0, 1], n)
    seen, held_out, seen_label, held_out_label = train_test_split(
        rows, label, test_size=0.5, stratify=label, random_state=seed
    )
    network = MLPClassifier(
        (64,), alpha=1e-2, learning_rate_init=5e-3, early_stopping=True, max_iter=200, random_state=seed
    )
    judge = make_pipeline(StandardScaler(), network).fit(seen, seen_label)
    return float(judge.score(held_out, held_out_label))


def _numpy(values: Tensor) -> np.ndarray:
    return torch.as_tensor(values).detach().cpu().numpy()

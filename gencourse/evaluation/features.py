"""What codes are worth to somebody who has never seen the decoder: probes, clusters, two-sample tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.errors import (
    need_callable,
    need_data,
    need_device,
    need_finite,
    need_labels,
    need_seed,
    need_table,
    need_tensor,
    need_whole,
)

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

    Raises:
        ValueError: the data are empty, or `features` does not give one vector of finite numbers a picture.
    """
    need_callable("features", features, "from pictures (B, C, H, W) to vectors (B, F)")
    need_data("data", data)
    need_device("device", device)
    parts = []
    for x, _ in data.batches(1000, device=device):
        part = features(x)
        need_tensor("features(x)", part, "(B, F, ...)")
        if len(part) != len(x):
            raise ValueError(
                f"features(x) has {len(part)} rows for {len(x)} pictures: give one row a picture."
            )
        need_finite("features(x)", part)
        parts.append(part.cpu())
    return torch.cat(parts)


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
        ValueError: features and labels differ in length, or the two sets of features in width; a number is not
            finite; or there is one class only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    need_probe("features", features, labels, test_features, test_labels)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(as_array(features), as_array(labels))
    return float(probe.score(as_array(test_features), as_array(test_labels)))


def kmeans_purity(features: Tensor, labels: Tensor, clusters: int = 10, seed: int = 0) -> float:
    """Purity of k-means clusters: the share of points that carry their cluster's commonest label.

    Purity grows with the number of clusters, so compare only at the same number, and quote it.

    Args:
        features: shape (N, F).
        labels: shape (N,); used for scoring only.
        clusters: how many.
        seed: of the starting points.

    Raises:
        ValueError: there are more clusters than points, the lengths differ, or a number is not finite.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics.cluster import contingency_matrix

    need_table("features", features)
    need_labels("labels", labels, len(features), of="features")
    need_whole("clusters", clusters, 1, len(features))
    need_seed("seed", seed)
    found = KMeans(clusters, n_init=4, random_state=seed).fit_predict(as_array(features))
    table = contingency_matrix(as_array(labels), found)
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
        ValueError: a sample has fewer than 20 rows, the widths differ, or a number is not finite.
    """
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    need_table("a", a, "(N, F, ...)", least=20)
    need_table("b", b, "(M, F, ...)", least=20)
    need_seed("seed", seed)
    n = min(len(a), len(b))
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}: give two samples of the same width."
        )
    rng = np.random.default_rng(seed)
    rows = np.concatenate([as_array(s)[rng.permutation(len(s))[:n]].reshape(n, -1) for s in (a, b)])
    label = np.repeat([0, 1], n)
    seen, held_out, seen_label, held_out_label = train_test_split(
        rows, label, test_size=0.5, stratify=label, random_state=seed
    )
    network = MLPClassifier(
        (64,), alpha=1e-2, learning_rate_init=5e-3, early_stopping=True, max_iter=200, random_state=seed
    )
    judge = make_pipeline(StandardScaler(), network).fit(seen, seen_label)
    return float(judge.score(held_out, held_out_label))


def need_probe(
    name: str, rows: Tensor, labels: Tensor, test_rows: Tensor, test_labels: Tensor, least: int = 2
) -> None:
    """What a probe is trained and tested on: two tables of one width, a label for each row, two classes at least."""
    need_table(name, rows, least=least)
    need_labels("labels", labels, len(rows), of=name)
    need_table(f"test_{name}", test_rows)
    need_labels("test_labels", test_labels, len(test_rows), of=f"test_{name}")
    if rows.shape[1] != test_rows.shape[1]:
        raise ValueError(
            f"{name} has {rows.shape[1]} columns and test_{name} {test_rows.shape[1]}: use one encoder for both."
        )
    if (labels == labels[0]).all():
        raise ValueError("labels has one class only: a probe needs two or more.")


def as_array(values: Tensor) -> np.ndarray:
    """A tensor as scikit-learn takes it."""
    return values.detach().cpu().numpy()

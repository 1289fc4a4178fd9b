"""Are the codes distributed like the prior, and what do they still know about labels?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gencourse.errors import need_labels, need_same_device, need_same_shape, need_seed, need_table
from gencourse.evaluation.features import as_array as _numpy
from gencourse.evaluation.features import need_probe, two_sample_accuracy
from gencourse.evaluation.samples import precision_recall
from gencourse.losses import mmd

__all__ = ["ClusterResult", "CodeReport", "cluster_result", "code_report", "label_probe"]

_BALLS = 2000  # rows of each sample that the search for holes looks at


@dataclass(frozen=True)
class CodeReport:
    """How a sample of codes differs from draws of the prior; `code_report` makes it.

    Attributes:
        two_sample_accuracy: of a classifier on held-out rows, eq. (1.18): 0.5 when nothing gives codes away.
        mmd: unbiased squared maximum mean discrepancy, eq. (4.12): about 0 for equal laws.
        mean_gap: largest difference of two coordinates' means, in standard deviations of the prior.
        std_ratio: smallest and largest ratio of a coordinate's standard deviations, codes over prior.
        correlation: largest magnitude of a correlation between two coordinates of the codes.
        strays: share of codes that lie where the prior puts nothing.
        holes: share of the prior's draws that lie where no code is.
    """

    two_sample_accuracy: float
    mmd: float
    mean_gap: float
    std_ratio: tuple[float, float]
    correlation: float
    strays: float
    holes: float


def code_report(z: Tensor, prior_z: Tensor, seed: int = 0) -> CodeReport:
    """Compare codes with draws of the prior: the aggregated posterior of eq. (4.2) with p(z).

    Each number can be fooled by itself: equal means, variances and even equal laws of every coordinate are
    necessary, not sufficient. The two-sample test looks at all coordinates together.

    Args:
        z: codes of held-out pictures, shape (N, d), at least 20 rows.
        prior_z: draws of the prior, shape (N, d); as many as there are codes.
        seed: of the two-sample test.

    Raises:
        ValueError: the shapes differ, there are fewer than 20 rows, a number is not finite, or a coordinate of
            the prior never varies.
    """
    need_table("z", z, "(N, d)", least=20)
    need_table("prior_z", prior_z, "(N, d)", least=20)
    need_same_shape("z", z, "prior_z", prior_z)
    need_seed("seed", seed)
    if (prior_z == prior_z[0]).all(0).any():
        raise ValueError("prior_z has a coordinate that never varies: leave it out of z and prior_z.")
    accuracy = two_sample_accuracy(z, prior_z, seed)
    z, prior_z = z.detach().cpu().double(), prior_z.detach().cpu().double()
    std = prior_z.std(0)
    ratio = z.std(0) / std
    related = torch.atleast_2d(torch.corrcoef(z.T)).nan_to_num()  # a coordinate that never varies has none
    related.fill_diagonal_(0)
    inside, covered = precision_recall(prior_z[:_BALLS], z[:_BALLS])
    return CodeReport(
        two_sample_accuracy=accuracy,
        mmd=mmd(z[:_BALLS], prior_z[:_BALLS], std.mean().item()).item(),
        mean_gap=((z.mean(0) - prior_z.mean(0)).abs() / std).max().item(),
        std_ratio=(ratio.min().item(), ratio.max().item()),
        correlation=related.abs().max().item(),
        strays=1 - inside,
        holes=1 - covered,
    )


def label_probe(
    codes: Tensor, labels: Tensor, test_codes: Tensor, test_labels: Tensor, seed: int = 0
) -> float:
    """Accuracy on test data of a small neural network that reads the label off the code.

    A linear probe may miss a label that is folded into the code; this one has a hidden layer of 64 units.
    Where it stays at the share of the commonest label, the code holds the style and not the label.

    Args:
        codes: training codes, shape (N, d).
        labels: their labels, shape (N,).
        test_codes: shape (M, d).
        test_labels: shape (M,).
        seed: of the network.

    Returns:
        The fraction of test rows that are classified correctly.

    Raises:
        ValueError: codes and labels differ in length, or the two sets of codes in width; a number is not finite;
            or there is one class only.
    """
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    need_probe("codes", codes, labels, test_codes, test_labels)
    need_seed("seed", seed)
    counts = labels.unique(return_counts=True)[1]
    if counts.min() < 2 or math.ceil(len(codes) / 10) < len(
        counts
    ):  # a tenth is held out to know when to stop
        raise ValueError(
            f"labels has {len(counts)} classes, the rarest {int(counts.min())} times in {len(codes)} codes: give "
            "ten codes for each class, and every label twice at least."
        )
    network = MLPClassifier((64,), learning_rate_init=5e-3, early_stopping=True, random_state=seed)
    probe = make_pipeline(StandardScaler(), network).fit(_numpy(codes), _numpy(labels))
    return float(probe.score(_numpy(test_codes), _numpy(test_labels)))


@dataclass(frozen=True)
class ClusterResult:
    """How well clusters tell classes apart; `cluster_result` makes it.

    Attributes:
        error: share of points whose cluster was named after another class, eq. (4.19).
        vote_error: share that is wrong when each cluster is named after the commonest class in it, which looks at
            all labels and so flatters.
        clusters: K. The error falls as K grows, so it means nothing without it.
        majority_error: share that is wrong when every point gets the commonest class.
        names: the class that each cluster was named after, int64 (K,).
    """

    error: float
    vote_error: float
    clusters: int
    majority_error: float
    names: Tensor


def cluster_result(posteriors: Tensor, labels: Tensor) -> ClusterResult:
    """Clustering error by the protocol of the AAE paper, eq. (4.19).

    Cluster k is named after one point alone, the one with the largest q(y = k|x); all points whose
    likeliest cluster is k get its label. No matching of clusters to classes, and no vote: both would look at
    more labels than the protocol does.

    Args:
        posteriors: q(y|x) of each test point, shape (N, K), rows that sum to one.
        labels: their classes, int64 (N,), 0 and more.

    Raises:
        ValueError: the shapes do not fit, a row is no distribution, or a point has no class.
    """
    need_table("posteriors", posteriors, "(N, K)")
    need_labels("labels", labels, len(posteriors), of="posteriors")
    need_same_device("posteriors", posteriors, "labels", labels)
    if labels.min() < 0:
        raise ValueError(f"labels go down to {int(labels.min())}: leave out the points without a class.")
    if (posteriors < 0).any() or (posteriors.sum(1) - 1).abs().max() > 1e-3:
        raise ValueError("posteriors has rows that are no distributions: take the softmax of the logits.")
    names = labels[posteriors.argmax(0)]
    cluster = posteriors.argmax(1)
    found = names[cluster]
    classes, rank, sizes = labels.unique(return_inverse=True, return_counts=True)
    inside = torch.zeros(posteriors.shape[1], len(classes)).index_put_(
        (cluster, rank), torch.ones(len(labels)), accumulate=True
    )
    return ClusterResult(
        error=(found != labels).double().mean().item(),
        vote_error=1 - inside.amax(1).sum().item() / len(labels),
        clusters=posteriors.shape[1],
        majority_error=1 - (sizes.max() / len(labels)).item(),
        names=names,
    )

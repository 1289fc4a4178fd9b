"""How close generated samples are to real ones, as two sets: nobody can pair them picture by picture.

Most functions take features, one row a sample. Use the same features and the same number of samples whenever
two results are to be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gencourse.errors import (
    need_finite,
    need_number,
    need_same_device,
    need_sequence,
    need_size,
    need_table,
    need_tensor,
    need_whole,
)

__all__ = [
    "choose_sigma",
    "class_entropy",
    "frechet_distance",
    "frechet_from_features",
    "kernel_distance",
    "mode_coverage",
    "nearest_neighbours",
    "parzen_log_likelihood",
    "precision_recall",
]

_ROWS = 1000  # rows of a table of distances that are in memory at a time


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Fréchet distance of two Gaussians, eq. (2.21): ‖μ_a − μ_b‖² + Tr(Σ_a + Σ_b − 2(Σ_aΣ_b)^½).

    The trace of the root is taken from Σ_a^½ Σ_b Σ_a^½, which is symmetric and has the same eigenvalues, so
    that rounding cannot make it complex.

    Args:
        mean_a: shape (F,).
        cov_a: shape (F, F), symmetric, no negative eigenvalue.
        mean_b: shape (F,).
        cov_b: shape (F, F).

    Returns:
        A squared distance: zero only for equal Gaussians.

    Raises:
        ValueError: the shapes do not fit, a number is not finite, or a matrix is not a covariance.
    """
    need_tensor("cov_a", cov_a, "(F, F)")
    width = len(cov_a)
    need_tensor("cov_a", cov_a, f"({width}, {width})")
    need_tensor("mean_a", mean_a, f"({width},)")
    need_tensor("mean_b", mean_b, f"({width},)")
    need_tensor("cov_b", cov_b, f"({width}, {width})")
    for name, part in (("mean_a", mean_a), ("cov_a", cov_a), ("mean_b", mean_b), ("cov_b", cov_b)):
        need_finite(name, part)
    mean_a, cov_a, mean_b, cov_b = (t.detach().cpu().double() for t in (mean_a, cov_a, mean_b, cov_b))
    values, vectors = _spectrum(cov_a, "cov_a")
    _spectrum(cov_b, "cov_b")
    root = vectors * values.sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    apart = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return apart.clamp(min=0).item()


def frechet_from_features(a: Tensor, b: Tensor) -> float:
    """`frechet_distance` of the Gaussians that fit two sets of features, eq. (2.21).

    It is biased: even two draws from one law are apart, the more so the fewer they are. With this course's
    own classifier call it the classifier distance; only with Inception features is it the FID.

    Args:
        a: shape (N, F).
        b: shape (M, F).

    Raises:
        ValueError: the widths differ, or there are fewer than two rows.
    """
    _same_width("a", a, "b", b, least=2)
    return frechet_distance(*_gaussian(a), *_gaussian(b))


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Squared maximum mean discrepancy with the kernel (xᵀy/F + 1)³, eq. (2.22), over all pairs.

    Unbiased, so it may fall a little below zero for equal laws (Bińkowski et al., 2018).

    Args:
        a: features, shape (N, F).
        b: features, shape (M, F).

    Raises:
        ValueError: the widths differ, or there are fewer than two rows.
    """
    _same_width("a", a, "b", b, least=2)
    a, b = a.detach().double(), b.detach().double()

    def total(rows: Tensor, columns: Tensor) -> Tensor:
        parts = [(part @ columns.T / rows.shape[1] + 1).pow(3).sum() for part in rows.split(_ROWS)]
        return torch.stack(parts).sum()

    def among(rows: Tensor) -> Tensor:
        with_themselves = (rows.square().sum(1) / rows.shape[1] + 1).pow(3).sum()
        return (total(rows, rows) - with_themselves) / (len(rows) * (len(rows) - 1))

    return (among(a) + among(b) - 2 * total(a, b) / (len(a) * len(b))).item()


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall, eq. (2.23) (Kynkäänniemi et al., 2019).

    Around each sample lies a ball that reaches to its k-th nearest neighbour in its own set. Precision is the
    share of generated samples in a ball of a real one (are they good?), recall the share of real samples in a
    ball of a generated one (are all kinds there?).

    Args:
        real: features, shape (N, F).
        fake: features, shape (M, F).
        k: which neighbour the balls reach to.

    Returns:
        Precision and recall.

    Raises:
        ValueError: the widths differ, or a set has no k-th neighbour.
    """
    need_whole("k", k)
    _same_width("real", real, "fake", fake, least=2)
    if k >= min(len(real), len(fake)):
        raise ValueError(
            f"k is {k}, real has {len(real)} rows and fake {len(fake)}: give at least {k + 1} rows of each, or a "
            "smaller k."
        )
    real, fake = real.detach().double(), fake.detach().double()
    return _share_inside(fake, real, _radii(real, k)), _share_inside(real, fake, _radii(fake, k))


def mode_coverage(labels: Tensor, classes: int = 10, at_least: float = 0.1) -> int:
    """How many classes the samples cover, eq. (2.24).

    Args:
        labels: the class that a classifier gives to each sample, or −1 for none; shape (N,).
        classes: how many there are.
        at_least: a class counts when it has this fraction of its fair share N / classes. A classifier is
            sometimes wrong, so a single sample is no evidence. With 0, a single sample is enough.

    Raises:
        ValueError: a label is below −1, or there is no class of that number.
    """
    need_number("at_least", at_least, least=0)
    counts = _counts(labels, classes)
    return int(((counts > 0) & (counts >= at_least * len(labels) / classes)).sum())


def class_entropy(labels: Tensor, classes: int = 10) -> float:
    """How evenly the samples are spread over the classes, eq. (2.24): −Σ p log p in nats.

    log(classes) if all are equally frequent, 0 if there is one only.

    Args:
        labels: the class that a classifier gives to each sample, or −1 for none; shape (N,).
        classes: how many there are.

    Raises:
        ValueError: no sample has a class.
    """
    counts = _counts(labels, classes)
    if not counts.any():
        raise ValueError("labels has no sample with a class: there is nothing to take the entropy of.")
    return torch.special.entr(counts.double() / counts.sum()).sum().item()


def parzen_log_likelihood(samples: Tensor, data: Tensor, sigma: float) -> Tensor:
    """Log-density of data under a mixture of Gaussians, one around each sample, eq. (2.25).

    log (1/N) Σ_i N(x; x_i, σ²I), summed as logsumexp, since exp(−‖x − x_i‖²/2σ²) is zero in any precision.
    In many dimensions it can rank models wrongly (Theis et al., 2016).

    Args:
        samples: generated samples, shape (N, ...).
        data: where to take the density, shape (M, ...).
        sigma: standard deviation of each Gaussian; see `choose_sigma`.

    Returns:
        Nats per point of data, shape (M,).

    Raises:
        ValueError: sigma is not positive, or samples and data differ in size.
    """
    need_number("sigma", sigma, above=0)
    return _parzen("samples", samples, "data", data, [sigma])[0]


def choose_sigma(samples: Tensor, validation: Tensor, sigmas: Sequence[float] | None = None) -> float:
    """The σ under which validation data are likeliest, eq. (2.25). Never choose it on the test data.

    Args:
        samples: generated samples, shape (N, ...).
        validation: data that are used for nothing else, shape (M, ...).
        sigmas: what to try; ten values from 0.1 to 1 when not given.

    Raises:
        ValueError: a sigma is not positive, or samples and validation differ in size.
    """
    if sigmas is not None:
        need_sequence("sigmas", sigmas, "positive numbers")
        for index, sigma in enumerate(sigmas):
            need_number(f"sigmas[{index}]", sigma, above=0)
    tried = torch.logspace(-1, 0, 10).tolist() if sigmas is None else list(sigmas)
    return tried[int(_parzen("samples", samples, "validation", validation, tried).mean(1).argmax())]


def nearest_neighbours(samples: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """The training sample closest to each generated one: is it new, or remembered?

    Args:
        samples: shape (N, ...), pictures or features.
        train: shape (M, ...).

    Returns:
        Distances, shape (N,), and positions in `train`, shape (N,).

    Raises:
        ValueError: samples and train differ in size.
    """
    samples, train = _rows("samples", samples, "train", train)
    found = [torch.cdist(part, train).min(dim=1) for part in samples.split(_ROWS)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def _gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    features = features.detach().double()
    return features.mean(0), torch.atleast_2d(torch.cov(features.T))


def _spectrum(cov: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Eigenvalues, the rounding errors below zero set to zero, and eigenvectors."""
    scale = cov.abs().max()
    values, vectors = torch.linalg.eigh(cov)
    if (cov - cov.T).abs().max() > 1e-5 * scale or values.min() < -1e-5 * scale * len(cov):
        raise ValueError(
            f"{name} is not a covariance: it is not symmetric, or its least eigenvalue {values.min():.3g} is "
            "negative by more than rounding. Compute it with torch.cov(features.T)."
        )
    return values.clamp(min=0), vectors


def _radii(points: Tensor, k: int) -> Tensor:
    """Distance of each point to its k-th nearest neighbour, itself not counted."""
    radii = []
    for start in range(0, len(points), _ROWS):
        distances = torch.cdist(points[start : start + _ROWS], points)
        rows = torch.arange(len(distances), device=points.device)
        distances[rows, start + rows] = math.inf
        radii.append(distances.kthvalue(k, dim=1).values)
    return torch.cat(radii)


def _share_inside(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """How many of the points lie in at least one ball."""
    inside = [(torch.cdist(part, centres) <= radii).any(dim=1) for part in points.split(_ROWS)]
    return torch.cat(inside).double().mean().item()


def _parzen(first: str, samples: Tensor, second: str, data: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Log-densities, shape (sigmas, M); the distances are computed once for all sigmas."""
    samples, data = _rows(first, samples, second, data)
    n, d = samples.shape
    parts = []
    for part in data.split(_ROWS):
        squared = torch.cdist(part, samples).square()
        parts.append(
            torch.stack(
                [
                    torch.logsumexp(-squared / (2 * s**2), dim=1) - d / 2 * math.log(2 * math.pi * s**2)
                    for s in sigmas
                ]
            )
        )
    return torch.cat(parts, dim=1) - math.log(n)


def _rows(first: str, a: Tensor, second: str, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two sets of samples of one shape, one row a sample, in double precision."""
    need_table(first, a, "(N, D, ...)")
    need_table(second, b, "(M, D, ...)")
    need_same_device(first, a, second, b)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"{first} has shape {tuple(a.shape)} and {second} {tuple(b.shape)}: give samples of one size."
        )
    return a.detach().flatten(1).double(), b.detach().flatten(1).double()


def _counts(labels: Tensor, classes: int) -> Tensor:
    """Samples in each class; those without a class (−1) are left out."""
    need_size("classes", classes)
    need_tensor("labels", labels, "(N,)", kind="whole", empty=True)
    labels = labels.cpu()
    if labels.numel() and not -1 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels go from {int(labels.min())} to {int(labels.max())}: with classes={classes} give 0 to "
            f"{classes - 1}, or -1 for none."
        )
    return torch.bincount(labels[labels >= 0], minlength=classes)


def _same_width(first: str, a: Tensor, second: str, b: Tensor, least: int) -> None:
    """Two tables of features of one width."""
    need_table(first, a, "(N, F)", least=least)
    need_table(second, b, "(M, F)", least=least)
    need_same_device(first, a, second, b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{first} has shape {tuple(a.shape)} and {second} {tuple(b.shape)}: give two sets of the same width."
        )

"""How sure is a number: intervals over seeds, and a distance freed of the size of its samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gencourse.errors import need_number, need_same_device, need_seed, need_sequence, need_size, need_table
from gencourse.evaluation.samples import frechet_from_features

__all__ = ["extrapolated_distance", "frechet_bias", "seed_interval"]

_PARTS = (1, 2, 4, 8)  # into how many equal parts the samples are cut


def seed_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean over seeds and the interval of Student's t around it, eq. (7.1).

    It covers the mean that infinitely many seeds would give in a share `level` of all cases, if single runs
    scatter normally. With few seeds it is wide: for three, 2.5 times as wide as the mean plus and minus s.

    Args:
        values: one number from each seed, at least two.
        level: the share.

    Returns:
        Mean, lower end, upper end.

    Raises:
        ValueError: there are fewer than two values, one is not finite, or level is not between 0 and 1.
    """
    from scipy.stats import t as student

    need_sequence("values", values, "numbers, one from each seed", 2)
    for index, value in enumerate(values):
        need_number(f"values[{index}]", value)
    need_number("level", level, above=0, below=1)
    n, numbers = len(values), torch.tensor([float(v) for v in values], dtype=torch.float64)
    mean = numbers.mean().item()
    half = student.ppf((1 + level) / 2, n - 1) * numbers.std().item() / math.sqrt(n)
    return mean, mean - half, mean + half


def frechet_bias(width: int, n: int, m: int, std: float = 1.0) -> float:
    """Expected Fréchet distance of two samples of one law N(μ, σ²I), eq. (7.2), to first order in 1/n and 1/m.

    Args:
        width: F, numbers in a feature.
        n: rows of the first sample.
        m: rows of the second.
        std: σ.

    Raises:
        TypeError, ValueError: a size is not a positive whole number, or std is not positive.
    """
    for name, value in (("width", width), ("n", n), ("m", m)):
        need_size(name, value)
    need_number("std", std, above=0)
    return std**2 * width * (width + 5) / 4 * (1 / n + 1 / m)


def extrapolated_distance(a: Tensor, b: Tensor, seed: int = 0) -> tuple[float, float]:
    """Fréchet distance as it would be with infinitely many samples, eq. (7.3) (Chong & Forsyth, 2020).

    Both samples are cut into 1, 2, 4 and 8 parts, the distances of corresponding parts are averaged, and a line
    in 1/N is put through the four means.

    Args:
        a: features, shape (N, F), in an order that means nothing.
        b: features, shape (N, F) or more rows; the rest is not used.
        seed: of the cuts.

    Returns:
        The limit, and the slope c: a distance of N samples is about limit + c / N. The limit may fall a little
        below zero for equal laws.

    Raises:
        ValueError: the widths differ, or the eighth part of the smaller sample has no more rows than columns: then
            covariances are singular, and the line does not hold.
    """
    need_table("a", a, "(N, F)")
    need_table("b", b, "(M, F)")
    need_same_device("a", a, "b", b)
    need_seed("seed", seed)
    n = min(len(a), len(b))
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}: give two sets of the same width."
        )
    if n // _PARTS[-1] <= a.shape[1]:
        raise ValueError(
            f"a has {len(a)} rows and b {len(b)} of {a.shape[1]} numbers: give more than "
            f"{_PARTS[-1] * (a.shape[1] + 1) - 1} rows of each."
        )
    draws = torch.Generator().manual_seed(seed)
    a, b = (rows[torch.randperm(len(rows), generator=draws).to(rows.device)[:n]] for rows in (a, b))
    inverse, distance = [], []
    for parts in _PARTS:
        size = n // parts
        pairs = list(zip(a.split(size), b.split(size), strict=True))[:parts]
        inverse.append(1 / size)
        distance.append(sum(frechet_from_features(*pair) for pair in pairs) / parts)
    x, y = (torch.tensor(values, dtype=torch.float64) for values in (inverse, distance))
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return (y.mean() - slope * x.mean()).item(), slope.item()

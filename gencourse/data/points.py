"""Points in the plane: data whose law can be seen at a glance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PointDataset", "ring"]


@dataclass(frozen=True)
class PointDataset:
    """Points in clusters.

    Attributes:
        points: float32, shape (N, D).
        labels: the cluster of each point, int64, shape (N,).
        centres: of the clusters, shape (C, D).
    """

    points: Tensor
    labels: Tensor
    centres: Tensor

    def __post_init__(self) -> None:
        if self.points.dim() != 2 or self.points.shape[1:] != self.centres.shape[1:]:
            raise ValueError(
                f"points has shape {tuple(self.points.shape)} and centres {tuple(self.centres.shape)}: give "
                "(N, D) and (C, D)."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.points.shape[:1]:
            raise ValueError(
                f"labels is {self.labels.dtype} of shape {tuple(self.labels.shape)}: "
                f"give int64 of shape ({len(self.points)},), one label a point."
            )

    def __len__(self) -> int:
        return len(self.points)

    def batches(
        self,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the points in mini-batches, as `ImageDataset.batches` makes it.

        Args:
            batch_size: points in a batch; the last batch may be smaller.
            device: where the batches are made.
            generator: shuffles the pass; without it the points come in their order.

        Yields:
            x: float32, shape (B, D); y: int64, shape (B,).

        Raises:
            ValueError: batch_size is not positive.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: give at least 1.")
        n = len(self)
        order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
        for rows in order.split(batch_size):
            yield self.points[rows].to(device), self.labels[rows].to(device)

    def cluster_of(self, points: Tensor, near: float | None = None) -> Tensor:
        """The nearest cluster of each point, or −1 where none is near: labels for `mode_coverage`.

        Args:
            points: shape (M, D).
            near: how far a point may be from its centre; a quarter of the smallest distance between two
                centres if None.
        """
        if near is None:
            near = torch.nn.functional.pdist(self.centres).min().item() / 4
        distance, label = torch.cdist(points.detach().cpu(), self.centres).min(1)
        return torch.where(distance <= near, label, -1)


def ring(n: int, clusters: int = 8, radius: float = 2.0, spread: float = 0.05, seed: int = 0) -> PointDataset:
    """Round Gaussian clusters, evenly spaced on a circle: the field's usual test for lost modes.

    Args:
        n: number of points.
        clusters: how many; the points go to them at random.
        radius: of the circle.
        spread: standard deviation of a cluster in each direction.
        seed: of the points.

    Raises:
        ValueError: a number is not positive.
    """
    for name, value in (("n", n), ("clusters", clusters), ("radius", radius), ("spread", spread)):
        if not value > 0:
            raise ValueError(f"{name} is {value}: give a positive number.")
    angle = 2 * math.pi * torch.arange(clusters) / clusters
    centres = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(clusters, (n,), generator=generator)
    points = centres[labels] + spread * torch.randn(n, 2, generator=generator)
    return PointDataset(points, labels, centres)

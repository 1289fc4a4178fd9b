"""Points in the plane: data whose law can be seen at a glance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gencourse.data.parts import check_labels, digest_of, known_device, rows_of_a_pass
from gencourse.errors import need_finite, need_number, need_size, need_tensor, need_whole, on_cpu

__all__ = ["PointDataset", "ring"]


@dataclass(frozen=True, eq=False)
class PointDataset:
    """Points in clusters, on one device.

    Attributes:
        points: float32, shape (N, D).
        labels: the cluster of each point, int64, shape (N,); −1 means none.
        centres: of the clusters, float32, shape (C, D).

    Raises:
        TypeError, ValueError: an attribute is none of that; the sentence says what to give.
    """

    points: Tensor
    labels: Tensor
    centres: Tensor

    def __post_init__(self) -> None:
        for name, x in (("points", self.points), ("centres", self.centres)):
            need_tensor(name, x, empty=name == "points")
            if x.dtype != torch.float32:
                raise TypeError(f"{name} is {x.dtype}: give float32, for example {name}.float().")
        if self.points.dim() != 2 or self.points.shape[1:] != self.centres.shape[1:]:
            raise ValueError(
                f"points has shape {tuple(self.points.shape)} and centres {tuple(self.centres.shape)}: give "
                "(N, D) and (C, D)."
            )
        if self.points.device != self.centres.device:
            raise ValueError(
                f"centres is on {self.centres.device}: give it on {self.points.device}, as the points are."
            )
        check_labels(self.labels, self.points, "point")
        if not on_cpu(self.points):
            return
        need_finite("points", self.points)
        need_finite("centres", self.centres)
        if len(self) and self.labels.max() >= len(self.centres):
            raise ValueError(
                f"labels go up to {int(self.labels.max())}: give −1 to {len(self.centres) - 1}, one for each of the "
                f"{len(self.centres)} centres."
            )

    def __len__(self) -> int:
        return len(self.points)

    def to(self, device: torch.device | str) -> PointDataset:
        """The same points on a device: `batches` there copies none of them again."""
        target = known_device(device)
        return PointDataset(self.points.to(target), self.labels.to(target), self.centres.to(target))

    def digest(self) -> str:
        """16 hexadecimal digits that tell this dataset from all others: a SHA-256, cut short."""
        return digest_of(self.points, self.labels, self.centres)

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
            device: where the batches are made. Points that are not there yet (`to`) move there first.
            generator: of the CPU; shuffles the pass. Without it the points come in their order.

        Yields:
            x: float32, shape (B, D); y: int64, shape (B,).

        Raises:
            ValueError: batch_size is not positive, or there is no such device.
            TypeError: an argument is of the wrong kind.
        """
        target = known_device(device)
        return self._batches(target, rows_of_a_pass(len(self), batch_size, target, generator))

    def _batches(
        self, target: torch.device, passed: Iterator[Tensor] | Iterator[slice]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        points, labels = self.points.to(target), self.labels.to(target)
        for rows in passed:
            # clone: a slice would be a window on the dataset itself, which is not to be written to
            yield points[rows].clone(), labels[rows].clone()

    def cluster_of(self, points: Tensor, near: float | None = None) -> Tensor:
        """The nearest cluster of each point, or −1 where none is near: labels for `mode_coverage`.

        Args:
            points: shape (M, D).
            near: how far a point may be from its centre; a quarter of the smallest distance between two
                centres if None.

        Returns:
            int64, shape (M,), on the CPU.

        Raises:
            TypeError, ValueError: points are no such tensor, near is negative, or missing where there is one
                centre only.
        """
        centres = self.centres.cpu()
        need_tensor("points", points, f"(M, {centres.shape[1]})", empty=True)
        need_finite("points", points)
        if near is None:
            if len(centres) < 2:
                raise ValueError("near is None, and there is one centre only: give a distance.")
            near = torch.nn.functional.pdist(centres).min().item() / 4
        need_number("near", near, least=0)
        distance, label = torch.cdist(points.detach().cpu().float(), centres).min(1)
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
        TypeError: n, clusters or seed is not a whole number, radius or spread not a number.
        ValueError: a number is not positive, or the seed negative.
    """
    need_size("n", n)
    need_size("clusters", clusters)
    need_number("radius", radius, above=0)
    need_number("spread", spread, above=0)
    need_whole("seed", seed, 0, 2**63 - 1)
    angle = 2 * math.pi * torch.arange(clusters) / clusters
    centres = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(clusters, (n,), generator=generator)
    points = centres[labels] + spread * torch.randn(n, 2, generator=generator)
    return PointDataset(points, labels, centres)

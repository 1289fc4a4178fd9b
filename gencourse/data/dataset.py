"""One kind of dataset for the whole course: uint8 images in memory, served as floats in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

__all__ = ["ImageDataset"]


@dataclass(frozen=True)
class ImageDataset:
    """Images and labels in memory.

    Attributes:
        images: uint8, shape (N, C, H, W), values 0 to 255.
        labels: int64, shape (N,).
        name: where the images come from.
        classes: the names of the classes, in the order of the labels.
    """

    images: Tensor
    labels: Tensor
    name: str = "images"
    classes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise ValueError(
                f"images is {self.images.dtype} of shape {tuple(self.images.shape)}: "
                "give uint8 of shape (N, C, H, W)."
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels is {self.labels.dtype} of shape {tuple(self.labels.shape)}: "
                f"give int64 of shape ({len(self.images)},), one label an image."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    @property
    def x(self) -> Tensor:
        """All images as float32 in [0, 1], shape (N, C, H, W). Meant for test sets: four times the memory."""
        return self.images.float().div_(255)

    def take(self, index: int | Sequence[int] | Tensor) -> ImageDataset:
        """A smaller dataset: the first `index` images, or the images at the given positions.

        Raises:
            ValueError: more images are asked for than there are.
        """
        if isinstance(index, int):
            if not 0 < index <= len(self):
                raise ValueError(f"take({index}): {self.name} has {len(self)} images; give 1 to {len(self)}.")
            rows: Tensor | slice = slice(index)
        else:
            rows = torch.as_tensor(index)
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def of_class(self, *labels: int) -> ImageDataset:
        """Only the images that carry one of these labels."""
        return self.take(torch.isin(self.labels, torch.tensor(labels)).nonzero().squeeze(1))

    def of_each_class(self, n: int, generator: torch.Generator | None = None) -> ImageDataset:
        """n images of each class: the first ones, or drawn by the generator. Class by class, in their order.

        Raises:
            ValueError: n is not positive, or a class has fewer images.
        """
        rows = []
        for label in self.labels.unique().tolist():
            found = (self.labels == label).nonzero().squeeze(1)
            if not 0 < n <= len(found):
                raise ValueError(
                    f"n is {n}: {self.name} has {len(found)} images of class {label}; give 1 to {len(found)}."
                )
            order = (
                torch.arange(n) if generator is None else torch.randperm(len(found), generator=generator)[:n]
            )
            rows.append(found[order])
        return self.take(torch.cat(rows))

    def hide_labels(self, keep: int) -> ImageDataset:
        """The same images; only the first `keep` still have their label, the others have −1, "not labelled".

        Raises:
            ValueError: keep is negative or more than there are images.
        """
        if not 0 <= keep <= len(self):
            raise ValueError(f"keep is {keep}: {self.name} has {len(self)} images; give 0 to {len(self)}.")
        return replace(self, labels=torch.where(torch.arange(len(self)) < keep, self.labels, -1))

    def batches(
        self,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the data in mini-batches.

        Args:
            batch_size: images in a batch; the last batch may be smaller.
            device: where the batches are made. All images move there once, as bytes.
            generator: shuffles the pass; without it the images come in their order.

        Yields:
            x: float32 in [0, 1], shape (B, C, H, W); y: int64, shape (B,).

        Raises:
            ValueError: batch_size is not positive.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: give at least 1.")
        order = None if generator is None else torch.randperm(len(self), generator=generator).to(device)
        images, labels = self.images.to(device), self.labels.to(device)
        for start in range(0, len(self), batch_size):
            rows = slice(start, start + batch_size)
            part = rows if order is None else order[rows]
            yield images[part].float().div_(255), labels[part]

"""One kind of dataset for the whole course: uint8 images in memory, served as floats in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gencourse.data.parts import (
    check_generator,
    check_labels,
    class_names,
    digest_of,
    known_device,
    rows_of_a_pass,
)
from gencourse.errors import need_kind, need_labels, need_pictures, need_tensor, need_whole, on_cpu, shown

__all__ = ["ImageDataset", "as_dataset"]


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images and labels in memory, on one device.

    Attributes:
        images: uint8, shape (N, C, H, W), values 0 to 255.
        labels: int64, shape (N,); −1 means "not labelled".
        name: where the images come from.
        classes: the names of the classes, in the order of the labels; empty when they have none.

    Raises:
        TypeError, ValueError: an attribute is none of that; the sentence says what to give.
    """

    images: Tensor
    labels: Tensor
    name: str = "images"
    classes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        need_tensor("images", self.images, kind="any", empty=True)
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise ValueError(
                f"images is {self.images.dtype} of shape {tuple(self.images.shape)}: give uint8 of shape "
                "(N, C, H, W), or floats in [0, 1] to ImageDataset.from_tensor."
            )
        _need_channels_first("images", self.images)
        check_labels(self.labels, self.images, "image")
        if not isinstance(self.name, str):
            raise TypeError(f"name is {shown(self.name)}: give a word.")
        object.__setattr__(self, "classes", class_names(self.classes))
        if self.classes and len(self) and on_cpu(self.labels) and self.labels.max() >= len(self.classes):
            most = int(self.labels.max())
            raise ValueError(
                f"classes has {len(self.classes)} names, but the labels go up to {most}: give {most + 1} names."
            )

    @classmethod
    def from_tensor(cls, x: Tensor, labels: Tensor | None = None, name: str = "pictures") -> ImageDataset:
        """A dataset of your own pictures.

        Args:
            x: shape (N, C, H, W), with 1 or 3 channels: uint8 as it is, or floats in [0, 1], rounded to the
                nearest of the 256 values of a byte.
            labels: whole numbers, shape (N,); without them every picture is "not labelled", −1.
            name: where the pictures come from.

        Raises:
            TypeError, ValueError: x or labels is none of that; the sentence says what to give.
        """
        need_tensor("x", x, kind="any")
        if x.dim() != 4:
            raise ValueError(f"x has shape {tuple(x.shape)}: give (N, C, H, W){_missing_axes(x)}.")
        _need_channels_first("x", x)
        if x.shape[1] not in (1, 3):
            raise ValueError(
                f"x has shape {tuple(x.shape)}: give 1 (grey) or 3 (colour) channels, not {x.shape[1]}."
            )
        if x.is_floating_point():
            need_pictures("x", x, "(N, C, H, W)")
            x = x.detach().float().mul(255).round_().clamp_(0, 255).to(torch.uint8)
        elif x.dtype != torch.uint8:
            raise TypeError(f"x is {x.dtype}: give uint8 with values 0 to 255, or floats in [0, 1].")
        elif x.max() == 1:
            raise ValueError("x goes from 0 to 1 in bytes, where white is 255: give 255 * x.")
        if labels is None:
            labels = torch.full((len(x),), -1)
        need_tensor("labels", labels, kind="whole", empty=True)
        need_labels("labels", labels.long(), len(x), of="x")
        return cls(x, labels.long().to(x.device), name)

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

    def to(self, device: torch.device | str) -> ImageDataset:
        """The same images on a device: `batches` there copies none of them again."""
        target = known_device(device)
        return replace(self, images=self.images.to(target), labels=self.labels.to(target))

    def digest(self) -> str:
        """16 hexadecimal digits that tell these images and labels from all others: a SHA-256, cut short."""
        return digest_of(self.images, self.labels)

    def take(self, index: int | Sequence[int] | Tensor) -> ImageDataset:
        """A smaller dataset: the first `index` images, or the images at the given positions.

        Args:
            index: how many; or positions from 0 to N − 1, in any order, also repeated; or one True or False an
                image.

        Raises:
            ValueError: more images are asked for than there are, or there is no such position.
            TypeError: index is none of the three.
        """
        if isinstance(index, Integral) and not isinstance(index, bool):
            first = int(index)
            if not 0 < first <= len(self):
                raise ValueError(
                    f"index is {shown(first)}: {self.name} has {len(self)} images; give 1 to {len(self)}."
                )
            rows: Tensor | slice = slice(first)
        else:
            rows = self._positions(index)
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def _positions(self, index: Any) -> Tensor:
        """What `take` was given as int64 positions, each of them checked."""
        try:
            rows = torch.as_tensor(index, device=self.images.device)
        except (TypeError, ValueError, RuntimeError):
            rows = torch.tensor(torch.nan)  # a float: refused below
        if rows.shape == (0,):
            return rows.long()  # torch makes floats of an empty list
        if rows.dim() != 1 or rows.is_floating_point() or rows.is_complex():
            given = (
                f"{index.dtype} of shape {tuple(index.shape)}" if isinstance(index, Tensor) else shown(index)
            )
            raise TypeError(f"index is {given}: give how many images, or whole numbers, shape (K,).")
        if rows.dtype == torch.bool:
            if len(rows) != len(self):
                raise ValueError(
                    f"index has length {len(rows)}: give True or False for each of {len(self)} images."
                )
            return rows.nonzero().squeeze(1)
        rows = rows.long()  # torch reads uint8 as True and False
        low, high = int(rows.min()), int(rows.max())
        if low < 0 or high >= len(self):
            raise ValueError(
                f"index goes from {low} to {high}: {self.name} has {len(self)} images; give 0 to {len(self) - 1}."
            )
        return rows

    def of_class(self, *labels: int) -> ImageDataset:
        """Only the images that carry one of these labels.

        Raises:
            TypeError: a label is not a whole number.
            ValueError: no label is given, or the classes have names and this label has none.
        """
        if not labels:
            raise ValueError("labels is empty: give one or more, for example of_class(3, 8).")
        for label in labels:
            need_whole("labels", label, -1, len(self.classes) - 1 if self.classes else 2**62)
        wanted = torch.tensor(labels, device=self.labels.device)
        return self.take(torch.isin(self.labels, wanted))

    def of_each_class(self, n: int, generator: torch.Generator | None = None) -> ImageDataset:
        """n images of each class: the first ones, or drawn by the generator. Class by class, in their order.

        A class without images, and images without a label, are left out.

        Raises:
            TypeError: n is not a whole number, or the generator none.
            ValueError: n is not positive, a class has fewer images, or no image has a label.
        """
        need_whole("n", n)
        check_generator(generator)
        rows = []
        for label in self.labels.unique().tolist():
            if label < 0:
                continue
            found = (self.labels == label).nonzero().squeeze(1)
            if n > len(found):
                raise ValueError(
                    f"n is {n}: {self.name} has {len(found)} images of class {label}; give 1 to {len(found)}."
                )
            order = (
                torch.arange(n) if generator is None else torch.randperm(len(found), generator=generator)[:n]
            )
            rows.append(found[order.to(found.device)])
        if not rows:
            raise ValueError(f"{self.name} has no labelled image: give data with labels.")
        return self.take(torch.cat(rows))

    def hide_labels(self, keep: int) -> ImageDataset:
        """The same images; only the first `keep` still have their label, the others have −1, "not labelled".

        Raises:
            TypeError: keep is not a whole number.
            ValueError: keep is negative or more than there are images.
        """
        need_whole("keep", keep, 0, len(self))
        kept = torch.arange(len(self), device=self.labels.device) < keep
        return replace(self, labels=torch.where(kept, self.labels, -1))

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
            device: where the batches are made. Images that are not there yet (`to`) move there first, as bytes.
            generator: of the CPU; shuffles the pass. Without it the images come in their order.

        Yields:
            x: float32 in [0, 1], shape (B, C, H, W); y: int64, shape (B,).

        Raises:
            ValueError: batch_size is not positive, or there is no such device.
            TypeError: an argument is of the wrong kind.
        """
        target = known_device(device)
        return self._batches(target, rows_of_a_pass(len(self), batch_size, target, generator))

    def _batches(
        self, target: torch.device, passed: Iterator[Tensor] | Iterator[slice]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self.images.to(target), self.labels.to(target)
        for rows in passed:
            if isinstance(rows, slice):
                x, y = images[rows], labels[rows]
            else:  # images[rows] is the same, and takes three times as long on bytes
                x, y = images.index_select(0, rows), labels.index_select(0, rows)
            yield x.float().div_(255), y


def as_dataset(data: Any, name: str = "data") -> Any:
    """What a method can be trained on: a dataset as it is, a tensor of pictures as an `ImageDataset`.

    Args:
        data: an `ImageDataset`, a `PointDataset` or anything else that has a length and `batches`; or pictures,
            shape (N, C, H, W), as `ImageDataset.from_tensor` takes them.
        name: of the argument, for the sentences.

    Returns:
        An object with a length and with `batches`.

    Raises:
        TypeError: data is something else: the sentence says how to make a dataset of it.
        ValueError: the tensor holds no pictures.
    """
    need_kind("name", name, str, "the name of an argument")
    if isinstance(data, Tensor):
        if data.dim() == 2:
            raise ValueError(
                f"{name} has shape {tuple(data.shape)}: give pictures, (N, C, H, W), for example by {name}.view(-1, 1, "
                "28, 28), or points as a PointDataset."
            )
        return ImageDataset.from_tensor(data)
    if not isinstance(data, type) and callable(getattr(data, "batches", None)) and hasattr(data, "__len__"):
        return data
    raise TypeError(f"{name} is {_kind_of(data)}: give {_instead_of(data)}.")


def _kind_of(data: Any) -> str:
    plain = data is None or isinstance(data, str | bytes | int | float | list | tuple | dict | type)
    return shown(data) if plain else f"a {type(data).__name__}"


def _instead_of(data: Any) -> str:
    """How to make a dataset of something else: the second half of a sentence."""
    from torch.utils.data import DataLoader, Dataset

    if isinstance(data, str | Path):
        return "gencourse.data.load(name), or gencourse.data.load_folder(folder) for pictures of your own"
    if isinstance(data, np.ndarray):
        return "gencourse.data.ImageDataset.from_tensor(torch.from_numpy(data)), of shape (N, C, H, W)"
    if isinstance(data, DataLoader):
        return (
            "the pictures themselves, for example gencourse.data.ImageDataset.from_tensor(*map(torch.cat, "
            "zip(*data))): mini-batches are made from them"
        )
    if isinstance(data, Dataset):
        return (
            "its pictures and labels, for example gencourse.data.ImageDataset.from_tensor(torch.stack([x for x, y in "
            "data]), torch.tensor([y for x, y in data]))"
        )
    if isinstance(data, list | tuple) and data:
        if all(isinstance(item, str | Path) for item in data):
            return "the folder that these files are in to gencourse.data.load_folder"
        if isinstance(data, tuple) and len(data) == 2 and all(isinstance(item, Tensor) for item in data):
            return "gencourse.data.ImageDataset.from_tensor(*data)"
        if all(isinstance(item, Tensor) for item in data):
            return "gencourse.data.ImageDataset.from_tensor(torch.stack(list(data))), of shape (N, C, H, W)"
    return "a dataset, for example gencourse.data.load('mnist'), or a tensor of pictures, (N, C, H, W)"


def _need_channels_first(name: str, x: Tensor) -> None:
    """(N, C, H, W): no side is 0, and the channels, 1 or 3, do not stand last."""
    if 0 in x.shape[1:]:
        raise ValueError(f"{name} has shape {tuple(x.shape)}: give (N, C, H, W), each side at least 1.")
    if x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}, its channels last: give (N, C, H, W), by {name}.permute(0, 3, 1, 2)."
        )


def _missing_axes(x: Tensor) -> str:
    if x.dim() != 3:
        return ""
    return ", for one picture by x[None]" if x.shape[0] in (1, 3) else ", for grey pictures by x[:, None]"

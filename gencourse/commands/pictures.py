"""Pictures for a command: a data set by name or a folder, and what of it is held out from training."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms.v2.functional import resize

from gencourse.commands.names import DATA
from gencourse.data import ImageDataset, load, load_folder, stream
from gencourse.data.stream import PictureStream

__all__ = ["Source", "largest"]

_EVERY = 10  # of a folder, every tenth picture is held out
_LEAST = 20  # or more of them, if that would be too few to measure on: up to a third
LARGEST = 256


@dataclass(frozen=True)
class Source:
    """Where pictures come from, in words that a run folder can hold.

    Attributes:
        data: a data set's name, or a folder.
        size: side in pixels; a data set's own, or 64 for a folder, if None.
        channels: of a folder: 3 for colour, 1 for grey.
        streamed: whether a folder is read while one trains.
        workers: processes that read it.
        limit: how many pictures to use at most; all of them if None.
    """

    data: str
    size: int | None = None
    channels: int = 3
    streamed: bool = False
    workers: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if not self.data:
            raise ValueError(f"--data is empty: give a folder, or {', '.join(DATA)}.")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit is {self.limit}: give at least 1.")
        if self.size is not None and not 1 <= self.size <= LARGEST:
            raise ValueError(f"--size is {self.size}: give 8 to {LARGEST} pixels.")
        if self.named and self.streamed:
            raise ValueError(f"--stream reads folders, and {self.data} fits into memory: leave --stream out.")

    @property
    def named(self) -> bool:
        """Whether it is a data set's name; a folder of the same name is meant by "./mnist"."""
        return self.data in DATA

    def words(self) -> dict[str, Any]:
        """For a run folder: a folder's place in full, so that it is found from anywhere."""
        return asdict(self) | ({} if self.named else {"data": str(Path(self.data).resolve())})

    def train(self) -> ImageDataset | PictureStream:
        """The pictures to learn from."""
        if self.named:
            return self._sized(load(self.data, split="train"))
        if self.streamed:
            return self._streamed(held_out=False)
        return self._parts(held_out=False)

    def few(self) -> ImageDataset:
        """Pictures to learn from, in memory: of a stream its first ones, up to 2000."""
        data = self.train()
        return data if isinstance(data, ImageDataset) else _first(data)

    def test(self) -> ImageDataset:
        """The pictures to measure on: a data set's test part; of a folder every tenth picture, of a small one more."""
        if self.named:
            return self._sized(load(self.data, split="test"))
        if self.streamed:
            return _first(self._streamed(held_out=True))
        return self._parts(held_out=True)

    def same_pictures(self, other: Source) -> bool:
        """Whether both mean the same pictures, however they are read."""
        return (self.data, self.size, self.channels) == (other.data, other.size, other.channels)

    def _streamed(self, held_out: bool) -> PictureStream:
        self._need_folder()
        data = stream(self.data, size=self.size or 64, channels=self.channels, workers=self.workers)
        rows = self._rows(len(data), held_out)
        return data.take(rows[self._spread(len(rows))])

    def _rows(self, n: int, held_out: bool) -> torch.Tensor:
        rows = torch.arange(n)
        if n < 2 * _EVERY:
            return rows  # too few to hold any out
        every = min(_EVERY, max(3, n // _LEAST))
        return rows[(rows % every == every - 1) == held_out]

    def _need_folder(self) -> None:
        if not Path(self.data).exists():
            raise FileNotFoundError(
                f"--data is {self.data!r}: there is no such folder; give one, or {', '.join(DATA)}."
            )

    def _parts(self, held_out: bool) -> ImageDataset:
        self._need_folder()
        everything = load_folder(self.data, size=self.size or 64, channels=self.channels)
        rows = self._rows(len(everything), held_out)
        return everything.take(rows[self._spread(len(rows))])

    def _spread(self, n: int) -> torch.Tensor:
        """So many of n rows as may be used, from all over: a folder's first ones may be of one class."""
        count = n if self.limit is None else min(self.limit, n)
        return torch.arange(count) * n // max(1, count)

    def _sized(self, data: ImageDataset) -> ImageDataset:
        if self.limit is not None:
            data = data.take(min(self.limit, len(data)))
        if self.size in (None, data.shape[1]):
            return data
        size = [self.size, self.size]
        images = torch.cat([resize(part, size, antialias=True) for part in data.images.split(1000)])
        return ImageDataset(images, data.labels, data.name, data.classes)


def _first(data: PictureStream, most: int = 2000) -> ImageDataset:
    """The first pictures of a stream, in memory."""
    x, y = next(iter(data.batches(most)))
    return ImageDataset(x.mul(255).round().to(torch.uint8), y, data.name, data.classes)


def largest(x: torch.Tensor) -> torch.Tensor:
    """Small pictures (N, C, H, W) enlarged by a whole factor, so that a viewer does not blur them."""
    factor = max(1, math.ceil(56 / x.shape[-1]))
    return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

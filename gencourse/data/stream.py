"""Pictures that are read while one trains: a folder, or any torch dataset, larger than memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, Subset
from torch.utils.data.dataloader import default_collate

from gencourse.data.folder import Found, check_form, find_pictures
from gencourse.data.idx import DamagedFileError
from gencourse.data.parts import check_generator, known_device
from gencourse.data.pictures import check_background, check_white, fit_picture, read_bytes
from gencourse.errors import as_tensor, need_callable, need_tensor, need_whole, shown

__all__ = ["PictureStream", "stream"]

_PICTURES = ("image", "img", "picture", "jpg", "jpeg", "png", "webp", "x")  # names in records of others
_LABELS = ("label", "labels", "cls", "class", "y", "target")
_PIECE = 16  # pictures that a worker hands over at a time, of a dataset that cannot be asked for a row
_NEXT_SEED = 2**31 - 1
_HERE = str(Path(__file__).parent)


class PictureStream:
    """Pictures that stay where they are until a mini-batch needs them; `stream` makes it.

    Attributes:
        shape: (C, H, W) of a picture.
        name: where the pictures come from.
        classes: the names of the classes, where a folder has them.
        labels: one for each picture, int64 (N,), where they are known without reading the pictures.
    """

    labels: Tensor

    def __init__(
        self,
        pictures: Dataset,
        length: int,
        shape: tuple[int, int, int],
        *,
        name: str = "stream",
        workers: int = 0,
        buffer: int = 1000,
        found: Found | None = None,
    ) -> None:
        self._pictures, self._length, self._workers, self._buffer = pictures, length, workers, buffer
        self.shape, self.name = shape, name
        self._found = found
        self.classes = () if found is None else found.classes
        if found is not None:
            self.labels = found.labels

    def __len__(self) -> int:
        return self._length

    def take(self, index: Sequence[int] | Tensor) -> PictureStream:
        """A stream of the pictures at these positions, for example all but every tenth.

        Args:
            index: positions from 0 to N − 1.

        Raises:
            TypeError: index is no row of whole numbers.
            ValueError: there is no such position, or the dataset has no rows to choose from.
        """
        if not isinstance(self._pictures, _Rows):
            raise ValueError("index cannot be taken: this dataset can only be gone through from its start.")
        rows = as_tensor("index", index)
        need_tensor("index", rows, "(K,)", kind="whole")
        low, high = int(rows.min()), int(rows.max())
        if low < 0 or high >= len(self):
            raise ValueError(f"index goes from {low} to {high}: give 0 to {len(self) - 1}.")
        chosen = rows.tolist()
        found = self._found
        if found is not None:
            files = tuple(found.files[row] for row in chosen)
            found = replace(found, files=files, labels=found.labels[rows.long()])
        whole = self._pictures
        return PictureStream(
            _Rows(Subset(whole.dataset, chosen), whole.read, whole.shape),
            len(chosen),
            self.shape,
            name=self.name,
            workers=self._workers,
            found=found,
        )

    def digest(self) -> str | None:
        """16 hexadecimal digits of a folder's file names, sizes and labels: its pictures are not read for it.

        None for a dataset of somebody else, which cannot be told from another one without reading it.
        """
        if self._found is None:
            return None
        told = hashlib.sha256(str(self.shape).encode())
        for path, label in zip(self._found.files, self._found.labels.tolist(), strict=True):
            inside = path.relative_to(self._found.root).as_posix()
            told.update(f"{inside} {path.stat().st_size} {label}\n".encode())
        return told.hexdigest()[:16]

    def batches(
        self,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the pictures in mini-batches, as `ImageDataset.batches` gives it, and in the same order.

        A dataset that can only be gone through from its start is shuffled in a buffer instead: each picture is
        drawn from the next `buffer` ones. The order depends on the generator and on the number of workers alone,
        so a run that goes on after an epoch sees what an uninterrupted one sees.

        Args:
            batch_size: pictures in a batch; the last batch may be smaller.
            device: where the batches go; they travel as bytes.
            generator: of the CPU; shuffles the pass. Without it the pictures come in their order.

        Yields:
            x: float32 in [0, 1], shape (B, C, H, W); y: int64, shape (B,).

        Raises:
            ValueError: batch_size is not positive, there is no such device, or the dataset gives another number
                of pictures than it should.
            TypeError: an argument is of the wrong kind, or an item is no picture.
            DamagedFileError: a file cannot be read as a picture.
        """
        target = known_device(device)
        need_whole("batch_size", batch_size)
        check_generator(generator)
        return self._batches(batch_size, target, generator)

    def _batches(
        self, batch_size: int, target: torch.device, generator: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        rows = isinstance(self._pictures, _Rows)
        passed = self._by_row(batch_size, generator) if rows else self._in_turn(batch_size, generator)
        for x, y in _plainly(passed):
            x, y = (t.to(target, non_blocking=target.type == "cuda") for t in (x, y))
            yield x.float().div_(255), y

    def _by_row(self, batch_size: int, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self)
        order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
        index = [rows.tolist() for rows in order.split(min(batch_size, n))]
        yield from self._loader(generator, batch_sampler=index)

    def _in_turn(self, batch_size: int, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        # mypy: any dataset may come with `set_epoch`; torch's own class has none
        if generator is not None and hasattr(self._pictures.dataset, "set_epoch"):  # type: ignore[attr-defined]
            drawn = torch.randint(_NEXT_SEED, (), generator=generator)
            # the same
            self._pictures.dataset.set_epoch(int(drawn))  # type: ignore[attr-defined]
        loader = self._loader(generator, batch_size=_PIECE)
        singles = (pair for x, y in loader for pair in zip(x, y, strict=True))
        counted = _exactly(singles, len(self))
        mixed = counted if generator is None else _mixed(counted, self._buffer, generator)
        while piece := list(islice(mixed, min(batch_size, len(self)))):
            yield torch.stack([x for x, _ in piece]), torch.stack([y for _, y in piece])

    def _loader(self, generator: torch.Generator | None, **how: Any) -> DataLoader:
        # Its own generator: the loader draws the workers' seeds, and must leave the method's noise alone. A copy
        # of the shuffling one, so that random changes to the pictures differ from pass to pass, and come again.
        own = torch.Generator()
        if generator is not None:
            own.set_state(generator.get_state())
        return DataLoader(
            self._pictures,
            num_workers=self._workers,
            generator=own,
            pin_memory=torch.cuda.is_available(),
            **how,
        )


def stream(
    source: str | Path | Dataset | DataLoader,
    *,
    size: int = 64,
    channels: int = 3,
    workers: int | None = None,
    length: int | None = None,
    read: Callable[[Any], tuple[Any, int]] | None = None,
    buffer: int = 1000,
    classes: Sequence[str] | None = None,
    background: str | tuple[int, int, int] = "white",
    white: float | None = None,
) -> PictureStream:
    """Pictures larger than memory, for `fit` and everything else that takes a dataset's `batches`.

    Reading is torch's: its `DataLoader` with worker processes, each a few mini-batches ahead.

    Args:
        source: a folder as `load_folder` takes it; a torch `Dataset` with rows (torchvision, Hugging Face) or an
            `IterableDataset` (WebDataset, a Hugging Face stream); or a `DataLoader`, of which its dataset and its
            number of workers are taken: size and order of the batches are those that are asked for.
        size: side of the square in pixels. Pictures are resized to cover it, then cropped around the centre.
        channels: 3 for colour, 1 for grey.
        workers: processes that read. When not given: one a core, four at most, for a dataset with rows; one for
            an `IterableDataset`, since many of them would give each picture once for each worker.
        length: pictures in a pass, for a dataset that does not know it.
        read: an item of the dataset to (picture, label), label −1 for none. When not given, an item is a picture,
            a pair of picture and label, or a record with names such as "image" or "jpg", and "label" or "cls". A
            picture is one of Pillow's, a tensor (C, H, W), or an array (H, W, C): bytes, or floats in [0, 1].
        buffer: pictures among which an `IterableDataset` is shuffled; they are in memory as bytes.
        classes: of a folder; see `load_folder`.
        background: of a folder's transparent pictures; see `load_folder`.
        white: of a folder's pictures with more than 8 bits; see `load_folder`.

    Raises:
        TypeError: an argument is of the wrong kind.
        FileNotFoundError: the folder does not exist or has no picture in it.
        ValueError: an argument cannot be used; the message says which and why.
    """
    check_form(size, channels)
    colour = check_background(background)
    check_white(white)
    need_whole("buffer", buffer)
    if workers is not None:
        need_whole("workers", workers, 0, 256)
    if length is not None:
        need_whole("length", length)
    if read is not None:
        need_callable("read", read, "from an item of the dataset to (picture, label), or None")
    shape = (channels, size, size)
    many = min(4, os.cpu_count() or 1) if workers is None else workers
    if isinstance(source, str | os.PathLike):
        if not Path(source).is_dir():
            wrong = "is a file" if Path(source).exists() else "does not exist"
            raise FileNotFoundError(f"source {str(source)!r} {wrong}: give a folder with pictures in it.")
        found = find_pictures(source, classes)
        rows = _Rows(_Files(found, shape, colour, white), _as_is, shape)
        return PictureStream(
            rows, len(found.files), shape, name=found.root.resolve().name, workers=many, found=found
        )
    if isinstance(source, DataLoader):
        _need_plain(source)
        many = source.num_workers if workers is None else workers
        source = source.dataset
    made = _Turns if _in_turn_only(source) else _Rows
    if made is _Turns and workers is None:
        many = min(many, 1)
    count = _length_of(source, length)
    return PictureStream(
        made(source, read or _pair, shape),
        count,
        shape,
        name=type(source).__name__,
        workers=many,
        buffer=buffer,
    )


# ---- items ---------------------------------------------------------------------------------------------


class _Files(Dataset):
    """The files of a folder, read as bytes of one shape."""

    def __init__(
        self, found: Found, shape: tuple[int, int, int], background: tuple[int, int, int], white: float | None
    ) -> None:
        # one array of bytes for all names: a list of strings would be copied into each worker, page by page
        self.paths, self.labels = np.array([os.fsencode(path) for path in found.files]), found.labels
        self.how = (shape, background, white)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        pixels = read_bytes(Path(os.fsdecode(self.paths[row])), *self.how)
        return torch.from_numpy(np.array(pixels)), int(self.labels[row])


class _Rows(Dataset):
    """A dataset with rows, each of its items as bytes of one shape and a label."""

    def __init__(self, dataset: Any, read: Callable[[Any], Any], shape: tuple[int, int, int]) -> None:
        self.dataset, self.read, self.shape = dataset, read, shape

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return _item(self.read(self.dataset[row]), self.shape)


class _Turns(IterableDataset):
    """A dataset that is gone through from its start, each of its items as bytes of one shape and a label."""

    def __init__(self, dataset: Any, read: Callable[[Any], Any], shape: tuple[int, int, int]) -> None:
        self.dataset, self.read, self.shape = dataset, read, shape

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for item in self.dataset:
            yield _item(self.read(item), self.shape)


def _as_is(item: Any) -> Any:
    return item


def _pair(item: Any) -> tuple[Any, Any]:
    """Picture and label of an item in one of the usual forms."""
    if isinstance(item, Mapping):
        picture = next((item[name] for name in _PICTURES if name in item), None)
        if picture is None:
            raise TypeError(
                f"an item of the dataset has {', '.join(map(str, item))}, none of them a picture's usual name: give "
                "read=, a function from an item to (picture, label)."
            )
        return picture, next((item[name] for name in _LABELS if name in item), -1)
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    return item, -1


def _item(pair: Any, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """(picture, label) as uint8 of that shape and int64."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"read gives {shown(pair)}: let it give (picture, label), label −1 for none.")
    picture, label = pair
    try:
        number = int(-1 if label is None else label)
    except (TypeError, ValueError):
        raise TypeError(f"label of an item is {shown(label)}: give a whole number, −1 for none.") from None
    x = torch.from_numpy(np.array(fit_picture(picture, shape), order="C"))
    return x, torch.tensor(number)


# ---- order ---------------------------------------------------------------------------------------------


def _mixed(items: Iterator[Any], buffer: int, generator: torch.Generator) -> Iterator[Any]:
    """Items in random order, each drawn from the next `buffer` ones."""
    held = list(islice(items, buffer))
    for item in items:
        at = int(torch.randint(len(held), (), generator=generator))
        out, held[at] = held[at], item
        yield out
    for at in torch.randperm(len(held), generator=generator).tolist():
        yield held[at]


def _exactly(items: Iterator[Any], length: int) -> Iterator[Any]:
    """The items, if there are as many as was said: an epoch's length is counted on beforehand."""
    count = 0
    for count, item in enumerate(items, start=1):
        if count > length:
            raise ValueError(
                f"length is {length}, but the dataset gives more: give the number of pictures in a pass; and with "
                "several workers let it share its pictures among them, or take workers=1."
            )
        yield item
    if count < length:
        raise ValueError(f"length is {length}, but the dataset gives {count}: give length={count}.")


def _plainly(items: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The items; an error of this room as its sentence, without the traceback of the worker that met it.

    The old error is gone before the new one is raised: its frames would keep the workers of this pass alive.
    """
    told = None
    try:
        yield from items
    except (DamagedFileError, TypeError, ValueError) as error:
        lines = str(error).strip().splitlines()
        places = [line for line in lines if line.startswith("  File ")]
        if places and _HERE not in places[-1]:
            raise  # a fault in somebody's dataset: they need to see where
        told = type(error)((lines[-1].partition(": ")[2] or lines[-1]) if places else str(error))
    if told is not None:
        raise told


# ---- what was given ------------------------------------------------------------------------------------


def _in_turn_only(source: Any) -> bool:
    if isinstance(source, IterableDataset):
        return True
    held = isinstance(source, list | tuple | dict | Tensor | np.ndarray)  # in memory already
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not held:
        return False
    if hasattr(source, "__iter__") and isinstance(source, Dataset):
        return True
    raise TypeError(
        f"source is {shown(source)}: give a folder, a torch Dataset or a DataLoader; pictures in memory go to "
        "gencourse.data.ImageDataset.from_tensor."
    )


def _length_of(source: Any, length: int | None) -> int:
    known: int | None
    try:
        known = len(source) if isinstance(source, Sized) else None
    except TypeError:  # a dataset whose length depends on another that has none
        known = None
    if known is not None and (known == length or length is None):
        if known == 0:
            raise ValueError("source is empty: give at least one picture.")
        return known
    if known is not None and not isinstance(source, IterableDataset):
        raise ValueError(f"length is {length}, but the dataset has {known}: leave length out.")
    if length is None:
        raise ValueError(
            "length is None, and the dataset does not know its own: give length=, pictures in a pass."
        )
    return length


def _need_plain(loader: DataLoader) -> None:
    """A loader whose own order or own batches would be lost in silence is refused."""
    usual = (RandomSampler, SequentialSampler)
    if not isinstance(loader.dataset, IterableDataset) and type(loader.sampler) not in usual:
        raise ValueError(
            f"source is a DataLoader with a {type(loader.sampler).__name__}, whose order would be lost: give a "
            "dataset that has the order, or the weights, that you want."
        )
    if loader.collate_fn is not default_collate and loader.batch_size is not None:
        raise ValueError(
            "source is a DataLoader with a collate_fn of its own, which would be lost: give its dataset, and what "
            "the function does as read=, item by item."
        )

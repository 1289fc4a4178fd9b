"""A folder of your own pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gencourse.data.dataset import ImageDataset
from gencourse.data.idx import DamagedFileError
from gencourse.data.parts import class_names
from gencourse.data.pictures import SUFFIXES, check_background, check_white, read_bytes
from gencourse.errors import need_whole, shown

__all__ = ["Found", "check_form", "find_pictures", "load_folder"]


def load_folder(
    folder: str | Path,
    *,
    size: int = 64,
    channels: int = 3,
    background: str | tuple[int, int, int] = "white",
    classes: Sequence[str] | None = None,
    white: float | None = None,
) -> ImageDataset:
    """Load your own pictures: resized to cover a square, then cropped around the centre.

    Each sub-folder is a class, also one without pictures, and a picture deeper inside belongs to it. The classes
    are numbered in the order of their names. Pictures directly in the folder have label 0 if there are no classes,
    and −1, "not labelled", if there are. For a second folder with the same numbers, say a test set, give
    `classes=train.classes`.

    Names that start with a dot, and `__MACOSX`, are passed over, as are files of other kinds. A link is followed
    if what it points to is not in the folder anyway; no picture counts twice. Of an animation the first frame is
    taken. A picture is turned as its camera says.

    Args:
        folder: pictures directly in it, or one sub-folder a class.
        size: side of the square in pixels.
        channels: 3 for colour, 1 for grey.
        background: what shows through where a picture is transparent: a colour's name or (red, green, blue).
        classes: names of the classes, in the order of their numbers; taken from the sub-folders if None.
        white: the value that is white in pictures with more than 8 bits a pixel. If None it is what the file
            says, or 65535 for whole numbers and 1 for floats; a picture that has larger values, or 16 bits of
            which only the lowest 12 are used, is refused.

    Raises:
        TypeError: an argument is of the wrong kind.
        FileNotFoundError: the folder does not exist or has no picture in it.
        ValueError: an argument cannot be used, a sub-folder is not among the classes, it cannot be told which
            value is white, or the pictures would not fit into memory (told before one is read).
        DamagedFileError: files with a picture's name cannot be read as pictures, or are too large; all of them are
            named.
    """
    check_form(size, channels)
    colour = check_background(background)
    check_white(white)
    found = find_pictures(folder, classes)
    shape = (channels, size, size)
    _need_memory(found.root, len(found.files), shape)
    # made once, in its final form, and filled in: the peak is little more than the data themselves
    images = np.empty((len(found.files), *shape), dtype=np.uint8)
    damaged: dict[Path, DamagedFileError] = {}
    for row, path in enumerate(found.files):
        try:
            images[row] = read_bytes(path, shape, colour, white)
        except DamagedFileError as error:  # go on: one message for all of them
            damaged[path] = error
    if damaged:
        raise _all_of(damaged)
    return ImageDataset(torch.from_numpy(images), found.labels, found.root.resolve().name, found.classes)


def _all_of(damaged: dict[Path, DamagedFileError], most: int = 9) -> DamagedFileError:
    """One error for all files that cannot be read; it tells why of the first."""
    (_, first), *others = damaged.items()
    if not others:
        return first
    names = ", ".join(str(path) for path, _ in others[:most])
    more = f", and {len(others) - most} more" if len(others) > most else ""
    return DamagedFileError(f"{first} The same holds for {len(others)} of the others: {names}{more}.")


@dataclass(frozen=True)
class Found:
    """The pictures of a folder, not read yet.

    Attributes:
        root: the folder.
        files: its pictures, in the order of their paths.
        labels: the class of each, int64 (N,); −1 for none.
        classes: names of the classes.
    """

    root: Path
    files: tuple[Path, ...]
    labels: Tensor
    classes: tuple[str, ...]


def find_pictures(folder: str | Path, classes: Sequence[str] | None = None) -> Found:
    """What `load_folder` would read; its arguments, and its errors as far as they concern these."""
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder is {shown(folder)}: give a path, for example 'pictures/'.")
    root = Path(folder)
    if not root.is_dir():
        wrong = "is a file" if root.exists() else "does not exist"
        raise FileNotFoundError(f"folder {str(root)!r} {wrong}: give a folder with pictures in it.")
    files = _pictures(root)
    inside = [p.relative_to(root).parts for p in files]
    names = _classes(root, {parts[0] for parts in inside if len(parts) > 1}, classes)
    if not files:
        raise FileNotFoundError(
            f"folder {str(root)!r} holds no picture: put files ending in {', '.join(sorted(SUFFIXES))} in it."
        )
    number = {name: label for label, name in enumerate(names)}
    alone = -1 if names else 0
    labels = [number[parts[0]] if len(parts) > 1 else alone for parts in inside]
    return Found(root, tuple(files), torch.tensor(labels), names)


def check_form(size: int, channels: int) -> None:
    """A side in pixels, and one channel or three."""
    need_whole("size", size)
    need_whole("channels", channels)
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}: give 1 (grey) or 3 (colour).")


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _classes(root: Path, used: set[str], classes: Any) -> tuple[str, ...]:
    """The names of the classes: the sub-folders, or what was given if that names every sub-folder."""
    # a link counts where pictures were found by it, a folder always
    empty = {p.name for p in root.iterdir() if p.is_dir() and not p.is_symlink() and not _hidden(p.name)}
    found = sorted(used | empty)
    if classes is None:
        return tuple(found)
    names = class_names(classes)
    for name in found:
        if name not in names:
            raise ValueError(
                f"classes is {shown(names)}: folder {str(root)!r} also has a sub-folder {name!r}; remove it, or name "
                "it among the classes."
            )
    return names


def _pictures(root: Path) -> list[Path]:
    """Every picture below a folder once, in the order of the paths."""
    top = os.path.realpath(root)
    seen, found = {top}, list[Path]()
    folders, links = [(str(root), top)], list[str]()  # a folder as it is called, and as it is really called

    def enter(path: str, real: str) -> None:
        if real in seen:
            return
        seen.add(real)
        if os.path.isdir(real):
            if not top.startswith(os.path.join(real, "")):  # a link up to what holds the whole folder
                folders.append((path, real))
        elif os.path.splitext(path)[1].lower() in SUFFIXES:
            found.append(Path(path))

    while folders or links:
        if not folders:  # links come last: a picture that is here keeps its own place, and so its class
            path = links.pop(0)
            enter(path, os.path.realpath(path))
            continue
        here, real_here = folders.pop()
        for entry in sorted(os.scandir(here), key=lambda entry: entry.name):
            if _hidden(entry.name):
                continue
            # a junction is the link of Windows; Python knows it from 3.12 on
            if entry.is_symlink() or getattr(entry, "is_junction", bool)():
                links.append(entry.path)
            else:
                enter(entry.path, os.path.join(real_here, entry.name))
    return sorted(found)


def _need_memory(root: Path, count: int, shape: tuple[int, int, int]) -> None:
    """Refuse pictures that would not fit, while nothing is lost yet."""
    need, free = count * math.prod(shape), _free_memory()
    if free is not None and need > free:
        raise ValueError(
            f"size is {shape[1]}: the {count} pictures in folder {str(root)!r} would take {need / 1e9:.3g} GB, and "
            f"{free / 1e9:.3g} GB of memory are free; give a smaller size, or fewer pictures."
        )


def _free_memory() -> int | None:
    """Bytes that a program can still have, or None where this cannot be told."""
    try:
        # Linux says it itself; a container may get less than the machine has
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        try:
            import psutil  # type: ignore[import-untyped]  # comes with Jupyter; no need of the package's own
        except ImportError:
            return None
        return int(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        used = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return min(free, int((group / "memory.max").read_text()) - int(used["anon"]))
    except (OSError, ValueError, KeyError):
        return free

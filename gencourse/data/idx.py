"""The IDX format of the MNIST family: a big-endian header and numbers, usually gzipped."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import re
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gencourse.errors import need_kind, shown

__all__ = ["DamagedFileError", "read_idx"]

# third byte of a file -> its numbers, which stand with their highest byte first
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 8
_CHUNK = 1 << 20
_SHA256 = re.compile("[0-9a-fA-F]{64}")


class DamagedFileError(ValueError):
    """A data file on disk is not what it should be."""


def read_idx(path: str | Path, sha256: str | None = None) -> Tensor:
    """Read one IDX file, gzipped or not.

    Args:
        path: a file such as train-images-idx3-ubyte.gz.
        sha256: the file's checksum in hexadecimal; checked when given.

    Returns:
        A tensor with the shape and the type that the header states, uint8, int8, int16, int32, float32 or
        float64: for MNIST uint8, (N, H, W) for images and (N,) for labels.

    Raises:
        TypeError, ValueError: path is no path, or sha256 no checksum.
        FileNotFoundError: there is no such file.
        DamagedFileError: checksum, compression, header or length is wrong.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path is {shown(path)}: give a file, for example 'train-images-idx3-ubyte.gz'.")
    if sha256 is not None:
        need_kind("sha256", sha256, str, "64 hexadecimal digits, or None")
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"sha256 is {shown(sha256)}: give 64 hexadecimal digits, or None.")
    path = Path(path)
    if path.is_dir():
        raise FileNotFoundError(f"path {str(path)!r} is a folder: give a file in it.")
    if not path.exists():
        raise FileNotFoundError(f"path {str(path)!r} does not exist: give an IDX file.")
    stored = path.read_bytes()
    if sha256 is not None and hashlib.sha256(stored).hexdigest() != sha256.lower():
        raise _damaged(path, "its checksum is wrong")
    # an IDX file starts with two zero bytes, which no gzip file does
    packed = not stored.startswith(b"\0\0")
    stream = gzip.GzipFile(fileobj=io.BytesIO(stored)) if packed else io.BytesIO(stored)
    try:
        return _read(stream, path)
    except (OSError, EOFError, zlib.error):
        raise _damaged(path, "it cannot be unpacked, and is no plain IDX file") from None


def _read(stream: gzip.GzipFile | io.BytesIO, path: Path) -> Tensor:
    # header: two zero bytes, the type of the numbers, how many axes, then the length of each in 4 bytes
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or head[3] > _MOST_AXES:
        raise _damaged(path, "its header is not that of an IDX file")
    kind, lengths = np.dtype(_TYPES[head[2]]), stream.read(4 * head[3])
    if len(lengths) < 4 * head[3]:
        raise _damaged(path, "its header is cut short")
    shape = [int.from_bytes(lengths[i : i + 4], "big") for i in range(0, len(lengths), 4)]
    size = math.prod(shape)
    # piece by piece, no further than promised: neither the header nor a zip bomb decides how much memory is taken
    values = bytearray()
    while len(values) <= size * kind.itemsize and (piece := stream.read(_CHUNK)):
        values += piece
    if len(values) != size * kind.itemsize:
        found = len(values) / kind.itemsize
        more = "or more " if stream.read(1) else ""
        raise _damaged(path, f"it holds {found:.12g} {more}values where its header promises {size}")
    # a bytearray may be written to, as torch wants
    numbers = np.frombuffer(values, kind).astype(kind.newbyteorder("="), copy=False)
    try:
        return torch.from_numpy(numbers).reshape(shape)
    except RuntimeError:  # no values, on axes so long that their lengths cannot be multiplied
        raise _damaged(path, f"its header promises the shape {tuple(shape)}") from None


def _damaged(path: Path, why: str) -> DamagedFileError:
    return DamagedFileError(f"{path} is damaged: {why}. Delete it and install or download it again.")

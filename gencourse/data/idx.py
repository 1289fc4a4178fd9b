"""The IDX format of the MNIST family: a big-endian header and bytes, gzipped."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["DamagedFileError", "read_idx"]


class DamagedFileError(RuntimeError):
    """A data file on disk is not what it should be."""


def read_idx(path: Path, sha256: str | None = None) -> Tensor:
    """Read one gzipped IDX file of bytes.

    Args:
        path: a file such as train-images-idx3-ubyte.gz.
        sha256: the file's checksum in hexadecimal; checked when given.

    Returns:
        uint8 tensor with the shape that the header states: (N, H, W) for images, (N,) for labels.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFileError: checksum, compression, header or length is wrong.
    """
    packed = path.read_bytes()
    if sha256 is not None and hashlib.sha256(packed).hexdigest() != sha256:
        raise _damaged(path, "its checksum is wrong")
    try:
        raw = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        raise _damaged(path, "it cannot be unpacked") from None
    # header: two zero bytes, 8 for "unsigned byte", the number of dimensions, then each size in 4 bytes
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise _damaged(path, "its header is not that of an IDX file of bytes")
    start = 4 + 4 * raw[3]
    shape = [int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4)]
    size = 1
    for length in shape:
        size *= length
    if len(raw) - start != size:
        raise _damaged(path, f"it holds {len(raw) - start} values where its header promises {size}")
    # bytearray: a copy that may be written to, as torch wants
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8, offset=start).reshape(shape)


def _damaged(path: Path, why: str) -> DamagedFileError:
    return DamagedFileError(f"{path} is damaged: {why}. Delete it and install or download it again.")

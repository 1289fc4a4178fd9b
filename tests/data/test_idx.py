"""Reading IDX files: what is written comes back, and every kind of damage is noticed."""

import gzip
import math
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gencourse.data import DamagedFileError, read_idx, sources

MNIST = Path(sources.__file__).parent / "files" / "mnist"


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape) + values


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), data=st.data())
def test_what_is_written_comes_back(tmp_path: Path, shape: tuple[int, ...], data: st.DataObject) -> None:
    size = math.prod(shape)
    values = data.draw(st.binary(min_size=size, max_size=size))
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(idx(shape, values)))
    read = read_idx(file)
    assert read.dtype == torch.uint8
    assert tuple(read.shape) == shape
    assert bytes(read.flatten().tolist()) == values


def test_what_is_read_may_be_written_to(tmp_path: Path) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(idx((2,), b"ab")))
    read_idx(file)[0] = 1
    assert read_idx(file).tolist() == list(b"ab")


@pytest.mark.parametrize("where", [0, 10, 2000, -1])
def test_one_flipped_bit_fails_the_checksum(tmp_path: Path, where: int) -> None:
    name = "t10k-labels-idx1-ubyte.gz"
    copy = tmp_path / name
    shutil.copy(MNIST / name, copy)
    read_idx(copy, sources._MNIST_SHA256[name])
    packed = bytearray(copy.read_bytes())
    packed[where] ^= 1
    copy.write_bytes(packed)
    with pytest.raises(DamagedFileError, match="checksum") as caught:
        read_idx(copy, sources._MNIST_SHA256[name])
    assert str(copy) in str(caught.value)


def test_each_embedded_file_is_checked_by_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(MNIST, tmp_path / "mnist")
    monkeypatch.setattr(sources, "_EMBEDDED", tmp_path)
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        file = tmp_path / "mnist" / name
        good = file.read_bytes()
        # still a valid IDX file: only the checksum can tell
        raw = bytearray(gzip.decompress(good))
        raw[-1] ^= 1
        file.write_bytes(gzip.compress(raw, compresslevel=1))
        with pytest.raises(DamagedFileError, match="checksum"):
            sources.load("mnist", split="test")
        file.write_bytes(good)
    assert len(sources.load("mnist", split="test")) == 10_000


def damaged(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(content)
    with pytest.raises(DamagedFileError, match=why):
        read_idx(file)


def test_a_truncated_file_cannot_be_unpacked(tmp_path: Path) -> None:
    whole = gzip.compress(idx((100,), bytes(range(100))))
    for length in (1, 5, len(whole) // 2, len(whole) - 1):
        damaged(tmp_path, whole[:length], "unpacked")


def test_what_is_not_gzip_cannot_be_unpacked(tmp_path: Path) -> None:
    damaged(tmp_path, b"<html>not found</html>", "unpacked")


@pytest.mark.parametrize(
    "header", [b"", b"\0\0", b"\0\0\x0a\x01", b"\0\0\x08\x09", b"\0\1\x08\x01", b"\x89PNG"]
)
def test_a_wrong_header_is_noticed(tmp_path: Path, header: bytes) -> None:
    damaged(
        tmp_path,
        gzip.compress(header + bytes(8)[: 8 if len(header) == 4 else 0]),
        "its header is not that of an IDX file",
    )


@pytest.mark.parametrize("extra", [-1, 1])
def test_a_wrong_length_is_noticed(tmp_path: Path, extra: int) -> None:
    damaged(
        tmp_path, gzip.compress(idx((2, 3), bytes(6 + extra))), rf"holds {6 + extra} values .* promises 6"
    )


def test_a_missing_file_is_missing_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing.gz")
    with pytest.raises(FileNotFoundError, match="is a folder: give a file in it"):
        read_idx(tmp_path)
    for wrong in (None, 3, b"a.gz"):
        with pytest.raises(TypeError, match=r"path is .*: give a file"):
            read_idx(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "kind"), [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")]
)
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (0, 28, 28), (0,), (2, 0, 5), (7,)])
def test_every_type_is_read_packed_or_not(
    tmp_path: Path, code: int, kind: str, packed: bool, shape: tuple[int, ...]
) -> None:
    info = np.finfo(kind) if kind[0] == "f" else np.iinfo(kind)
    rng = np.random.default_rng(0)
    values = rng.uniform(float(info.min) / 2, float(info.max) / 2, shape).astype(kind)
    values.flat[:2] = [info.min, info.max][: values.size]
    content = bytes([0, 0, code, len(shape)]) + np.array(shape, ">u4").tobytes()
    content += values.astype(f">{kind}").tobytes()
    file = tmp_path / "set-idx-any"
    file.write_bytes(gzip.compress(content) if packed else content)
    read = read_idx(str(file))
    assert read.dtype == torch.from_numpy(values).dtype and tuple(read.shape) == shape
    assert np.array_equal(read.numpy(), values)
    if read.numel():
        read.view(-1)[0] = 1  # may be written to


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(2**32 - 1, 2**32 - 1), (2**31, 28, 28), (2**32 - 1,) * 8, (10**9,)])
def test_a_header_that_lies_costs_no_memory(tmp_path: Path, packed: bool, shape: tuple[int, ...]) -> None:
    content = idx(shape, bytes(100))
    (tmp_path / "a.gz").write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    try:
        with pytest.raises(
            DamagedFileError, match=f"holds 100 values where its header promises {math.prod(shape)}"
        ):
            read_idx(tmp_path / "a.gz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5e6


def test_a_file_that_unpacks_to_more_than_promised_is_not_unpacked_whole(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx((10,), bytes(50_000_000))))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError, match=r"holds \d+ or more values where its header promises 10"):
            read_idx(tmp_path / "a.gz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e7


def test_an_empty_axis_beside_huge_ones_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(idx((0, 2**32 - 1, 2**32 - 1, 2**32 - 1), b""))
    with pytest.raises(DamagedFileError, match="header"):
        read_idx(tmp_path / "a")


def test_a_header_cut_short_is_noticed(tmp_path: Path) -> None:
    for length in range(2, 12):
        damaged(tmp_path, idx((2, 3), bytes(6))[:length], "header")


def test_half_a_value_is_noticed(tmp_path: Path) -> None:
    damaged(tmp_path, b"\0\0\x0b\1\0\0\0\2abc", "holds 1.5 values where its header promises 2")

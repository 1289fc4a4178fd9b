"""load: sizes, labels, and errors that say what to do."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from gencourse.data import load, sources


@pytest.mark.parametrize(("split", "n"), [("train", 60_000), ("test", 10_000)])
def test_mnist_is_whole_and_embedded(
    split: str, n: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GENCOURSE_DATA", str(tmp_path))
    data = load("mnist", split=split)
    assert data.images.shape == (n, 1, 28, 28)
    counts = torch.bincount(data.labels)
    assert len(counts) == 10 and counts.sum() == n
    assert counts.min() > 0.08 * n  # ten classes of about the same size
    assert (data.images.min(), data.images.max()) == (0, 255)
    assert data.classes == tuple("0123456789")
    assert list(tmp_path.iterdir()) == []


def test_mnist_pictures_belong_to_their_labels() -> None:
    """The nearest class mean of the training half recognises most of the other half."""
    data = load("mnist", split="test")
    x, y = data.x.flatten(1), data.labels
    means = torch.stack([x[:5000][y[:5000] == c].mean(0) for c in range(10)])
    guess = torch.cdist(x[5000:], means).argmin(1)
    assert (guess == y[5000:]).float().mean() > 0.75


def test_digits() -> None:
    train, test = load("digits"), load("digits", split="test")
    assert train.shape == test.shape == (1, 8, 8)
    assert len(train) + len(test) == 1797
    assert len(train.images.unique()) == 17  # 16 levels and black
    assert train.images.max() == 255


def test_unknown_names_and_splits_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"name is 'imagenet': .*cifar10, digits, fashion_mnist, mnist"):
        load("imagenet")
    with pytest.raises(ValueError, match="split is 'valid': choose one of train, test"):
        load("mnist", split="valid")
    with pytest.raises(ValueError, match=r"name is \['mnist'\]: choose"):
        load(["mnist"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="root is 3: give a folder"):
        load("mnist", root=3)  # type: ignore[arg-type]


def write_idx(file: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    file.write_bytes(gzip.compress(header + values.tobytes()))


def test_fashion_is_read_from_debians_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    made = {}
    for prefix, n in (("train", 5), ("t10k", 3)):
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", labels)
        made[prefix] = images, labels
    monkeypatch.setattr(sources, "_DEBIAN_FASHION", tmp_path)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        data = load("fashion_mnist", split=split)
        assert data.images.squeeze(1).numpy().tolist() == made[prefix][0].tolist()
        assert data.labels.tolist() == made[prefix][1].tolist()
        assert data.name == "fashion_mnist" and data.classes[9] == "boot"


@pytest.mark.parametrize(("name", "class_name"), [("fashion_mnist", "FashionMNIST"), ("cifar10", "CIFAR10")])
@pytest.mark.parametrize("error", [OSError("no route to host"), RuntimeError("no route to host")])
def test_a_failed_download_says_what_to_do(
    name: str, class_name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(root: str, *, train: bool, download: bool) -> None:
        asked.append((root, train, download))
        raise error

    monkeypatch.setattr(sources, "_DEBIAN_FASHION", tmp_path / "none")
    monkeypatch.setattr(f"torchvision.datasets.{class_name}", refuse)
    with pytest.raises(ConnectionError, match=r"no route to host.*network once.*root=.*'mnist'") as caught:
        load(name, root=tmp_path / "there", split="test")
    assert asked == [(str(tmp_path / "there"), False, True)]
    assert str(tmp_path / "there") in str(caught.value)


def test_cifar_comes_as_channels_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Made:
        data = np.arange(2 * 32 * 32 * 3).reshape(2, 32, 32, 3).astype(np.uint8)
        targets = (3, 8)
        classes = tuple("abcdefghij")

        def __init__(self, *args: object, **kwargs: object) -> None: ...

    monkeypatch.setattr("torchvision.datasets.CIFAR10", Made)
    data = load("cifar10", root=tmp_path)
    assert data.shape == (3, 32, 32)
    assert data.images[1, 2, 5, 7] == Made.data[1, 5, 7, 2]
    assert data.labels.tolist() == [3, 8]

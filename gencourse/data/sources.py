"""Where images come from: the embedded set, torchvision's sets, scikit-learn's digits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from gencourse.data.dataset import ImageDataset
from gencourse.data.idx import read_idx
from gencourse.errors import need_one_of, shown

__all__ = ["load"]

_EMBEDDED = Path(__file__).parent / "files"
_DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")  # the package dataset-fashion-mnist

_MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
    "train-labels-idx1-ubyte.gz": "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
    "t10k-images-idx3-ubyte.gz": "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
    "t10k-labels-idx1-ubyte.gz": "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
}
_DIGITS = tuple("0123456789")
_CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def load(name: str = "mnist", *, split: str = "train", root: str | Path | None = None) -> ImageDataset:
    """Load a dataset by name.

    Args:
        name: "mnist" (embedded, no network), "digits" (scikit-learn's 8×8 digits, no network),
            "fashion_mnist" or "cifar10" (through torchvision, which downloads them once).
        split: "train" or "test".
        root: folder for downloads; GENCOURSE_DATA, or ~/.cache/gencourse, when not given.

    Returns:
        The images of that split: 60 000 or 10 000 of 1×28×28 for MNIST.

    Raises:
        ValueError: name or split is unknown.
        TypeError: root is no path.
        DamagedFileError: a file on disk fails its integrity check.
        ConnectionError: a download was needed and failed.
    """
    need_one_of("name", name, sorted(_LOADERS))
    need_one_of("split", split, ("train", "test"))
    if root is not None and not isinstance(root, str | os.PathLike):
        raise TypeError(f"root is {shown(root)}: give a folder, or None.")
    folder = Path(root or os.environ.get("GENCOURSE_DATA") or Path.home() / ".cache" / "gencourse")
    return _LOADERS[name](split == "train", folder)


def _idx_set(
    folder: Path, train: bool, name: str, classes: tuple[str, ...], sums: dict[str, str]
) -> ImageDataset:
    prefix = "train" if train else "t10k"
    images, labels = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
    return ImageDataset(
        read_idx(folder / images, sums.get(images)).unsqueeze(1),
        read_idx(folder / labels, sums.get(labels)).long(),
        name=name,
        classes=classes,
    )


def _mnist(train: bool, root: Path) -> ImageDataset:
    return _idx_set(_EMBEDDED / "mnist", train, "mnist", _DIGITS, _MNIST_SHA256)


def _fashion_mnist(train: bool, root: Path) -> ImageDataset:
    if _DEBIAN_FASHION.is_dir():
        return _idx_set(_DEBIAN_FASHION, train, "fashion_mnist", _CLOTHES, {})
    from torchvision.datasets import FashionMNIST

    found = _download(lambda: FashionMNIST(str(root), train=train, download=True), "fashion_mnist", root)
    return ImageDataset(found.data.unsqueeze(1), found.targets.long(), "fashion_mnist", _CLOTHES)


def _cifar10(train: bool, root: Path) -> ImageDataset:
    from torchvision.datasets import CIFAR10

    found = _download(lambda: CIFAR10(str(root), train=train, download=True), "cifar10", root)
    images = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
    return ImageDataset(images, torch.tensor(found.targets), "cifar10", tuple(found.classes))


def _download(make: Callable, name: str, root: Path):  # type: ignore[no-untyped-def]  # torchvision is untyped
    try:
        return make()
    except (OSError, RuntimeError) as error:
        raise ConnectionError(
            f"{name} is not in {root} and could not be downloaded ({error}). "
            "Connect to the network once, give root= a folder that has it, or use 'mnist', which is embedded."
        ) from error


def _digits(train: bool, root: Path) -> ImageDataset:
    from sklearn.datasets import load_digits

    found = load_digits()
    # 1797 images of 8×8 with 17 grey levels; the first 1437 for training, as in scikit-learn's examples of 80 %
    part = slice(None, 1437) if train else slice(1437, None)
    images = torch.from_numpy(found.images[part] * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
    return ImageDataset(images, torch.from_numpy(found.target[part]).long(), "digits", _DIGITS)


_LOADERS: dict[str, Callable[[bool, Path], ImageDataset]] = {
    "mnist": _mnist,
    "fashion_mnist": _fashion_mnist,
    "cifar10": _cifar10,
    "digits": _digits,
}

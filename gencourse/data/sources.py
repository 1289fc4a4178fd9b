"""Where images come from: the embedded set, torchvision's sets, scikit-learn's digits, your own folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gencourse.data.dataset import ImageDataset
from gencourse.data.idx import DamagedFileError, read_idx

__all__ = ["load", "load_folder"]

_EMBEDDED = Path(__file__).parent / "files"
_DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")  # the package dataset-fashion-mnist
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}

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
        DamagedFileError: a file on disk fails its integrity check.
        ConnectionError: a download was needed and failed.
    """
    if name not in _LOADERS:
        raise ValueError(f"name is {name!r}: choose one of {', '.join(sorted(_LOADERS))}.")
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}: choose 'train' or 'test'.")
    folder = Path(root or os.environ.get("GENCOURSE_DATA") or Path.home() / ".cache" / "gencourse")
    return _LOADERS[name](split == "train", folder)


def load_folder(folder: str | Path, *, size: int = 64, channels: int = 3) -> ImageDataset:
    """Load your own pictures: resized to cover a square, then cropped around the centre.

    Args:
        folder: pictures directly in it, or one sub-folder a class.
        size: side of the square in pixels.
        channels: 3 for colour, 1 for grey.

    Raises:
        FileNotFoundError: the folder does not exist or has no picture in it.
        ValueError: size or channels cannot be used.
        DamagedFileError: a file with a picture's name cannot be read as a picture.
    """
    from PIL import Image, ImageOps

    root = Path(folder)
    if size < 1:
        raise ValueError(f"size is {size}: give a number of pixels, for example 64.")
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}: give 1 (grey) or 3 (colour).")
    if not root.is_dir():
        raise FileNotFoundError(f"folder {str(root)!r} does not exist: give a folder with pictures in it.")
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in _PICTURES)
    if not files:
        raise FileNotFoundError(
            f"folder {str(root)!r} holds no picture: put files ending in {', '.join(sorted(_PICTURES))} in it."
        )
    names = [p.relative_to(root).parts[0] if p.parent != root else "" for p in files]
    classes = tuple(sorted(set(names)))
    images = np.empty((len(files), size, size, channels), dtype=np.uint8)
    for row, path in enumerate(files):
        try:
            with Image.open(path) as picture:
                upright = _eight_bits(ImageOps.exif_transpose(picture)).convert(
                    "L" if channels == 1 else "RGB"
                )
        except (OSError, Image.DecompressionBombError):
            raise DamagedFileError(
                f"{path} is not a picture that can be read: repair or remove it."
            ) from None
        images[row] = np.asarray(ImageOps.fit(upright, (size, size))).reshape(size, size, channels)
    return ImageDataset(
        torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
        torch.tensor([classes.index(n) for n in names]),
        name=root.name,
        classes=classes if classes != ("",) else (),
    )


def _eight_bits(picture):  # type: ignore[no-untyped-def]  # Pillow is imported only where it is needed
    """A grey picture with 16 bits a pixel brought to 8; Pillow's own conversion would turn it white."""
    if not picture.mode.startswith("I"):
        return picture
    from PIL import Image

    return Image.fromarray(
        (np.asarray(picture, dtype=np.float64) / 257).round().clip(0, 255).astype(np.uint8)
    )


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

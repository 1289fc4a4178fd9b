"""load and load_folder: sizes, labels, own pictures, and errors that say what to do."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gencourse.data import DamagedFileError, load, load_folder, sources

BRIGHT, DARK = 200, 40


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
    with pytest.raises(ValueError, match="split is 'valid': choose 'train' or 'test'"):
        load("mnist", split="valid")


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
        classes = ("x", "y")

        def __init__(self, *args: object, **kwargs: object) -> None: ...

    monkeypatch.setattr("torchvision.datasets.CIFAR10", Made)
    data = load("cifar10", root=tmp_path)
    assert data.shape == (3, 32, 32)
    assert data.images[1, 2, 5, 7] == Made.data[1, 5, 7, 2]
    assert data.labels.tolist() == [3, 8]


def picture(
    file: Path, size: tuple[int, int], colour: tuple[int, int, int] | int = (DARK, BRIGHT, DARK)
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(file)


def test_pictures_of_all_sizes_become_squares(tmp_path: Path) -> None:
    for i, size in enumerate([(40, 40), (90, 30), (30, 90), (5, 3)]):
        picture(tmp_path / f"{i}.png", size)
    data = load_folder(tmp_path, size=32)
    assert data.images.shape == (4, 3, 32, 32)
    for channel, value in enumerate((DARK, BRIGHT, DARK)):  # one colour stays that colour: no border, no swap
        assert (data.images[:, channel] == value).all()
    assert data.labels.tolist() == [0] * 4 and data.classes == ()
    assert data.name == tmp_path.name


def test_the_crop_is_around_the_centre(tmp_path: Path) -> None:
    pixels = np.full((20, 60), DARK, np.uint8)
    pixels[:, 20:40] = BRIGHT
    Image.fromarray(pixels).save(tmp_path / "a.png")
    data = load_folder(tmp_path, size=20, channels=1)
    assert data.images.shape == (1, 1, 20, 20)
    assert (data.images == BRIGHT).all()


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    pixels = np.full((32, 32), DARK, np.uint8)
    pixels[:16] = BRIGHT  # the upper half
    for orientation in (1, 3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(tmp_path / f"{orientation}.png", exif=exif)
    images = load_folder(tmp_path, size=32, channels=1).images[:, 0].float()
    # 1: as it is, 3: upside down, 6: to be turned right, 8: to be turned left
    for image, half in zip(images, (np.s_[:16], np.s_[16:], np.s_[:, 16:], np.s_[:, :16]), strict=True):
        assert image[half].mean() == BRIGHT
        assert image.mean() == (BRIGHT + DARK) / 2


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    picture(tmp_path / "dogs" / "1.png", (8, 8), (1, 1, 1))
    picture(tmp_path / "cats" / "1.JPG", (8, 8), (2, 2, 2))
    picture(tmp_path / "cats" / "deeper" / "2.png", (8, 8), (3, 3, 3))
    (tmp_path / "cats" / "notes.txt").write_text("not a picture")
    data = load_folder(tmp_path, size=8)
    assert data.classes == ("cats", "dogs")
    assert data.labels.tolist() == [0, 0, 1]
    assert data.images[:, 0, 0, 0].tolist() == [2, 3, 1]


def test_grey_and_colour_are_turned_into_what_was_asked_for(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (8, 8), 77)
    picture(tmp_path / "b.png", (8, 8), (77, 77, 77))
    for channels in (1, 3):
        data = load_folder(tmp_path, size=8, channels=channels)
        assert data.shape == (channels, 8, 8)
        assert (data.images == 77).all()


def test_sixteen_bit_pictures_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(ramp).save(tmp_path / "a.png")
    for channels in (1, 3):
        data = load_folder(tmp_path, size=16, channels=channels)
        assert data.images[0, 0].flatten().tolist() == list(range(256))


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.*does not exist: give a folder"):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("no picture")
    with pytest.raises(FileNotFoundError, match=r"holds no picture: put files ending in .*\.png"):
        load_folder(tmp_path)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "good.png", (8, 8))
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / "whole.png")
    for content in (b"", b"no picture at all", (tmp_path / "whole.png").read_bytes()[:3000]):
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"bad\.png.*repair or remove it"):
            load_folder(tmp_path)


def test_a_picture_too_large_for_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "huge.png", (100, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DamagedFileError, match=r"huge\.png"):
        load_folder(tmp_path)


@pytest.mark.parametrize(("wrong", "says"), [({"size": 0}, "size is 0"), ({"channels": 2}, "channels is 2")])
def test_wrong_sizes_and_channels_are_named(tmp_path: Path, wrong: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=f"{says}: give"):
        load_folder(tmp_path, **wrong)

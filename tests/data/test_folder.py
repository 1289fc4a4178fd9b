"""load_folder: sizes, classes, what is passed over, memory, and errors that say what to do."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencourse.data import DamagedFileError, folder, load_folder

BRIGHT, DARK = 200, 40


def picture(
    file: Path, size: tuple[int, int] = (8, 8), colour: tuple[int, int, int] | int = (DARK, BRIGHT, DARK)
) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(file)
    return file


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
    with pytest.raises(DamagedFileError, match=r"huge\.png .*too large: shrink it"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": 0}, "size is 0"),
        ({"size": 64.0}, "size is 64.0"),
        ({"size": True}, "size is True"),
        ({"channels": 2}, "channels is 2"),
        ({"channels": None}, "channels is None"),
    ],
)
def test_wrong_sizes_and_channels_are_named(tmp_path: Path, wrong: dict, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{says}: give"):
        load_folder(tmp_path, **wrong)


def test_a_folder_that_is_no_path_or_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (None, 3, ["a.png"]):
        with pytest.raises(TypeError, match=r"folder is .*: give a path"):
            load_folder(wrong)  # type: ignore[arg-type]
    file = picture(tmp_path / "mine" / "a.png")
    with pytest.raises(FileNotFoundError, match=r"a\.png' is a file: give a folder"):
        load_folder(file)
    monkeypatch.chdir(tmp_path / "mine")
    assert load_folder(".", size=8).name == "mine"


# ---- classes -------------------------------------------------------------------------------------------


def test_an_empty_class_keeps_its_number(tmp_path: Path) -> None:
    for name in ("cats", "dogs", "owls"):
        picture(tmp_path / "train" / name / "1.png")
        (tmp_path / "test" / name).mkdir(parents=True)
    picture(tmp_path / "test" / "owls" / "1.png")
    train, test = load_folder(tmp_path / "train", size=8), load_folder(tmp_path / "test", size=8)
    assert train.classes == test.classes == ("cats", "dogs", "owls")
    assert train.labels.tolist() == [0, 1, 2] and test.labels.tolist() == [2]


def test_a_second_split_gets_the_numbers_of_the_first(tmp_path: Path) -> None:
    for name in ("cats", "dogs", "owls"):
        picture(tmp_path / "train" / name / "1.png")
    for name in ("owls", "dogs"):  # no cats: without classes= the dogs would be class 0
        picture(tmp_path / "test" / name / "1.png")
    train = load_folder(tmp_path / "train", size=8)
    test = load_folder(tmp_path / "test", size=8, classes=train.classes)
    assert test.classes == train.classes and test.labels.tolist() == [1, 2]
    back = load_folder(tmp_path / "test", size=8, classes=["owls", "dogs"])
    assert back.classes == ("owls", "dogs") and back.labels.tolist() == [1, 0]


@pytest.mark.parametrize("filled", [False, True])
def test_a_folder_that_is_not_among_the_classes_is_refused(tmp_path: Path, filled: bool) -> None:
    picture(tmp_path / "cats" / "1.png")
    (tmp_path / "birds").mkdir()
    if filled:
        picture(tmp_path / "birds" / "1.png")
    with pytest.raises(
        ValueError, match=r"classes is \('cats', 'dogs'\): .* sub-folder 'birds'; remove it, or name"
    ):
        load_folder(tmp_path, classes=("cats", "dogs"))


@pytest.mark.parametrize(
    ("classes", "says"),
    [("cats", "give names"), (3, "give names"), ((1, 2), "give names"), (("cats", "cats"), "'cats' twice")],
)
def test_classes_that_are_no_names_are_refused(tmp_path: Path, classes: object, says: str) -> None:
    picture(tmp_path / "cats" / "1.png")
    with pytest.raises((TypeError, ValueError), match=f"classes .*{says}"):
        load_folder(tmp_path, classes=classes)  # type: ignore[arg-type]


def test_pictures_beside_the_classes_are_not_labelled(tmp_path: Path) -> None:
    picture(tmp_path / "cats" / "1.png")
    picture(tmp_path / "a.png")
    data = load_folder(tmp_path, size=8)
    assert data.classes == ("cats",) and data.labels.tolist() == [-1, 0]
    flat = load_folder(tmp_path / "cats", size=8)
    assert flat.classes == () and flat.labels.tolist() == [0]
    assert load_folder(tmp_path / "cats", size=8, classes=flat.classes).labels.tolist() == [0]


# ---- what counts as a picture --------------------------------------------------------------------------


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    root = tmp_path / ".mine"  # a folder that is asked for by name may start with a dot
    picture(root / "cats" / "1.png")
    for rubbish in (
        "._1.png",
        "cats/._1.png",
        "__MACOSX/cats/._1.png",
        "__MACOSX/1.png",
        ".ipynb_checkpoints/1.png",
    ):
        (root / rubbish).parent.mkdir(parents=True, exist_ok=True)
        (root / rubbish).write_bytes(b"not a picture")
    (root / "cats" / "Thumbs.db").write_bytes(b"")
    (root / "cats" / "folder.png").mkdir()
    data = load_folder(root, size=8)
    assert len(data) == 1 and data.classes == ("cats",)
    load_folder(root, size=8, classes=("cats",))


def test_every_usual_ending_is_read(tmp_path: Path) -> None:
    for suffix, kind in (
        [
            (".png", "PNG"),
            (".jpg", "JPEG"),
            (".jpeg", "JPEG"),
            (".jpe", "JPEG"),
            (".jfif", "JPEG"),
            (".JFIF", "JPEG"),
        ]
        + [(".bmp", "BMP"), (".gif", "GIF"), (".webp", "WEBP"), (".tif", "TIFF"), (".tiff", "TIFF")]
        + [(".ppm", "PPM"), (".pgm", "PPM"), (".pbm", "PPM")]
    ):
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        Image.new("L", (8, 8), 255).save(folder / f"a{suffix}", kind)
        assert (load_folder(folder, size=8).images >= 250).all(), suffix


def test_a_kind_that_pillow_lacks_is_named_and_not_passed_over(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DamagedFileError, match=r"b\.heic"):
        load_folder(tmp_path)


def test_links_are_followed_once(tmp_path: Path) -> None:
    root, other = tmp_path / "mine", tmp_path / "other"
    picture(root / "cats" / "1.png", colour=10)
    picture(other / "deep" / "2.png", colour=20)
    picture(other / "3.png", colour=30)
    picture(tmp_path / "beside.png", colour=40)
    link(root / "cats" / "loop", root)
    link(root / "cats" / "up", tmp_path)  # holds the whole folder: would bring in what lies beside it
    link(root / "a_cats", root / "cats")  # comes before cats by name, and must not take its place
    link(root / "dogs", other)
    link(root / "dogs_too", other)
    link(other / "again", other / "deep")
    link(root / "cats" / "one.png", root / "cats" / "1.png")
    link(root / "cats" / "three.png", other / "3.png")
    data = load_folder(root, size=8, channels=1)
    assert sorted(data.images[:, 0, 0, 0].tolist()) == [10, 20, 30]
    assert data.classes == ("cats", "dogs")
    by_colour = dict(zip(data.images[:, 0, 0, 0].tolist(), data.labels.tolist(), strict=True))
    assert by_colour[10] == 0 and by_colour[20] == 1
    link(root / "cats" / "lost.png", tmp_path / "nowhere.png")
    with pytest.raises(DamagedFileError, match=r"lost\.png .*No such file"):
        load_folder(root)


def link(name: Path, target: Path) -> None:
    try:
        name.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no links")


def test_transparency_and_white_reach_each_picture(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(tmp_path / "a.png")
    Image.fromarray(np.full((8, 8), 4095, np.uint16)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png holds numbers from 4095 to 4095.*white=4095"):
        load_folder(tmp_path)
    images = load_folder(tmp_path, size=8, white=4095).images
    assert (images == 255).all()
    images = load_folder(tmp_path, size=8, white=8190, background=(1, 2, 3)).images
    assert images[0, :, 0, 0].tolist() == [1, 2, 3] and (images[1] == 128).all()
    with pytest.raises(ValueError, match="background is 'wite'"):
        load_folder(tmp_path, background="wite")
    with pytest.raises(ValueError, match="white is -1"):
        load_folder(tmp_path, white=-1)


# ---- memory --------------------------------------------------------------------------------------------


def test_a_folder_that_does_not_fit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(5):
        picture(tmp_path / f"{i}.png")

    def nothing_is_read(*args: object) -> None:
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(folder, "_free_memory", lambda: 5 * 3 * 100 * 100)
    assert len(load_folder(tmp_path, size=100)) == 5  # fits to the byte
    monkeypatch.setattr(Image, "open", nothing_is_read)
    with pytest.raises(
        ValueError, match=r"size is 101: the 5 pictures .* 0\.000153 GB, and 0\.00015 GB of memory are"
    ):
        load_folder(tmp_path, size=101)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"size is 1000000: the 5 pictures .* take 1\.5e\+04 GB"):
        load_folder(tmp_path, size=1_000_000)


def test_free_memory_is_a_sensible_number() -> None:
    free = folder._free_memory()
    assert free is None or 10**7 < free < 10**14


def test_the_peak_is_little_more_than_the_pictures(tmp_path: Path) -> None:
    for i in range(40):
        picture(tmp_path / f"{i}.png", (16, 16), i)
    load_folder(tmp_path, size=16)  # what is imported on first use does not count
    tracemalloc.start()
    try:
        data = load_folder(tmp_path, size=256)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert data.images.is_contiguous()
    # one picture in flight is up to 3 more copies of a fortieth
    assert data.images.numel() <= peak < 1.15 * data.images.numel()

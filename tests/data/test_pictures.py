"""One picture in and out: transparency, palettes, more than 8 bits, and files that cannot be read."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from gencourse.data import DamagedFileError, read_picture, save_picture
from gencourse.errors import need_pictures

HIDDEN = (200, 30, 90)  # what stands under transparent pixels, and must not be seen
CANVAS = {"white": (255, 255, 255), "black": (0, 0, 0), "#0a141e": (10, 20, 30), (7, 8, 9): (7, 8, 9)}


def bytes_of(path: Path, shape: tuple[int, int, int] = (3, 16, 16), **options: object) -> torch.Tensor:
    """The picture as bytes again, (C, H, W)."""
    return (read_picture(path, shape, **options) * 255).round().to(torch.uint8)  # type: ignore[arg-type]


def left_half_clear(mode: str) -> Image.Image:
    """16×16: the left half transparent over a hidden colour, the right half black and opaque."""
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:, :8] = 0
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:, :8] = HIDDEN
    full = Image.fromarray(np.dstack([colours, alpha]))
    if mode == "RGBA":
        return full
    if mode == "LA":
        return full.convert("LA")
    index = Image.fromarray((alpha // 255).astype(np.uint8), "L")  # 0 where clear
    index = Image.fromarray(np.asarray(index)).convert("P")
    index.putpalette([*HIDDEN, 0, 0, 0] + [0] * 762)
    return index


@pytest.mark.parametrize(("background", "colour"), CANVAS.items(), ids=str)
@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGBA", "png", {}),
        ("RGBA", "webp", {"lossless": True, "exact": True}),
        ("LA", "png", {}),
        ("P", "png", {"transparency": 0}),
        ("P", "png", {"transparency": b"\0\xff"}),
        ("P", "gif", {"transparency": 0}),
    ],
)
def test_what_is_transparent_shows_the_background_and_not_what_is_hidden_there(
    tmp_path: Path, mode: str, kind: str, options: dict, background: str | tuple, colour: tuple
) -> None:
    left_half_clear(mode).save(tmp_path / f"a.{kind}", **options)
    seen = bytes_of(tmp_path / f"a.{kind}", background=background)
    assert (seen[:, :, 8:] == 0).all()
    if mode == "LA":  # a grey picture may stand on a coloured background, too
        assert (seen[:, :, :8] == torch.tensor(colour, dtype=torch.uint8)[:, None, None]).all()
    for channel, value in enumerate(colour):
        assert (seen[channel, :, :8] == value).all()
    grey = bytes_of(tmp_path / f"a.{kind}", (1, 16, 16), background=background)
    expected = round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])
    assert (grey[0, :, :8].int() - expected).abs().max() <= 1


def test_half_transparent_is_half_background(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 100, 200, 128)).save(tmp_path / "a.png")
    seen = bytes_of(tmp_path / "a.png", (3, 4, 4))[:, 0, 0].tolist()
    for found, own in zip(seen, (0, 100, 200), strict=True):  # α·own + (1 − α)·255
        assert abs(found - (own * 128 + 255 * 127) / 255) <= 1


def test_a_grey_hole_in_sixteen_bits_shows_the_background(tmp_path: Path) -> None:
    values = np.full((8, 8), 65535, np.uint16)
    values[:4] = 12345
    Image.fromarray(values).save(tmp_path / "a.png", transparency=12345)
    seen = bytes_of(tmp_path / "a.png", (1, 8, 8), background="black")[0]
    assert (seen[:4] == 0).all() and (seen[4:] == 255).all()


@pytest.mark.parametrize("background", ["wite", "#ffffff80", (1, 2), (0, 0, 256), (0.5, 0, 0), 3, None])
def test_a_background_that_is_no_colour_is_named(tmp_path: Path, background: object) -> None:
    with pytest.raises(
        (TypeError, ValueError), match=r"background is .*: give a colour's name such as 'white'"
    ):
        read_picture(tmp_path / "a.png", background=background)  # type: ignore[arg-type]


# ---- more than 8 bits ----------------------------------------------------------------------------------

RAMP = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize(
    ("values", "name", "white"),
    [
        ((RAMP * 257).astype(np.uint16), "a.png", None),
        ((RAMP * 257).astype(np.uint16), "a.tif", None),
        ((RAMP * 257).astype(np.int32), "a.tif", None),
        ((RAMP / 255).astype(np.float32), "a.tif", None),
        (RAMP.astype(np.float32), "a.tif", 255),
        (RAMP.astype(np.uint16), "a.png", 255),
        ((RAMP * 4095 / 255).round().astype(np.uint16), "a.png", 4095),
        ((RAMP * 4095 / 255).round().astype(np.int32), "a.tif", 4095),
        ((RAMP * 2.0**20).astype(np.int32), "a.tif", 255 * 2**20),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_many_bits_keep_their_range(
    tmp_path: Path, values: np.ndarray, name: str, white: float | None, channels: int
) -> None:
    Image.fromarray(values).save(tmp_path / name)
    seen = bytes_of(tmp_path / name, (channels, 16, 16), white=white)
    for channel in seen:
        assert channel.tolist() == RAMP.tolist()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            (RAMP * 16).astype(np.uint16),
            r"from 0 to 4080, and .* which number is white: give it, .*white=4095",
        ),
        ((RAMP * 16).astype(np.int32), r"from 0 to 4080, and .*white=4095"),
        (RAMP.astype(np.uint16), r"from 0 to 255, and .*white=255"),
        (RAMP.astype(np.float32), r"from 0 to 255, and .*white=255"),
        ((RAMP * 300).astype(np.int32), r"from 0 to 76500, and .*white=…"),
        ((RAMP / 127.5 - 1).astype(np.float32), "from -1 to 1: save it with 0 for black"),
        ((RAMP - 5).astype(np.int32), "from -5 to 250: save it with 0 for black"),
        (np.where(RAMP == 7, np.nan, 0).astype(np.float32), "NaN or infinite"),
        (np.where(RAMP == 7, np.inf, 0).astype(np.float32), "NaN or infinite"),
    ],
)
def test_numbers_of_an_unknown_range_are_refused_with_the_range(
    tmp_path: Path, values: np.ndarray, says: str
) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=rf"a\.tif holds numbers .*{says}"):
        read_picture(tmp_path / "a.tif")


def test_a_white_that_is_too_low_is_refused(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 257).astype(np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png holds numbers from 0 to 65535, more than white=4095"):
        read_picture(tmp_path / "a.png", white=4095)
    for white in (0, -1, float("nan"), "4095", True):
        with pytest.raises((TypeError, ValueError), match=r"white is .*: give the value that is white"):
            read_picture(tmp_path / "a.png", white=white)  # type: ignore[arg-type]


def test_black_is_black_in_any_number_of_bits(tmp_path: Path) -> None:
    for dtype in (np.uint16, np.int32, np.float32):
        Image.fromarray(np.zeros((4, 4), dtype)).save(tmp_path / "a.tif")
        assert read_picture(tmp_path / "a.tif").max() == 0


def test_a_pgm_of_twelve_bits_says_so_itself(tmp_path: Path) -> None:
    values = (RAMP * 2).astype(">u2")  # no more than 510 of 4095: dark
    (tmp_path / "a.pgm").write_bytes(b"P5\n16 16\n4095\n" + values.tobytes())
    seen = read_picture(tmp_path / "a.pgm", (1, 16, 16))[0]
    torch.testing.assert_close(seen, torch.from_numpy(RAMP * 2 / 4095).float(), rtol=0, atol=0.6 / 255)


def test_a_tiff_of_twelve_bits_says_so_itself(tmp_path: Path) -> None:
    # two 12-bit values in three bytes; the header has one directory of eight entries
    values = (RAMP * 4095 / 255).round().astype(int).flatten()
    packed = bytes(
        b
        for a, c in zip(values[::2], values[1::2], strict=True)
        for b in (a >> 4, (a & 15) << 4 | c >> 8, c & 255)
    )
    entries = [(256, 3, 16), (257, 3, 16), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 122), (277, 3, 1)]
    entries += [(278, 3, 16), (279, 4, len(packed))]
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    head += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries) + bytes(4)
    assert len(head) == 122
    (tmp_path / "a.tif").write_bytes(head + packed)
    with Image.open(tmp_path / "a.tif") as stored:
        assert np.asarray(stored).flatten().tolist() == values.tolist()
    assert bytes_of(tmp_path / "a.tif", (1, 16, 16))[0].flatten().tolist() == RAMP.flatten().tolist()


def png_of_sixteen_bits(values: np.ndarray) -> bytes:
    """Pillow reads such a colour picture but cannot write one."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_sixteen_bits_a_colour_keep_their_range_or_are_refused(tmp_path: Path) -> None:
    ramp = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=2)
    (tmp_path / "a.png").write_bytes(png_of_sixteen_bits(ramp * 257))
    assert bytes_of(tmp_path / "a.png").permute(1, 2, 0).tolist() == ramp.tolist()
    (tmp_path / "b.png").write_bytes(png_of_sixteen_bits(ramp * 16))
    with pytest.raises(ValueError, match=r"b\.png has 16 bits a colour, but uses the lowest 12 only"):
        read_picture(tmp_path / "b.png")


# ---- other kinds ---------------------------------------------------------------------------------------


def test_other_colour_spaces_come_as_red_green_blue(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (255, 0, 255, 0)).save(tmp_path / "cmyk.tif")
    Image.new("RGB", (8, 8), (0, 255, 0)).convert("YCbCr").save(tmp_path / "ycc.jpg", quality=100)
    Image.new("RGB", (8, 8), (0, 255, 0)).convert("P").save(tmp_path / "palette.png")
    for name in ("cmyk.tif", "ycc.jpg", "palette.png"):
        seen = bytes_of(tmp_path / name)[:, 8, 8].int()
        assert (seen - torch.tensor([0, 255, 0])).abs().max() <= 3
        assert abs(int(bytes_of(tmp_path / name, (1, 8, 8))[0, 4, 4]) - 150) <= 3  # 0.587 · 255
    Image.new("CMYK", (8, 8), (255, 0, 255, 0)).save(tmp_path / "cmyk.jpg", quality=100)
    assert (bytes_of(tmp_path / "cmyk.jpg")[:, 8, 8].int() - torch.tensor([0, 255, 0])).abs().max() <= 3
    Image.fromarray(np.eye(16, dtype=bool)).save(tmp_path / "bits.png")
    assert torch.equal(read_picture(tmp_path / "bits.png", (1, 16, 16))[0], torch.eye(16))


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    for name in ("a.gif", "a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name.endswith("webp") else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert bytes_of(tmp_path / name)[:, 8, 8].tolist() == [250, 0, 0]


def test_a_picture_is_turned_as_its_camera_says_into_a_rectangle(tmp_path: Path) -> None:
    pixels = np.full((16, 32), 40, np.uint8)
    pixels[:, :16] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right: 32 high, 16 wide, the left half above
    for name, values in (("a.png", pixels), ("deep.png", pixels.astype(np.uint16) * 257)):
        Image.fromarray(values).save(tmp_path / name, exif=exif)
        seen = bytes_of(tmp_path / name, (1, 32, 16))[0]
        assert (seen[:16] == 200).all() and (seen[16:] == 40).all()


# ---- files that cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
        IndexError,
        KeyError,
        EOFError,
        RuntimeError,
        OverflowError,
    ],
)
def test_whatever_a_reader_stumbles_over_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def fail(self: object) -> None:
        raise error("lost the thread")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(
        DamagedFileError, match=r"a\.png is not a picture .*lost the thread.*: repair or remove it"
    ):
        read_picture(tmp_path / "a.png")


def test_a_conversion_that_pillow_cannot_do_names_the_file(tmp_path: Path) -> None:
    Image.new("LAB", (8, 8)).save(tmp_path / "a.tif")
    with pytest.raises(DamagedFileError, match=r"a\.tif is not a picture that can be read \(.*LAB.*repair"):
        read_picture(tmp_path / "a.tif")


def test_a_cut_or_scrambled_file_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = {}
    for kind in ("png", "jpg", "gif", "webp", "bmp", "tif"):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / f"whole.{kind}")
        whole[kind] = (tmp_path / f"whole.{kind}").read_bytes()
    for kind, content in whole.items():
        file = tmp_path / f"bad.{kind}"
        for length in (0, 1, 10, len(content) // 3):
            file.write_bytes(content[:length])
            with pytest.raises(DamagedFileError, match=rf"bad\.{kind} "):
                read_picture(file)
        for _ in range(40):  # either it is read, or the file is named
            scrambled = bytearray(content)
            for place in rng.integers(0, min(len(content), 200), 6):
                scrambled[place] = rng.integers(256)
            file.write_bytes(scrambled)
            try:
                need_pictures("x", read_picture(file), "(1, 28, 28)")
            except ValueError as error:
                assert str(file) in str(error)


def test_a_picture_too_large_is_to_be_shrunk_not_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (2000, 1000)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(
        DamagedFileError, match=r"huge\.png has 2 million pixels and is too large: shrink it"
    ) as caught:
        read_picture(tmp_path / "huge.png")
    assert "repair" not in str(caught.value)
    monkeypatch.undo()

    def no_memory(self: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", no_memory)
    with pytest.raises(DamagedFileError, match=r"huge\.png is too large for the memory .*: shrink it"):
        read_picture(tmp_path / "huge.png")


def test_a_kind_that_this_pillow_does_not_know_is_named(tmp_path: Path) -> None:
    Image.init()
    file = tmp_path / "IMG_1.HEIC"
    file.write_bytes(b"\0\0\0\x18ftypheic")
    known = ".heic" in Image.registered_extensions()
    with pytest.raises(
        DamagedFileError, match=r"IMG_1\.HEIC " + ("" if known else r"cannot be read.*\.heic.*\.jpg")
    ):
        read_picture(file)


def test_a_plugin_that_knows_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.heic")
    Image.init()
    monkeypatch.setitem(Image.EXTENSION, ".heic", "PNG")
    assert bytes_of(tmp_path / "a.heic")[:, 0, 0].tolist() == [1, 2, 3]


# ---- arguments, and the way back -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((28, 28), r"shape is \(28, 28\): give \(C, H, W\)"),
        (28, r"shape is 28: give \(C, H, W\)"),
        ((2, 28, 28), "give 1 .grey. or 3 .colour."),
        ((28, 28, 1), "give 1 .grey. or 3 .colour."),
        ((1, 0, 28), "shape is 0: give at least 1"),
        ((1, 28.0, 28), "shape is 28.0: give a whole number"),
    ],
)
def test_a_wrong_shape_is_named(tmp_path: Path, shape: object, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        read_picture(tmp_path / "a.png", shape)  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path, str(tmp_path / "none.png")):
        with pytest.raises(FileNotFoundError, match=r"is no file: give a picture file"):
            read_picture(path)
    with pytest.raises(TypeError, match="path is None: give a picture file"):
        read_picture(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 31), (1, 5, 1), (3, 1, 7)])
@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.bmp", "a.tif"])
def test_what_is_saved_comes_back(tmp_path: Path, shape: tuple[int, int, int], name: str) -> None:
    x = torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).float() / 255
    save_picture(x, str(tmp_path / name))
    back = read_picture(tmp_path / name, shape)
    assert back.dtype == torch.float32 and back.is_contiguous()
    assert torch.equal(back, x)


def test_other_floats_come_back_to_the_nearest_byte(tmp_path: Path) -> None:
    for dtype in (torch.float32, torch.float64, torch.float16):
        x = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
        save_picture(x.requires_grad_(), tmp_path / "a.png")
        back = read_picture(tmp_path / "a.png", (3, 16, 16))
        assert (back - x.float()).abs().max() <= 0.5 / 255 + 1e-6
    save_picture(torch.full((1, 4, 4), 1.0005), tmp_path / "a.png")  # rounding may carry a pixel so far
    assert read_picture(tmp_path / "a.png").min() == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_becomes_a_grid(tmp_path: Path, channels: int) -> None:
    levels = torch.arange(5).view(5, 1, 1, 1) / 255
    save_picture(levels.expand(5, channels, 6, 4), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.mode == ("L" if channels == 1 else "RGB")
        grid = np.asarray(stored).reshape(stored.height, stored.width, channels)[:, :, 0]
    assert grid.shape == (2 * (6 + 2) + 2, 3 * (4 + 2) + 2)
    inside = [grid[2 + r * 8 : 8 + r * 8, 2 + c * 6 : 6 + c * 6] for r in range(2) for c in range(3)]
    for level, part in enumerate(inside[:5]):
        assert (part == level).all()
    assert (grid[:2] == 255).all() and (grid[:, :2] == 255).all() and (inside[5] == 255).all()
    save_picture(levels.expand(5, channels, 6, 4)[3:4], tmp_path / "one.png")
    assert (bytes_of(tmp_path / "one.png", (channels, 6, 4)) == 3).all()


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (None, "x is None: give a tensor"),
        (torch.zeros(28, 28), r"x has shape \(28, 28\): give \(B, C, H, W\)"),
        (torch.zeros(1, 28, 28, dtype=torch.uint8), r"x is torch.uint8: give floats in \[0, 1\]"),
        (torch.zeros(2, 8, 8), "give 1 .grey. or 3 .colour. channels"),
        (torch.full((1, 8, 8), float("nan")), "x has 64 of 64 numbers that are NaN"),
        (torch.full((1, 8, 8), 255.0), "x goes from 255 to 255: .*x / 255"),
        (torch.linspace(-1, 1, 64).view(1, 8, 8), r"x goes from -1 to 1: .*\(x \+ 1\) / 2"),
        (torch.zeros(0, 1, 8, 8), "x is empty"),
    ],
)
def test_what_is_no_picture_is_not_saved(tmp_path: Path, x: object, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        save_picture(x, tmp_path / "a.png")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_where_a_picture_cannot_be_saved_is_named(tmp_path: Path) -> None:
    x = torch.zeros(1, 8, 8)
    for name in ("a", "a.xyz", "a.pdf", "a.heic"):
        with pytest.raises(ValueError, match=rf"path is '.*{name}': give a name that ends in \.png"):
            save_picture(x, tmp_path / name)
    (tmp_path / "b.png").mkdir()
    for name in ("none/a.png", "b.png"):
        with pytest.raises(
            FileNotFoundError, match=f"path '.*{name}' .*give a file's name in a folder that exists"
        ):
            save_picture(x, tmp_path / name)
    with pytest.raises(TypeError, match="path is 3: give a file's name"):
        save_picture(x, 3)  # type: ignore[arg-type]

"""One picture in, one picture out: files of any kind that Pillow reads, as bytes of one shape."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gencourse.data.idx import DamagedFileError
from gencourse.errors import need_number, need_pictures, need_tensor, need_whole, shown

if TYPE_CHECKING:  # Pillow is imported only where it is needed
    from PIL.Image import Image as Picture

__all__ = [
    "SUFFIXES",
    "check_background",
    "check_white",
    "fit_picture",
    "read_bytes",
    "read_picture",
    "save_picture",
]

# what is a picture by its name; a format that this Pillow cannot read is named, not passed over
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff")
    + (".ppm", ".pgm", ".pbm", ".heic", ".heif", ".avif")
)
_TWELVE_BITS = 4095
_SIXTEEN_BITS = 65535


def read_picture(
    path: str | Path,
    shape: tuple[int, int, int] = (1, 28, 28),
    *,
    background: str | tuple[int, int, int] = "white",
    white: float | None = None,
) -> Tensor:
    """Read one picture as a method takes it: resized to cover the shape, then cropped around the centre.

    Args:
        path: a picture file.
        shape: (C, H, W) of the result, for example `method.shape`; C is 1 (grey) or 3 (colour).
        background: what shows through where the picture is transparent: a colour's name or (red, green, blue).
        white: the value that is white in a picture with more than 8 bits a pixel, as in `load_folder`.

    Returns:
        float32 in [0, 1], shape (C, H, W). A batch of one is `read_picture(path, shape)[None]`.

    Raises:
        TypeError, ValueError: an argument cannot be used, or it cannot be told which value is white.
        FileNotFoundError: there is no such file.
        DamagedFileError: the file cannot be read as a picture, or is too large.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path is {shown(path)}: give a picture file, for example 'cat.jpg'.")
    if not isinstance(shape, tuple | list | torch.Size) or len(shape) != 3:
        raise TypeError(f"shape is {shown(shape)}: give (C, H, W), for example (3, 64, 64).")
    for length in shape:
        need_whole("shape", length)
    if shape[0] not in (1, 3):
        raise ValueError(f"shape is {tuple(shape)}: give 1 (grey) or 3 (colour) channels, as in (3, 64, 64).")
    colour = check_background(background)
    check_white(white)
    if not Path(path).is_file():
        raise FileNotFoundError(f"path {str(path)!r} is no file: give a picture file.")
    channels, height, width = shape
    pixels = read_bytes(Path(path), (channels, height, width), colour, white)
    return torch.from_numpy(np.array(pixels, order="C")).float().div_(255)


def save_picture(x: Tensor, path: str | Path) -> None:
    """Write one picture, or a batch of them as a grid, to a file.

    PNG keeps each of the 256 values of a byte, so that `read_picture` brings the same picture back; JPEG does not.

    Args:
        x: floats in [0, 1], shape (C, H, W), or (B, C, H, W) for a grid; C is 1 (grey) or 3 (colour).
        path: where to; its ending, for example .png, is the format. A file that is there is replaced.

    Raises:
        TypeError, ValueError: x is no such tensor, or no such format can be written.
        FileNotFoundError: there is no folder to write to.
    """
    from PIL import Image

    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path is {shown(path)}: give a file's name, for example 'picture.png'.")
    path = Path(path)
    if (
        path.suffix.lower() not in SUFFIXES
        or Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE
    ):
        raise ValueError(
            f"path is {str(path)!r}: give a name that ends in .png, or another picture's ending."
        )
    if path.is_dir() or not path.parent.is_dir():
        wrong = "is a folder" if path.is_dir() else "lies in no folder that there is"
        raise FileNotFoundError(f"path {str(path)!r} {wrong}: give a file's name in a folder that exists.")
    need_tensor("x", x, kind="any")
    one = x.dim() == 3
    need_pictures("x", x, "(C, H, W)" if one else "(B, C, H, W)")
    if x.shape[-3] not in (1, 3):
        raise ValueError(f"x has shape {tuple(x.shape)}: give 1 (grey) or 3 (colour) channels.")
    pixels = (x if one else _grid(x)).detach().cpu().float().mul(255).round_().clamp_(0, 255).to(torch.uint8)
    pixels = pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)
    Image.fromarray(pixels.contiguous().numpy()).save(path)


def _grid(x: Tensor) -> Tensor:
    """Pictures (B, C, H, W) in rows that make about a square, white between them: (C, …, …)."""
    from torchvision.utils import make_grid

    return make_grid(x, nrow=math.ceil(math.sqrt(len(x))), pad_value=1.0)[
        : x.shape[1]
    ]  # grey becomes three equal


def check_background(background: Any) -> tuple[int, int, int]:
    """A colour's name, or (red, green, blue) from 0 to 255, as the latter."""
    from PIL import ImageColor

    how = "give a colour's name such as 'white', or (red, green, blue) from 0 to 255"
    if isinstance(background, str):
        try:
            colour: tuple[int, ...] = ImageColor.getrgb(background)
        except ValueError:
            raise ValueError(f"background is {shown(background)}: {how}.") from None
    elif isinstance(background, tuple | list) and all(type(part) is int for part in background):
        colour = tuple(background)
    else:
        raise TypeError(f"background is {shown(background)}: {how}.")
    if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
        raise ValueError(f"background is {shown(background)}: {how}.")
    return colour[0], colour[1], colour[2]


def check_white(white: Any) -> None:
    """None, or a positive number."""
    if white is not None:
        need_number("white", white, above=0, fix="the value that is white, for example 4095, or None")


def read_bytes(
    path: Path, shape: tuple[int, int, int], background: tuple[int, int, int], white: float | None
) -> np.ndarray:
    """The picture in a file as uint8, shape (C, H, W). The arguments are those of `read_picture`, checked."""
    from PIL import Image, ImageOps

    suffix = path.suffix.lower()
    if suffix in SUFFIXES and suffix not in Image.registered_extensions():
        raise DamagedFileError(
            f"{path} cannot be read, because Pillow here knows no {suffix} files: save it as .jpg or .png, or install "
            "a plugin for Pillow (pillow-heif reads .heic)."
        )
    channels, height, width = shape
    try:
        with Image.open(path) as opened:
            depth = _depth(opened)
            picture = ImageOps.exif_transpose(opened)  # upright; only now the pixels are read
            picture = _opaque(_eight_bits(picture, depth, white), background)
            picture = picture.convert("RGB" if channels == 3 else "L")
            pixels = np.asarray(ImageOps.fit(picture, (width, height)))
    except _RangeError as error:
        raise ValueError(f"{path} {error}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        count = re.search(r"\d+", str(error))
        size = f"has {int(count[0]) / 1e6:.3g} million pixels and " if count else ""
        raise DamagedFileError(f"{path} {size}is too large: shrink it.") from None
    except MemoryError:
        raise DamagedFileError(f"{path} is too large for the memory of this machine: shrink it.") from None
    except Exception as error:  # whatever a reader stumbles over, the file is what one can look at
        raise DamagedFileError(
            f"{path} is not a picture that can be read{_reason(error)}: repair or remove it."
        ) from None
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


def fit_picture(picture: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture in memory as uint8 of that shape (C, H, W): resized to cover it, cropped around the centre.

    Args:
        picture: one of Pillow's; a tensor (C, H, W) or (H, W); or an array (H, W, C), (H, W) or (C, H, W). Numbers
            are bytes, or floats in [0, 1].
        shape: (C, H, W), with C 1 (grey) or 3 (colour).

    Raises:
        TypeError, ValueError: it is no picture; the sentence says what to give.
    """
    from PIL import Image, ImageOps

    channels, height, width = shape
    if isinstance(picture, Tensor):
        picture = picture.detach().cpu().numpy()
        if picture.ndim == 3:
            picture = picture.transpose(1, 2, 0)
    if isinstance(picture, np.ndarray):
        picture = _from_array(picture)
    if not isinstance(picture, Image.Image):
        raise TypeError(f"a picture is {shown(picture)}: give one of Pillow's, a tensor, or an array.")
    picture = _opaque(_eight_bits(picture, "", None), (255, 255, 255))
    picture = picture.convert("RGB" if channels == 3 else "L")
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height))
    return np.asarray(picture).reshape(height, width, channels).transpose(2, 0, 1)


def _from_array(values: np.ndarray) -> Picture:
    """Bytes or floats in [0, 1], (H, W), (H, W, C) or (C, H, W), as one of Pillow's pictures."""
    from PIL import Image

    if values.ndim == 3 and values.shape[2] not in (1, 3) and values.shape[0] in (1, 3):
        values = values.transpose(1, 2, 0)
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3)):
        raise ValueError(f"a picture has shape {values.shape}: give (C, H, W) with 1 or 3 channels.")
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and values.min() >= -1e-3 and values.max() <= 1 + 1e-3):
            raise ValueError("a picture has floats outside [0, 1]: give floats in [0, 1], or bytes.")
        values = (values * 255).round().clip(0, 255).astype(np.uint8)
    elif values.dtype != np.uint8:
        raise TypeError(f"a picture is {values.dtype}: give bytes (uint8), or floats in [0, 1].")
    return Image.fromarray(np.ascontiguousarray(values[..., 0] if values.shape[2:] == (1,) else values))


class _RangeError(Exception):
    """It cannot be told which value is white. The message goes on from the file's name."""


def _depth(opened: Picture) -> str:
    """What the file says of its bits, as far as Pillow would forget it: "12", "16", "16 colour" or ""."""
    if getattr(opened, "tag_v2", {}).get(258) == (12,):  # TIFF's bits per sample
        return "12"
    if opened.format == "PPM":  # its header says which value is white; Pillow stretches that to 65535
        return "16"
    if not _is_deep(opened) and any(";16" in str(tile[3]) for tile in getattr(opened, "tile", ())):
        return "16 colour"  # Pillow keeps the upper 8 of each 16 bits
    return ""


def _is_deep(picture: Picture) -> bool:
    return picture.mode.startswith(("I", "F"))


def _eight_bits(picture: Picture, depth: str, white: float | None) -> Picture:
    """A picture of more than 8 bits a pixel brought to 8; Pillow's own conversion makes it white or black."""
    from PIL import Image

    if depth == "16 colour" and 0 < np.asarray(picture.convert("RGB")).max() <= _TWELVE_BITS // 256:
        raise _RangeError("has 16 bits a colour, but uses the lowest 12 only: save it with 8 bits a colour.")
    if not _is_deep(picture):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    low, high = values.min(), values.max()
    found = f"holds numbers from {low:g} to {high:g}"
    if not np.isfinite(values).all():
        raise _RangeError("holds numbers that are NaN or infinite: repair or remove it.")
    if low < 0:
        raise _RangeError(f"{found}: save it with 0 for black.")
    if white is None:
        white = _TWELVE_BITS if depth == "12" else 1.0 if picture.mode == "F" else _SIXTEEN_BITS
        # a 16-bit file whose highest bits are empty is dark, or was filled by a camera of 12 bits
        doubtful = white == _SIXTEEN_BITS and not depth and 0 < high <= _TWELVE_BITS
        if doubtful or high > white * 1.001:
            often = [v for v in (1, 255, _TWELVE_BITS, _SIXTEEN_BITS) if v >= high]
            raise _RangeError(
                f"{found}, and it cannot be told which number is white: give it, for example white={often[0]}."
                if often
                else f"{found}, and it cannot be told which number is white: give it, white=…"
            )
    elif high > white * 1.001:
        raise _RangeError(f"{found}, more than white={white:g}: give a larger one.")
    grey = Image.fromarray((values * (255 / white)).round().clip(0, 255).astype(np.uint8))
    if isinstance(hole := picture.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(values == hole, 0, 255).astype(np.uint8)))
    return grey


def _opaque(picture: Picture, background: tuple[int, int, int]) -> Picture:
    """The picture laid on a background, if it is transparent anywhere: hidden colours are not the picture."""
    from PIL import Image

    if picture.mode not in ("LA", "PA", "RGBA", "RGBa") and "transparency" not in picture.info:
        return picture
    canvas = Image.new("RGBA", picture.size, (*background, 255))
    canvas.alpha_composite(picture.convert("RGBA"))
    return canvas


def _reason(error: Exception) -> str:
    """What a reader says, in brackets; nothing if that is no more than "no picture"."""
    from PIL import UnidentifiedImageError

    text = "" if isinstance(error, UnidentifiedImageError) else getattr(error, "strerror", None) or str(error)
    text = " ".join(str(text).split())
    return f" ({text[:80]})" if text else ""

"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

__all__ = ["write_whole"]


def write_whole(path: Path, text: str) -> None:
    """Write a text file all or nothing: on a full disk, or when it is interrupted, the old one stays as it was.

    Args:
        path: the file, in a folder that is there.
        text: what it shall hold; in UTF-8. Half letters, which a file's name may hold, are written as JSON reads them.
    """
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        part.write_bytes(text.encode("utf-8", "backslashreplace"))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)

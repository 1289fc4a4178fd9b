"""Show the tested source of an object, so that the book never prints a copy that can drift."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

__all__ = ["Source", "show"]


class Source:
    """Source code that notebooks draw as highlighted Python and terminals print as text."""

    def __init__(self, code: str, where: str) -> None:
        self.code = code
        self.where = where

    def _repr_markdown_(self) -> str:
        return f"```python\n# {self.where}\n{self.code}```"

    def __repr__(self) -> str:
        return f"# {self.where}\n{self.code}"


def show(obj: Any) -> Source:
    """The source code of a function, class, method or module of the package, with its file.

    Args:
        obj: anything that Python can find the source of.

    Raises:
        TypeError: the object has no Python source (a number, a compiled function).
    """
    obj = inspect.unwrap(obj) if callable(obj) else obj
    try:
        code, line = inspect.getsourcelines(obj)
        file = Path(inspect.getsourcefile(obj) or "")
    except (TypeError, OSError):
        from gencourse.errors import shown  # here: the package itself is to load without torch

        raise TypeError(
            f"obj is {shown(obj)}, which has no Python source: give a function, class or module."
        ) from None
    package = Path(sys.modules["gencourse"].__file__ or "").parent
    where = file.relative_to(package.parent).as_posix() if file.is_relative_to(package) else file.name
    return Source(inspect.cleandoc("\n" + "".join(code)) + "\n", f"{where}, line {max(line, 1)}")

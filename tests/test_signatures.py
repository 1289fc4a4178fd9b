"""Default values are promises: with another one, the same line of a chapter gives another result.

`python tests/test_signatures.py --approve` writes the defaults of today into signatures.json, for a change that is
meant; the difference is then read like any other.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("signatures.json")
ROOMS = ("losses", "methods", "networks", "training", "evaluation")


def defaults(thing: Any) -> dict[str, str]:
    """Name of each argument that has a default, to that default as text."""
    try:
        given = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):  # a class without a constructor of its own
        return {}
    return {one.name: repr(one.default) for one in given if one.default is not one.empty}


def of_room(room: str) -> dict[str, dict[str, str]]:
    """The defaults of each public function, class and public method of a room, and each class's plain values."""
    module = importlib.import_module(f"gencourse.{room}")
    found = {}
    for name in module.__all__:
        thing = getattr(module, name)
        if not callable(thing):
            continue
        found[name] = defaults(thing)
        if inspect.isclass(thing):  # a method's learning rate, for example
            plain = {
                n: repr(v) for n, v in vars(thing).items() if isinstance(v, int | float | str | tuple | dict)
            }
            found[name] |= {n: v for n, v in plain.items() if not n.startswith("_")}
        for method, function in (
            inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else ()
        ):
            # inherited ones, too, but not those of torch
            if not method.startswith("_") and function.__module__.startswith("gencourse"):
                found[f"{name}.{method}"] = defaults(function)
    return {
        name: given
        for name, given in found.items()
        if given and not any(" at 0x" in v for v in given.values())
    }


@pytest.mark.parametrize("room", ROOMS)
def test_no_default_changes_unnoticed(room: str) -> None:
    assert of_room(room) == json.loads(FILE.read_text("utf-8"))[room]


if __name__ == "__main__" and "--approve" in sys.argv:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    text = json.dumps({room: of_room(room) for room in ROOMS}, indent=1, sort_keys=True, ensure_ascii=False)
    FILE.write_text(text + "\n", "utf-8")

"""From words on the command line to a method: its class, its settings, the shape of the pictures."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from gencourse import methods
from gencourse.commands.names import METHODS
from gencourse.data import ImageDataset
from gencourse.networks import Augment
from gencourse.training import Method

__all__ = ["build", "class_of", "read_changes", "read_settings", "settings_of"]

_PLAIN = ("int", "float", "bool", "str", "int | None", "tuple[int, ...]", "str | Plan")
_CLASSES = {name.lower(): getattr(methods, name) for name in methods.__all__}


def class_of(name: str) -> type[Method]:
    """The method of that name; capitals, "-" and "_" do not matter.

    Raises:
        ValueError: there is none.
    """
    plain = name.lower().replace("-", "").replace("_", "")
    if plain not in METHODS:
        raise ValueError(f"METHOD is {name!r}: choose one of {', '.join(METHODS)}.")
    return _CLASSES[plain]


def settings_of(kind: type[Method]) -> dict[str, inspect.Parameter]:
    """What can be set in words: arguments of the class that are numbers, words, or rows of numbers."""
    found = {
        name: one
        for name, one in inspect.signature(kind).parameters.items()
        if str(one.annotation) in _PLAIN and name != "shape"
    }
    if "labelled" in inspect.signature(kind).parameters:  # in words: how many of the pictures
        found["labelled"] = inspect.Parameter(
            "labelled", inspect.Parameter.KEYWORD_ONLY, default=100, annotation="int"
        )
    return found


def read_settings(kind: type[Method], words: Sequence[str]) -> dict[str, Any]:
    """Settings such as "r1=0.1" as the class takes them.

    Raises:
        ValueError: a word has no "=", there is no such setting, it is given twice, or its value is of another type.
    """
    known, found = settings_of(kind), dict[str, Any]()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"--set is {word!r}: give NAME=VALUE, for example --set seed=1.")
        name = name.strip()
        if name not in known:
            raise ValueError(
                f"--set {name} is no setting of {kind.__name__}: choose one of {', '.join(sorted(known))}."
            )
        if name in found:
            raise ValueError(f"--set {name} is given twice: give it once.")
        found[name] = _value(name, text.strip(), str(known[name].annotation))
    return found


def read_changes(words: str) -> Augment:
    """Changes such as "flip,shift=0.1" as `Augment` takes them.

    Raises:
        ValueError: there is no such change, it is given twice, or its value is no number.
    """
    known, found = [one.name for one in fields(Augment)], dict[str, Any]()
    for word in words.split(","):
        name, equals, text = (part.strip() for part in word.partition("="))
        if name not in known or name in found:
            raise ValueError(
                f"--augment is {words!r}: give each of {', '.join(known)} at most once, for example flip,shift=0.1."
            )
        found[name] = _value(name, text, "float") if equals else True
    return Augment(**found)


def build(
    kind: type[Method], shape: tuple[int, int, int], settings: dict[str, Any], data: Any = None
) -> Method:
    """The method for pictures of that shape.

    Args:
        kind: its class.
        shape: (C, H, W) of the pictures.
        settings: as `read_settings` gives them.
        data: what it will learn from: how many classes there are, and a few labelled pictures, come from here.

    Raises:
        TypeError, ValueError: the class refuses a setting or the shape; the message says which and why.
    """
    takes = inspect.signature(kind).parameters
    given = {**settings, "shape": shape}
    if "corrupt" in takes:
        given["corrupt"] = methods.degraded
    names = getattr(data, "classes", ())
    if "classes" in takes and takes["classes"].default == 10 and names:
        given.setdefault("classes", max(2, len(names)))
    if "labelled" in takes:
        given["labelled"] = _few(data, given.pop("labelled", None))
    if "network" in takes and takes["network"].default == "dense" and shape != (1, 28, 28):
        given.setdefault("network", "conv")  # dense layers of a large picture have millions of weights
    return kind(**given)


def _few(data: Any, count: int | None) -> ImageDataset | None:
    """About so many labelled pictures, as many of each class; a hundred, or as many as there are, if not given."""
    if not isinstance(data, ImageDataset):
        return None
    known = data.labels[data.labels >= 0]
    classes, sizes = known.unique(return_counts=True)
    if not len(classes):
        raise ValueError(
            "--data has no labels, and this method needs some: sort the pictures into sub-folders."
        )
    least = int(sizes.min())
    each = min(100 // len(classes) or 1, least) if count is None else count // len(classes)
    if not 1 <= each <= least:
        raise ValueError(
            f"--set labelled is {count}: there are {len(classes)} classes, the smallest of {least} pictures; give "
            f"{len(classes)} to {len(classes) * least}."
        )
    return data.of_each_class(each)


def _value(name: str, text: str, kind: str) -> Any:
    wanted = {
        "int": "a whole number",
        "int | None": "a whole number or None",
        "float": "a number",
        "bool": "true or false",
        "tuple[int, ...]": "whole numbers with commas, for example 256,128",
    }
    if kind in ("str", "str | Plan"):
        return text
    try:
        value = ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
    except (ValueError, SyntaxError):
        value = text
    if kind == "tuple[int, ...]" and type(value) is int:
        value = (value,)
    fits = {
        "int": type(value) is int,
        "int | None": type(value) is int or value is None,
        "float": type(value) in (int, float),
        "bool": type(value) is bool,
        "tuple[int, ...]": isinstance(value, tuple) and all(type(one) is int for one in value),
    }[kind]
    if not fits:
        raise ValueError(f"--set {name} is {text!r}: give {wanted[kind]}.")
    return value

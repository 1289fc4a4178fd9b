"""What a thing is, in words that JSON can hold: so that a saved run can be compared, and built again."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["describe", "describe_call", "describe_data", "digest", "same", "signature_of"]

_SMALL = 4096  # a tensor of more numbers is known by its digest alone


def describe(value: Any) -> Any:
    """A value in words that JSON can hold; equal values get equal words, also in another process.

    Numbers, strings, None, lists and tuples stand for themselves. Everything else is a dictionary: a dataclass
    `{"class": its name, field: …}`, a tensor `{"tensor": numbers, "dtype": …}` or its digest, a dataset
    `{"data": its digest, "images": …}`, a function `{"function": its name}`. What is inside any other object
    cannot be known: `{"opaque": name of its class}`.
    """
    try:
        return _describe(value)
    except Exception:  # objects of others may fail at anything, and a description is not worth an error
        return {"opaque": _name(type(value))}


def signature_of(kind: type) -> inspect.Signature:
    """The arguments of a class, with those that its `*networks` and `**options` hand on to its base classes."""
    first: dict[str, inspect.Parameter] = {}
    named: dict[str, inspect.Parameter] = {}
    by_position = by_name = True  # whether what is not taken is handed on to the next class
    rest: list[inspect.Parameter] = []
    for base in kind.__mro__:
        if "__init__" not in vars(base) or base in (nn.Module, object):
            continue
        # mypy warns of an `__init__` taken from a class; only its signature is read
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        rest = [one for one in parameters if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        own = not (first or named)
        for one in parameters:
            if one in rest or one.name in {**first, **named}:
                continue
            if by_position and one.kind is not one.KEYWORD_ONLY:
                first[one.name] = one
            elif own or one.default is not one.empty:  # without one: filled in by the class itself
                named[one.name] = one.replace(kind=one.KEYWORD_ONLY)
        by_position = by_position and any(one.kind is one.VAR_POSITIONAL for one in rest)
        by_name = by_name and any(one.kind is one.VAR_KEYWORD for one in rest)
        if not by_name:
            break
    taken = {one.kind: one for one in rest if by_name}  # nobody has said what the rest may be
    found = [*first.values(), taken.get(inspect.Parameter.VAR_POSITIONAL), *named.values()]
    found.append(taken.get(inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature([one for one in found if one is not None])


def describe_call(kind: type, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """What a class was called with, by name, defaults included; see `describe`.

    Args:
        kind: the class.
        args: what it was given by position, without self.
        options: what it was given by name.

    Returns:
        Nothing for a call that does not fit the signature: the constructor itself will say so.
    """
    signature = signature_of(kind)
    try:
        bound = signature.bind_partial(*args, **options)
    except TypeError:
        return {}
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found |= {key: describe(one) for key, one in value.items()}
        else:
            found[name] = describe(value)
    return found


def digest(*tensors: Tensor) -> str:
    """SHA-256 of dtypes, shapes and numbers."""
    found = hashlib.sha256()
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous()
        found.update(f"{plain.dtype} {tuple(plain.shape)};".encode())
        found.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def same(one: Any, other: Any) -> bool:
    """Whether two descriptions say the same; NaN is NaN here."""
    return one == other or repr(one) == repr(other)


def _describe(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [describe(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted((describe(one) for one in value), key=repr)
    if isinstance(value, Mapping):
        return {"dict": {str(key): describe(one) for key, one in value.items()}}
    if isinstance(value, Tensor):
        return _describe_tensor(value)
    if isinstance(value, nn.Module):
        return {"opaque": _name(type(value))}
    if isinstance(value, (FunctionType, MethodType, type)):
        return {"function": _name(value)}
    if hasattr(value, "batches"):
        return describe_data(value)
    if is_dataclass(value):
        told = {f.name: describe(getattr(value, f.name)) for f in fields(value)}
        return {"class": type(value).__name__, **told}
    words = repr(value)
    # the usual form of an object names its address, which says nothing in another process
    return {"opaque": _name(type(value))} | ({} if " at 0x" in words else {"says": words[:200]})


def describe_data(data: Any) -> dict[str, Any]:
    """How many pictures, and their digest: the dataset's own `digest()`, or that of its images and labels.

    The digest is None for a source of batches that has neither.
    """
    found = None
    if hasattr(data, "digest"):
        found = data.digest()
    elif isinstance(getattr(data, "images", None), Tensor) and isinstance(
        getattr(data, "labels", None), Tensor
    ):
        found = digest(data.images, data.labels)
    return {"data": found, "images": len(data)}


def _describe_tensor(value: Tensor) -> dict[str, Any]:
    dtype = str(value.dtype).removeprefix("torch.")
    if value.numel() > _SMALL or value.is_complex():
        return {"tensor": digest(value), "dtype": dtype, "shape": list(value.shape)}
    return {"tensor": value.tolist(), "dtype": dtype}


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"

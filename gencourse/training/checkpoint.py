"""One safetensors file for weights or a whole run: no pickle, nothing half written, every bit checked.

A file is read into memory as a whole, and its checksum, over every byte, is compared before anything in it is
believed. What is given out is a copy: nothing stays tied to the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from gencourse.errors import need_kind, need_one_of, need_whole, shown
from gencourse.training.identity import describe_call, same
from gencourse.training.method import built_with

__all__ = [
    "CheckpointError",
    "check_destination",
    "load_weights",
    "read_checkpoint",
    "save_weights",
    "write_checkpoint",
]

_FORMAT = "gencourse-2"
_NO_SUM = "0" * 64
_NOTHING = "nothing"


class CheckpointError(ValueError):
    """A checkpoint cannot be read or written, or belongs to another run."""


# ---- files -------------------------------------------------------------------------------------------


def write_checkpoint(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and facts to one file, all or nothing.

    The file is written beside its final place and then moved there, so that an interruption leaves the old
    file as it was. A link is followed and stays a link; an old file's permissions are kept.

    Args:
        path: where to; the folder is made if needed.
        tensors: by name.
        facts: anything that JSON can hold.

    Raises:
        TypeError: tensors is no dictionary of tensors, or JSON cannot hold the facts.
        CheckpointError: a number is NaN or infinite, or the path is a folder, a device or the like; an old file
            is as it was.
        OSError: the file cannot be written; the old one is as it was.
    """
    target = _target(path)
    told = _told(facts)
    _need_finite(path, tensors)
    data = _pack(tensors, told)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target)
    try:
        with open(part, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(part, stat.S_IMODE(target.stat().st_mode))
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote.

    Returns:
        The tensors by name (on the CPU), and the facts.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged or is not one of this course's.
    """
    target = _target(path)
    if not target.exists():
        raise FileNotFoundError(f"checkpoint {str(path)!r} does not exist: give the path of a saved one.")
    try:
        return _unpack(target.read_bytes())
    except _Damaged as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r} is damaged ({error}). It was left as it is: put an earlier copy in its "
            "place, or give another path to start again."
        ) from None
    except _Foreign as error:
        raise CheckpointError(f"checkpoint {str(path)!r} {error}") from None
    except (OSError, MemoryError) as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r} cannot be read: {error or 'it is too large'}."
        ) from None


def check_destination(path: str | Path, size: int) -> None:
    """See now, and not after an hour of training, that a checkpoint can be written. Its folder is made.

    Args:
        path: where it will be.
        size: how large it will be, in bytes.

    Raises:
        TypeError: path is no path, or size not a whole number.
        CheckpointError: it is a folder, a device or the like; its folder cannot be made or takes no file; or
            the disk has too little room.
    """
    target = _target(path)
    need_whole("size", size, 0, 2**63 - 1)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _part(target)
        try:
            with open(part, "xb") as file:
                file.write(b"?")
        finally:
            part.unlink(missing_ok=True)
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r} cannot be written ({error.strerror}): give a path in a folder that you "
            "may write to."
        ) from None
    if free < size:
        raise CheckpointError(
            f"checkpoint {str(path)!r} needs {size / 1e6:.1f} MB, and its disk has {free / 1e6:.1f} MB free: "
            "make room, or give a path on another disk."
        )


def clear_leftovers(path: str | Path) -> None:
    """Delete what killed runs had half written of this checkpoint."""
    target = _target(path)
    left = re.compile(re.escape(target.name) + r"\.[0-9a-f]+\.part")
    for file in target.parent.glob("*.part"):
        if left.fullmatch(file.name):
            file.unlink(missing_ok=True)


# ---- weights -----------------------------------------------------------------------------------------


def save_weights(path: str | Path, method: nn.Module, **facts: Any) -> None:
    """Save the weights of a trained method, with facts about where they come from (command, seed, seconds).

    What a `Method` was built with is saved, too: `gencourse.methods.load` builds it again.

    Raises:
        TypeError: method is no module, or JSON cannot hold the facts.
        CheckpointError: a weight is NaN or infinite, or the path cannot be a file; an old file is as it was.
    """
    need_kind("method", method, nn.Module, "a method, or another torch.nn.Module")
    write_checkpoint(path, method.state_dict(), {**identity(method), **facts})


def load_weights(path: str | Path, method: nn.Module, ignore: Iterable[str] = ()) -> dict[str, Any]:
    """Load weights that `save_weights` or `fit(checkpoint=...)` wrote into a method that was built alike.

    Args:
        path: the file.
        method: what to load them into; all of it, or nothing.
        ignore: constructor arguments that may differ, for example ("noise",); "class" for the class itself.
            The seed and datasets may always differ.

    Returns:
        The facts saved with them.

    Raises:
        TypeError: method is no module, or ignore holds something else than names.
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, was made by a method that was built in another way, or its
            weights do not fit this one.
    """
    need_kind("method", method, nn.Module, "a method that was built like the saved one")
    need_kind("ignore", ignore, Iterable, "names of arguments, for example ('noise',)")
    ignore = [ignore] if isinstance(ignore, str) else list(ignore)
    for name in ignore:
        need_kind("ignore", name, str, "names of arguments, for example ('noise',)")
    tensors, facts = read_checkpoint(path)
    ignore = {ignore} if isinstance(ignore, str) else set(ignore)
    # weights do not depend on the seed, and a dataset is needed to train only
    told = facts.get("arguments", {})
    ignore |= {"seed"} | {name for name in told if isinstance(told[name], dict) and "data" in told[name]}
    for name, theirs, ours in differences(facts, method):
        if name not in ignore:
            raise CheckpointError(
                f"checkpoint {str(path)!r} was made with {name} = {theirs}, this method has {name} = {ours}: "
                f"build it the same way, let gencourse.methods.load do that, or pass ignore=({name!r},)."
            )
    _need_known(ignore, facts, method)
    put_weights(method, fitting_weights(path, trained_weights(tensors), method))
    return facts


def _need_known(ignore: Iterable[str], facts: dict[str, Any], method: nn.Module) -> None:
    """Names of constructor arguments, of the saved method or of this one; nothing is known of plain modules."""
    if "arguments" not in facts or (own := built_with(_bare(method))) is None:
        return
    known = dict.fromkeys(["class", "seed", *own, *facts["arguments"]])
    for name in ignore:
        need_one_of("ignore", name, known)


def trained_weights(tensors: dict[str, Tensor], *, best: bool = True) -> dict[str, Tensor]:
    """The method's weights in a file, of either kind: those of its best epoch, if it kept them and `best`."""
    kept = {name.removeprefix("best/"): t for name, t in tensors.items() if name.startswith("best/")}
    return {
        name.removeprefix("method/"): tensor
        for name, tensor in (kept if kept and best else tensors).items()
        if not name.startswith(("average/", "optimizer/", "rng/", "best/"))
    }


def identity(method: nn.Module) -> dict[str, Any]:
    """Class and constructor arguments of a method; of a plain module, the class alone."""
    bare = _bare(method)
    arguments = built_with(bare)
    return {"class": type(bare).__name__} | ({} if arguments is None else {"arguments": arguments})


def differences(facts: dict[str, Any], method: nn.Module) -> list[tuple[str, str, str]]:
    """Where a saved method and this one were not built alike: name, saved value, own value, each to be shown.

    An argument that the file does not know, since it is newer than the file, must have its default. Nothing is
    known of plain modules.
    """
    own, saved = identity(method), facts
    if "arguments" not in own or "arguments" not in saved:
        return []
    if own["class"] != saved["class"]:
        return [("class", repr(saved["class"]), repr(own["class"]))]
    ours, theirs = own["arguments"], saved["arguments"]
    theirs = describe_call(type(_bare(method)), (), {}) | theirs
    return [
        (name, shown(theirs.get(name, _NOTHING)), shown(ours.get(name, _NOTHING)))
        for name in dict.fromkeys([*theirs, *ours])
        if not same(theirs.get(name, _NOTHING), ours.get(name, _NOTHING))
    ]


def fitting_weights(
    path: str | Path, weights: dict[str, Tensor], module: nn.Module, *, exact: bool = False
) -> dict[str, Tensor]:
    """Saved weights under the names of this module, if all of them fit; nothing is touched.

    Prefixes that `torch.compile` and DataParallel put before names are understood, in the file and the module.

    Args:
        path: of the file, for the message.
        weights: as saved.
        module: what they are meant for.
        exact: whether types must be equal, too; otherwise one float may become another.

    Raises:
        CheckpointError: names, shapes or types differ.
    """
    saved, own = _by_plain_name(weights), _by_plain_name(module.state_dict())
    for name, (_, tensor) in own.items():
        if name not in saved:
            raise CheckpointError(f"checkpoint {str(path)!r} has no {name!r}: it was made by another method.")
        need_alike(path, name, saved[name][1], tensor.shape, tensor.dtype, exact)
    for name in saved:
        if name not in own:
            raise CheckpointError(f"checkpoint {str(path)!r} has {name!r}, which this method lacks.")
    return {original: saved[name][1] for name, (original, _) in own.items()}


def put_weights(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """What `fitting_weights` gave, into the module."""
    module.load_state_dict(weights)


def _need_finite(path: str | Path, tensors: Any) -> None:
    """Named tensors; no NaN and no infinity gets into a file, where it would replace good weights."""
    need_kind("tensors", tensors, dict, "a dictionary of names to tensors")
    for name, tensor in tensors.items():
        need_kind("a name in tensors", name, str, "text")
        need_kind(f"tensors[{name!r}]", tensor, Tensor, "a tensor")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            bad = int((~tensor.isfinite()).sum())
            raise CheckpointError(
                f"checkpoint {str(path)!r} was not written: {bad} of the {tensor.numel()} numbers of {name!r} are "
                "NaN or infinite. Give finite tensors; a file from before is as it was: go on from it with a lower "
                "learning rate."
            )


def need_alike(
    path: str | Path, name: str, saved: Tensor, shape: torch.Size, dtype: torch.dtype, exact: bool = True
) -> None:
    """A saved tensor of this shape and type."""
    if saved.shape != shape:
        raise CheckpointError(
            f"checkpoint {str(path)!r} has {name!r} of shape {tuple(saved.shape)}, this method of shape "
            f"{tuple(shape)}: build the method with the sizes that it was saved with."
        )
    castable = saved.dtype.is_floating_point and dtype.is_floating_point and not exact
    if saved.dtype != dtype and not castable:
        raise CheckpointError(
            f"checkpoint {str(path)!r} has {name!r} as {saved.dtype}, this method as {dtype}: give the method "
            "the type that it was saved with."
        )


# ---- inside ------------------------------------------------------------------------------------------


class _Damaged(Exception):
    """The bytes are not those that were written."""


class _Foreign(Exception):
    """The bytes are somebody else's."""


def _told(facts: Any) -> str:
    """Facts as JSON. NaN and infinity are facts, too: the history of a run may hold them."""
    need_kind("facts", facts, dict, "a dictionary of what JSON can hold")
    try:
        return json.dumps(facts)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"facts is {shown(facts)}: give numbers, text, and lists and dictionaries of them ({error})."
        ) from None


def _pack(tensors: dict[str, Tensor], facts: str) -> bytearray:
    # clone: safetensors refuses tensors that share memory
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    data = bytearray(save(plain, {"format": _FORMAT, "facts": facts, "sha256": _NO_SUM}))
    # The checksum is over all bytes, with zeros in its own place. In names and facts quotes are escaped, so
    # the place is the only one that reads like this.
    at = data.index(f'"sha256":"{_NO_SUM}"'.encode()) + len('"sha256":"')
    data[at : at + len(_NO_SUM)] = hashlib.sha256(data).hexdigest().encode()
    return data


def _unpack(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise _Damaged(f"its header does not fit into its {len(data)} bytes")
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        raise _Damaged("its header cannot be read") from None
    told = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(told, dict) or not str(told.get("format")).startswith("gencourse-"):
        raise _Foreign("was not written by gencourse: give one that was.")
    if told["format"] != _FORMAT:
        raise _Foreign(
            f"has the format {shown(told['format'])}, and this version reads {_FORMAT!r}: save it again, or take "
            "the version that wrote it."
        )
    checksum = told.get("sha256")
    if not isinstance(checksum, str) or len(checksum) != len(_NO_SUM):
        raise _Damaged("its checksum is missing")
    at = data.find(f'"sha256":"{checksum}"'.encode(), 8, 8 + length) + len('"sha256":"')
    found = hashlib.sha256(memoryview(data)[:at])
    found.update(_NO_SUM.encode())
    found.update(memoryview(data)[at + len(_NO_SUM) :])
    if found.hexdigest() != checksum:
        raise _Damaged("its checksum is wrong")
    try:
        # clone: the tensors own their memory, whatever becomes of the bytes
        return {name: t.clone() for name, t in load(data).items()}, dict(json.loads(told["facts"]))
    except (
        Exception
    ) as error:  # a forged checksum over nonsense: whatever it does to the reader, it is no file
        raise _Damaged(f"{type(error).__name__} in spite of its checksum") from None


def _target(path: str | Path) -> Path:
    """The file that a path means, links followed; no folder, and nothing that only looks like a file."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"checkpoint is {shown(path)}: give the path of a file.")
    if "\0" in str(path):
        raise CheckpointError(f"checkpoint is {shown(path)}: a path cannot contain a zero byte.")
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise CheckpointError(f"checkpoint {str(path)!r} is a folder: give the path of a file.")
    # a link that is still one after following all of them goes in a circle
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise CheckpointError(f"checkpoint {str(path)!r} is no ordinary file: give the path of one.")
    return target


def _part(target: Path) -> Path:
    """A name beside the target that no other call, thread or process uses."""
    return target.with_name(f"{target.name}.{uuid4().hex[:16]}.part")


def _bare(module: Any) -> nn.Module:
    """What `torch.compile` or DataParallel is wrapped around."""
    if isinstance(getattr(module, "_orig_mod", None), nn.Module):
        return _bare(module._orig_mod)
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return _bare(module.module)
    return module


def _by_plain_name(weights: dict[str, Tensor]) -> dict[str, tuple[str, Tensor]]:
    """Plain name to own name and tensor, without the parts that wrappers have put in."""
    plain = {
        name: ".".join(p for p in name.split(".") if p not in ("_orig_mod", "module")) for name in weights
    }
    if len(set(plain.values())) < len(plain):  # the words mean something here
        plain = {name: name for name in weights}
    return {plain[name]: (name, tensor) for name, tensor in weights.items()}

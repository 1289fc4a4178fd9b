"""A training run in a file: everything that going on needs, and everything that says which run it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from gencourse.training.checkpoint import (
    CheckpointError,
    clear_leftovers,
    differences,
    fitting_weights,
    identity,
    need_alike,
    put_weights,
    read_checkpoint,
    trained_weights,
    write_checkpoint,
)
from gencourse.training.history import History
from gencourse.training.identity import describe, describe_data, same
from gencourse.training.method import Method
from gencourse.training.schedule import Schedule
from gencourse.training.update import Update
from gencourse.training.watch import Watch

__all__ = ["restore_run", "run_facts", "run_size", "save_run"]

_HEADER = 1_000_000  # bytes for names, facts and the history of the epochs


def run_facts(
    method: Method,
    data: Any,
    *,
    epochs: int,
    batch_size: int,
    rates: Mapping[str, float],
    schedule: Schedule | None,
    precision: str,
    formulation: Sequence[str] = (),
    seed: int,
    clip: float | None,
    average: float | None,
    accumulate: int = 1,
    augment: Any = None,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """What decides the result of a run, in words that JSON can hold; `restore_run` compares them.

    Args:
        method: class and constructor arguments, decay rates of its optimisers.
        data: number and digest of the pictures and labels.
        epochs: of the whole run; they count only with a schedule, which spreads over them.
        batch_size: see `fit`, as for all that follow.
        rates: step size of each player.
        schedule: described by its name, and its fields if it is a dataclass.
        precision: of the forward passes.
        formulation: ways to compute, by name.
        seed: of shuffling and noise.
        clip: largest norm of a gradient.
        average: decay of the moving average.
        accumulate: in how many parts a mini-batch is learnt from.
        augment: what changes the pictures; described as the schedule is.
        watch: what is validated, if anything.
    """
    pictures = describe_data(data)
    watched = {
        "validation": None if watch is None else describe_data(watch.data)["data"],
        "metrics": None if watch is None else sorted(watch.metrics),
        "watch": None if watch is None else watch.watch,
        "stop_after": None if watch is None else watch.stop_after,
    }
    return {
        **identity(method),
        "seed": describe(seed),
        "batch_size": describe(batch_size),
        "precision": precision,
        "formulation": list(formulation) or None,
        "clip": describe(clip),
        "average": describe(average),
        "accumulate": None if accumulate == 1 else describe(accumulate),
        "augment": describe(augment),
        "rates": {player: describe(rate) for player, rate in rates.items()},
        "betas": describe(method.betas),
        "weight_decay": describe(method.weight_decay),
        "scheduled_epochs": None if schedule is None else epochs,
        "schedule": describe(schedule),
        "images": pictures["images"],
        "data": pictures["data"],
        **watched,
        "ran_on": [_here(method)],
    }


def run_size(method: Method, average: float | None = None, *, best: bool = False) -> int:
    """About how many bytes a saved run takes: weights, their average, two moments for each player's weights.

    With `best`, also the weights of the best epoch.
    """
    weights = _bytes(method.state_dict().values()) * (1 if average is None else 2)
    moments = 2 * sum(_bytes(parameters) for parameters in method.players().values())
    return weights * (2 if best else 1) + moments + _HEADER


def save_run(
    path: Path,
    method: Method,
    update: Update,
    averaged: AveragedModel | None,
    shuffle: torch.Generator,
    history: History,
    facts: dict[str, Any],
    best: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a run after an epoch, all or nothing; `best` are weights of an earlier epoch to keep beside it.

    Raises:
        CheckpointError: a weight, an average or a moment is NaN or infinite, or the disk takes no more; the old file
            is as it was.
    """
    tensors = {f"method/{name}": t for name, t in method.state_dict().items()}
    if averaged is not None:
        tensors |= {f"average/{name}": t for name, t in averaged.state_dict().items()}
    for player, optimizer in update.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{player}/{index}/{key}": value for key, value in state.items()}
    tensors |= {f"best/{name}": value for name, value in (best or {}).items()}
    tensors |= {"rng/shuffle": shuffle.get_state(), "rng/cpu": torch.get_rng_state()}
    if method.device.type == "cuda":
        tensors["rng/cuda"] = torch.cuda.get_rng_state(method.device)
    try:
        write_checkpoint(path, tensors, {**facts, "epochs": history.epochs, "steps": update.steps})
    except OSError as error:
        left = f"the {len(history) - 1} before it are" if len(history) > 1 else "nothing is"
        raise CheckpointError(
            f"Epoch {len(history)} could not be saved in {str(path)!r} ({error.strerror}); {left} saved there. Make "
            "room, and call fit again with resume=True."
        ) from None


def restore_run(
    path: Path,
    method: Method,
    update: Update,
    averaged: AveragedModel | None,
    shuffle: torch.Generator,
    history: History,
    facts: dict[str, Any],
) -> dict[str, Tensor]:
    """Put a saved run back, if the file exists: all of it, or nothing. Gives the weights of its best epoch, if kept.

    Everything is compared before anything is touched. Another number of threads, device or version of torch
    is allowed, noted in the facts, and warned about: the result may then differ in the last digits.

    Raises:
        CheckpointError: the file is damaged, or belongs to another run; nothing has changed.
    """
    clear_leftovers(path)
    if not path.exists():
        return {}
    tensors, saved = read_checkpoint(path)
    if not (
        isinstance(saved.get("steps"), dict) and isinstance(saved.get("epochs"), list) and saved.get("ran_on")
    ):
        raise CheckpointError(
            f"checkpoint {str(path)!r} has weights alone and no run to go on with: load them with load_weights, "
            "or give another path."
        )
    _need_same_run(path, saved, method, facts)
    weights = fitting_weights(path, trained_weights(tensors, best=False), method, exact=True)
    mean = _under("average/", tensors)
    if averaged is not None:
        mean = fitting_weights(path, mean, averaged, exact=True)
    best = _under("best/", tensors)
    if best:
        fitting_weights(path, _under("method/", best), method, exact=True)
    moments = {
        player: _moments(path, player, _under(f"optimizer/{player}/", tensors), optimizer)
        for player, optimizer in update.optimizers.items()
    }
    for player in update.steps:
        if bool(saved["steps"].get(player)) != bool(moments[player]):
            raise CheckpointError(
                f"checkpoint {str(path)!r} lacks steps or moments of player {player!r}: it was made by another method."
            )
    on_cuda = "rng/cuda" in tensors and method.device.type == "cuda"
    _need_generators(path, tensors, method.device if on_cuda else None)
    _note_machine(path, saved["ran_on"], facts)  # first, since a warning may be turned into an error

    put_weights(method, weights)
    if averaged is not None:
        put_weights(averaged, mean)
    for player, optimizer in update.optimizers.items():
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments[player]})
    shuffle.set_state(tensors["rng/shuffle"])
    torch.set_rng_state(tensors["rng/cpu"])
    if on_cuda:
        torch.cuda.set_rng_state(tensors["rng/cuda"], method.device)
    history.epochs.extend(saved["epochs"])
    update.steps.update(saved["steps"])
    return best


def _need_same_run(path: Path, saved: dict[str, Any], method: Method, facts: dict[str, Any]) -> None:
    found = differences(saved, method)
    for name in facts:
        if name not in ("arguments", "ran_on") and not same(saved.get(name), facts[name]):
            found.append((name, repr(saved.get(name)), repr(facts[name])))
    for name, theirs, ours in found:
        if name == "data":
            raise CheckpointError(
                f"checkpoint {str(path)!r} was made with other pictures or labels, though as many: use the same to "
                "go on, or give another path."
            )
        raise CheckpointError(
            f"checkpoint {str(path)!r} was made with {name} = {theirs}, this run has {ours}: use the same to go "
            "on, or give another path."
        )


def _moments(
    path: Path, player: str, saved: dict[str, Tensor], optimizer: Optimizer
) -> dict[int, dict[str, Tensor]]:
    """Adam's state of one player, of its parameters' shapes: a fused kernel would run past the end of others."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in saved.items():
        index, _, key = name.partition("/")
        if not index.isdecimal() or int(index) >= len(parameters):
            raise CheckpointError(
                f"checkpoint {str(path)!r} has moments for parameter {index} of {player!r}, which owns "
                f"{len(parameters)}: it was made by another method."
            )
        state.setdefault(int(index), {})[key] = tensor
    for number, found in state.items():
        like = parameters[number]
        wanted = {
            "step": (torch.Size(), torch.float32),
            "exp_avg": (like.shape, like.dtype),
            "exp_avg_sq": (like.shape, like.dtype),
        }
        if found.keys() != wanted.keys():
            raise CheckpointError(
                f"checkpoint {str(path)!r} has {', '.join(found)} for a parameter of {player!r}, and Adam needs "
                f"{', '.join(wanted)}: it was made by another version."
            )
        for key, (shape, dtype) in wanted.items():
            need_alike(path, f"optimizer/{player}/{number}/{key}", found[key], shape, dtype)
    return state


def _need_generators(path: Path, tensors: dict[str, Tensor], cuda: torch.device | None) -> None:
    """States that the random number generators will take, tried on new ones."""
    for name, device in (("rng/shuffle", "cpu"), ("rng/cpu", "cpu"), ("rng/cuda", cuda)):
        if device is None:
            continue
        try:
            torch.Generator(device).set_state(tensors[name])
        except (KeyError, RuntimeError, TypeError):
            raise CheckpointError(
                f"checkpoint {str(path)!r} has no {name!r} that fits: it was made by another version of torch."
            ) from None


def _here(method: Method) -> dict[str, Any]:
    """What may change the last digits of a result."""
    return {
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "device": method.device.type,
        "processes": dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1,
    }


def _note_machine(path: Path, before: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    here = facts["ran_on"][-1]
    changed = [f"{name} {old}, now {here[name]}" for name, old in before[-1].items() if old != here[name]]
    if changed:
        warnings.warn(
            f"checkpoint {str(path)!r} was made with {'; '.join(changed)}: the result may differ in its last "
            "digits from that of an uninterrupted run.",
            stacklevel=4,  # whoever called fit
        )
    facts["ran_on"] = [*before, here] if changed else before


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _bytes(tensors: Iterable[Tensor | nn.Parameter]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)

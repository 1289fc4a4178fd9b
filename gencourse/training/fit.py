"""The one training loop of the course."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gencourse.data import as_dataset
from gencourse.training.checkpoint import CheckpointError, read_checkpoint, restore_state, write_checkpoint
from gencourse.training.history import History
from gencourse.training.method import Method, seeded
from gencourse.training.schedule import Schedule
from gencourse.training.update import Update, adam

__all__ = ["Batches", "choose_device", "fit"]

_PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


class Batches(Protocol):
    """What `fit` trains on; `gencourse.data.ImageDataset` is one."""

    def __len__(self) -> int: ...

    def batches(
        self, batch_size: int, *, device: torch.device | str, generator: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x, y) mini-batches of one pass, shuffled by the generator."""
        ...


def choose_device(device: torch.device | str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: there is no such device on this machine.
    """
    if str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, ImportError):
        raise ValueError(f"device is {str(device)!r}: this machine has no such device; try 'auto'.") from None
    return chosen


def fit(
    method: Method,
    data: Batches,
    *,
    epochs: int = 1,
    batch_size: int = 64,
    learning_rate: float | None = None,
    schedule: Schedule | None = None,
    device: torch.device | str = "auto",
    precision: str = "float32",
    seed: int = 0,
    clip: float | None = None,
    average: float | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train a method: for each mini-batch, let it make its step.

    Args:
        method: says who plays and how they move; trained in place and left on the device, in eval mode.
        data: what to train on: a dataset of `gencourse.data`, or a tensor of pictures.
        epochs: passes over the data in total; a resumed run goes on up to this number.
        batch_size: pictures in a mini-batch. A remainder that is too small for the method joins the batch
            before it.
        learning_rate: step size of every player; the method's own, which may differ from player to player,
            when not given.
        schedule: factor of the step size for each mini-batch, for example `warmup_cosine()`; None for a
            constant step size. It spreads over all epochs, so a resumed run must ask for as many as before.
        device: "auto", or the name of a device.
        precision: "float32", or "bfloat16" (autocast: forward passes in bfloat16, weights in float32).
        seed: of the shuffling and of the method's own noise. Same seed, device and versions: same result.
        clip: largest norm of a player's gradient.
        average: keep an exponential moving average of the weights with this decay, for example 0.999.
        checkpoint: file to save the run to after every epoch.
        resume: go on from that file if it exists. On a CPU the result is that of an uninterrupted run.
        progress: show a progress bar.

    Returns:
        What happened, epoch by epoch.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
        FileExistsError: the checkpoint exists and resume was not asked for.
        CheckpointError: the checkpoint is damaged or belongs to another run.
        NonFiniteLossError: a loss became NaN or infinite. The last checkpoint is still there.
        Interrupted: somebody pressed Ctrl-C; the message says what is saved and how to go on.
    """
    data = as_dataset(data)
    _check_arguments(
        len(data), epochs, batch_size, learning_rate, precision, clip, average, checkpoint, resume
    )
    _check_data(method, data, batch_size)
    path = None if checkpoint is None else Path(checkpoint)
    target = choose_device(device)
    method.to(target)
    if hasattr(data, "to"):
        data = data.to(target)  # once a run, not once an epoch
    players = {name: list(parameters) for name, parameters in method.players().items()}
    rates = dict.fromkeys(players, method.learning_rate if learning_rate is None else learning_rate)
    if learning_rate is None:
        rates |= {name: rate for name, rate in method.rates.items() if name in players}
    optimizers = {
        name: adam(own, rates[name], method.betas, method.weight_decay) for name, own in players.items()
    }
    update = Update(players, optimizers, clip)
    averaged = None
    if average is not None:
        averaged = AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True)
        averaged.eval()
    facts: dict[str, Any] = {"class": type(method).__name__, "seed": seed, "batch_size": batch_size}
    facts |= {"images": len(data), "precision": precision, "torch": torch.__version__}
    facts |= {"scheduled_epochs": None if schedule is None else epochs}
    history = History(averaged=None if averaged is None else averaged.module)
    dtype = _PRECISIONS[precision]

    with seeded(seed), _training(method), _interruptible(history, epochs, path):
        shuffle = torch.Generator().manual_seed(seed)
        if path is not None and resume and path.exists():
            _restore(path, method, update, averaged, shuffle, history, facts)
        total = _batches(len(data), batch_size, method.least_batch)
        for epoch in range(len(history), epochs):
            records: dict[str, list[Tensor]] = defaultdict(list)
            counts: dict[str, list[int]] = defaultdict(list)  # a step may record a name only now and then
            start = time.perf_counter()
            batches = _joined(data.batches(batch_size, device=target, generator=shuffle), method.least_batch)
            # TQDM_DISABLE is tqdm's own switch, but its notebook bar does not look at it
            if progress and not os.environ.get("TQDM_DISABLE"):
                batches = tqdm(batches, total=total, desc=f"epoch {epoch + 1}/{epochs}", leave=False)
            for number, (x, y) in enumerate(batches, start=epoch * total):
                if schedule is not None:
                    factor = schedule(number, epochs * total)
                    _set_rates(update, {name: rate * factor for name, rate in rates.items()})
                with _autocast(target, dtype):
                    record = method.step(x, update, y)
                if averaged is not None:
                    averaged.update_parameters(method)
                for name, value in record.items():
                    records[name].append(value)
                    counts[name].append(len(x))
            update.check()
            means = {name: _mean(values, counts[name]) for name, values in records.items()}
            history.epochs.append({**means, "seconds": time.perf_counter() - start})
            if path is not None:
                _save(path, method, update, averaged, shuffle, history, facts)
    return history


@contextmanager
def _training(method: Method) -> Iterator[None]:
    """Training mode inside, eval mode afterwards, also when the run is interrupted."""
    method.train()
    try:
        yield
    finally:
        method.eval()


class Interrupted(KeyboardInterrupt):
    """Somebody stopped a run; the message says how to go on."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence alone."""
        return [str(self)]


@contextmanager
def _interruptible(history: History, epochs: int, path: Path | None) -> Iterator[None]:
    """Ctrl-C, or the stop button of a notebook, ends in a sentence that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        done, stopped = len(history), f"Stopped in epoch {len(history) + 1} of {epochs}"
        if path is None:
            rest = "the method keeps the weights that it has now. Give checkpoint= to be able to go on another time."
        elif done:
            rest = (
                f"{done} of them saved in {str(path)!r}. Call fit again with resume=True to go on from there."
            )
        else:
            rest = f"nothing is saved yet in {str(path)!r}."
        raise Interrupted(f"{stopped}: {rest}") from None


def _check_data(method: Method, data: Batches, batch_size: int) -> None:
    """Ask, before any time is spent, whether the method can learn from these data."""
    x, y = next(iter(data.batches(1, device="cpu", generator=None)))
    images, labels = getattr(data, "images", None), getattr(data, "labels", y)
    if images is None:
        method.accepts(x, labels)
    else:  # uint8: in range whatever it holds
        method.accepts(images[:1].float() / 255, labels)
    least = method.least_batch
    if min(batch_size, len(data)) < least:
        name, value = ("batch_size", batch_size) if batch_size < least else ("data", f"{len(data)} picture")
        raise ValueError(
            f"{name} is {value}: this {type(method).__name__} needs at least {least} pictures in a mini-batch."
        )


def _batches(images: int, batch_size: int, least: int) -> int:
    """How many mini-batches an epoch has."""
    whole, rest = divmod(images, batch_size)
    return whole + (rest >= least or (rest > 0 and whole == 0))


def _joined(batches: Iterator[tuple[Tensor, Tensor]], least: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The mini-batches; a last one of fewer than `least` pictures joins the one before it."""
    before = None
    for batch in batches:
        if before is not None and len(batch[0]) < least:
            batch = (torch.cat([before[0], batch[0]]), torch.cat([before[1], batch[1]]))
            before = None
        if before is not None:
            yield before
        before = batch
    if before is not None:
        yield before


def _mean(values: list[Tensor], counts: list[int]) -> float:
    """Mean over pictures of what was recorded for each mini-batch. The one look at the device in an epoch."""
    recorded = torch.stack([torch.as_tensor(value).detach().float() for value in values]).cpu().double()
    weights = torch.tensor(counts, dtype=torch.float64)
    return ((recorded * weights).sum() / weights.sum()).item()


def _set_rates(update: Update, rates: dict[str, float]) -> None:
    for name, optimizer in update.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = rates[name]


def _autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager:
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def _check_arguments(
    images: int,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    precision: str,
    clip: float | None,
    average: float | None,
    checkpoint: str | Path | None,
    resume: bool,
) -> None:
    if images < 1:
        raise ValueError("data is empty: give at least one picture.")
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}: give at least 1.")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: give at least 1.")
    if learning_rate is not None and not learning_rate > 0:
        raise ValueError(f"learning_rate is {learning_rate}: give a positive number.")
    if precision not in _PRECISIONS:
        raise ValueError(f"precision is {precision!r}: choose one of {', '.join(_PRECISIONS)}.")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip}: give the largest norm that a gradient may have, for example 1.0.")
    if average is not None and not 0 < average < 1:
        raise ValueError(f"average is {average}: give a decay between 0 and 1, for example 0.999.")
    if resume and checkpoint is None:
        raise ValueError("resume is True but checkpoint is None: give the file to go on from.")
    if checkpoint is not None and Path(checkpoint).exists() and not resume:
        raise FileExistsError(
            f"checkpoint {str(checkpoint)!r} exists and would be lost: pass resume=True to go on from it, "
            "give another name, or delete it."
        )


def _save(
    path: Path,
    method: Method,
    update: Update,
    averaged: AveragedModel | None,
    shuffle: torch.Generator,
    history: History,
    facts: dict[str, Any],
) -> None:
    tensors = {f"method/{name}": t for name, t in method.state_dict().items()}
    if averaged is not None:
        tensors |= {f"average/{name}": t for name, t in averaged.state_dict().items()}
    for player, optimizer in update.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{player}/{index}/{key}": value for key, value in state.items()}
    tensors |= {"rng/shuffle": shuffle.get_state(), "rng/cpu": torch.get_rng_state()}
    if method.device.type == "cuda":
        tensors["rng/cuda"] = torch.cuda.get_rng_state(method.device)
    write_checkpoint(path, tensors, {**facts, "epochs": history.epochs, "steps": update.steps})


def _restore(
    path: Path,
    method: Method,
    update: Update,
    averaged: AveragedModel | None,
    shuffle: torch.Generator,
    history: History,
    facts: dict[str, Any],
) -> None:
    tensors, saved = read_checkpoint(path)
    for name in ("class", "seed", "batch_size", "images", "precision", "scheduled_epochs"):
        if saved.get(name) != facts[name]:
            raise CheckpointError(
                f"checkpoint {str(path)!r} was made with {name} = {saved.get(name)!r}, this run has "
                f"{facts[name]!r}: use the same to go on, or give another path."
            )
    has_average = any(name.startswith("average/") for name in tensors)
    if has_average != (averaged is not None):
        raise CheckpointError(
            f"checkpoint {str(path)!r} was made {'with' if has_average else 'without'} average=: use the same."
        )
    restore_state(method, _under("method/", tensors), path)
    if averaged is not None:
        averaged.load_state_dict(_under("average/", tensors))
    for player, optimizer in update.optimizers.items():
        state: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in _under(f"optimizer/{player}/", tensors).items():
            index, key = name.split("/")
            state[int(index)][key] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": dict(state)})
    shuffle.set_state(tensors["rng/shuffle"])
    torch.set_rng_state(tensors["rng/cpu"])
    if "rng/cuda" in tensors and method.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["rng/cuda"], method.device)
    history.epochs.extend(saved["epochs"])
    update.steps.update(saved["steps"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

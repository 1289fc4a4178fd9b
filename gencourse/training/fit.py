"""The one training loop of the course."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gencourse.data import as_dataset
from gencourse.errors import need_kind, need_number, need_one_of, need_size, need_whole, shown
from gencourse.training.checkpoint import check_destination
from gencourse.training.history import History
from gencourse.training.method import Method, seeded
from gencourse.training.processes import Processes
from gencourse.training.saved_run import restore_run, run_facts, run_size, save_run
from gencourse.training.schedule import Schedule, factor_of
from gencourse.training.update import Update, adam
from gencourse.training.watch import Metric, Watch

__all__ = ["Batches", "choose_device", "fit"]

OnEpoch = Callable[[Method, History], object]
"""What may be called after each epoch."""

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
    validation: Any = None,
    metrics: Mapping[str, Metric] | None = None,
    watch: str | None = None,
    stop_after: int | None = None,
    on_epoch: OnEpoch | Sequence[OnEpoch] = (),
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train a method: for each mini-batch, let it make its step.

    Under `torchrun`, all its processes train one method together: each takes its part of the rows of every
    mini-batch, and the result is that of one process but for rounding, eq. (6.1) (see
    `gencourse.training.processes`).

    Args:
        method: says who plays and how they move; trained in place and left on the device, in eval mode.
        data: what to train on: a dataset of `gencourse.data`, or a tensor of pictures.
        epochs: passes over the data in total; a resumed run goes on up to this number.
        batch_size: pictures in a mini-batch, of all processes together. A remainder that is too small for the
            method joins the batch before it.
        learning_rate: step size of every player; the method's own, which may differ from player to player,
            when not given.
        schedule: factor of the step size for each mini-batch, for example `warmup_cosine()`; None for a
            constant step size. It spreads over all epochs, so a resumed run must ask for as many as before.
        device: "auto", or the name of a device.
        precision: "float32", or "bfloat16" (autocast: forward passes in bfloat16, weights in float32).
        seed: of the shuffling and of the method's own noise. Same seed, device, versions and number of
            threads: same result, also with other runs in other threads, which wait for each other.
        clip: largest norm of a player's gradient.
        average: keep an exponential moving average of the weights with this decay, for example 0.999.
        validation: pictures that the method does not learn from; after each epoch its losses on them are recorded
            as "validation NAME", see `validate`. With `average` they are those of the averaged weights.
        metrics: more to measure then, by name: functions of the method and these pictures.
        watch: which of the validated values tells a gain, smaller being better; the first when not given.
        stop_after: end after so many epochs without gain. The best weights are kept, and put back at the end.
        on_epoch: called after each epoch with the method and the history so far: one function, or several. With
            several processes the first alone calls them.
        checkpoint: file to save the run to after every epoch.
        resume: go on from that file if it exists. It must come from a run of an equal method, equal options
            and the same data. On a CPU the result is that of an uninterrupted run.
        progress: show a progress bar.

    Returns:
        What happened, epoch by epoch.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
        FileExistsError: the checkpoint exists and resume was not asked for.
        CheckpointError: the checkpoint is damaged or belongs to another run.
        LostProcessError: another process of the run is gone. The last checkpoint is still there.
        NonFiniteLossError: a loss became NaN or infinite. The last checkpoint is still there.
        Interrupted: somebody pressed Ctrl-C; the message says what is saved and how to go on.
    """
    need_kind("method", method, Method, "a method, for example gencourse.methods.Autoencoder()")
    data = as_dataset(data)
    check_options(
        method, len(data), epochs, batch_size, learning_rate, schedule, precision, seed, clip, average
    )
    processes = Processes.joined(choose_device(device))
    target = processes.device(choose_device(device))
    _check_data(method, data, batch_size, processes)
    watching = _watching(method, validation, metrics, watch, stop_after)
    calls = _calls(on_epoch)
    _check_checkpoint(checkpoint, resume)
    path = None
    if checkpoint is not None:
        check_destination(checkpoint, run_size(method, average, best=stop_after is not None))
        path = Path(checkpoint)
    method.to(target)
    processes.broadcast(method)
    players = {name: list(parameters) for name, parameters in method.players().items()}
    rates = dict.fromkeys(players, method.learning_rate if learning_rate is None else learning_rate)
    if learning_rate is None:
        rates |= {name: rate for name, rate in method.rates.items() if name in players}
    optimizers = {
        name: adam(own, rates[name], method.betas, method.weight_decay) for name, own in players.items()
    }
    update = Update(players, optimizers, clip, processes)
    averaged = None
    if average is not None:
        averaged = AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True)
        averaged.eval()
    history = History(averaged=None if averaged is None else averaged.module)
    dtype = _PRECISIONS[precision]
    facts: dict[str, Any] = {}
    if path is not None:
        facts = run_facts(
            method,
            data,
            epochs=epochs,
            batch_size=batch_size,
            rates=rates,
            schedule=schedule,
            precision=precision,
            seed=seed,
            clip=clip,
            average=average,
            watch=watching,
        )

    if hasattr(data, "to"):
        data = data.to(target)  # once a run, not once an epoch
    if watching is not None:
        if hasattr(watching.data, "to"):
            watching.data = watching.data.to(target)
        watching.check(method)
    with seeded(seed), _training(method), _interruptible(history, epochs, path):
        shuffle = torch.Generator().manual_seed(seed)
        if path is not None and resume:
            best = restore_run(path, method, update, averaged, shuffle, history, facts)
            if watching is not None:
                watching.best = best
        processes.need_same("The number of epochs done", len(history))
        least = method.least_batch * processes.count
        total = _batches(len(data), batch_size, least)
        for epoch in range(len(history), epochs):
            if watching is not None and watching.is_over(history):
                break
            records: dict[str, list[Tensor]] = defaultdict(list)
            counts: dict[str, list[int]] = defaultdict(list)  # a step may record a name only now and then
            start = time.perf_counter()
            batches = _joined(data.batches(batch_size, device=target, generator=shuffle), least)
            # TQDM_DISABLE is tqdm's own switch, but its notebook bar does not look at it
            if progress and processes.first and not os.environ.get("TQDM_DISABLE"):
                batches = tqdm(batches, total=total, desc=f"epoch {epoch + 1}/{epochs}", leave=False)
            for number, (x, y) in enumerate(batches, start=epoch * total):
                if schedule is not None:
                    factor = factor_of(schedule, number, epochs * total)
                    _set_rates(update, {name: rate * factor for name, rate in rates.items()})
                rows = processes.rows(len(x))
                whole, x, y = len(x), x[rows], y[rows]
                with _autocast(target, dtype), processes.step(whole):
                    record = method.step(x, update, y)
                if averaged is not None:
                    averaged.update_parameters(method)
                for name, value in record.items():
                    records[name].append(value)
                    counts[name].append(len(x))
            update.check()
            means = {name: _mean(values, counts[name]) for name, values in records.items()}
            means = processes.means(means, {name: sum(seen) for name, seen in counts.items()})
            processes.average_buffers(method)
            processes.average_buffers(averaged)
            seconds = {"seconds": time.perf_counter() - start}
            looked = {} if watching is None else watching.look(method, averaged)
            looked = processes.means(
                looked, dict.fromkeys(looked, 1)
            )  # equal, to the last bit: all stop together
            history.epochs.append({**means, **looked, **seconds})
            if watching is not None:
                watching.keep(history, method, averaged)
            if path is not None and processes.first:
                kept = None if watching is None else watching.best
                save_run(path, method, update, averaged, shuffle, history, facts, kept)
            for call in calls if processes.first else ():
                call(method, history)
        if watching is not None:
            watching.put_back(method, averaged)
        processes.wait()
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


def _watching(
    method: Method,
    validation: Any,
    metrics: Mapping[str, Metric] | None,
    watch: str | None,
    stop_after: int | None,
) -> Watch | None:
    """What is looked at after each epoch; None if nothing is."""
    if validation is None:
        for name, value in (("metrics", metrics), ("watch", watch), ("stop_after", stop_after)):
            if value is not None:
                raise ValueError(
                    f"{name} is {shown(value)} but validation is None: give pictures to look at."
                )
        return None
    data = as_dataset(validation, "validation")
    if len(data) < 1:
        raise ValueError("validation is empty: give at least one picture.")
    _check_data(method, data, len(data), Processes())  # each process looks at all of them
    return Watch(data, min(256, len(data)), metrics, watch, stop_after)


def _calls(on_epoch: OnEpoch | Sequence[OnEpoch]) -> Sequence[OnEpoch]:
    calls = on_epoch if isinstance(on_epoch, Sequence) else [on_epoch]
    for call in calls:
        if not callable(call):
            raise TypeError(f"on_epoch is {shown(call)}: give functions of a method and a history.")
    return calls


def _check_data(method: Method, data: Batches, batch_size: int, processes: Processes) -> None:
    """Ask, before any time is spent, whether the method can learn from these data."""
    x, y = next(iter(data.batches(1, device="cpu", generator=None)))
    images, labels = getattr(data, "images", None), getattr(data, "labels", y)
    if images is None:
        method.accepts(x, labels)
    else:  # uint8: in range whatever it holds
        method.accepts(images[:1].float() / 255, labels)
    least = method.least_batch * processes.count
    if min(batch_size, len(data)) < least:
        name, value = ("batch_size", batch_size) if batch_size < least else ("data", f"{len(data)} picture")
        shared = f", {method.least_batch} for each of {processes.count} processes" * (processes.count > 1)
        raise ValueError(
            f"{name} is {value}: this {type(method).__name__} needs at least {least} pictures in a mini-batch{shared}."
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


def check_options(
    method: Method,
    images: int,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    schedule: Schedule | None,
    precision: str,
    seed: int,
    clip: float | None,
    average: float | None,
) -> None:
    """See that `fit` can use what it was given, and what the method itself says of its optimisers."""
    if images < 1:
        raise ValueError("data is empty: give at least one picture.")
    need_size("epochs", epochs)
    need_size("batch_size", batch_size)
    need_whole("seed", seed, least=0, most=2**63 - 1)
    need_one_of("precision", precision, _PRECISIONS)
    if learning_rate is not None:
        need_number("learning_rate", learning_rate, above=0)
    if clip is not None:
        fix = "the largest norm that a gradient may have, for example 1.0"
        need_number("clip", clip, above=0, fix=fix)
    if average is not None:
        need_number("average", average, above=0, below=1, fix="a decay between 0 and 1, for example 0.999")
    if schedule is not None and not callable(schedule):
        raise TypeError(f"schedule is {shown(schedule)}: give a function, for example warmup_cosine().")
    name = type(method).__name__
    need_number(f"{name}.learning_rate", method.learning_rate, above=0)
    need_number(f"{name}.weight_decay", method.weight_decay, least=0)
    for player, rate in method.rates.items():
        need_number(f"{name}.rates[{player!r}]", rate, above=0)
    for beta in method.betas:
        need_number(f"{name}.betas", beta, least=0, below=1)


def _check_checkpoint(checkpoint: str | Path | None, resume: bool) -> None:
    if resume and checkpoint is None:
        raise ValueError("resume is True but checkpoint is None: give the file to go on from.")
    if isinstance(checkpoint, (str, Path)) and Path(checkpoint).is_file() and not resume:
        raise FileExistsError(
            f"checkpoint {str(checkpoint)!r} exists and would be lost: pass resume=True to go on from it, "
            "give another name, or delete it."
        )

"""The one training loop of the course."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gencourse.data import as_dataset
from gencourse.errors import (
    need_callable,
    need_kind,
    need_number,
    need_one_of,
    need_sequence,
    need_size,
    need_whole,
    shown,
)
from gencourse.training.accumulate import need_one_player, step_in_parts
from gencourse.training.checkpoint import check_destination, read_checkpoint
from gencourse.training.formulation import FORMULATIONS, formulated, possible_formulations
from gencourse.training.history import History
from gencourse.training.method import Method, seeded
from gencourse.training.precision import PRECISIONS, Way, autocast, fastest_way, step_seconds
from gencourse.training.processes import Processes
from gencourse.training.progress import ProgressLine
from gencourse.training.saved_run import restore_run, run_facts, run_size, save_run
from gencourse.training.schedule import Schedule, factor_of
from gencourse.training.trial import endless
from gencourse.training.update import Update, step_sizes, update_for
from gencourse.training.watch import Metric, Watch

__all__ = ["Batches", "choose_device", "fit"]

OnEpoch = Callable[[Method, History], object]
"""What may be called after each epoch."""


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
    except (RuntimeError, AssertionError, ImportError, TypeError):
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
    formulation: str | Sequence[str] | None = None,
    seed: int = 0,
    clip: float | None = None,
    average: float | None = None,
    accumulate: int = 1,
    augment: Callable[[Tensor], Tensor] | None = None,
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
        precision: "float32", "bfloat16" (autocast: forward passes in bfloat16, weights in float32), or "auto": some
            steps of a copy are timed in both, and bfloat16 is taken if it is faster by five percent. The choice is
            printed with the progress; a resumed run keeps it.
        formulation: in which of several equal ways to compute, names of `gencourse.training.formulation`: what is fast
            differs from one processor to the next, and results differ in rounding alone. "auto" takes those that make
            a step faster by five percent, as above; () takes none. When not given: "auto" with precision="auto", else
            none.
        seed: of the shuffling and of the method's own noise. Same seed, device, versions and number of
            threads: same result, also with other runs in other threads, which wait for each other.
        clip: largest norm of a player's gradient.
        average: keep an exponential moving average of the weights with this decay, for example 0.999.
        accumulate: mini-batches a move, for a batch that is larger than memory: their gradients are added up, and
            all else (steps, schedule, clip, average) is as with one of `batch_size` times `accumulate` pictures. For
            methods with one player; see `gencourse.training.accumulate`.
        augment: changes each mini-batch before the method sees it, on the device, for example
            `gencourse.networks.Augment(flip=True, shift=0.1)`; pictures are clamped to [0, 1] afterwards. A GAN would
            learn to draw changed pictures: give `GAN(augment=…)` instead.
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
        progress: show a line with pictures a second, the time left and the latest losses (on an accelerator those
            of the last epoch: a look at newer ones would make it wait).

    Returns:
        What happened, epoch by epoch.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
        FileExistsError: the checkpoint exists and resume was not asked for.
        CheckpointError: the checkpoint is damaged or belongs to another run.
        LostProcessError: another process of the run is gone. The last checkpoint is still there.
        NonFiniteLossError: a loss became NaN or infinite. The last checkpoint is still there.
        Interrupted: somebody pressed Ctrl-C. What the last finished epoch left is in the checkpoint; the message
            says how to go on.
    """
    need_kind("method", method, Method, "a method, for example gencourse.methods.Autoencoder()")
    data = as_dataset(data)
    check_options(
        method, len(data), epochs, batch_size, learning_rate, schedule, precision, seed, clip, average
    )
    need_one_player(method, accumulate)
    # torch's generators and JSON take no whole numbers of NumPy
    epochs, batch_size, seed, accumulate = int(epochs), int(batch_size), int(seed), int(accumulate)
    processes = Processes.joined(choose_device(device))
    target = processes.device(choose_device(device))
    _check_data(method, data, batch_size, processes, augment)
    formulation = _need_formulation(formulation, precision)
    batch_size *= accumulate  # pictures a move, from here on
    watching = _watching(method, validation, metrics, watch, stop_after)
    calls = _calls(on_epoch)
    _check_checkpoint(checkpoint, resume)
    path = None
    if checkpoint is not None:
        check_destination(checkpoint, run_size(method, average, best=stop_after is not None))
        path = Path(checkpoint)
    method.to(target)
    processes.broadcast(method)
    if "auto" in (precision, formulation):
        few = batch_size // accumulate
        saved = path if resume else None
        precision, formulation = _chosen_way(
            method, data, few, precision, formulation, seed, processes, saved, progress
        )
    rates = step_sizes(method, learning_rate)
    update = update_for(method, rates, clip, processes)
    averaged = None
    if average is not None:
        averaged = AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True)
        averaged.eval()
    history = History(averaged=None if averaged is None else averaged.module)
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
            formulation=formulation,
            seed=seed,
            clip=clip,
            average=average,
            accumulate=accumulate,
            augment=augment,
            watch=watching,
        )

    if hasattr(data, "to"):
        data = data.to(target)  # once a run, not once an epoch
    if watching is not None:
        if hasattr(watching.data, "to"):
            watching.data = watching.data.to(target)
        watching.check(method)
    with (
        seeded(seed),
        formulated(method, formulation),
        _training(method),
        _interruptible(history, epochs, path),
    ):
        shuffle = torch.Generator().manual_seed(seed)
        if path is not None and resume:
            best = restore_run(path, method, update, averaged, shuffle, history, facts)
            if watching is not None:
                watching.best = best
        processes.need_same("The number of epochs done", len(history))
        least = method.least_batch * processes.count
        total = _batches(len(data), batch_size, least)
        line = ProgressLine(epochs, len(data), progress and processes.first)
        for epoch in range(len(history), epochs):
            if watching is not None and watching.is_over(history):
                break
            records = _Records()
            start = time.perf_counter()
            batches = _joined(data.batches(batch_size, device=target, generator=shuffle), least)
            batches = line.over(batches, epoch, history.epochs[-1] if history.epochs else None)
            for number, (x, y) in enumerate(batches, start=epoch * total):
                if schedule is not None:
                    factor = factor_of(schedule, number, epochs * total)
                    _set_rates(update, {name: rate * factor for name, rate in rates.items()})
                rows = processes.rows(len(x))
                whole, x, y = len(x), x[rows], y[rows]
                with autocast(target, precision), processes.step(whole):
                    if augment is not None:
                        x = _changed(x, augment)
                    if accumulate == 1:
                        record = method.step(x, update, y)
                    else:
                        record = step_in_parts(method, x, update, y, accumulate)
                if averaged is not None:
                    averaged.update_parameters(method)
                line.tell(record, epoch)
                records.add(record, len(x))
            update.check()
            means = processes.means(records.means(), records.pictures)
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
        done = len(history) if path is None else _saved_epochs(path)
        stopped = f"Stopped in epoch {done + 1} of {epochs}"
        if path is None:
            rest = "the method keeps the weights that it has now. Give checkpoint= to be able to go on another time."
        elif done:
            rest = (
                f"{done} of them saved in {str(path)!r}. Call fit again with resume=True to go on from there."
            )
        else:
            rest = f"nothing is saved yet in {str(path)!r}. Call fit again to start anew."
        raise Interrupted(f"{stopped}: {rest}") from None


def _saved_epochs(path: Path) -> int:
    """How many epochs are in the file: a run may also be stopped while it is being written."""
    return len(read_checkpoint(path)[1]["epochs"]) if path.exists() else 0


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


def _check_data(
    method: Method,
    data: Batches,
    batch_size: int,
    processes: Processes,
    augment: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Ask, before any time is spent, whether the method can learn from these data, changed as they will be."""
    x, y = next(iter(data.batches(1, device="cpu", generator=None)))
    if augment is not None:
        need_callable("augment", augment, "of pictures (B, C, H, W) to pictures of the same shape")
        with seeded(0):
            made = augment(x)
        if not isinstance(made, Tensor) or (made.shape, made.dtype) != (x.shape, x.dtype):
            raise ValueError(
                f"augment makes {shown(made)} of {tuple(x.shape)} and {x.dtype}: let it give changed pictures of the "
                "same shape and type."
            )
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


def _changed(x: Tensor, augment: Callable[[Tensor], Tensor]) -> Tensor:
    """A mini-batch as the method will see it; pictures stay in [0, 1], points may lie anywhere."""
    made = augment(x)
    if made.shape != x.shape:
        raise ValueError(
            f"augment makes {shown(made)} of {tuple(x.shape)}: let it give changed pictures of the same shape."
        )
    return made.clamp(0, 1) if made.dim() == 4 else made


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


class _Records:
    """Sums over pictures of what the steps of an epoch recorded, kept where it is: nothing waits for the device.

    A list of the values would cost more than it looks: each little tensor that stays pins a piece of memory, and
    the large ones of the next step have to be laid elsewhere.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.pictures: dict[str, int] = {}  # a step may record a name only now and then

    def add(self, record: Mapping[str, Tensor], pictures: int) -> None:
        for name, value in record.items():
            value = torch.as_tensor(value).detach()
            if name not in self.sums:
                # Apple's devices know no float64
                dtype = torch.float32 if value.device.type == "mps" else torch.float64
                self.sums[name] = torch.zeros((), dtype=dtype, device=value.device)
                self.pictures[name] = 0
            self.sums[name].add_(value, alpha=pictures)
            self.pictures[name] += pictures

    def means(self) -> dict[str, float]:
        """The one look at the device in an epoch."""
        totals = torch.stack(list(self.sums.values())).tolist() if self.sums else []
        return {name: total / self.pictures[name] for name, total in zip(self.sums, totals, strict=True)}


def _set_rates(update: Update, rates: dict[str, float]) -> None:
    for name, optimizer in update.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = rates[name]


def _need_formulation(
    formulation: str | Sequence[str] | None, precision: str
) -> Literal["auto"] | tuple[str, ...]:
    """Names to compute by, or "auto"."""
    if formulation is None:
        return "auto" if precision == "auto" else ()
    if isinstance(formulation, str):
        need_one_of("formulation", formulation, ["auto", *FORMULATIONS])
        return "auto" if formulation == "auto" else (formulation,)
    need_sequence("formulation", formulation, f"names, of {', '.join(FORMULATIONS)}", least=0)
    for name in formulation:
        need_one_of("formulation", name, FORMULATIONS)
    return tuple(formulation)


def _chosen_way(
    method: Method,
    data: Batches,
    batch_size: int,
    precision: str,
    formulation: Literal["auto"] | tuple[str, ...],
    seed: int,
    processes: Processes,
    path: Path | None,
    told: bool,
) -> Way:
    """That of the run that goes on, or else the one in which this machine makes the steps fastest."""
    if path is not None and path.exists():
        saved = read_checkpoint(path)[1]
        kept = Way(saved.get("precision", "float32"), tuple(saved.get("formulation") or ()))
        return Way(
            kept.precision if precision == "auto" else precision,
            kept.formulation if formulation == "auto" else formulation,
        )
    x, y = next(endless(data, batch_size, method.device, seed))
    rows = processes.rows(len(x))

    def measure(ways: Sequence[Way]) -> dict[Way, float]:
        seconds = step_seconds(method, x[rows], y[rows], ways, seed)
        return processes.means(seconds, dict.fromkeys(seconds, 1))

    chosen, seconds = fastest_way(
        measure,
        list(PRECISIONS) if precision == "auto" else [precision],
        possible_formulations(method) if formulation == "auto" else (),
        () if formulation == "auto" else formulation,
    )
    if told and processes.first:
        found = ", ".join(f"{1e3 * value:.3g} ms a step in {way}" for way, value in seconds.items())
        print(f"precision: {chosen} ({found})")
    return chosen


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
    need_one_of("precision", precision, [*PRECISIONS, "auto"])
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

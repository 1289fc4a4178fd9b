"""The same run in several processes: who holds which rows, and what is averaged over them.

Every process holds the whole method and takes a part of the rows of each mini-batch. Gradients are averaged with
the number of rows as weight, which for a loss that is a mean over rows is the gradient of the whole mini-batch. The
random numbers of a mini-batch are drawn for all its rows in every process, from equal generators, and each keeps
those of its rows: so the result is that of one process but for rounding, whatever the number of processes.

What is not a mean over rows is said here. The MMD between codes takes the codes of all processes (`whole_batch`). Batch
norm normalises with the rows of its own process, and its running statistics are averaged after each epoch. An adaptive
weight is the ratio of the gradients of its own process's rows. These two differ from one process with all rows.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gencourse.errors import need_tensor, need_whole

__all__ = ["LostProcessError", "Processes", "whole_batch"]

_Name = TypeVar("_Name")

_TIMEOUT = timedelta(minutes=5)  # how long one process waits for the others
_DRAWS = ("randn", "rand", "randint")
_DRAWS_LIKE = ("randn_like", "rand_like", "bernoulli")
_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d")


class LostProcessError(RuntimeError):
    """Another process of the run is gone, or cannot be reached."""


class Processes:
    """The processes of this run, and this one's place among them. Alone, every method does nothing.

    Args:
        rank: number of this process, from 0.
        count: how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        need_whole("count", count)
        need_whole("rank", rank, 0, count - 1)
        self.rank, self.count = rank, count

    @classmethod
    def joined(cls, device: torch.device) -> Processes:
        """Those that torchrun started, or that the caller has joined to a group; this one alone otherwise.

        The first call in a process that torchrun started makes the group: NCCL on CUDA, gloo elsewhere.

        Raises:
            LostProcessError: the others cannot be reached.
        """
        if not dist.is_available():
            return cls()
        if not dist.is_initialized():
            if not dist.is_torchelastic_launched() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
                return cls()
            # here: a torch without distributed has none
            from torch.distributed.rendezvous import rendezvous

            with _reached():
                store, rank, count = next(rendezvous("env://", timeout=_TIMEOUT))
                dist.init_process_group(
                    "nccl" if device.type == "cuda" else "gloo",
                    store=_of_this_start(store, rank, count),
                    rank=rank,
                    world_size=count,
                    timeout=_TIMEOUT,
                )
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this process shows progress and writes files: one of them does."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """The device of this process: with several on one machine, "cuda" means one each."""
        if self.count == 1 or device.type != "cuda" or device.index is not None:
            return device
        own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        torch.cuda.set_device(own)
        return own

    def rows(self, total: int) -> slice:
        """This process's rows of a mini-batch of so many; the shares differ by one at most."""
        need_whole("total", total, 0)
        return self._rows(self.rank, total)

    def _rows(self, rank: int, total: int) -> slice:
        return slice(rank * total // self.count, (rank + 1) * total // self.count)

    def broadcast(self, module: nn.Module | None) -> None:
        """Give every process the parameters and buffers of the first."""
        if self.count == 1 or module is None:
            return
        with _reached():
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def average_buffers(self, module: nn.Module | None) -> None:
        """Mean over the processes of each buffer of floats: the running statistics of batch norm."""
        buffers = [] if module is None else [b for b in module.buffers() if b.is_floating_point()]
        if self.count == 1 or not buffers:
            return
        with torch.no_grad(), _reached():
            _put(buffers, _summed(buffers, 1 / self.count))

    def average_step(self, gradients: Sequence[Tensor], loss: Tensor) -> Tensor:
        """Average gradients, in place, and the loss over the rows of the mini-batch, in one all-reduce.

        What is NaN in one process is NaN in all: they stop together.

        Args:
            gradients: of one player, any shapes.
            loss: mean over this process's rows, a scalar.

        Returns:
            The loss of the whole mini-batch.
        """
        if self.count == 1:
            return loss
        mean = loss.detach().clone()
        with torch.no_grad(), _reached():
            _put([*gradients, mean], _summed([*gradients, mean], _share()))
        return mean

    def means(self, values: Mapping[_Name, float], weights: Mapping[_Name, float]) -> dict[_Name, float]:
        """Weighted mean over the processes of each number, by name; the same names in all of them."""
        if self.count == 1 or not values:
            return dict(values)
        found = torch.tensor([[values[n] * weights[n], weights[n]] for n in values], dtype=torch.float64)
        found = found.to(_where())
        with _reached():
            dist.all_reduce(found)
        return dict(zip(values, (found[:, 0] / found[:, 1]).tolist(), strict=True))

    def need_same(self, name: str, value: int) -> None:
        """See that a number is the same in all processes.

        Raises:
            ValueError: it is not; the sentence says what to look for.
        """
        if self.count == 1:
            return
        ends = torch.tensor([value, -value], device=_where())
        with _reached():
            dist.all_reduce(ends, dist.ReduceOp.MAX)
        most, least = ends[0].item(), -ends[1].item()
        if most != least:
            raise ValueError(
                f"{name} is {value} in process {self.rank}, and from {least} to {most} in all {self.count}: give "
                "every process the same arguments and data, and a checkpoint that all of them can read."
            )

    def wait(self) -> None:
        """Wait until all are here."""
        if self.count > 1:
            with _reached():
                dist.barrier()

    @contextmanager
    def step(self, total: int) -> Iterator[None]:
        """Inside, random numbers are those of this process's rows, and `whole_batch` knows the others'.

        Args:
            total: rows of the whole mini-batch.
        """
        if self.count == 1:
            yield
            return
        _steps.append((self, total))
        try:
            with OwnRows(self.rows(total), total):
                yield
        finally:
            _steps.pop()


_steps: list[tuple[Processes, int]] = []  # the mini-batch that is being learnt from


def whole_batch(rows: Tensor) -> Tensor:
    """The rows of all processes, for a loss that is not a mean over rows; in one process, the rows themselves.

    The rows of the others come without a gradient. That of the own ones is scaled, so that the average over the
    processes is the gradient of a loss of all rows.

    Args:
        rows: what this process has computed from its rows of the mini-batch, shape (n, ...).

    Returns:
        Shape (N, ...), N rows in all, in the order of the mini-batch.

    Raises:
        TypeError: rows is no tensor of floats.
        ValueError: they are not this process's rows of the mini-batch, but a part of them.
        LostProcessError: another process is gone.
    """
    need_tensor("rows", rows, "(N, ...)")
    if not _steps:
        return rows
    processes, total = _steps[-1]
    slices = [processes._rows(rank, total) for rank in range(processes.count)]
    own_count = slices[processes.rank].stop - slices[processes.rank].start
    if len(rows) != own_count:
        raise ValueError(
            f"rows has {len(rows)} rows, and this process has {own_count} of the mini-batch: a loss of all rows "
            "cannot be added up from parts in several processes. Give accumulate=1."
        )
    table = rows.new_zeros((total, *rows.shape[1:]))  # each fills in its own, and the sum is the table
    table[slices[processes.rank]] = rows.detach()
    with torch.no_grad(), _reached():
        dist.all_reduce(table)
    still = rows.detach()
    own = still + (rows - still) * (total / len(rows))
    before, after = table[: slices[processes.rank].start], table[slices[processes.rank].stop :]
    return torch.cat([before, own, after])


class OwnRows(TorchFunctionMode):
    """Draw for all rows of the mini-batch, and keep one's own: generators stay equal in all processes.

    A draw belongs to the rows if its first axis is as long as this process's share. Others (a permutation, a
    number for all) are equal in all processes, and stay as they are.
    """

    def __init__(self, rows: slice, total: int) -> None:
        super().__init__()
        self.rows, self.total, self.own = rows, total, rows.stop - rows.start

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _DRAWS:
            whole = self._whole_size(args, kwargs)
            if whole is not None:
                return func(*whole[0], **whole[1])[self.rows]
        elif name in _DRAWS_LIKE and args[0].dim() and len(args[0]) == self.own:
            like = args[0].new_zeros((self.total, *args[0].shape[1:]))
            if name == "bernoulli":
                like[self.rows] = args[0]
            return func(like, *args[1:], **kwargs)[self.rows]
        elif name in _DROPOUTS and args[0].dim() > 1 and len(args[0]) == self.own:
            ones = torch.ones((self.total, *args[0].shape[1:]), dtype=args[0].dtype, device=args[0].device)
            return args[0] * func(ones, *args[1:], **kwargs)[self.rows]
        return func(*args, **kwargs)

    def _whole_size(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments of a draw with the rows of all; None if the draw has no rows."""
        if "size" in kwargs:
            size = tuple(kwargs["size"])
            whole = (self.total, *size[1:])
            return (args, {**kwargs, "size": whole}) if size[:1] == (self.own,) else None
        for place, value in enumerate(args):
            if isinstance(value, (tuple, list)):  # randn((n, d)), randint(high, (n,))
                whole = (self.total, *value[1:])
                changed = (*args[:place], whole, *args[place + 1 :])
                return (changed, kwargs) if tuple(value[:1]) == (self.own,) else None
        if args[:1] == (self.own,):  # randn(n, d)
            return (self.total, *args[1:]), kwargs
        return None


def _of_this_start(store: Any, rank: int, count: int) -> Any:
    """The part of torchrun's store that belongs to these processes alone.

    torchrun keeps one store over all restarts, and in it the addresses of processes that are gone: gloo would wait for
    them. Nor does each know how often all have been restarted. So the first makes up a name, and tells it to each of
    the others in answer to a number that this one has just made up: an older answer is not taken for it.
    """
    name = secrets.token_hex(8)
    if rank:
        store.set(f"gencourse asks {rank}", name)
        name = store.get(f"gencourse answers {name}").decode()  # waits for it
        store.set(f"gencourse {name} heard {rank}", "")
        return dist.PrefixStore(name, store)  # type: ignore[attr-defined]  # torch says so in its C++ part
    missing, end = set(range(1, count)), time.monotonic() + _TIMEOUT.total_seconds()
    while missing:
        for other in missing:
            if store.check([f"gencourse asks {other}"]):
                asked = store.get(f"gencourse asks {other}").decode()
                store.set(f"gencourse answers {asked}", name)
        missing = {other for other in missing if not store.check([f"gencourse {name} heard {other}"])}
        if time.monotonic() > end:
            raise RuntimeError(f"process {min(missing)} did not come")
        time.sleep(0.02)
    return dist.PrefixStore(name, store)  # type: ignore[attr-defined]  # the same


def _share() -> float:
    """This process's part of the rows; an equal part outside a mini-batch."""
    if not _steps:
        return 1 / dist.get_world_size()
    processes, total = _steps[-1]
    rows = processes.rows(total)
    return (rows.stop - rows.start) / total


def _summed(tensors: Sequence[Tensor], weight: float) -> Tensor:
    """Sum over the processes of weight times the tensors, as one long vector: one message, not one for each."""
    flat = torch.cat([t.reshape(-1) for t in tensors]).mul_(weight)
    dist.all_reduce(flat)
    return flat


def _put(tensors: Sequence[Tensor], flat: Tensor) -> None:
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def _where() -> torch.device:
    """Where numbers must lie for this group: NCCL moves only those on CUDA."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


@contextmanager
def _reached() -> Iterator[None]:
    """A process that is gone is one sentence, and no hang: torch gives up after the time limit."""
    try:
        yield
    except (
        RuntimeError
    ) as error:  # gloo: connection closed; NCCL and the store have classes of their own below it
        reason = str(error).splitlines()[0][:120]
        raise LostProcessError(
            f"Another process of this run is gone or too late ({reason}), so this one stops. Start all of them again, "
            "with resume=True: they go on from the last checkpoint."
        ) from None

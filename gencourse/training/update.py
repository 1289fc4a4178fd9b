"""Moving one player: gradients for its parameters alone, then one optimiser step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from gencourse.errors import need_kind, need_named, need_number, need_pair, need_sequence
from gencourse.training.method import Method
from gencourse.training.processes import Processes

__all__ = ["NonFiniteLossError", "Update", "adam"]


class NonFiniteLossError(ArithmeticError):
    """A loss or its gradient became NaN or infinite: training stopped before it could spoil the weights."""


def adam(
    parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float], weight_decay: float = 0.0
) -> Optimizer:
    """Adam in the fastest form that the device has; all forms compute the same update.

    Args:
        parameters: what to move.
        lr: step size.
        betas: decay rates of the two moments.
        weight_decay: with more than 0, AdamW (Loshchilov & Hutter, 2019): each step also shrinks the weights
            by the factor 1 − lr·weight_decay. Biases, norms and learnt tokens are vectors and do not shrink.

    Raises:
        TypeError, ValueError: an argument cannot be used; the sentence says what to give.
    """
    need_kind("parameters", parameters, Iterable, "parameters, for example network.parameters()")
    parameters = list(parameters)
    _need_parameters("parameters", parameters)
    need_number("lr", lr, least=0)
    need_pair("betas", betas, "two numbers, for example (0.9, 0.999)")
    for beta in betas:
        need_number("betas", beta, least=0, below=1)
    need_number("weight_decay", weight_decay, least=0)
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if weight_decay:
        matrices, vectors = ([p for p in parameters if (p.dim() > 1) == many] for many in (True, False))
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    for fused in (True, False):
        # copies: an optimiser that fails halfway leaves its settings in the groups that it was handed
        own = [dict(group) for group in groups]
        try:
            if weight_decay:
                return AdamW(own, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)
            return Adam(own, lr=lr, betas=betas, fused=fused)
        except RuntimeError:  # this device or this version of torch has no fused kernel
            if not fused:
                raise
    raise AssertionError("one of the two forms has returned")


class Update:
    """Call `update(player, loss)` to move that player, and only that player, one step down the loss.

    Gradients are taken with respect to the player's parameters alone: the `.grad` of every other network
    stays as it is, and no time is spent on it.

    After a loss or gradient that is NaN or infinite nobody moves any more. On a CPU the error comes at once. An
    accelerator would have to be waited for, a good part of the time of a small network; there the optimiser is
    told on the device to stand still, and `check` raises the same error when it is called, once an epoch.

    With several processes, gradient and loss are averaged over the rows of all of them before anything is looked
    at, so all move alike, or none.

    Args:
        players: name of each player and the parameters that it owns.
        optimizers: one optimiser for each player.
        clip: largest norm of a player's gradient; None leaves it as it is.
        processes: those of this run; None for this one alone.

    Raises:
        TypeError, ValueError: an argument cannot be used; the sentence says what to give.
    """

    def __init__(
        self,
        players: dict[str, list[nn.Parameter]],
        optimizers: dict[str, Optimizer],
        clip: float | None = None,
        processes: Processes | None = None,
    ) -> None:
        need_named("players", players, "names to parameters")
        for name, own in players.items():
            _need_parameters(f"players[{name!r}]", own)
        need_named("optimizers", optimizers, "names of the players to optimisers")
        for name, optimizer in optimizers.items():
            need_kind(
                f"optimizers[{name!r}]", optimizer, Optimizer, "an optimiser, for example one of adam()"
            )
        if optimizers.keys() != players.keys():
            raise ValueError(
                f"players are {', '.join(players)} and optimizers has {', '.join(optimizers)}: give one optimiser "
                "for each player."
            )
        if clip is not None:
            need_number("clip", clip, above=0)
        if processes is not None:
            need_kind("processes", processes, Processes, "Processes.joined(device), or None")
        self.processes = Processes() if processes is None else processes
        self.players = players
        self.optimizers = optimizers
        self.clip = clip
        self.steps = dict.fromkeys(players, 0)
        self._part: tuple[float, bool, bool] | None = None  # share, first, last
        self._moved = False
        self._mean = torch.zeros(())  # loss of the parts so far
        devices = {p.device for own in players.values() for p in own}
        fused = all(group.get("fused") for o in optimizers.values() for group in o.param_groups)
        # only fused optimisers can be told on the device to stand still
        self.waits = not (fused and all(device.type == "cuda" for device in devices))
        # of the first move that went wrong: number of the player from 1, its step, loss and size of gradient
        self._first_bad = torch.zeros(4, device=next(iter(devices), None))

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        """Move one player; see the class.

        Args:
            player: its name.
            loss: scalar that depends on its parameters.

        Returns:
            The loss before the move, detached, on its device.

        Raises:
            ValueError: there is no such player, the loss is not one number, or it does not depend on this
                player.
            NonFiniteLossError: on a CPU: the loss or its gradient is NaN or infinite; nothing has moved.
        """
        if player not in self.players:
            raise ValueError(f"player is {player!r}: this method's players are {', '.join(self.players)}.")
        if loss.numel() != 1:
            raise ValueError(f"loss of {player!r} has shape {tuple(loss.shape)}: reduce it to one number.")
        if not loss.requires_grad:
            raise ValueError(
                f"loss of {player!r} does not depend on any parameter: look for detach(), no_grad() or .item()."
            )
        parameters = [p for p in self.players[player] if p.requires_grad]  # a player may own frozen ones
        optimizer = self.optimizers[player]
        share, first, last = self._part or (1.0, True, True)
        self._need_one_move(player)
        if first:
            optimizer.zero_grad()
        # autocast must not be on in the backward pass: each operation reuses its forward type
        with torch.autocast(loss.device.type, enabled=False):
            (loss if share == 1 else loss * share).backward(inputs=parameters)
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            raise ValueError(
                f"loss of {player!r} does not depend on the parameters of {player!r}: look for a detach() too "
                "many, or for the name of another player."
            )
        value = mean = loss.detach()
        if self._part is not None:
            self._mean = mean = value * share if first else self._mean + value * share
        if not last:
            return value
        mean = self.processes.average_step(gradients, mean)
        if self.clip is not None:
            size = nn.utils.clip_grad_norm_(parameters, self.clip)
        else:
            size = torch.stack([g.norm() for g in gradients]).norm()
        self._guard(player, mean, size)
        optimizer.step()
        # autocast keeps bfloat16 copies of the weights: those of this player are old now
        torch.clear_autocast_cache()
        self.steps[player] += 1
        return mean if self._part is None else value

    @contextmanager
    def part(self, share: float, first: bool, last: bool) -> Iterator[None]:
        """Inside, a call adds up gradients, and the player moves with the last part of the batch only.

        The call then gives the loss of its own part.

        Args:
            share: of the rows of the batch; those of all parts add up to 1.
            first: whether this part begins a batch.
            last: whether it ends one.
        """
        self._part, self._moved = (share, first, last), False
        try:
            yield
        finally:
            self._part = None

    def _need_one_move(self, player: str) -> None:
        if self._part is None:
            return
        if self._moved:
            raise ValueError(
                f"accumulate: {player!r} moves a second time in one step, and gradients that wait for more "
                "mini-batches would not see the first move. Give accumulate=1."
            )
        self._moved = True

    def check(self) -> None:
        """Raise if a move went wrong on an accelerator. Waits for the device.

        Raises:
            NonFiniteLossError: a loss or gradient was NaN or infinite; from then on nobody has moved.
        """
        number, step, value, size = self._first_bad.tolist()
        if number:
            raise _bad(list(self.players)[int(number) - 1], int(step), value, size)

    def _guard(self, player: str, value: Tensor, size: Tensor) -> None:
        """Let nobody move from the first loss or gradient on that is not finite.

        sqrt at 0 has a finite value and an infinite slope, so the loss alone does not show it.
        """
        step = self.steps[player] + 1
        if self.waits:
            loss, norm = value.item(), size.item()
            if not (math.isfinite(loss) and math.isfinite(norm)):
                self.optimizers[player].zero_grad()
                raise _bad(player, step, loss, norm)
            return
        good = value.isfinite().logical_and(size.isfinite())
        first = self._first_bad
        fresh = (first[0] == 0).logical_and(good.logical_not())
        number = float(list(self.players).index(player) + 1)
        marks = (torch.full_like(size, number), torch.full_like(size, step), value, size)
        facts = torch.stack([mark.float() for mark in marks])
        self._first_bad = torch.where(fresh, facts, first)
        # a fused optimiser leaves everything as it is where found_inf is 1
        # mypy: fused optimisers read this attribute, none declares it
        self.optimizers[player].found_inf = (self._first_bad[0] != 0).float()  # type: ignore[attr-defined]


def step_sizes(method: Method, learning_rate: float | None = None) -> dict[str, float]:
    """The learning rate of each player, by name: the one given, or else the method's own."""
    players = method.players()
    if learning_rate is not None:
        return dict.fromkeys(players, learning_rate)
    return {name: method.rates.get(name, method.learning_rate) for name in players}


def update_for(
    method: Method,
    rates: Mapping[str, float] | None = None,
    clip: float | None = None,
    processes: Processes | None = None,
) -> Update:
    """An Adam for each player of a method, with these learning rates or the method's own, as `fit` makes them."""
    rates = step_sizes(method) if rates is None else rates
    players = {name: list(own) for name, own in method.players().items()}
    made = {name: adam(own, rates[name], method.betas, method.weight_decay) for name, own in players.items()}
    return Update(players, made, clip, processes)


def _need_parameters(name: str, parameters: Any) -> None:
    """A list of at least one parameter."""
    need_sequence(name, parameters, "parameters, for example list(network.parameters())")
    for one in parameters:
        need_kind(name, one, nn.Parameter, "parameters, for example list(network.parameters())")


def _bad(player: str, step: int, value: float, size: float) -> NonFiniteLossError:
    if math.isfinite(value):
        return NonFiniteLossError(
            f"The loss of {player!r} is {value:.4g} at its step {step}, but its gradient is not finite. Nothing "
            "was moved. Look for sqrt or a norm at 0, or lower the learning rate."
        )
    return NonFiniteLossError(
        f"The loss of {player!r} became {value} at its step {step}. Nothing was moved. Look for log(0), 0/0, "
        "sqrt at 0 or an overflow, or lower the learning rate."
    )

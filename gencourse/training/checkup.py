"""First questions to a poor result: the data, one mini-batch by heart, the gradients, the learning rate.

Each function answers with one sentence. "Fine: …" says what was seen; "Look: …" says what is wrong and what to do.
They work on a copy of the method, and all random numbers stay as they are. What to ask of a method's results (its
judge, its samples, its seeds) stands in `gencourse.evaluation`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from itertools import islice, repeat
from typing import Any

import torch
from torch import Tensor

from gencourse.data import as_dataset
from gencourse.errors import need_kind, need_number, need_seed, need_size
from gencourse.training.method import Method, Mover, seeded
from gencourse.training.trial import endless, need_watch, watched
from gencourse.training.update import NonFiniteLossError, step_sizes, update_for

__all__ = ["check_data", "check_gradients", "check_one_batch", "check_rate"]

_METHOD = "a method, for example gencourse.methods.Autoencoder()"
_DIM = 0.1  # a largest pixel below this is no picture that anybody looks at
_LEARNT = 0.7  # share of its first value by which a loss falls when one mini-batch is learnt by heart
_STUCK = 0.02  # and what is no fall at all
_FADED = 1e-6  # norm of a gradient over that of the weights
_UNEVEN = 1e4  # between two players' gradients
_LADDER = (1e-3, 1e-2, 0.1, 1.0, 10.0)  # rates to compare one with
_MISSED = 0.1  # share of the best fall that a rate misses if it is too large
_MISSED_ABOVE = 0.5  # and if it is too small


def check_data(method: Method, data: Any, *, pictures: int = 1000, seed: int = 0) -> str:
    """Are these the pictures and labels that the method should get?

    Labels are asked by nearest neighbours: of two pictures that are alike, more should share their label than by
    chance. A method that reads no labels is told, too: its probes will.

    Args:
        method: what is to be trained.
        data: what it is to be trained on.
        pictures: how many to look at.
        seed: of the choice.

    Returns:
        One sentence about shape, range and labels.

    Raises:
        TypeError, ValueError: an argument is none of that.
    """
    need_kind("method", method, Method, _METHOD)
    need_size("pictures", pictures, 2)
    need_seed("seed", seed)
    try:
        found = as_dataset(data)
        x, y = next(endless(found, pictures, "cpu", seed))
        method.accepts(x, getattr(found, "labels", y))
    except ValueError as error:  # what `fit` would say
        return f"Look: {error}"
    low, high, rows = float(x.min()), float(x.max()), x.flatten(1)
    seen = f"{len(x)} samples of shape {tuple(x.shape[1:])}, values from {low:.3g} to {high:.3g}"
    if len(method.shape) == 3 and high < _DIM:
        return f"Look: the largest pixel is {high:.2g}: were the pictures divided by 255 twice?"
    if float((rows - rows[0]).abs().max()) == 0:
        return f"Look: {seen}, and all are the same: look at how they were read."
    counts = y.unique(return_counts=True)[1] if y is not None else torch.ones(1)
    if len(counts) < 2 or len(x) < 20:
        return f"Fine: {seen}; labels were not looked at."
    near = torch.cdist(rows, rows).fill_diagonal_(math.inf).argmin(1)
    share = (y[near] == y).double().mean().item()
    chance = (counts.double() / len(y)).square().sum().item()
    compared = (
        f"the nearest neighbour has the same label in {share:.0%} of all cases, by chance it is {chance:.0%}"
    )
    if share < chance + 4 * math.sqrt(chance * (1 - chance) / len(x)):
        return f"Look: {compared}: were labels and pictures shuffled apart?"
    return f"Fine: {seen}; {compared}."


def check_one_batch(
    method: Method,
    data: Any,
    *,
    learning_rate: float | None = None,
    steps: int = 200,
    batch_size: int = 16,
    watch: str | None = None,
    seed: int = 0,
) -> str:
    """Can the method learn a few pictures by heart? If not, it has a mistake and no poor setting.

    Args:
        method: what is to be trained, as it is now.
        data: where the few pictures come from.
        learning_rate: of every player; the method's own when not given.
        steps: how often it sees them.
        batch_size: how few.
        watch: which recorded loss should fall. With several players it must be said; a plain GAN has none that does.
        seed: of the choice and of the method's noise.

    Returns:
        One sentence with the loss before and after.

    Raises:
        TypeError, ValueError: an argument cannot be used, or `watch` is missing.
    """
    data = _need_run(method, data, steps, batch_size, seed, learning_rate)
    need_watch(method, watch)
    batch = next(endless(data, batch_size, method.device, seed))
    try:
        losses = _losses(method, repeat(batch, steps), learning_rate, watch, seed)
    except NonFiniteLossError as error:
        return f"Look: {len(batch[0])} pictures, seen again and again, break it. {error}"
    except _StepError as error:
        return f"Look: {error}"
    first, last = losses[0], sum(losses[-10:]) / 10
    share = (first - last) / max(abs(first), 1e-12)
    told = f"{len(batch[0])} pictures, seen {steps} times: the loss goes from {first:.4g} to {last:.4g}"
    if share > _LEARNT:
        return f"Fine: {told}."
    if share > _STUCK:
        return f"Look: {told}, slowly: ask for the learning rate, then see more steps."
    return f"Look: {told} and does not fall: look for a mistake in the loss, the step or the learning rate."


def check_gradients(
    method: Method, data: Any, *, steps: int = 10, batch_size: int = 64, seed: int = 0
) -> str:
    """Does each player get a gradient, and are they of one order?

    Args:
        method: what is trained, as it is now.
        data: what it is trained on.
        steps: mini-batches to look at; the copy moves on.
        batch_size: pictures in each.
        seed: of the shuffling and of the method's noise.

    Returns:
        One sentence with the mean norm of each player's gradient.

    Raises:
        TypeError, ValueError: an argument cannot be used.
    """
    data = _need_run(method, data, steps, batch_size, seed, least=1)
    trial = copy.deepcopy(method).train()
    update = update_for(trial)
    norms: dict[str, list[float]] = {name: [] for name in update.players}

    def move(player: str, loss: Tensor) -> Tensor:
        value = update(player, loss)
        norms[player].append(_norm([p.grad for p in update.players[player] if p.grad is not None]))
        return value

    mover: Mover = move
    with seeded(seed):
        try:
            for _, (x, y) in zip(range(steps), endless(data, batch_size, method.device, seed), strict=False):
                trial.step(x, mover, y)
            update.check()
        except NonFiniteLossError as error:
            return f"Look: {error}"
        except ValueError as error:
            return f"Look: the step itself is wrong. {error}"
    means = {name: sum(values) / max(len(values), 1) for name, values in norms.items()}
    told = "norm of the gradient: " + ", ".join(f"{name} {mean:.2g}" for name, mean in means.items())
    for name, mean in means.items():
        if not norms[name]:
            return f"Look: {name!r} never moves: call update({name!r}, loss) in `step`."
        if mean <= _FADED * _norm(update.players[name]):
            return (
                f"Look: {told}; {name!r} gets next to none, so it learns nothing: look for dead or saturated units, "
                "also in a judge that it has to please."
            )
    if max(means.values()) > _UNEVEN * min(means.values()):
        return f"Look: {told}; they are apart by more than a factor of {_UNEVEN:.0f}: weigh the losses anew."
    return f"Fine: {told}."


def check_rate(
    method: Method,
    data: Any,
    *,
    learning_rate: float | None = None,
    watch: str | None = None,
    steps: int = 60,
    batch_size: int = 64,
    seed: int = 0,
) -> str:
    """Would a rate ten times larger, or 10, 100 or 1000 times smaller, have done much better in a short run?

    A short run likes large steps, so the larger one must do better by half. `find_learning_rate` shows the whole
    curve.

    Args:
        method: what is to be trained, best before training.
        data: what it is to be trained on.
        learning_rate: the rate in question; the method's own when not given.
        watch: which recorded loss should fall. With several players it must be said; a plain GAN has none that does.
        steps: mini-batches of each of the five runs.
        batch_size: pictures in a mini-batch.
        seed: of the shuffling and of the method's noise.

    Returns:
        One sentence with the rate, and with the one that did best.

    Raises:
        TypeError, ValueError: an argument cannot be used, or `watch` is missing.
    """
    data = _need_run(method, data, steps, batch_size, seed, learning_rate)
    need_watch(method, watch)
    rate = max(step_sizes(method, learning_rate).values())
    reached: dict[float, float] = {}
    first = math.nan
    for factor in _LADDER:
        batches = islice(endless(data, batch_size, method.device, seed), steps)
        try:
            losses = _losses(method, batches, factor * rate, watch, seed)
        except NonFiniteLossError:
            reached[factor] = math.inf
            continue
        except _StepError as error:
            return f"Look: {error}"
        first, reached[factor] = losses[0], sum(losses[-10:]) / 10
    best = min(reached, key=lambda factor: reached[factor])
    if not math.isfinite(reached[best]):
        return f"Look: the loss is not finite at {rate:.2g}, nor at any rate down to {_LADDER[0] * rate:.2g}."
    missed = (reached[1.0] - reached[best]) / max(first - reached[best], 1e-12)  # share of the fall
    told = f"after {steps} mini-batches the loss is {reached[1.0]:.4g} with the learning rate {rate:.2g}"
    instead = f"{reached[best]:.4g} with {best * rate:.2g}"
    if best < 1 and missed > _MISSED:
        return f"Look: {told} and {instead}: it is too large."
    if best > 1 and missed > _MISSED_ABOVE:
        return f"Look: {told} and {instead}: it is very small."
    return f"Fine: {told}; the best of five rates around it gives {instead}."


def _need_run(
    method: Method,
    data: Any,
    steps: int,
    batch_size: int,
    seed: int,
    rate: float | None = None,
    least: int = 10,
) -> Any:
    """The data of a short run, after a look at all that it is made of."""
    need_kind("method", method, Method, _METHOD)
    data = as_dataset(data)
    if rate is not None:
        need_number("learning_rate", rate, above=0)
    need_size("steps", steps, least)
    need_size("batch_size", batch_size)
    need_seed("seed", seed)
    method.accepts(*next(endless(data, 1, "cpu", seed)))
    return data


class _StepError(ValueError):
    """A step that cannot be: a detach() too many, the name of another player."""


def _losses(
    method: Method, batches: Iterable[tuple[Tensor, Tensor]], rate: float | None, watch: str | None, seed: int
) -> list[float]:
    """The watched loss of each mini-batch that a copy of the method learns from."""
    trial = copy.deepcopy(method).train()
    update, losses = update_for(trial, step_sizes(trial, rate)), []
    with seeded(seed):
        for x, y in batches:
            try:
                record = trial.step(x, update, y)
            except ValueError as error:
                raise _StepError(f"the step itself is wrong. {error}") from None
            update.check()
            losses.append(float(record[watched(record, watch)]))
    return losses


def _norm(tensors: list[Any]) -> float:
    return torch.stack([t.detach().norm() for t in tensors]).norm().item() if tensors else 0.0

"""Exercises of chapter 6."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.exercises.engine import Exercise, Right, Wrong
from gencourse.exercises.numbers import agree, close, expect, number, parts, random, slopes

__all__ = ["EXERCISES"]

# --- 6.1 -------------------------------------------------------------------------------------------------

_PLAIN_MEAN = "That is the plain mean of the shards. A shard with few rows must count less, eq. (6.1)."
_SUM_OF_SHARDS = "You add the gradients up, weighted by rows: divide by all rows of the mini-batch, too."
_NO_SHARD = "A shard may have no rows at all, and its gradient may then be nan: leave it out."


def _check_average(average: Callable[[list[Tensor], list[int]], Any]) -> None:
    for shape, rows in (((3, 4), [5, 2]), ((7,), [4, 1, 6]), ((2, 3, 2), [3, 3])):
        gradients = [random(*shape, seed=n) for n in range(len(rows))]
        total = sum(rows)
        weighted = sum(r * g for r, g in zip(rows, gradients, strict=True))
        value = torch.as_tensor(average(gradients, rows))
        agree(
            value,
            weighted / total,
            "For three shards or two, the result is not the gradient of the whole mini-batch.",
            (sum(gradients) / len(rows), _PLAIN_MEAN),
            (weighted, _SUM_OF_SHARDS),
        )
    some, empty = random(4), torch.full((4,), torch.nan)
    expect(close(average([some, empty], [3, 0]), some), _NO_SHARD)


_AVERAGE = Exercise(
    number="6.1",
    title="Average the gradients of shards",
    level=1,
    minutes=10,
    answer="average",
    hints=(
        "Whose loss is a mean over more rows, and how much of the whole mini-batch's mean is it?",
        "Weight each gradient by its rows, eq. (6.1), and leave out shards without rows.",
        "return sum(r * g for g, r in zip(gradients, rows) if r) / sum(rows)",
    ),
    check=_check_average,
    stub='''
def average(gradients, rows):
    """Gradient of the mean loss over a whole mini-batch; gradients, one tensor a shard,
    are those of the shards' own mean losses, rows how many rows each has.

    A shard without rows has a gradient of nan.
    """
    raise NotImplementedError
''',
    solution='''
def average(gradients, rows):
    """Gradient of the mean loss over a whole mini-batch; gradients, one tensor a shard,
    are those of the shards' own mean losses, rows how many rows each has.

    A shard without rows has a gradient of nan.
    """
    return sum(r * g for g, r in zip(gradients, rows) if r) / sum(rows)
''',
    wrong=(
        Wrong(
            _PLAIN_MEAN,
            edit=(
                "sum(r * g for g, r in zip(gradients, rows) if r) / sum(rows)",
                "sum(gradients) / len(gradients)",
            ),
        ),
        Wrong(_SUM_OF_SHARDS, edit=(" / sum(rows)", "")),
        Wrong(_NO_SHARD, edit=(" if r)", ")")),
        Wrong("For three shards or two", edit=("r * g", "r**2 * g")),
    ),
    also_right=(
        Right(
            code="""
            def average(gradients, rows):
                kept = [(g, r) for g, r in zip(gradients, rows) if r > 0]
                weights = torch.tensor([r for _, r in kept]).float()
                stacked = torch.stack([g for g, _ in kept])
                return torch.tensordot(weights / weights.sum(), stacked, dims=1)
            """
        ),
    ),
)

# --- 6.2 -------------------------------------------------------------------------------------------------

_AS_IF_PARALLEL = "You divide all of the time by K. The serial share s stays as it was, eq. (6.5)."
_SHARE_OF_THE_WRONG = (
    "s is the share of one process's time in which the others cannot help: the fixed part a over a + bB."
)
_BATCH_IS_SHARED = (
    "The B pictures are divided among the K processes: K·B in a step would be another mini-batch."
)


def _check_gain(gain: Callable[[float, float, int, int], Any]) -> None:
    for a, b, batch, processes in ((0.01, 0.002, 32, 4), (0.3, 0.01, 16, 8), (0.02, 0.02, 5, 3)):
        alone = a + b * batch
        right = alone / (a + b * batch / processes)
        agree(
            number(gain(a, b, batch, processes)),
            right,
            f"With a = {a}, b = {b}, B = {batch} and K = {processes} the gain is {right:.3f}.",
            (float(processes), _AS_IF_PARALLEL),
            (1 / ((1 - a / alone) + a / alone / processes), _SHARE_OF_THE_WRONG),
            ((a + b * batch * processes) / alone, _BATCH_IS_SHARED),
        )


_GAIN = Exercise(
    number="6.2",
    title="What will more processes bring?",
    level=2,
    minutes=10,
    answer="gain",
    hints=(
        "Which part of a step does every process pay, however few pictures it gets?",
        "Take s = a/(a + bB) and put it into eq. (6.5).",
        "return (a + b * batch) / (a + b * batch / processes)",
    ),
    check=_check_gain,
    stub='''
def gain(a, b, batch, processes):
    """How many times faster a step on batch pictures is when so many processes share
    it; a step on n pictures takes one process a + b·n seconds.
    """
    raise NotImplementedError
''',
    solution='''
def gain(a, b, batch, processes):
    """How many times faster a step on batch pictures is when so many processes share
    it; a step on n pictures takes one process a + b·n seconds.
    """
    return (a + b * batch) / (a + b * batch / processes)
''',
    wrong=(
        Wrong(_AS_IF_PARALLEL, edit=("(a + b * batch / processes)", "((a + b * batch) / processes)")),
        Wrong(_SHARE_OF_THE_WRONG, edit=("(a + b * batch / processes)", "(a / processes + b * batch)")),
        Wrong(
            _BATCH_IS_SHARED,
            edit=(
                "(a + b * batch) / (a + b * batch / processes)",
                "(a + b * batch * processes) / (a + b * batch)",
            ),
        ),
        Wrong("With a = 0.01", edit=("(a + b * batch) /", "(b * batch) /")),
    ),
    also_right=(
        Right(
            code="""
            def gain(a, b, batch, processes):
                s = a / (a + b * batch)
                return torch.tensor(1 / (s + (1 - s) / processes))
            """
        ),
    ),
)

# --- 6.3 -------------------------------------------------------------------------------------------------

_TWICE = "Weights are not kept once: with Adam they are kept four times, eq. (6.8)."
_LAST_OUTPUT = "What leaves the last layer is not kept: a layer needs what goes into it, eq. (6.7)."
_NOT_THE_BATCH = "The kept numbers are for each picture: multiply by the mini-batch. The weights are not."
_ROUND_DOWN = "Half a picture does not fit: round down."


def _check_largest(largest: Callable[[int, list[int]], Any]) -> None:
    for sizes, budget in (
        ([784, 256, 32], 6_000_000),
        ([12_288, 64, 64, 10], 20_000_000),
        ([50, 500], 700_000),
    ):
        weights = sum(a * b + b for a, b in itertools.pairwise(sizes))
        for more in (0, 1_000, 12_345):
            free = budget + more - 16 * weights
            right = free // (4 * sum(sizes[:-1]))
            agree(
                number(largest(budget + more, list(sizes))),
                right,
                f"With {budget + more} bytes and layers of {sizes} units, {right} pictures fit.",
                ((budget + more - 4 * weights) // (4 * sum(sizes[:-1])), _TWICE),
                (free // (4 * sum(sizes)), _LAST_OUTPUT),
                (free / (4 * sum(sizes[:-1])), _ROUND_DOWN),
                tolerance=1e-6,
            )


_LARGEST = Exercise(
    number="6.3",
    title="The largest mini-batch that fits",
    level=2,
    minutes=15,
    answer="largest_batch",
    hints=(
        "Which part of eq. (6.8) is there before the first picture comes?",
        "Take 16 bytes for each weight and bias off the budget, then divide by what one picture keeps.",
        "return (budget - 16 * weights) // (4 * sum(sizes[:-1]))",
    ),
    check=_check_largest,
    stub='''
def largest_batch(budget, sizes):
    """How many pictures fit into a training step with Adam that may keep budget bytes;
    sizes are the units of a chain of linear layers with biases and ReLUs between them,
    (in, hidden, ..., out), all in float32.
    """
    raise NotImplementedError
''',
    solution='''
def largest_batch(budget, sizes):
    """How many pictures fit into a training step with Adam that may keep budget bytes;
    sizes are the units of a chain of linear layers with biases and ReLUs between them,
    (in, hidden, ..., out), all in float32.
    """
    count = len(sizes) - 1
    weights = sum((sizes[i] + 1) * sizes[i + 1] for i in range(count))
    return (budget - 16 * weights) // (4 * sum(sizes[:-1]))
''',
    wrong=(
        Wrong(_TWICE, edit=("16 * weights", "4 * weights")),
        Wrong(_LAST_OUTPUT, edit=("sum(sizes[:-1])", "sum(sizes)")),
        Wrong(_ROUND_DOWN, edit=("//", "/")),
        Wrong("With 6000000 bytes", edit=("(sizes[i] + 1)", "sizes[i]")),
        Wrong("With 6000000 bytes", edit=("(4 * sum", "(8 * sum")),
    ),
    also_right=(
        Right(
            code="""
            def largest_batch(budget, sizes):
                layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
                fixed = 16 * sum(p.numel() for layer in layers for p in layer.parameters())
                return math.floor((budget - fixed) / (4 * sum(layer.in_features for layer in layers)))
            """
        ),
    ),
)

# --- 6.4 -------------------------------------------------------------------------------------------------

_ROOT_AT_ZERO = "The slope at x = y is not finite: the root has an infinite slope at 0."
_FAR_POINTS = "What stands inside the root must be small: far apart, the distance must not change."
_OVERFLOW = "Two pictures with large differences give no finite distance in half precision: sum in float32."
_NO_SLOPE = "The value is right, but no gradient comes back to x: do not detach it."


def _check_distance(distance: Callable[[Tensor, Tensor], Any]) -> None:
    for shape in ((4, 6), (3, 2, 5), (2, 3, 4, 4)):
        x, y = random(*shape).requires_grad_(), random(*shape, seed=1)
        right = (x - y).flatten(1).norm(dim=1)
        value = torch.as_tensor(distance(x, y))
        expect(
            value.shape == right.shape, f"Return one distance for each of the {shape[0]} pairs, shape (B,)."
        )
        expect(close(value, right, 1e-3), _FAR_POINTS)
        expect(close(slopes(value.sum(), x)[0], slopes(right.sum(), x)[0], 1e-3), _NO_SLOPE)
        same = y.clone().requires_grad_()
        (slope,) = slopes(torch.as_tensor(distance(same, y)).sum(), same)
        expect(bool(slope.isfinite().all()), _ROOT_AT_ZERO)
    large = torch.full((2, 20_000), 3.0).half()
    found = torch.as_tensor(distance(large, -large)).float()
    expect(close(found, torch.full((2,), 6 * math.sqrt(20_000)), 1e-2), _OVERFLOW)


_DISTANCE = Exercise(
    number="6.4",
    title="A distance that never says nan",
    level=3,
    minutes=20,
    answer="distance",
    hints=(
        "What is the slope of a root at 0, and how large may a float16 become?",
        "Go to float32 before you square and sum, and put a small number inside the root.",
        "return ((x.float() - y.float()).flatten(1).square().sum(1) + 1e-12).sqrt()",
    ),
    check=_check_distance,
    stub='''
def distance(x, y):
    """Euclidean distance of each pair of rows of x and y, (B, ...) to (B,), also for
    half precision; value and slope are finite, at x = y as well.

    As found: ((x - y) ** 2).flatten(1).sum(1) ** 0.5
    """
    raise NotImplementedError
''',
    solution='''
def distance(x, y):
    """Euclidean distance of each pair of rows of x and y, (B, ...) to (B,), also for
    half precision; value and slope are finite, at x = y as well.

    As found: ((x - y) ** 2).flatten(1).sum(1) ** 0.5
    """
    return ((x.float() - y.float()).flatten(1).square().sum(1) + 1e-12).sqrt()
''',
    wrong=(
        Wrong(_ROOT_AT_ZERO, edit=(" + 1e-12", "")),
        Wrong(_FAR_POINTS, edit=("1e-12", "1.0")),
        Wrong(_OVERFLOW, edit=("x.float() - y.float()", "x - y")),
        Wrong(_NO_SLOPE, edit=("x.float()", "x.detach().float()")),
        Wrong("Return one distance", edit=(".sum(1)", ".sum()")),
    ),
    also_right=(
        Right(
            code="""
            def distance(x, y):
                return torch.linalg.vector_norm((x.float() - y.float()).flatten(1), dim=1)
            """
        ),
        Right(
            code="""
            def distance(x, y):
                squared = (x.double() - y.double()).pow(2).reshape(len(x), -1).sum(1)
                return squared.clamp(min=1e-20).sqrt()
            """
        ),
    ),
)

# --- 6.5 -------------------------------------------------------------------------------------------------

_EACH_PART_WHOLE = (
    "The gradient is too large by the number of parts: the mean over all rows weights each part."
)
_LAST_PART = "The last part may be smaller; weight each part by its own rows, eq. (6.1)."
_DIFFERENT = "The gradients are not those of the whole mini-batch's mean loss."


def _check_accumulate(accumulate: Callable[[nn.Module, Tensor, Tensor, int], Any]) -> None:
    for rows, size, widths in ((12, 4, (5, 7, 2)), (10, 4, (3, 6, 1)), (9, 2, (4, 4, 3))):
        _check_parts(accumulate, rows, size, widths)


def _check_parts(accumulate: Callable[..., Any], rows: int, size: int, widths: tuple[int, int, int]) -> None:
    network = nn.Sequential(nn.Linear(widths[0], widths[1]), nn.Tanh(), nn.Linear(widths[1], widths[2]))
    weights = list(network.parameters())
    with torch.no_grad():
        for seed, weight in enumerate(weights):
            weight.copy_(random(*weight.shape, seed=seed + 5))
    x, y = random(rows, widths[0]), random(rows, widths[2], seed=1)

    def gradients(x: Tensor, y: Tensor) -> list[Tensor]:
        loss = (network(x) - y).square().sum(1).mean()
        return list(torch.autograd.grad(loss, weights))

    seen: list[int] = []
    hook = network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    with torch.enable_grad():
        found = parts(
            accumulate(network, x, y, size),
            len(weights),
            f"Return a gradient for each of the {len(weights)} parameters, in their order.",
        )
    hook.remove()
    expect(seen and max(seen) <= size, f"A part has {max(seen, default=0)} rows, and {size} are allowed.")
    whole = gradients(x, y)
    each = [gradients(a, b) for a, b in zip(x.split(size), y.split(size), strict=True)]
    plain = [sum(g) / len(each) for g in zip(*each, strict=True)]
    added = [sum(g) for g in zip(*each, strict=True)]

    def all_close(wanted: list[Any]) -> bool:
        return all(close(a, b) for a, b in zip(found, wanted, strict=True))

    right = all_close(whole)
    expect(right or not all_close(added), _EACH_PART_WHOLE)
    expect(right or not all_close(plain), _LAST_PART)
    expect(right, _DIFFERENT)


_ACCUMULATE = Exercise(
    number="6.5",
    title="A large mini-batch in small parts",
    level=3,
    minutes=25,
    answer="accumulate",
    hints=(
        "What is still in memory when the second part goes forward?",
        "Take the gradient of each part before the next, weighted by its share of the rows, and add up.",
        "loss = (network(a) - b).square().sum(1).mean() * len(a) / len(x)",
    ),
    check=_check_accumulate,
    stub='''
def accumulate(network, x, y, size):
    """Gradients of the mean over rows of ‖network(x) − y‖² by each parameter, in their
    order, with never more than size rows in the network at a time.
    """
    raise NotImplementedError
''',
    solution='''
def accumulate(network, x, y, size):
    """Gradients of the mean over rows of ‖network(x) − y‖² by each parameter, in their
    order, with never more than size rows in the network at a time.
    """
    weights = list(network.parameters())
    total = [torch.zeros_like(w) for w in weights]
    for a, b in zip(x.split(size), y.split(size)):
        loss = (network(a) - b).square().sum(1).mean() * len(a) / len(x)
        for sum_so_far, g in zip(total, torch.autograd.grad(loss, weights)):
            sum_so_far += g
    return total
''',
    wrong=(
        Wrong(_EACH_PART_WHOLE, edit=(" * len(a) / len(x)", "")),
        Wrong(_LAST_PART, edit=("* len(a) / len(x)", "/ len(x.split(size))")),
        Wrong("A part has 12 rows", edit=("x.split(size), y.split(size)", "[x], [y]")),
        Wrong(_DIFFERENT, edit=(".sum(1).mean()", ".mean()")),
        Wrong(_DIFFERENT, edit=("sum_so_far += g", "sum_so_far.copy_(g)")),
    ),
    also_right=(
        Right(
            code="""
            def accumulate(network, x, y, size):
                network.zero_grad()
                for start in range(0, len(x), size):
                    rows = slice(start, start + size)
                    (((network(x[rows]) - y[rows]) ** 2).sum() / len(x)).backward()
                return [w.grad for w in network.parameters()]
            """
        ),
    ),
)

# --- 6.6 -------------------------------------------------------------------------------------------------

_MOVED_ON_INF = "A gradient that is not finite must not move anything: skip that step."
_NOT_HALVED = "After a gradient that is not finite, the scale must be halved."
_NOT_UNSCALED = "The gradient belongs to scale times the loss: divide it by the scale before the step."
_NEVER_GROWS = "After `patience` good steps in a row the scale must be doubled, or it can only fall."
_COUNTS_ALL = "Only good steps in a row count: an overflow, or a doubling, starts the count again."


def _check_scaler(make: Callable[..., Any]) -> None:
    for scale, patience, rate in ((1024.0, 2, 0.1), (65536.0, 3, 0.01)):
        w, good = 5.0, 0
        finite = [True, False] + [True] * patience + [True] * (patience - 1) + [False] + [True] * patience
        state = (torch.tensor(w), scale, good)
        expected_w, expected_scale, run = w, scale, 0
        for number_of, fine in enumerate(finite):
            slope = float(random(1, seed=number_of)[0])
            gradient = torch.tensor(slope * state[1] if fine else (math.inf, math.nan)[number_of % 2])
            before = state[1]
            made = parts(make(state[0], gradient, *state[1:], patience, rate), 3, "Return (w, scale, good).")
            got_w, got_scale, got_good = (float(torch.as_tensor(value)) for value in made)
            if fine:
                expected_w, run = expected_w - rate * slope, run + 1
                expect(close(got_w, expected_w, 1e-3), _NOT_UNSCALED)
                if run == patience:
                    expect(got_scale == 2 * before, _NEVER_GROWS)
                    expected_scale, run = 2 * before, 0
            else:
                expect(close(got_w, expected_w, 1e-3), _MOVED_ON_INF)
                expect(got_scale == before / 2, _NOT_HALVED)
                expected_scale, run = before / 2, 0
            expect(got_scale == expected_scale, _COUNTS_ALL)
            expect(got_good == run, _COUNTS_ALL)
            state = (torch.tensor(got_w), got_scale, int(got_good))


_SCALER = Exercise(
    number="6.6",
    title="Scale the loss for float16",
    level=4,
    minutes=30,
    answer="scaled_step",
    hints=(
        "Which scale is too large, and how would you notice one that is too small?",
        "Halve it and skip the step after inf or nan; double it after some good steps in a row.",
        "if not gradient.isfinite().all():",
    ),
    check=_check_scaler,
    stub='''
def scaled_step(w, gradient, scale, good, patience, rate):
    """One step of gradient descent by hand; gradient is that of scale · loss by w.

    Returns (w, scale, good): good counts the finite gradients in a row. After patience
    of them the scale doubles, and the count starts again; after one that is not finite
    it halves, and w stays.
    """
    raise NotImplementedError
''',
    solution='''
def scaled_step(w, gradient, scale, good, patience, rate):
    """One step of gradient descent by hand; gradient is that of scale · loss by w.

    Returns (w, scale, good): good counts the finite gradients in a row. After patience
    of them the scale doubles, and the count starts again; after one that is not finite
    it halves, and w stays.
    """
    if not gradient.isfinite().all():
        return w, scale / 2, 0
    w = w - rate * gradient / scale
    if good + 1 == patience:
        return w, 2 * scale, 0
    return w, scale, good + 1
''',
    wrong=(
        Wrong(_NOT_UNSCALED, edit=("gradient / scale", "gradient")),
        Wrong(_NOT_HALVED, edit=("return w, scale / 2, 0", "return w, scale, 0")),
        Wrong(_NEVER_GROWS, edit=("2 * scale", "scale")),
        Wrong(_COUNTS_ALL, edit=("scale / 2, 0", "scale / 2, good")),
        Wrong(_COUNTS_ALL, edit=("2 * scale, 0", "2 * scale, good + 1")),
        Wrong(
            _MOVED_ON_INF,
            edit=("return w, scale / 2, 0", "return w - rate * gradient / scale, scale / 2, 0"),
        ),
    ),
    also_right=(
        Right(
            code="""
            def scaled_step(w, gradient, scale, good, patience, rate):
                if gradient.isnan().any() or gradient.isinf().any():
                    return [w, scale * 0.5, 0]
                good = (good + 1) % patience
                return [w - rate * (gradient / scale), scale if good else scale * 2, good]
            """
        ),
    ),
)

# --- 6.7 -------------------------------------------------------------------------------------------------

_BIASED = (
    "The squared size of a noisy gradient is too large by tr Σ/B: combine both so that the noise cancels."
)
_TRACE = "Solve for tr Σ: the two squared sizes differ by tr Σ · (1/b − 1/B)."
_UPSIDE_DOWN = "𝓑 is tr Σ over ‖g‖², not the other way round."


def _check_noise_scale(noise_scale: Callable[[float, float, int, int], Any]) -> None:
    for size, trace, small, large in ((2.0, 300.0, 8, 128), (0.5, 10.0, 4, 20), (9.0, 1.0, 1, 3)):
        at_small, at_large = size + trace / small, size + trace / large
        agree(
            number(noise_scale(at_small, at_large, small, large)),
            trace / size,
            f"With ‖g‖² = {size:g} and tr Σ = {trace:g}, b = {small}, B = {large} it is {trace / size:.4g}.",
            (trace / at_large, _BIASED),
            (trace / at_small, _BIASED),
            ((at_small - at_large) / size, _TRACE),
            (size / trace, _UPSIDE_DOWN),
        )


_NOISE_SCALE = Exercise(
    number="6.7",
    title="Measure the noise scale",
    level=5,
    minutes=40,
    answer="noise_scale",
    hints=(
        "What is the mean squared size of a gradient with noise, for two sizes of mini-batch?",
        "E‖ĝ‖² = ‖g‖² + tr Σ/B: two equations for two unknown numbers. Take H as the identity in eq. (6.4).",
        "trace = (at_small - at_large) / (1 / small - 1 / large)",
    ),
    check=_check_noise_scale,
    stub='''
def noise_scale(at_small, at_large, small, large):
    """𝓑 of eq. (6.4) for H = I: tr Σ/‖g‖². at_small and at_large are the mean squared
    sizes of gradients of mini-batches of small and of large rows.
    """
    raise NotImplementedError
''',
    solution='''
def noise_scale(at_small, at_large, small, large):
    """𝓑 of eq. (6.4) for H = I: tr Σ/‖g‖². at_small and at_large are the mean squared
    sizes of gradients of mini-batches of small and of large rows.
    """
    trace = (at_small - at_large) / (1 / small - 1 / large)
    size = (large * at_large - small * at_small) / (large - small)
    return trace / size
''',
    wrong=(
        Wrong(
            _BIASED,
            edit=("size = (large * at_large - small * at_small) / (large - small)", "size = at_large"),
        ),
        Wrong(
            _BIASED,
            edit=("size = (large * at_large - small * at_small) / (large - small)", "size = at_small"),
        ),
        Wrong(_TRACE, edit=(" / (1 / small - 1 / large)", "")),
        Wrong(_UPSIDE_DOWN, edit=("trace / size", "size / trace")),
        Wrong("With ‖g‖²", edit=("(large - small)", "(large + small)")),
    ),
    also_right=(
        Right(
            code="""
            def noise_scale(at_small, at_large, small, large):
                a = torch.tensor([[1.0, 1 / small], [1.0, 1 / large]], dtype=torch.float64)
                b = torch.tensor([at_small, at_large], dtype=torch.float64)
                size, trace = torch.linalg.solve(a, b)
                return trace / size
            """
        ),
    ),
)

EXERCISES = (_AVERAGE, _GAIN, _LARGEST, _DISTANCE, _ACCUMULATE, _SCALER, _NOISE_SCALE)
"""In the order of the chapter."""

"""Step sizes: the rule for the batch size, warm-up and cosine, weight decay, and what fit does with them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.training import CheckpointError, adam, fit, scaled_learning_rate, warmup_cosine

QUIET = {"batch_size": 8, "device": "cpu", "progress": False}  # toy_data: five mini-batches an epoch


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.equation("5.16")
def test_the_step_grows_with_the_batch() -> None:
    assert scaled_learning_rate(1.5e-4, 4096) == pytest.approx(2.4e-3)  # the paper's pre-training
    assert scaled_learning_rate(1.5e-4, 256) == 1.5e-4
    with pytest.raises(ValueError, match="base is 0: give a positive number"):
        scaled_learning_rate(0, 64)
    with pytest.raises(ValueError, match="batch_size is 0: give at least 1"):
        scaled_learning_rate(1e-3, 0)


@pytest.mark.equation("5.17")
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.1, 0.5])
def test_up_in_a_line_then_down_along_half_a_cosine(warmup: float) -> None:
    factor = warmup_cosine(warmup)
    steps, rising = 200, round(200 * warmup)
    values = torch.tensor([factor(t, steps) for t in range(steps)])
    assert values.min() > 0 and values.max() == 1
    for t in range(rising):
        assert values[t].item() == pytest.approx((t + 1) / rising)
    falling = values[rising:]
    assert falling[0] == 1 and (falling.diff() < 0).all()
    assert falling[len(falling) // 2].item() == pytest.approx(0.5, abs=1e-6)
    assert falling[-1].item() == pytest.approx((math.pi / (steps - rising)) ** 2 / 4, rel=1e-3)


@pytest.mark.equation("5.17")
@pytest.mark.parametrize(("warmup", "steps"), [(0.3, 7), (0.05, 30), (0.25, 10), (0.4, 3), (0.01, 7)])
def test_a_warm_up_that_is_no_whole_number_of_mini_batches(warmup: float, steps: int) -> None:
    """T_w = 2.1, 1.5, ...: the last rising mini-batch would overshoot 1, hence the min; the cosine starts at T_w,
    not at the next whole number."""
    rising = warmup * steps
    overshoots = False
    for t in range(steps):
        if t < rising:
            expected = min(1.0, (t + 1) / rising)
            overshoots |= (t + 1) / rising > 1
        else:
            expected = math.cos(math.pi / 2 * (t - rising) / (steps - rising)) ** 2
        assert warmup_cosine(warmup)(t, steps) == pytest.approx(expected, abs=1e-12)
    assert overshoots


@pytest.mark.equation("5.17")
def test_the_cosine_is_torchs() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    factor = warmup_cosine(0.0)
    for t in range(50):
        assert factor(t, 50) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_short_runs_have_usable_factors(steps: int) -> None:
    assert all(0 < warmup_cosine(0.3)(t, steps) <= 1 for t in range(steps))


@pytest.mark.parametrize("warmup", [-0.1, 1.0, math.nan])
def test_a_warmup_that_never_ends_is_refused(warmup: float) -> None:
    with pytest.raises(ValueError, match=f"warmup is {warmup}"):
        warmup_cosine(warmup)


def test_fit_sets_the_rate_before_every_mini_batch(make_toy: type, toy_data: ImageDataset) -> None:
    asked, used = [], []
    method = make_toy()
    factor = warmup_cosine(0.4)

    def schedule(step: int, steps: int) -> float:
        asked.append((step, steps))
        return factor(step, steps)

    real = method.step

    def step(x: Tensor, update, y: Tensor | None = None) -> dict[str, float]:
        used.append({name: o.param_groups[0]["lr"] for name, o in update.optimizers.items()})
        return real(x, update, y)

    method.step = step
    fit(method, toy_data, epochs=2, learning_rate=0.3, schedule=schedule, **QUIET)
    assert asked == [(t, 10) for t in range(10)]
    assert used == [{name: 0.3 * factor(t, 10) for name in method.players()} for t in range(10)]


def test_a_constant_schedule_changes_nothing(make_toy: type, toy_data: ImageDataset) -> None:
    plain, constant, half = make_toy(), make_toy(), make_toy()
    fit(plain, toy_data, epochs=2, **QUIET)
    fit(constant, toy_data, epochs=2, schedule=lambda *_: 1.0, **QUIET)
    fit(half, toy_data, epochs=2, schedule=lambda *_: 0.5, **QUIET)
    assert equal(state(plain), state(constant)) and not equal(state(plain), state(half))


def test_a_resumed_run_goes_on_where_its_schedule_was(
    make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    options = {"epochs": 4, "schedule": warmup_cosine(0.3), **QUIET}
    whole, broken, path = make_toy(), make_toy(), tmp_path / "run"
    fit(whole, toy_data, **options)
    steps = []

    def stop() -> None:
        steps.append(1)
        if len(steps) == 13:
            raise KeyboardInterrupt

    broken.before_step = stop
    with pytest.raises(KeyboardInterrupt):
        fit(broken, toy_data, checkpoint=path, **options)
    again = make_toy()
    fit(again, toy_data, checkpoint=path, resume=True, **options)
    assert equal(state(whole), state(again))


@pytest.mark.parametrize("then", [{"epochs": 3}, {"epochs": 2, "schedule": None}])
def test_another_schedule_is_another_run(
    then: dict, make_toy: type, toy_data: ImageDataset, tmp_path: Path
) -> None:
    first = {"epochs": 2, "schedule": warmup_cosine(), "checkpoint": tmp_path / "run", **QUIET}
    fit(make_toy(), toy_data, **first)
    with pytest.raises(CheckpointError, match="scheduled_epochs = 2"):
        fit(make_toy(), toy_data, **{**first, "resume": True, **then})


# ---- weight decay ------------------------------------------------------------------------------------


def test_weight_decay_is_torchs_adamw_on_matrices_and_none_on_vectors() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 4), nn.Linear(3, 4)
    theirs.load_state_dict(ours.state_dict())
    fast = adam(ours.parameters(), 0.01, (0.9, 0.95), weight_decay=0.5)
    plain = [
        torch.optim.AdamW([theirs.weight], 0.01, (0.9, 0.95), weight_decay=0.5, fused=False),
        torch.optim.Adam([theirs.bias], 0.01, (0.9, 0.95)),
    ]
    x = torch.randn(8, 3)
    for _ in range(10):
        for net, optimizers in ((ours, [fast]), (theirs, plain)):
            net.zero_grad()
            net(x).square().sum().backward()
            for optimizer in optimizers:
                optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.bias, theirs.bias, rtol=1e-5, atol=1e-6)


def test_fit_takes_the_methods_weight_decay(make_toy: type, toy_data: ImageDataset) -> None:
    plain, decayed = make_toy(), make_toy()
    decayed.weight_decay = 5.0
    for method in (plain, decayed):
        fit(method, toy_data, epochs=3, learning_rate=0.02, **QUIET)
    assert decayed.encoder[1].weight.norm() < 0.9 * plain.encoder[1].weight.norm()


def test_weight_decay_survives_resuming(make_toy: type, toy_data: ImageDataset, tmp_path: Path) -> None:
    def made(epochs: int, **options) -> nn.Module:
        method = make_toy()
        method.weight_decay = 0.5
        fit(method, toy_data, epochs=epochs, **options, **QUIET)
        return method

    made(1, checkpoint=tmp_path / "run")
    resumed = made(3, checkpoint=tmp_path / "run", resume=True)
    assert equal(state(made(3)), state(resumed))


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, None, torch.ones(2)])
def test_a_factor_that_makes_no_sense_stops_the_run_before_the_step(
    bad: object, make_toy: type, toy_data: ImageDataset
) -> None:
    method = make_toy()
    before = state(method)
    with pytest.raises(
        ValueError, match=r"schedule gives .* for mini-batch 0 of 5: let it give a finite number"
    ):
        fit(method, toy_data, schedule=lambda *_: bad, **QUIET)
    assert equal(state(method), before)


def test_equal_schedules_are_equal() -> None:
    assert warmup_cosine(0.1) == warmup_cosine(0.1) != warmup_cosine(0.2)


@pytest.mark.parametrize(("base", "batch_size"), [(0, 64), (-1e-3, 64), (1e-3, 0), (1e-3, -8), (-1e-3, -8)])
def test_a_rate_needs_a_positive_base_and_a_positive_batch(base: float, batch_size: int) -> None:
    with pytest.raises(
        ValueError, match=rf"base is {base}: give a positive|batch_size is {batch_size}: give at"
    ):
        scaled_learning_rate(base, batch_size)


def test_the_smallest_positive_ones_will_do() -> None:
    assert scaled_learning_rate(0.5, 1) == 0.5 / 256


@pytest.mark.parametrize("warmup", [1.5, 1.0])
def test_a_warm_up_of_the_whole_run_or_more_is_refused(warmup: float) -> None:
    with pytest.raises(ValueError, match="at least 0 and less than 1"):
        warmup_cosine(warmup)

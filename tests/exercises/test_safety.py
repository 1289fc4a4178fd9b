"""A learner's code does no harm: nothing escapes from a check, and all is as it was afterwards."""

from __future__ import annotations

import contextlib
import math
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gencourse import losses
from gencourse.exercises import Exercise, engine, verdict
from gencourse.exercises.numbers import NotYet
from gencourse.exercises.numbers import random as numbers
from gencourse.exercises.safety import TimeUp, restored, within


class Unspeakable(Exception):
    """An error whose text is an error, too."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def raising(error: BaseException) -> Callable[..., Any]:
    def answer(*_: Any) -> Any:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(3), "Your code raised SystemExit: 3"),
        (GeneratorExit(), "Your code raised GeneratorExit"),
        (KeyboardInterrupt(), "The check was interrupted"),
        (MemoryError(), "Your code raised MemoryError"),
        (RecursionError("deep"), "Your code raised RecursionError: deep"),
        (Unspeakable(), "Your code raised Unspeakable"),
        (BaseException("first\nsecond"), "Your code raised BaseException: first"),
        (NotImplementedError("no kernel for this type"), "Your code raised NotImplementedError: no kernel"),
        (NotImplementedError(), "The stub is still there: write floor."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_any_error_becomes_one_sentence(error: BaseException, told: str) -> None:
    right, sentence = verdict("1.3", raising(error))
    assert not right and sentence.startswith(f"Exercise 1.3: not yet. {told}") and "\n" not in sentence


def test_a_long_text_is_shortened() -> None:
    sentence = verdict("1.3", raising(ValueError("x" * 1_000_000)))[1]
    assert len(sentence) < 500 and sentence.endswith("…")


def test_an_odd_result_is_not_called_an_error_of_the_learner() -> None:
    sentence = verdict("1.3", lambda x: "text")[1]
    assert "The check cannot use what your function gave" in sentence and "Your code raised" not in sentence


def endless(*_: Any) -> Any:
    while True:
        with contextlib.suppress(Exception):
            sum(range(1000))


def with_limit(monkeypatch: pytest.MonkeyPatch, check: Callable[[Any], None], seconds: float = 0.3) -> None:
    one = Exercise("1.3", "", 1, 1, "floor", ("", "", ""), check, "", "", (), seconds=seconds)
    monkeypatch.setattr(engine, "exercise", lambda number: one)


def test_an_endless_loop_is_stopped_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with_limit(monkeypatch, lambda answer: answer())
    before = signal.getsignal(signal.SIGALRM)
    assert "still running after 0.3 seconds" in verdict("1.3", endless)[1]
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_endless_loop_is_stopped_in_another_thread_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with_limit(monkeypatch, lambda answer: answer())
    told: list[str] = []
    running = threading.active_count()
    thread = threading.Thread(target=lambda: told.append(verdict("1.3", endless)[1]))
    thread.start()
    thread.join(10)
    assert "still running after 0.3 seconds" in told[0]
    assert threading.active_count() == running


def test_without_a_timer_a_check_runs_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer")
    assert within(5, lambda: threading.current_thread() is threading.main_thread()) is False
    with torch.no_grad():
        assert within(5, torch.is_grad_enabled)
    with pytest.raises(NotYet):
        within(5, raising(NotYet("no")))
    with pytest.raises(TimeUp):
        within(0.2, endless)


def vandal(x: torch.Tensor) -> torch.Tensor:
    """Changes whatever a program can change for everyone else."""
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(True)
    torch.autograd.set_detect_anomaly(True)
    torch.manual_seed(5)
    torch.rand(3, device="cpu")
    np.random.seed(5)
    random.seed(5)
    warnings.simplefilter("error")
    sys.setrecursionlimit(5000)
    sys.stdout = None
    torch.randn = torch.Tensor.log = math.exp = losses.squared_error = None  # type: ignore[assignment]
    return x.zero_()


def state() -> dict[str, Any]:
    return {
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "torch": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index]
        "python": random.getstate(),
        "filters": list(warnings.filters),
        "recursion": sys.getrecursionlimit(),
        "stdout": sys.stdout,
        "functions": (torch.randn, torch.Tensor.log, math.exp, losses.squared_error),
    }


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(fails: bool, in_thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if in_thread:
        monkeypatch.delattr(signal, "setitimer")

    def answer(x: torch.Tensor) -> torch.Tensor:
        vandal(x)
        if fails:
            raise SystemExit
        return x

    before = state()
    assert not verdict("1.3", answer)[0]
    assert state() == before


def test_settings_outside_do_not_matter_and_stay() -> None:
    def floor(x: torch.Tensor) -> torch.Tensor:
        assert torch.ones(1).dtype == torch.float32 and torch.ones(1).device.type == "cpu"
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
        return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))

    dtype = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        with torch.inference_mode(), torch.device("meta"), torch.autocast("cpu"):
            assert verdict("1.3", floor) == (True, "Exercise 1.3: correct.")
        with torch.no_grad():
            assert verdict("1.3", floor)[0]
            assert not torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float64 and torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(dtype)


def test_an_answer_cannot_spoil_the_checks_own_numbers() -> None:
    def floor(x: torch.Tensor) -> torch.Tensor:
        made = -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))
        x.zero_()
        return made

    assert verdict("1.3", floor)[0]


def test_a_seed_sets_all_numbers() -> None:
    def drawn(seed: int) -> list[float]:
        with restored(seed):
            return [*numbers(2).tolist(), torch.rand(1).item(), random.random(), float(np.random.rand())]

    assert drawn(0) == drawn(0)
    assert all(a != b for a, b in zip(drawn(0), drawn(1), strict=True))
    with restored(0):  # a learner's own numbers are not the check's
        assert not torch.equal(torch.randn(3), numbers(3))

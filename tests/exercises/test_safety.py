"""A learner's code does no harm: nothing escapes from a check, and all is as it was afterwards."""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import io
import itertools
import json
import logging
import math
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch._tensor_str import PRINT_OPTS
from torch.nn.modules import module as torch_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from gencourse import losses, methods, training
from gencourse.exercises import CHAPTERS, Exercise, check, engine, grade, hint, verdict
from gencourse.exercises import numbers as checks_numbers
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


def deaf(*_: Any) -> Any:
    while True:
        try:
            sum(range(1000))
        except:  # noqa: E722  # what a learner may write
            continue


def deafer(*_: Any) -> Any:
    while True:
        with contextlib.suppress(BaseException):
            while True:
                try:
                    time.sleep(0.001)
                except BaseException:
                    continue


def sleeper(*_: Any) -> Any:
    time.sleep(1000)


def with_limit(monkeypatch: pytest.MonkeyPatch, check: Callable[[Any], None], seconds: float = 0.3) -> None:
    one = Exercise("1.3", "", 1, 1, "floor", ("", "", ""), check, "", "", (), seconds=seconds)
    monkeypatch.setattr(engine, "exercise", lambda number: one)


@pytest.mark.parametrize("answer", [endless, deaf, deafer, sleeper])
def test_an_endless_loop_is_stopped_and_named(
    answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_limit(monkeypatch, lambda answer: answer())
    before, trace = signal.getsignal(signal.SIGALRM), sys.gettrace()
    assert "still running after 0.3 seconds" in verdict("1.3", answer)[1]
    assert sys.gettrace() is trace
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


PATCHED: tuple[tuple[Any, str], ...] = (
    (torch.nn.Linear, "forward"),
    (torch.nn.Sequential, "forward"),
    (torch.nn.init, "xavier_uniform_"),
    (torch.optim.SGD, "step"),
    (torch.distributions.Normal, "sample"),
    (torch.distributions, "kl_divergence"),
    (torch.special, "expit"),
    (torch.utils.data.DataLoader, "__iter__"),
    (np.linalg, "norm"),
    (json, "loads"),
    (warnings, "warn"),
    (methods.GAN, "step"),
    (training, "fit"),
    (NotYet, "__init__"),
)


class Onlooker(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


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
    sys.stdout.close()
    sys.stdout = None
    torch.randn = torch.Tensor.log = math.exp = losses.squared_error = None  # type: ignore[assignment]
    os.environ["GENCOURSE_STATE"] = "elsewhere"
    os.environ.pop("PATH")
    os.chdir("/")
    sys.path.insert(0, "elsewhere")
    sys.path = []
    del sys.modules["json"]
    sys.setprofile(lambda *_: None)
    sys.excepthook = sys.displayhook = None  # type: ignore[assignment]
    gc.disable()
    logging.disable(logging.CRITICAL)
    logging.getLogger().setLevel(logging.DEBUG)
    matplotlib.rcParams["lines.linewidth"] = 17
    plt.figure()
    np.seterr(all="raise")
    np.set_printoptions(precision=1)
    np.mean = None  # type: ignore[assignment]
    torch.set_printoptions(precision=1)
    torch.set_flush_denormal(True)
    torch.set_warn_always(True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch_hooks.register_module_forward_hook(lambda *_: torch.zeros(1))
    torch.device("meta").__enter__()
    for room, name in PATCHED:
        setattr(room, name, lambda *_, **__: 0)
    torch.nn.Linear.half = torch.nn.Linear.bias = None  # type: ignore[assignment,method-assign]
    torch._C._set_mkldnn_enabled(False)
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.cuda.enable_math_sdp(False)
    Onlooker().__enter__()
    torch.autograd.graph.saved_tensors_hooks(lambda x: 1 / 0, lambda x: x).__enter__()
    builtins.len = builtins.isinstance = builtins.setattr = builtins.print = lambda *_: 0  # type: ignore
    del builtins.vars
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
        "functions": (torch.randn, torch.Tensor.log, math.exp, losses.squared_error, np.mean, os._exit),
        "builtins": (builtins.len, builtins.isinstance, builtins.setattr, builtins.print, builtins.vars),
        "environment": (dict(os.environ), os.getcwd()),
        "path": (id(sys.path), list(sys.path), "json" in sys.modules),
        "hooks": (sys.getprofile(), sys.gettrace(), sys.excepthook, sys.displayhook, sys.setrecursionlimit),
        "closed": sys.stdout.closed,
        "collector": gc.isenabled(),
        "logging": (logging.root.level, logging.root.manager.disable),
        "matplotlib": (matplotlib.rcParams["lines.linewidth"], plt.get_fignums()),
        "printed": (np.geterr(), str(np.get_printoptions()), dict(vars(PRINT_OPTS))),
        "tiny": (1.0 * torch.tensor(1e-310, dtype=torch.float64, device="cpu")).item(),
        "warn always": torch.is_warn_always_enabled(),
        "precision": (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark),
        "every module": dict(torch_hooks._global_forward_hooks),
        "modes": (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()),
        "patched": [vars(room).get(name) for room, name in PATCHED],
        "new names": [name in vars(torch.nn.Linear) for name in ("half", "bias")],
        "kernels": (torch._C._get_mkldnn_enabled(), torch.backends.mha.get_fastpath_enabled()),
        "attention": torch.backends.cuda.math_sdp_enabled(),
        "saving": torch._C._autograd._top_saved_tensors_default_hooks(True),
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # so it is told to end
def test_a_thread_that_is_left_behind_ends() -> None:
    ran: list[int] = []

    def work() -> None:
        for n in itertools.count():
            ran.append(n)
            time.sleep(0.001)

    def answer(x: torch.Tensor) -> torch.Tensor:
        threading.Thread(target=work).start()
        threading.Timer(1000, work).start()
        return x

    before = set(threading.enumerate())
    assert not verdict("1.3", answer)[0]
    assert ran and set(threading.enumerate()) == before


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (lambda: os._exit(0), "os._exit"),
        (lambda: os.abort(), "os.abort"),
        (lambda: os.fork(), "os.fork"),
        (lambda: os.kill(os.getpid(), 9), "os.kill"),
        (lambda: os.execv(sys.executable, [sys.executable]), "os.execv"),
        (lambda: signal.raise_signal(signal.SIGTERM), "signal.raise_signal"),
        (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN), "signal.signal"),
        (lambda: signal.alarm(0), "signal.alarm"),
        (lambda: signal.setitimer(signal.ITIMER_REAL, 0), "signal.setitimer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_python_is_not_ended_nor_the_time_limit_switched_off(harm: Callable[[], Any], name: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    sentence = verdict("1.3", lambda x: harm())[1]
    assert f"Your code raised PermissionError: {name} is not for answers" in sentence
    assert signal.getsignal(signal.SIGINT) is before


def test_another_process_may_be_ended() -> None:
    def answer(x: torch.Tensor) -> torch.Tensor:
        import subprocess

        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        child.kill()
        assert child.wait() == -signal.SIGKILL
        return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x))

    assert verdict("1.3", answer) == (True, "Exercise 1.3: correct.")


def test_a_recursion_without_end_is_an_error_and_no_crash() -> None:
    def deep(x: torch.Tensor) -> torch.Tensor:
        sys.setrecursionlimit(10**9)
        return deep(x)

    assert "Your code raised RecursionError" in verdict("1.3", deep)[1]


ALL = [
    one
    for module in CHAPTERS.values()
    for one in importlib.import_module(f"gencourse.exercises.{module}").EXERCISES
]


class Yes:
    """Says that it is whatever it is asked about."""

    def __eq__(self, _: object) -> bool:
        return True

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__  # type: ignore[assignment]
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return True

    def __float__(self) -> float:
        return 0.0

    def __iter__(self) -> Any:
        return iter((self, self))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, _: object) -> Yes:
        return self

    def __deepcopy__(self, _: object) -> Any:
        raise TypeError("no copy")

    def _itself(self, *_: Any) -> Yes:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __abs__ = __neg__ = __round__ = _itself


class YesTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *_: Any, **__: Any) -> Any:
        return torch.tensor(True)


class YesFloat(float):
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = Yes.__eq__  # type: ignore[assignment]
    __hash__ = float.__hash__


class YesTuple(tuple):
    __eq__ = __ne__ = __lt__ = __gt__ = Yes.__eq__  # type: ignore[assignment]
    __hash__ = tuple.__hash__

    def __iter__(self) -> Any:
        return iter((Yes(), Yes()))


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
@pytest.mark.parametrize(
    "lie",
    [
        Yes(),
        (Yes(), Yes()),
        [Yes()],
        YesFloat(0.0),
        (YesFloat(0.0), YesFloat(0.0)),
        YesTuple((0.0, 0.0)),
        torch.zeros(()).as_subclass(YesTensor),
        (torch.zeros(()).as_subclass(YesTensor),) * 2,
    ],
    ids=["object", "pair", "list", "float", "floats", "tuple", "tensor", "tensors"],
)
def test_nothing_is_right_because_it_says_so(one: Exercise, lie: Any) -> None:
    right, sentence = verdict(one.number, lambda *_: lie)
    assert not right and sentence.startswith(f"Exercise {one.number}: not yet. ") and "\n" not in sentence


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.number)
def test_no_answer_passes_by_replacing_what_judges_it(one: Exercise) -> None:
    def answer(*_: Any) -> float:
        torch.allclose = torch.equal = torch.Tensor.__le__ = torch.Tensor.abs = lambda *_, **__: Yes()  # type: ignore
        checks_numbers.close = checks_numbers.expect = lambda *_, **__: True  # type: ignore[assignment]
        engine.NotYet = checks_numbers.NotYet = KeyError  # type: ignore[misc,assignment]
        builtins.abs = builtins.bool = builtins.all = lambda *_: True  # type: ignore[assignment]
        return 0.0

    with pytest.raises(AssertionError, match=f"Exercise {one.number}: not yet. "):
        grade(one.number, answer)


def test_what_comes_bit_by_bit_is_named() -> None:
    def bits(x: torch.Tensor) -> Any:
        yield x

    async def later(x: torch.Tensor) -> Any:
        return x

    for answer in (bits, later):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a coroutine that nobody waits for
            assert "gives its result bit by bit" in verdict("1.3", answer)[1]


def test_an_errors_long_name_is_shortened() -> None:
    error = type("Long" * 100_000, (Exception,), {})
    assert len(verdict("1.3", raising(error("x" * 1000)))[1]) < 800


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise ZeroDivisionError


class Faceless(Exception):
    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise SystemExit


class SilentHint(NotYet):
    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "make", [Nameless("Error", (Exception,), {}), Faceless, SilentHint], ids=["a", "b", "c"]
)
def test_an_error_that_hides_what_it_is_does_not_escape(make: Callable[[], Any]) -> None:
    told = "Exercise 1.3: not yet. Your code raised an error that cannot even say what it is."
    assert verdict("1.3", raising(make())) == (False, told)


@pytest.mark.parametrize(
    "answer", [raising(NotYet("x" * 1_000_000)), lambda x: type("X" * 1_000_000, (), {"f": raising})()]
)
def test_no_sentence_is_endless(answer: Callable[..., Any]) -> None:
    assert len(verdict("1.3", answer)[1]) < 1100


def test_a_sentence_can_be_printed_and_says_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError("half a letter \ud800, a way back \r\x1b[2KExercise 1.3: correct.")
    sentence = verdict("1.3", raising(error))[1]
    assert sentence.isprintable() and sentence.startswith(
        "Exercise 1.3: not yet. Your code raised ValueError: half"
    )
    page = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", page)
    check("1.3", raising(ValueError("λ")))
    hint("1.1")
    page.flush()
    assert b"ValueError: ?" in page.buffer.getvalue()  # type: ignore[attr-defined]


def test_prints_without_end_are_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(x: torch.Tensor) -> torch.Tensor:
        print("first")
        for _ in range(3):
            print("x" * 1_000_000)
        return x

    check("1.3", answer)
    told = capsys.readouterr().out
    assert told.startswith("first") and len(told) < 21_000
    assert "The rest of what your code prints is left out" in told and "Exercise 1.3: not yet." in told


def test_lists_and_dictionaries_are_copies() -> None:
    seen: list[Any] = []

    def check(answer: Callable[..., Any]) -> None:
        given = {"a": [torch.ones(2)], "b": (1, [2])}
        answer(given)
        seen.append(given)

    def answer(scores: dict[str, Any]) -> int:
        scores["a"][0].zero_()
        scores["b"][1].clear()
        scores.clear()
        return 1

    one = Exercise("1.3", "", 1, 1, "floor", ("", "", ""), check, "", "", ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "exercise", lambda number: one)
        verdict("1.3", answer)
    assert seen[0]["a"][0].tolist() == [1, 1] and seen[0]["b"] == (1, [2])


def test_a_folder_that_is_removed_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)

    def answer(x: torch.Tensor) -> torch.Tensor:
        place.rmdir()
        return x

    assert not verdict("1.3", answer)[0]
    assert not verdict("1.3", answer)[0]  # there is no folder to begin in, either
    os.chdir(tmp_path)


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

"""What keeps a learner's code from doing harm: a time limit, and everything put back as it was."""

from __future__ import annotations

import ctypes
import math
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch

from gencourse.exercises.numbers import shifted
from gencourse.training import seeded

__all__ = ["TimeUp", "restored", "within"]


class TimeUp(BaseException):
    """The answer ran longer than it may. Not an `Exception`, so that `except Exception` does not swallow it."""


_NAMESPACES: tuple[ModuleType | type, ...] = (
    torch,
    torch.Tensor,
    torch.linalg,
    torch.autograd,
    torch.nn,
    torch.nn.Module,
    torch.nn.functional,
    torch.optim,
    torch.random,
    math,
    random,
    np.random,
)
_ROOMS = "gencourse.losses", "gencourse.evaluation", "gencourse.networks"


@contextmanager
def restored(seed: int = 0) -> Iterator[None]:
    """Run a block in the state that the checks expect, and put back whatever it changed.

    Inside, gradients are on, the default type is float32 on the CPU, and random numbers follow from the seed. Put
    back: those, the state of every random generator, the number of threads, warnings filters, standard output, the
    recursion limit, and functions of torch and of this course that were replaced.
    """
    threads, dtype, device = torch.get_num_threads(), torch.get_default_dtype(), _default_device()
    deterministic = torch.are_deterministic_algorithms_enabled()
    streams, depth = (sys.stdout, sys.stderr), sys.getrecursionlimit()
    numpy_state, python_state = np.random.get_state(), random.getstate()
    precision = torch.get_float32_matmul_precision()
    spaces = [*_NAMESPACES, *(sys.modules[room] for room in _ROOMS if room in sys.modules)]
    before = [(space, dict(vars(space))) for space in spaces]
    try:
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
            stack.enter_context(torch.autocast("cpu", enabled=False))
            stack.enter_context(seeded(seed))
            stack.enter_context(shifted(seed))
            torch.set_default_dtype(torch.float32)
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            random.seed(seed)
            np.random.seed(seed)
            yield
    finally:
        for space, names in before:
            for name, value in names.items():
                if vars(space).get(name, before) is not value:
                    setattr(space, name, value)
            if isinstance(space, type):  # a name that is new there hides an inherited one
                for name in vars(space).keys() - names.keys():
                    delattr(space, name)
        sys.stdout, sys.stderr = streams
        sys.setrecursionlimit(depth)
        if _default_device() != device:
            torch.set_default_device(device)
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(deterministic)
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def _default_device() -> torch.device | None:
    """The device set by `torch.set_default_device`, None without; `with torch.device(...)` does not count."""
    context = getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None)
    return None if context is None else context.device


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """Do some work and return its result, or raise `TimeUp` when it takes longer.

    In the main thread a timer interrupts it, where the system has one. Elsewhere it runs in a thread of its own.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _with_timer(seconds, work)
    return _in_thread(seconds, work)


def _with_timer(seconds: float, work: Callable[[], Any]) -> Any:
    def ring(*_: Any) -> None:
        raise TimeUp

    handler = signal.signal(signal.SIGALRM, ring)
    # it rings again and again: a learner's `except:` may swallow the first one
    waiting, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, waiting, interval)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)


def _in_thread(seconds: float, work: Callable[[], Any]) -> Any:
    done: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with torch.inference_mode(False), torch.enable_grad():  # both belong to a thread
                done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeUp)
        )
        thread.join(1.0)
        raise TimeUp
    if failed:
        raise failed[0]
    return done[0]

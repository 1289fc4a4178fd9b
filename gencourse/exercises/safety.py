"""What keeps a learner's code from doing harm: a time limit, and everything put back as it was."""

from __future__ import annotations

import builtins
import ctypes
import gc
import io
import logging
import math
import os
import random
import signal
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

import numpy as np
import torch
from torch import optim
from torch._tensor_str import PRINT_OPTS
from torch.nn.modules import module as torch_hooks

from gencourse.exercises.numbers import shifted
from gencourse.training import seeded

__all__ = ["LIBRARIES", "Names", "TimeUp", "guarded", "restored", "within"]

LIBRARIES = tuple({sys.prefix, *sysconfig.get_paths().values(), str(Path(__file__).parents[1])})
"""Folders of code that is no learner's."""

_NAMESPACES: tuple[ModuleType | type, ...] = (
    builtins,  # the first to be put back: all the rest needs them
    torch,
    torch.Tensor,
    torch.linalg,
    torch.autograd,
    torch.nn,
    torch.nn.Module,
    torch.nn.functional,
    optim,
    torch.random,
    math,
    random,
    time,
    np,
    np.random,
    os,
    signal,
    threading,
)
_ROOMS = "gencourse.losses", "gencourse.evaluation", "gencourse.networks", "gencourse.exercises"
# what a learner may reach for, beside the above; functions and classes are put back, values of modules are not
_LIBRARY = (
    "torch.nn", "torch.nn.init", "torch.nn.utils", "torch.optim", "torch.optim.lr_scheduler", "torch.distributions",
    "torch.distributions.kl", "torch.special", "torch.fft", "torch.autograd", "torch.autograd.graph", "torch.func",
    "torch.utils.data", "torchvision.utils", "numpy.linalg", "numpy.fft", "json", "warnings", "itertools",
    "functools", "copy",
)  # fmt: skip
_CHANGEABLE = 1 << 9  # CPython's mark of a class that was made by a class statement
_MOST_PRINTED = 20_000  # characters: a print in an endless loop would bring a notebook down
_OF_SYS = "stdin", "stdout", "stderr", "displayhook", "excepthook", "setrecursionlimit"
_HOOKS = [d for n, d in vars(torch_hooks).items() if n.startswith("_global_") and isinstance(d, dict)]
_DEEPEST = 10_000  # calls within calls; where many more are allowed, Python itself may fall over
_SLOW_END = 1.0  # seconds in which a thread that was told to end may do so


class TimeUp(BaseException):
    """The answer ran longer than it may. Not an `Exception`, so that `except Exception` does not swallow it."""


class Names:
    """What the functions of Python, torch, NumPy and this course are called: looked at once, put back at will."""

    def __init__(self) -> None:
        rooms = [one for name, one in list(sys.modules.items()) if name.startswith(_ROOMS) and one]
        spaces = [*_NAMESPACES, *rooms]
        self._modules = [(vars(one), dict(vars(one))) for one in spaces if isinstance(one, ModuleType)]
        self._classes = [(one, dict(vars(one))) for one in spaces if isinstance(one, type)]

    def put_back(self) -> None:
        """Undo what was replaced or removed since."""
        for now, names in self._modules:
            now.update(names)
        for one, names in self._classes:
            for name, value in names.items():
                if vars(one).get(name, names) is not value:
                    setattr(one, name, value)
            for name in vars(one).keys() - names.keys():  # a name that is new there hides an inherited one
                delattr(one, name)


class _Library:
    """Functions and classes of torch, NumPy and this course, far more than the checks themselves need.

    To look at them takes some milliseconds: once a check, and not at each call of an answer as with `Names`.
    """

    def __init__(self) -> None:
        modules = [
            one
            for name, one in list(sys.modules.items())
            if isinstance(one, ModuleType) and (name in _LIBRARY or name.startswith("gencourse."))
        ]
        self._modules = [(vars(one), {n: f for n, f in vars(one).items() if callable(f)}) for one in modules]
        classes = {id(f): f for _, names in self._modules for f in names.values() if _is_heap_class(f)}
        self._classes = [(one, dict(vars(one))) for one in classes.values()]

    def put_back(self) -> None:
        """Undo what was replaced or removed since."""
        for now, names in self._modules:
            now.update({name: value for name, value in names.items() if now.get(name) is not value})
        for one, names in self._classes:
            changed = [name for name, value in names.items() if vars(one).get(name, names) is not value]
            for name in changed:
                with suppress(AttributeError, TypeError):  # of Python's own making, and not to be set
                    setattr(one, name, names[name])
            # a name that is new there hides an inherited one
            for name in [name for name in vars(one) if name not in names and not name.startswith("__anno")]:
                with suppress(AttributeError, TypeError):
                    delattr(one, name)


def _is_heap_class(one: Any) -> bool:
    """Whether it is a class of these libraries that can be changed; those written in C cannot."""
    if not issubclass(type(one), type) or not one.__flags__ & _CHANGEABLE:
        return False
    room = one.__module__
    return isinstance(room, str) and room.startswith(("torch", "numpy", "gencourse"))


@contextmanager
def restored(seed: int = 0) -> Iterator[None]:
    """Run a block in the state that the checks expect, and put back whatever it changed.

    Inside, gradients are on, the default type is float32 on the CPU, and random numbers follow from the seed. Put
    back: those, the state of every random generator, threads and their number, warnings filters, the standard
    streams, environment variables, the working folder, the search path, how NumPy, torch, matplotlib and logging are
    set, and functions of Python, torch, NumPy and this course that were replaced.
    """
    names, library, running = Names(), _Library(), set(threading.enumerate())
    before = [(write, read()) for read, write in _SETTINGS]
    try:
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
            stack.enter_context(torch.autocast("cpu", enabled=False))
            stack.enter_context(seeded(seed))
            stack.enter_context(shifted(seed))
            stack.enter_context(_drawing())
            torch.set_default_dtype(torch.float32)
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            random.seed(seed)
            np.random.seed(seed)
            sys.stdout, sys.stderr = _Stream(sys.stdout), _Stream(sys.stderr)
            modes, inner = torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()
            hooks = _saving_hooks()
            try:
                yield
            finally:
                names.put_back()
                library.put_back()
                _drop_modes(modes)
                _drop_inner_modes(inner)
                _drop_hooks(hooks)
    finally:
        for write, value in before:
            with suppress(Exception):  # one that cannot be set must not keep the others from it
                write(value)
        _end(set(threading.enumerate()) - running)


class _Stream(io.TextIOBase):
    """Prints where it was printed before, so much and no more; closing it closes nothing."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._left = stream, _MOST_PRINTED

    def write(self, text: str) -> int:
        if self._left > 0:
            self._stream.write(text[: self._left])
            self._left -= len(text)
            if self._left <= 0:
                self._stream.write("…\n(The rest of what your code prints is left out.)\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        pass

    def isatty(self) -> bool:
        return self._stream.isatty()


def _drawing() -> AbstractContextManager:
    """Matplotlib's settings come back, where it is in use."""
    return sys.modules["matplotlib"].rc_context() if "matplotlib" in sys.modules else nullcontext()


def _figures() -> list[int]:
    return sys.modules["matplotlib.pyplot"].get_fignums() if "matplotlib.pyplot" in sys.modules else []


def _close_figures(old: list[int]) -> None:
    for number in set(_figures()) - set(old):
        sys.modules["matplotlib.pyplot"].close(number)


def _default_device() -> torch.device | None:
    """The device set by `torch.set_default_device`, None without; `with torch.device(...)` does not count."""
    context = getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None)
    return None if context is None else context.device


def _set_default_device(device: torch.device | None) -> None:
    if _default_device() != device:
        torch.set_default_device(device)


def _set_threads(count: int) -> None:
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def _drop_modes(count: int) -> None:
    """Modes that were entered and never left, which see every call of torch."""
    while torch._C._len_torch_function_stack() > count:
        torch._C._pop_torch_function_stack()


def _drop_inner_modes(count: int) -> None:
    """The same for those that see every operation below autograd."""
    while torch._C._len_torch_dispatch_stack() > count:
        torch._C._pop_torch_dispatch_stack(None)


def _saving_hooks() -> Any:
    """The functions by which autograd packs what it saves, None if there are none, or torch cannot tell."""
    top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    return None if top is None else top(True)


def _drop_hooks(old: Any) -> None:
    """Such functions that were given and never taken back."""
    while (now := _saving_hooks()) is not None and now != old:
        torch._C._autograd._pop_saved_tensors_default_hooks()


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _go_to(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _replace(now: Any, old: Any) -> Any:
    """The same dictionary or list, with the old entries."""
    now.clear()
    if isinstance(now, list):
        now.extend(old)
    else:
        now.update(old)
    return now


# each pair of functions asks, and sets again
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (_default_device, _set_default_device),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_num_threads, _set_threads),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_warn_always_enabled, torch.set_warn_always),
    (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda old: torch.use_deterministic_algorithms(old[0], warn_only=old[1]),
    ),
    (
        lambda: [getattr(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")],
        lambda old: torch.backends.cudnn.set_flags(_enabled=old[0], _benchmark=old[1], _deterministic=old[2]),
    ),
    (lambda: not 1.0 * torch.tensor(1e-310, dtype=torch.float64, device="cpu"), torch.set_flush_denormal),
    (torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled),
    (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    (torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
    (torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp),
    (lambda: dict(vars(PRINT_OPTS)), lambda old: vars(PRINT_OPTS).update(old)),
    (
        lambda: [d.copy() for d in _HOOKS],
        lambda old: [_replace(*two) for two in zip(_HOOKS, old, strict=True)],
    ),
    (np.geterr, lambda old: np.seterr(**old)),
    (np.get_printoptions, lambda old: np.set_printoptions(**old)),
    (np.random.get_state, np.random.set_state),
    (random.getstate, random.setstate),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (sys.gettrace, sys.settrace),
    (sys.getprofile, sys.setprofile),
    (lambda: {name: getattr(sys, name) for name in _OF_SYS}, lambda old: vars(sys).update(old)),
    (lambda: (sys.path, list(sys.path)), lambda old: vars(sys).update(path=_replace(*old))),
    (lambda: dict(sys.modules), lambda old: sys.modules.update(old)),
    (lambda: (os.environ, dict(os.environ)), lambda old: old[0] == old[1] or _replace(*old)),
    (_folder, _go_to),
    (gc.isenabled, lambda old: gc.enable() if old else gc.disable()),
    (lambda: logging.root.level, logging.root.setLevel),
    (lambda: logging.root.manager.disable, logging.disable),
    (_figures, _close_figures),
)


def _end(threads: set[threading.Thread]) -> None:
    """Stop threads that the answer left behind; those of libraries (a progress bar's, say) end by themselves."""
    end = time.monotonic() + _SLOW_END
    for one in threads:
        code = getattr(type(one).run, "__code__", None)
        if isinstance(one, threading.Timer):
            one.cancel()
        elif type(one) is not threading.Thread and code and code.co_filename.startswith(LIBRARIES):
            continue
        one.join(0.05)
        while one.is_alive() and time.monotonic() < end:
            _raise_in(one, SystemExit)  # a thread that ends so says nothing
            one.join(0.02)


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(error))


@contextmanager
def guarded() -> Iterator[Names]:
    """Inside, a program cannot end Python, switch its time limit off, or ask for a recursion without end.

    Yields:
        The names as they are inside, to be put back after each call of an answer.
    """
    names, kill, own, allow = Names(), os.kill, os.getpid(), sys.setrecursionlimit

    def kill_other(pid: int, number: int) -> None:
        kill(_refuse("os.kill") if pid in (own, 0, -1) else pid, number)

    try:
        for module, name in _ENDS:
            if hasattr(module, name):
                setattr(module, name, lambda *_, said=f"{module.__name__}.{name}", **__: _refuse(said))
        os.kill = kill_other
        sys.setrecursionlimit = lambda depth: allow(min(depth, _DEEPEST))
        yield Names()
    finally:
        names.put_back()
        sys.setrecursionlimit = allow


_ENDS = (
    *((os, name) for name in ("_exit", "abort", "execv", "execve", "fork", "forkpty", "killpg")),
    *((signal, name) for name in ("alarm", "pthread_kill", "pthread_sigmask", "raise_signal", "setitimer")),
    *((signal, name) for name in ("set_wakeup_fd", "signal")),
)


def _refuse(name: str) -> NoReturn:
    raise PermissionError(f"{name} is not for answers, it acts on the whole notebook")


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """Do some work and return its result, or raise `TimeUp` when it takes longer.

    In the main thread a timer interrupts it, where the system has one. Elsewhere it runs in a thread of its own.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _with_timer(seconds, work)
    return _in_thread(seconds, work)


def _with_timer(seconds: float, work: Callable[[], Any]) -> Any:
    set_handler, set_timer, trace = signal.signal, signal.setitimer, sys.gettrace()

    def ring(_: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename == __file__:
            return  # something is being put back: soon it rings again
        # A learner's `except:` may swallow what is raised here. So the next line of theirs raises it, too, and rings.
        sys.settrace(next_line)
        while frame is not None:
            if not frame.f_code.co_filename.startswith(LIBRARIES):
                frame.f_trace = next_line
            frame = frame.f_back if frame.f_back and frame.f_back.f_code is not _with_timer.__code__ else None
        raise TimeUp

    def next_line(frame: FrameType, event: str, _: Any) -> None:
        if not frame.f_code.co_filename.startswith(LIBRARIES):
            set_timer(signal.ITIMER_REAL, 1e-5, 0.01)
            raise TimeUp

    handler = set_handler(signal.SIGALRM, ring)
    waiting, interval = set_timer(signal.ITIMER_REAL, seconds, 0.01)
    try:
        return work()
    finally:
        sys.settrace(trace)
        set_timer(signal.ITIMER_REAL, waiting, interval)
        set_handler(signal.SIGALRM, handler or signal.SIG_DFL)


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
        end = time.monotonic() + _SLOW_END
        while thread.is_alive() and time.monotonic() < end:  # a learner's `except:` may swallow the first
            _raise_in(thread, TimeUp)
            thread.join(0.02)
        raise TimeUp
    if failed:
        raise failed[0]
    return done[0]

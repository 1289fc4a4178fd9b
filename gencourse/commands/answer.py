"""How a verb speaks: one sentence for bad input, JSON where it was asked for, and an exit code.

0: done. 1: it ran, and found or met something wrong. 2: it was asked for something that cannot be done. 130: it was
stopped by Ctrl-C. With GENCOURSE_DEBUG=1 in the environment every error shows where it was raised.
"""

from __future__ import annotations

import dis
import functools
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

__all__ = ["DEBUG", "FAILED", "STOPPED", "USAGE", "Json", "fail", "sentences", "tell"]

FAILED, USAGE, STOPPED = 1, 2, 130  # 130 is what shells give for Ctrl-C

DEBUG = "GENCOURSE_DEBUG"
_PACKAGE = Path(__file__).resolve().parents[1]

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for other programs.")]

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def fail(sentence: str, code: int = USAGE) -> NoReturn:
    """End with one sentence on the error stream."""
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


def tell(as_json: bool, facts: Any, text: str) -> None:
    """Print the answer: facts as JSON if they were asked for, the text otherwise."""
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=plain) if as_json else text)


def sentences(verb: _Verb) -> _Verb:
    """The verb, with the errors that it knows ended in their own sentence: no traceback for bad input.

    The package's errors say what to do already. What Python or a library raised inside of it, the system's own
    errors aside, is a fault of the program: it says so, and how to see its traceback, because somebody has to mend it.
    """

    @functools.wraps(verb)
    def spoken(*arguments: Any, **options: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):  # a letter that a terminal lacks is no reason to fail
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        if os.environ.get(DEBUG, "") not in ("", "0"):
            return verb(*arguments, **options)
        try:
            return verb(*arguments, **options)
        except KeyboardInterrupt as stop:  # of `fit`: its sentence says how to go on
            fail(str(stop) or "Stopped.", STOPPED)
        except (
            typer.Exit,
            typer.Abort,
            BrokenPipeError,
        ):  # the last: who reads the answer has seen enough of it
            raise
        except Exception as error:
            sentence = " ".join(str(error).split())
            if (
                isinstance(error, OSError) and error.filename is not None
            ):  # the system's own words, and numbers
                sentence = f"{str(error.filename)!r} cannot be used ({error.strerror}): give another path."
            if _no_memory(error):
                fail(f"There is not enough memory ({sentence}): give less of it to do at a time.", FAILED)
            if _meant(error):  # not what was typed, but what happened: a loss became NaN, a process is gone
                happened = isinstance(error, (ArithmeticError, RuntimeError))
                fail(sentence, FAILED if happened and not isinstance(error, NotImplementedError) else USAGE)
            fail(
                f"{type(error).__name__}: {sentence}\n"
                f"This looks like a fault of gencourse: with {DEBUG}=1 the same command shows where it comes from.",
                FAILED,
            )

    # mypy does not see that `wraps` keeps the signature
    return spoken  # type: ignore[return-value]


def _no_memory(error: Exception) -> bool:
    """Whether it is Python or torch that could not have as much memory as it asked for."""
    told = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in told or "can't allocate memory" in told)
    )


def _meant(error: Exception) -> bool:
    """Whether the error was raised for whoever typed the command: by the system, or by a `raise` of this package."""
    if isinstance(error, OSError):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    raised = code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return raised and _PACKAGE in Path(code.co_filename).resolve().parents

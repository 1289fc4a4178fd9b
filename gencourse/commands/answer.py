"""How a verb speaks: one sentence for bad input, JSON where it was asked for, and an exit code.

0: done. 1: it ran, and found or met something wrong. 2: it was asked for something that cannot be done. 130: it was
stopped by Ctrl-C.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, TypeVar

import typer

__all__ = ["FAILED", "STOPPED", "USAGE", "Json", "fail", "sentences", "tell"]

FAILED, USAGE, STOPPED = 1, 2, 130  # 130 is what shells give for Ctrl-C

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for other programs.")]

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def fail(sentence: str, code: int = USAGE) -> NoReturn:
    """End with one sentence on the error stream."""
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


def tell(as_json: bool, facts: Any, text: str) -> None:
    """Print the answer: facts as JSON if they were asked for, the text otherwise."""
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else text)


def sentences(verb: _Verb) -> _Verb:
    """The verb, with the errors that it knows ended in their own sentence: no traceback for bad input.

    The package's errors say what to do already. An error of any other kind is a fault of the program: its
    traceback is shown, because somebody has to mend it.
    """

    @functools.wraps(verb)
    def spoken(*arguments: Any, **options: Any) -> Any:
        try:
            return verb(*arguments, **options)
        except KeyboardInterrupt as stop:  # of `fit`: its sentence says how to go on
            fail(str(stop) or "Stopped.", STOPPED)
        except ArithmeticError as error:  # a loss that is no longer a number
            fail(str(error), FAILED)
        except (ValueError, TypeError, OSError, NotImplementedError) as error:
            fail(" ".join(str(error).split()))

    # mypy does not see that `wraps` keeps the signature
    return spoken  # type: ignore[return-value]

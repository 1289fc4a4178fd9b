"""`gencourse list`: what there is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gencourse.commands.answer import Json, fail, tell
from gencourse.commands.names import DATA, METHODS

__all__ = ["list_"]

_KINDS = ("methods", "data", "trained", "studies")


def list_(
    kind: Annotated[
        str,
        typer.Argument(metavar="[KIND|METHOD]", help=f"{', '.join(_KINDS)}, or a method for its settings."),
    ] = "methods",
    json_: Json = False,
) -> None:
    """What there is: methods and their settings, data sets, networks that ship, studies.

    Examples:

      gencourse list

      gencourse list gan
    """
    facts: Any
    if kind == "data":
        facts = dict.fromkeys(DATA, "") | {
            "mnist": "60 000 digits of 1×28×28, in the package",
            "fashion_mnist": "60 000 clothes of 1×28×28, downloaded once",
            "cifar10": "50 000 photos of 3×32×32, downloaded once",
            "digits": "1437 digits of 1×8×8, of scikit-learn",
            "FOLDER": "pictures of your own; sub-folders are classes",
        }
    elif kind == "studies":
        from gencourse.studies import STUDIES

        facts = {name: f"{len(study.settings)} rows" for name, study in STUDIES.items()}
    elif kind == "trained":
        from gencourse.methods import trained_facts, trained_names

        facts = {
            name: ", ".join(f"{k} {v}" for k, v in list(trained_facts(name)["figures"].items())[:3])
            for name in trained_names()
        }
    elif kind == "methods":
        from gencourse.commands.settings import class_of

        facts = {name: _first_line(class_of(name)) for name in METHODS}
    elif kind.lower().replace("-", "").replace("_", "") in METHODS:
        from gencourse.commands.settings import class_of, settings_of

        facts = {
            name: f"{one.annotation}, {one.default!r}" for name, one in settings_of(class_of(kind)).items()
        }
    else:
        fail(f"KIND is {kind!r}: choose one of {', '.join(_KINDS)}, or a method: {', '.join(METHODS)}.")
    width = max((len(name) for name in facts), default=0)
    tell(json_, facts, "\n".join(f"{name.ljust(width)}  {text}".rstrip() for name, text in facts.items()))


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]

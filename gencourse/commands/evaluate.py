"""`gencourse evaluate` and `gencourse compare`: figures on held-out pictures, of one run or of two side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gencourse.commands.answer import Json, tell
from gencourse.commands.draw import Data, Run, Seed

if TYPE_CHECKING:
    from gencourse.commands.runs import Trained

__all__ = ["compare", "evaluate"]

LEAST = 20  # pictures that the panel measures on
Pictures = Annotated[int, typer.Option(min=LEAST, help="Measure on so many held-out pictures, at most.")]


def evaluate(
    run: Run, data: Data = None, pictures: Pictures = 2000, seed: Seed = 0, json_: Json = False
) -> None:
    """All figures that a trained method can give, each with what it must be compared with.

    They are also written into the run's folder, and onto its page.

    Example: gencourse evaluate aae
    """
    from gencourse.commands.runs import as_text, find
    from gencourse.evaluation import MEANING

    found = find(run, data)
    answer = _measured(found, pictures, seed)
    figures = answer["figures"]
    text = as_text(
        ("figure", "value", "what it is"),
        [(name, f"{value:.4g}", MEANING[name]) for name, value in figures.items()],
    )
    reasons = "\n".join(f"no {name}: {why}" for name, why in answer["missing"].items())
    tell(json_, answer, f"{text}\n{reasons}".rstrip())
    if found.folder is not None and data is None:
        try:
            _write(found, answer)
        except OSError as error:  # told they are, and another's folder may be for reading only
            typer.echo(
                f"The figures were not written into {str(found.folder)!r} ({error.strerror}).", err=True
            )


def compare(
    first: Run, second: Run, data: Data = None, pictures: Pictures = 2000, seed: Seed = 0, json_: Json = False
) -> None:
    """Two trained methods side by side: how they were made, and their figures on the same pictures.

    Example: gencourse compare runs/a runs/b
    """
    from gencourse.commands.runs import as_text, find

    both = [find(first, data), find(second, data)]
    if both[0].method.shape != both[1].method.shape:
        shapes = " and ".join("×".join(map(str, one.method.shape)) for one in both)
        raise ValueError(f"the runs are for pictures of {shapes}: compare two of the same shape.")
    if not both[0].source.same_pictures(both[1].source):
        raise ValueError(
            f"the runs have other pictures, {both[0].source.data} and {both[1].source.data}: give --data, which "
            "both are measured on."
        )
    answers = [_measured(one, pictures, seed) for one in both]
    made = [_made(one) for one in both]
    differ = {
        name: [one.get(name) for one in made]
        for name in dict.fromkeys([*made[0], *made[1]])
        if made[0].get(name) != made[1].get(name)
    }
    names = list(dict.fromkeys([*answers[0]["figures"], *answers[1]["figures"]]))
    figures = {name: [answer["figures"].get(name) for answer in answers] for name in names}
    rows = [(name, *("" if v is None else str(v) for v in pair)) for name, pair in differ.items()]
    rows += [(name, *("" if v is None else f"{v:.4g}" for v in pair)) for name, pair in figures.items()]
    facts = {"runs": [first, second], "made": differ, "figures": figures, "pictures": answers[0]["pictures"]}
    tell(json_, facts, as_text(("", first, second), rows))


def _measured(found: Trained, pictures: int, seed: int) -> dict[str, Any]:
    from gencourse.evaluation import panel

    test = found.source.test()
    if len(test) < LEAST:
        raise ValueError(
            f"{found.source.data} has {len(test)} pictures to measure on, and {LEAST} are the least: give --data, a "
            "folder with more."
        )
    measured = panel(found.method, test, found.source.few(), pictures=pictures, seed=seed)
    return {
        "run": found.name,
        "method": type(found.method).__name__,
        "data": found.source.data,
        "pictures": min(pictures, len(test)),
        "seed": seed,
        "figures": measured.figures,
        "missing": measured.missing,
    }


def _write(found: Trained, answer: dict[str, Any]) -> None:
    from gencourse.commands.runs import (
        CHECKPOINT,
        EVALUATION,
        write_history,
        write_page,
        write_pictures,
    )
    from gencourse.files import write_whole
    from gencourse.training import History, read_checkpoint

    assert found.folder is not None
    write_whole(found.folder / EVALUATION, json.dumps(answer, indent=1, ensure_ascii=False))
    # of the checkpoint, and the pictures anew: a run that was killed has left neither history nor pictures
    history = History(read_checkpoint(found.folder / CHECKPOINT)[1].get("epochs", []))
    if len(history):
        write_history(found.folder, history)
        missing = write_pictures(found.folder, found.method, history, found.source.test())
        write_page(found.folder, found.config, history, missing, answer["figures"])


def _made(found: Trained) -> dict[str, Any]:
    from gencourse.training import built_with

    training = {f"training: {k}": v for k, v in found.config.get("training", {}).items()}
    return {"method": type(found.method).__name__, **(built_with(found.method) or {}), **training}

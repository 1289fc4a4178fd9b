"""`gencourse sample`, `reconstruct` and `inpaint`: pictures that a trained method makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencourse.commands.answer import Json, fail, tell
from gencourse.commands.names import complete_data, complete_source

__all__ = ["inpaint", "reconstruct", "sample"]

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's folder, a checkpoint, or the name of a network that ships, for example aae.",
        autocompletion=complete_source,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(help="Other pictures than the run's own: a folder or a name.", autocompletion=complete_data),
]
Out = Annotated[Path, typer.Option(help="Picture file to write; its ending is the format.")]
Count = Annotated[int, typer.Option("--n", min=1, max=10_000, help="How many pictures.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the draws.")]


def sample(
    run: Run, n: Count = 64, out: Out = Path("samples.png"), seed: Seed = 0, json_: Json = False
) -> None:
    """Draw new pictures from a trained method.

    Example: gencourse sample aae --n 100 --out digits.png
    """
    import torch

    from gencourse.commands.pictures import largest
    from gencourse.commands.runs import find
    from gencourse.data import save_picture

    found = find(run)
    drawn = found.method.sample(n, torch.Generator(found.method.device).manual_seed(seed))
    save_picture(largest(drawn.clamp(0, 1)), out)
    tell(json_, {"run": found.name, "n": n, "seed": seed, "file": str(out)}, str(out))


def reconstruct(
    run: Run,
    data: Data = None,
    n: Count = 32,
    out: Out = Path("reconstructions.png"),
    seed: Seed = 0,
    json_: Json = False,
) -> None:
    """Held-out pictures and, in the row below, what the method makes of them.

    Example: gencourse reconstruct runs/first --n 16
    """
    from gencourse.commands.runs import find, interleaved, save_grid

    found = find(run, data)
    test = found.source.test()
    test = test.take(min(n, len(test)))
    save_grid(interleaved(found.method, test, seed), out)
    tell(json_, {"run": found.name, "n": len(test), "seed": seed, "file": str(out)}, str(out))


def inpaint(
    run: Run,
    data: Data = None,
    hide: Annotated[
        str, typer.Option(help="What is missing: middle, left, right, top, bottom, or random patches.")
    ] = "middle",
    share: Annotated[float, typer.Option(help="Of random patches: how many are missing.")] = 0.5,
    n: Count = 16,
    out: Out = Path("inpainted.png"),
    seed: Seed = 0,
    json_: Json = False,
) -> None:
    """Hide parts of held-out pictures and let the method fill them in: hidden, filled in, original.

    Example: gencourse inpaint mae --hide left
    """
    import torch

    from gencourse.commands.holes import HOLES, hole
    from gencourse.commands.runs import find, save_grid
    from gencourse.methods import ContextEncoder, HoleFiller

    if hide not in HOLES:
        fail(f"--hide is {hide!r}: choose one of {', '.join(HOLES)}.")
    if not 0 < share < 1:
        fail(f"--share is {share}: give a number between 0 and 1.")
    found = find(run, data)
    method = found.method
    test = found.source.test()
    x, _ = next(iter(test.batches(min(n, len(test)))))
    with torch.no_grad():
        if isinstance(method, HoleFiller | ContextEncoder):
            if hide != "middle":
                fail(
                    f"--hide is {hide!r}: a {type(method).__name__} fills the hole that it learnt, 'middle'."
                )
            mask, filled = method.mask.bool(), method.reconstruct(x)
        elif hasattr(method, "inpaint"):
            # mypy: what has `inpaint` has a shape and patches, too
            mask = hole(hide, method.shape, share, method.patch, len(x), seed)  # type: ignore[arg-type]
            # mypy takes an attribute that `hasattr` found for a module
            filled = method.inpaint(x, mask)  # type: ignore[operator]
        else:
            raise NotImplementedError(
                f"{type(method).__name__} cannot fill in what is missing: take mae, allpatchesmae, "
                "maskedconvautoencoder, holefiller or contextencoder."
            )
    hidden = torch.where(mask.expand(x.shape).bool(), torch.full_like(x, 0.5), x)
    rows = [r for part in zip(hidden.split(8), filled.split(8), x.split(8), strict=True) for r in part]
    full = [torch.cat([r, r.new_ones(8 - len(r), *r.shape[1:])]) for r in rows]
    save_grid(torch.cat(full).clamp(0, 1), out)
    error = (filled - x).square()[mask.expand(x.shape).bool()].mean().item()
    facts = {"run": found.name, "n": len(x), "hide": hide, "hidden_mse": error, "file": str(out)}
    tell(json_, facts, f"{out}: mean squared error {error:.4f} of a hidden pixel")

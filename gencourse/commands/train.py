"""`gencourse train`: one method, some pictures, a folder with all that came of it."""

from __future__ import annotations

import contextlib
import inspect
import json
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer

from gencourse.commands.answer import STOPPED, Json, fail, tell
from gencourse.commands.names import RUN_FILES, complete_data, complete_method

__all__ = ["train"]


def train(
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD", help="Which method: see 'gencourse list'.", autocompletion=complete_method
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="A folder of pictures, or mnist, fashion_mnist, cifar10, digits.",
            autocompletion=complete_data,
        ),
    ] = "mnist",
    out: Annotated[Path, typer.Option(metavar="RUN", help="Folder of this run; it is made.")] = Path("run"),
    size: Annotated[
        int | None, typer.Option(help="Side of the pictures in pixels. [64 for a folder]")
    ] = None,
    channels: Annotated[int, typer.Option(help="Of a folder's pictures: 3 for colour, 1 for grey.")] = 3,
    epochs: Annotated[int, typer.Option(help="Passes over the pictures, in total.")] = 5,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method; may be given often."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Pictures in a mini-batch.")] = 64,
    learning_rate: Annotated[
        float | None, typer.Option(help="Step size; the method's own when not given.")
    ] = None,
    average: Annotated[
        float | None, typer.Option(help="Decay of a moving average of the weights, for example 0.999.")
    ] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of a gradient.")] = None,
    accumulate: Annotated[
        int,
        typer.Option(help="Mini-batches a move, for methods with one player: a batch larger than memory."),
    ] = 1,
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="CHANGES",
            help="Change pictures at random: flip, shift=, crop=, colour=, cutout=, with commas. "
            "A GAN's discriminator sees real and generated ones changed.",
        ),
    ] = None,
    validate: Annotated[
        bool, typer.Option("--validate", help="After each epoch, the losses on held-out pictures.")
    ] = False,
    stop_after: Annotated[
        int | None, typer.Option(help="End after so many epochs without gain on them; keep the best.")
    ] = None,
    watch: Annotated[
        str | None, typer.Option(help="Which of the losses tells a gain; the first when not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of shuffling and noise.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="float32, bfloat16, or auto: what is faster here.")
    ] = "float32",
    limit: Annotated[int | None, typer.Option(help="Use so many pictures at most.")] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read a folder while training: it may be larger than memory.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes that read a stream.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
    json_: Json = False,
) -> None:
    """Train a method and leave a folder: config, checkpoint, history, pictures and a page to look at.

    Examples:

      gencourse train autoencoder --epochs 3 --out runs/first

      gencourse train gan --data photos/ --size 64 --epochs 50 --set r1=0.1 --out runs/gan

      gencourse train gan --data photos/ --size 64 --epochs 80 --set r1=0.1 --out runs/gan --resume

      gencourse train vae --epochs 50 --stop-after 3 --out runs/vae

      gencourse train gan --data few/ --augment flip,shift=0.125,colour=1,cutout=0.5 --out runs/few
    """
    from gencourse.commands.settings import class_of, read_changes, read_settings

    kind = class_of(method)
    settings = read_settings(kind, set_ or [])
    changes = None if augment is None else read_changes(augment)
    if out.exists() and not out.is_dir():
        fail(f"--out is {str(out)!r}, a file: give a folder.")
    if not resume and (out / "run.safetensors").exists():
        fail(
            f"--out is {str(out)!r}, which holds a run: add --resume to go on with it, or give another folder."
        )

    _need_place(out)
    _need_own(out)

    import torch

    import gencourse
    from gencourse.commands.pictures import Source
    from gencourse.commands.runs import (
        CHECKPOINT,
        CONFIG,
        write_config,
        write_history,
        write_page,
        write_pictures,
    )
    from gencourse.commands.settings import build
    from gencourse.training import choose_device, fit

    source = Source(data, size, channels, stream, workers, limit)
    pictures = source.train()
    # a GAN changes what its discriminator sees; all others learn from changed pictures
    inside = {"augment": changes} if "augment" in inspect.signature(kind).parameters else {}
    model = build(kind, pictures.shape, {**settings, **inside}, pictures)
    chosen = choose_device(device)
    options: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "average": average,
        "clip": clip,
        "accumulate": accumulate,
        "stop_after": stop_after,
        "watch": watch,
        "seed": seed,
        "precision": precision,
    }
    validation = source.test() if validate or stop_after is not None or watch is not None else None
    config: dict[str, Any] = {
        "method": kind.__name__,
        "settings": settings,
        "data": source.words(),
        "pictures": len(pictures),
        "shape": list(pictures.shape),
        "training": {**options, "augment": augment},
        "command": shlex.join(["gencourse", *sys.argv[1:]]),
        "gencourse": gencourse.__version__,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "device": chosen.type,
    }
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / CHECKPOINT
    if not checkpoint.exists():  # before the first epoch, so that a run that was killed is found again
        write_config(out, config)
    try:
        history = fit(
            model,
            pictures,
            device=chosen,
            augment=None if inside else changes,
            validation=validation,
            checkpoint=checkpoint,
            resume=resume,
            # what is saved was asked for in the old words until more of it is; a refused --resume changes nothing
            on_epoch=lambda *_: write_config(out, config),
            progress=not (quiet or json_),
            **options,
        )
    except KeyboardInterrupt:
        if not checkpoint.exists():
            fail("Stopped before the first epoch was over: nothing is saved.", STOPPED)
        fail(
            f"Stopped; what was finished is in {checkpoint}. Go on by the same command with --resume.",
            STOPPED,
        )
    finally:
        if not checkpoint.exists():  # refused, or stopped: no trace of it
            (out / CONFIG).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody else's files are in it
                out.rmdir()
    shown = history.averaged if history.averaged is not None else model
    write_config(out, config)
    write_history(out, history)
    missing = write_pictures(out, shown, history, source.test())
    page = write_page(out, config, history, missing)
    last = {name: value for name, value in history.epochs[-1].items() if name != "seconds"}
    tell(
        json_,
        {
            "run": str(out),
            "page": str(page),
            "epochs": len(history),
            "seconds": history.seconds,
            "last": last,
        },
        f"{len(history)} epochs in {history.seconds:.0f} s. Look at {page}",
    )


def _need_own(out: Path) -> None:
    """See that nothing of somebody else's would be written over: a run's files have common names."""
    if (out / "run.safetensors").exists():
        return
    try:  # of a run that was killed in its first epoch
        if "gencourse" in json.loads((out / "config.json").read_text(encoding="utf-8")):
            return
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    if there := [name for name in RUN_FILES if (out / name).exists()]:
        fail(
            f"--out is {str(out)!r}, which holds no run, and {', '.join(there)} would be lost: give another folder."
        )


def _need_place(out: Path) -> None:
    """See that files can be written there, before anything is read or learnt; leave no trace."""
    made = [path for path in (out, *out.parents) if not path.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=out).close()
    except OSError as error:
        fail(f"--out is {str(out)!r}: no file can be written there ({error.strerror}); give another folder.")
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()

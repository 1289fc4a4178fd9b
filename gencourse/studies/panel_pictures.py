"""Pictures that the panel's methods redraw and draw: `python -m gencourse.studies.panel_pictures` records them."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from gencourse.data import ImageDataset, load
from gencourse.errors import need_one_of
from gencourse.evaluation.panel import told
from gencourse.presets import preset
from gencourse.studies.panel import BASELINES, DATA, LEARNT, SECONDS, panel_method
from gencourse.training import read_checkpoint, write_checkpoint

__all__ = ["PANEL_PICTURES", "record_pictures", "strips"]

PANEL_PICTURES = Path(__file__).resolve().parent.parent / "checkpoints" / "panel_pictures.safetensors"
"""Where they lie: uint8, "DATA/pictures", "DATA/METHOD/redrawn" and "DATA/METHOD/drawn", (N, C, H, W) each."""

_SHOWN = 8


@torch.no_grad()
def strips(method: object, x: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """What a method makes of pictures, and what it draws by itself, as far as it can do either.

    Args:
        method: anything with `reconstruct(x)` or `sample(n, generator)`, or with neither.
        x: pictures (N, C, H, W) in [0, 1].
        seed: of all draws.

    Returns:
        "redrawn" and "drawn", uint8 (N, C, H, W); what it cannot do is not there.
    """
    if isinstance(method, nn.Module):
        method.eval()
    found = {}
    for name, ability in (("redrawn", "reconstruct"), ("drawn", "sample")):
        draws = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                can = getattr(method, ability)
                made = told(can, x, generator=draws) if name == "redrawn" else can(len(x), draws)
            except (AttributeError, NotImplementedError):
                continue
        found[name] = made.clamp(0, 1).mul(255).round().to(torch.uint8)
    return found


def record_pictures(
    data: str = "mnist",
    path: str | Path = PANEL_PICTURES,
    *,
    seed: int = 0,
    share: float = 1.0,
    methods: tuple[str, ...] = (*LEARNT, *BASELINES),
) -> None:
    """Train the panel's methods and save what they make, beside what is saved of other data and other methods.

    Args:
        data: name of the data set.
        path: the file.
        seed: of everything that is drawn.
        share: of the panel's budget.
        methods: those to train. With fewer than all, give the seed and the share that the others had.

    Raises:
        ValueError: there is no such data set.
    """
    need_one_of("data", data, DATA)
    sizes = preset()
    train = load(data).take(sizes.train_images)
    x = _of_each_class(load(data, split="test")).x
    made = {"pictures": x.mul(255).round().to(torch.uint8)}
    stale = (f"{data}/pictures", *(f"{data}/{name}/" for name in methods))
    for name in methods:
        method, _ = panel_method(name, train, seed, share)
        made |= {f"{name}/{kind}": rows for kind, rows in strips(method, x, seed).items()}
    tensors, facts = read_checkpoint(path) if Path(path).exists() else ({}, {})
    tensors = {name: kept for name, kept in tensors.items() if not name.startswith(stale)}
    tensors |= {f"{data}/{name}": rows for name, rows in made.items()}
    shown = b"".join(tensors[f"{d}/pictures"].numpy().tobytes() for d in DATA if f"{d}/pictures" in tensors)
    of_data = {
        "preset": sizes.name,
        "budget_seconds": share * SECONDS[sizes.name],
        "seed": seed,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }
    write_checkpoint(
        path,
        tensors,
        {
            **facts,
            "command": "python -m gencourse.studies.panel_pictures",
            "data_sha256": hashlib.sha256(shown).hexdigest(),
            data: of_data,
        },
    )


def _of_each_class(test: ImageDataset) -> ImageDataset:
    """The first picture of each of the first classes."""
    return test.take(torch.tensor([int((test.labels == c).nonzero()[0]) for c in range(_SHOWN)]))


if __name__ == "__main__":
    given = sys.argv[1:]
    every = (*LEARNT, *BASELINES)
    budget = [float(word) for word in given if word not in (*DATA, *every)]
    for name in [word for word in given if word in DATA] or DATA:
        asked = tuple(word for word in given if word in every) or every
        record_pictures(name, share=budget[0] if budget else 1.0, methods=asked)
        print(f"{name}: saved in {PANEL_PICTURES}")

"""How the networks of `gencourse.methods.load_trained` were trained: `python -m gencourse.studies.trained [NAME…]`."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gencourse import methods
from gencourse.data import ImageDataset, load
from gencourse.errors import need_one_of
from gencourse.evaluation import panel
from gencourse.methods.trained import TRAINED
from gencourse.studies.masked_digit import masked_error
from gencourse.training import Method, fit, save_weights, warmup_cosine

__all__ = ["RECIPES", "Recipe", "row", "train_shipped"]

_LABELS = 100  # pictures of which the semi-supervised method knows the label


@dataclass(frozen=True)
class Recipe:
    """How one shipped network was made.

    Attributes:
        build: the training pictures in, the method out.
        epochs: passes over the pictures.
        options: further arguments of `fit`.
        images: how many training pictures it sees.
    """

    build: Callable[[ImageDataset], Method]
    epochs: int = 3
    options: tuple[tuple[str, Any], ...] = ()
    images: int = 60_000


RECIPES: dict[str, Recipe] = {
    "autoencoder": Recipe(lambda data: methods.Autoencoder("conv", 32), 5),
    "gan": Recipe(lambda data: methods.GAN(), 4),
    "aegan": Recipe(  # chapter 3's own run
        lambda data: methods.AEGAN(weight=16),
        3,
        (("learning_rate", 4e-3), ("schedule", warmup_cosine(0.05))),
        30_000,
    ),
    "adaptiveaegan": Recipe(lambda data: methods.AdaptiveAEGAN()),
    "samplingaegan": Recipe(lambda data: methods.SamplingAEGAN(weight=16.0)),
    "vae": Recipe(lambda data: methods.VAE(), 5),
    "vaegan": Recipe(lambda data: methods.VAEGAN(weight=10.0)),
    "restorer": Recipe(lambda data: methods.Restorer(methods.degraded), 2),
    "pairedaegan": Recipe(lambda data: methods.PairedAEGAN(methods.degraded), 2),
    "holefiller": Recipe(lambda data: methods.HoleFiller(), 2),
    "contextencoder": Recipe(lambda data: methods.ContextEncoder(), 2),
    "aae": Recipe(lambda data: methods.AAE("conv", 8)),
    "wae": Recipe(lambda data: methods.WAE("conv", 8), 5),
    "labelledaae": Recipe(lambda data: methods.LabelledAAE("conv", 8)),
    "conditionalaae": Recipe(lambda data: methods.ConditionalAAE("conv", 8)),
    "clusteringaae": Recipe(lambda data: methods.ClusteringAAE("conv", 8, soften=0.2)),
    "semisupervisedaae": Recipe(
        lambda data: methods.SemiSupervisedAAE(
            "conv", 8, labelled=data.of_each_class(_LABELS // 10, torch.Generator().manual_seed(0))
        )
    ),
    "mae": Recipe(lambda data: methods.MAE(width=64), 3, (("learning_rate", 2e-3),)),
    "allpatchesmae": Recipe(lambda data: methods.AllPatchesMAE(width=64), 3, (("learning_rate", 2e-3),)),
    "maskedconvautoencoder": Recipe(lambda data: methods.MaskedConvAutoencoder(width=32), 2),
}
"""Name of each shipped network to how it was made; `Classifier` is not among them: it needs an encoder of yours."""


def train_shipped(
    name: str, folder: str | Path = TRAINED, *, images: int | None = None, tested: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Train one network on MNIST and save it as float16, with its provenance and its row of figures.

    Args:
        name: a key of `RECIPES`.
        folder: where to save it.
        images: how many training pictures to use; the recipe's number when not given.
        tested: how many test pictures to measure on.
        seed: of shuffling and noise; weights start from the methods' own.

    Returns:
        The figures of what is saved.

    Raises:
        ValueError: there is no such recipe.
    """
    need_one_of("name", name, RECIPES)
    recipe = RECIPES[name]
    train = load("mnist").take(recipe.images if images is None else images)
    method = recipe.build(train)
    start = time.process_time()
    fit(
        method,
        train,
        epochs=recipe.epochs,
        batch_size=64,
        device="cpu",
        seed=seed,
        progress=False,
        **dict(recipe.options),
    )
    seconds = time.process_time() - start
    figures = row(method.half().float(), tested)  # what is measured is what is saved
    save_weights(
        Path(folder) / f"{name}.safetensors",
        method.half(),
        command=f"python -m gencourse.studies.trained {name}",
        images=len(train),
        epochs=recipe.epochs,
        seed=seed,
        seconds=round(seconds),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        python=sys.version.split()[0],
        data_sha256=hashlib.sha256(train.images.numpy().tobytes()).hexdigest(),
        tested=tested,
        figures=figures,
    )
    return figures


def row(method: Method, tested: int = 2000) -> dict[str, float]:
    """A shipped network's figures on the first `tested` test pictures, to four digits."""
    test = load("mnist", split="test").take(tested)
    figures = panel(method, test, load("mnist").take(2000), pictures=tested).figures
    if isinstance(method, methods.MAE | methods.MaskedConvAutoencoder):
        # mypy: it is written for an MAE; the other kind has the same abilities
        figures["masked_error"] = masked_error(method, test)  # type: ignore[arg-type]
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


if __name__ == "__main__":
    for chosen in sys.argv[1:] or RECIPES:
        print(chosen, train_shipped(chosen), flush=True)

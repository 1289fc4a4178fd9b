"""How the network of chapter 5's live figure was trained: `python -m gencourse.studies.masked_digit`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gencourse.data import ImageDataset, load
from gencourse.losses import masked_patch_error
from gencourse.methods import MAE
from gencourse.networks import patchify
from gencourse.training import Mover, fit, save_weights, warmup_cosine
from gencourse.widgets.masked_digit import MASKED_DIGIT_SIZES, MASKED_DIGIT_WEIGHTS

__all__ = ["AnyShare", "masked_error", "train_masked_digit"]


class AnyShare(MAE):
    """A masked autoencoder that hides any share of the patches, drawn anew for each mini-batch.

    One that always hides three quarters is a stranger to a picture with few holes.
    """

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> Any:
        """One mini-batch with 1 to N − 1 hidden patches, each count equally likely."""
        usual = self.mask_ratio
        self.mask_ratio = int(torch.randint(1, self.patches, ())) / self.patches
        try:
            return super().step(x, update, y)
        finally:
            self.mask_ratio = usual


def train_masked_digit(
    path: str | Path = MASKED_DIGIT_WEIGHTS,
    *,
    images: int = 60_000,
    epochs: int = 8,
    seed: int = 0,
    tested: int = 10_000,
    precision: str = "float32",
) -> float:
    """Train the small masked autoencoder on MNIST and save it as float16, with the facts about the run.

    Args:
        path: where to save it.
        images: how many training images to use.
        epochs: passes over them.
        seed: of weights, shuffling and masks.
        tested: how many test images to measure the error on.
        precision: "float32" or "bfloat16", see `fit`.

    Returns:
        Masked-patch error on the test set, eq. (5.11), of what is saved.
    """
    train, test = load("mnist").take(images), load("mnist", split="test").take(tested)
    model = AnyShare(**MASKED_DIGIT_SIZES, seed=seed)
    history = fit(
        model,
        train,
        epochs=epochs,
        batch_size=64,
        learning_rate=2e-3,
        schedule=warmup_cosine(0.05),
        device="cpu",
        precision=precision,
        seed=seed,
        progress=False,
    )
    for weight in model.parameters():
        weight.data = weight.data.half().float()
    reached = masked_error(model, test)
    save_weights(
        path,
        model.half(),
        command="python -m gencourse.studies.masked_digit",
        trained_as="gencourse.studies.AnyShare: another number of hidden patches in every mini-batch",
        images=images,
        epochs=epochs,
        precision=precision,
        seed=seed,
        seconds=round(history.seconds),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        python=sys.version.split()[0],
        data_sha256=hashlib.sha256(train.images.numpy().tobytes()).hexdigest(),
        test_error=reached,
    )
    return reached


@torch.no_grad()
def masked_error(model: MAE, data: ImageDataset, seed: int = 0) -> float:
    """Masked-patch error, eq. (5.11), with one fixed random mask for each picture.

    Errors at different mask ratios are errors on different patches: do not compare them.

    Args:
        model: trained.
        data: pictures that it was not trained on.
        seed: of the masks.
    """
    generator, total = torch.Generator().manual_seed(seed), 0.0
    for x, _ in data.batches(1000, device=model.device):
        mask = model.random_mask(len(x), generator)
        error = masked_patch_error(model.predict(x, mask), patchify(x, model.patch), mask, model.normalise)
        total += error.sum().item()
    return total / len(data)


if __name__ == "__main__":
    print(f"test error {train_masked_digit():.4f}, saved in {MASKED_DIGIT_WEIGHTS}")

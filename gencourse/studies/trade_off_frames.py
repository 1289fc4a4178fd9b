"""What chapter 3's live figure shows, recorded: `python -m gencourse.studies.trade_off_frames`."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from itertools import pairwise
from pathlib import Path

import torch

from gencourse.evaluation import classifier_distance, psnr
from gencourse.methods import AEGAN
from gencourse.presets import preset
from gencourse.studies.ae_gan import WEIGHTS, digits, reconstructed, train_hybrid
from gencourse.training import write_checkpoint
from gencourse.widgets.trade_off import TRADE_OFF_FRAMES

__all__ = ["FRAME_WEIGHTS", "record_trade_off"]

FRAME_WEIGHTS = tuple(sorted({*WEIGHTS, *(math.sqrt(a * b) for a, b in pairwise(WEIGHTS) if a)}))
"""λ of the study of the trade-off, and one more between every two of them: a shorter step for the eye."""


def record_trade_off(
    path: str | Path = TRADE_OFF_FRAMES, *, weights: tuple[float, ...] = FRAME_WEIGHTS, seed: int = 0
) -> dict[str, list[float]]:
    """Train the study's model once for each λ, and save ten reconstructed digits and two numbers of each.

    Data, step size and number of epochs are those of the study, `gencourse.studies.ae_gan.trade_off`, under
    the preset in force. The digits are the first of each class in the test set: nobody chose them.

    Args:
        path: where to save the record.
        weights: λ of each model, increasing.
        seed: of weights and shuffling, the same for all.

    Returns:
        One number for each λ: "psnr" in decibels and "distance", over the whole test set, and "shown_psnr", of
        the ten digits alone: by this one a reader can check that the pictures belong to the numbers.
    """
    train, test = digits()
    shown = test.of_each_class(1)
    frames, start = [], time.perf_counter()
    found: dict[str, list[float]] = {"psnr": [], "distance": [], "shown_psnr": []}
    for weight in weights:
        model = train_hybrid(AEGAN(weight=weight, seed=seed), seed)
        x_hat = reconstructed(model, test)
        found["psnr"].append(psnr(x_hat, test.x))
        found["distance"].append(classifier_distance(x_hat, test.x))
        frames.append(reconstructed(model, shown))
        found["shown_psnr"].append(psnr(frames[-1], shown.x))
    write_checkpoint(
        path,
        {
            "pictures": shown.images,
            "frames": torch.stack(frames).mul(255).round().to(torch.uint8),
            "labels": shown.labels,
            "weights": torch.tensor(weights, dtype=torch.float64),
            **{name: torch.tensor(numbers, dtype=torch.float64) for name, numbers in found.items()},
        },
        {
            "command": "python -m gencourse.studies.trade_off_frames",
            "preset": preset().name,
            "images": len(train),
            "epochs": preset().short_epochs,
            "tested": len(test),
            "seed": seed,
            "seconds": round(time.perf_counter() - start),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": sys.version.split()[0],
            "data_sha256": hashlib.sha256(train.images.numpy().tobytes()).hexdigest(),
        },
    )
    return found


if __name__ == "__main__":
    for weight, decibels, distance, _ in zip(FRAME_WEIGHTS, *record_trade_off().values(), strict=True):
        print(f"λ = {weight:g}: PSNR {decibels:.2f} dB, classifier distance {distance:.2f}")
    print(f"saved in {TRADE_OFF_FRAMES}")

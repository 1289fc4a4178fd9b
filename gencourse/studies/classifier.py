"""How the digit classifier of `gencourse.evaluation` was trained: `python -m gencourse.studies.classifier`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.data import load
from gencourse.evaluation import CLASSIFIER_WEIGHTS, DigitClassifier, share_right
from gencourse.training import Method, Mover, fit, save_weights, seeded

__all__ = ["Recogniser", "train_classifier"]


class Recogniser(Method):
    """Cross-entropy of a digit classifier on shifted pictures, on generated ones, or on both.

    Args:
        seed: of the weights.
        shift: whether pictures are moved at random by up to two pixels.
        draw: given labels (B,), makes a picture for each, (B, 1, 28, 28).
        share: how much of each mini-batch is drawn instead of real.
    """

    shape = (1, 28, 28)

    def __init__(
        self,
        seed: int,
        *,
        shift: bool = True,
        draw: Callable[[Tensor], Tensor] | None = None,
        share: float = 0.0,
    ) -> None:
        super().__init__()
        with seeded(seed):
            self.classifier = DigitClassifier()
        self.shift, self.draw, self.share = shift, draw, share

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: the classifier."""
        return {"classifier": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of cross-entropy in nats."""
        if y is None:
            raise ValueError("y is None: give the digit of each picture.")
        if self.draw is not None:
            made = round(self.share * len(x))
            x = torch.cat([self.draw(y[:made]), x[made:]])
        loss = F.cross_entropy(self.classifier(_shifted(x) if self.shift else x), y)
        return {"classifier": update("classifier", loss)}


def train_classifier(
    path: str | Path = CLASSIFIER_WEIGHTS,
    *,
    images: int = 60_000,
    epochs: int = 14,
    seed: int = 0,
    tested: int = 10_000,
) -> float:
    """Train the classifier on MNIST and save it, with the facts about the run.

    Args:
        path: where to save it.
        images: how many training images to use.
        epochs: passes over them.
        seed: of weights, shuffling and shifts.
        tested: how many test images to measure the accuracy on.

    Returns:
        Accuracy on the test set of the weights' moving average, which is what is saved.
    """
    train, test = load("mnist").take(images), load("mnist", split="test").take(tested)
    method = Recogniser(seed)
    history = fit(
        method,
        train,
        epochs=epochs,
        batch_size=100,
        learning_rate=2e-3,
        device="cpu",
        seed=seed,
        average=0.999,
        progress=False,
    )
    model = history.averaged.classifier
    reached = share_right(model.classify, test)
    save_weights(
        path,
        model,
        command="python -m gencourse.studies.classifier",
        images=images,
        epochs=epochs,
        seed=seed,
        seconds=round(history.seconds),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        python=sys.version.split()[0],
        data_sha256=hashlib.sha256(train.images.numpy().tobytes()).hexdigest(),
        test_accuracy=reached,
    )
    return reached


def _shifted(x: Tensor, by: int = 2) -> Tensor:
    """Each picture moved by up to `by` pixels in each direction, black coming in at the edges."""
    size, n = x.shape[-1], len(x)
    padded = F.pad(x, (by,) * 4)
    down, right = torch.randint(2 * by + 1, (2, n, 1), device=x.device) + torch.arange(size, device=x.device)
    picture = torch.arange(n, device=x.device)[:, None, None]
    return padded[picture, :, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)


if __name__ == "__main__":
    print(f"test accuracy {train_classifier():.4f}, saved in {CLASSIFIER_WEIGHTS}")

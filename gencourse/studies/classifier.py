"""How the classifiers of `gencourse.evaluation` were trained: `python -m gencourse.studies.classifier NAME`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.data import ImageDataset, load, shapes
from gencourse.errors import need_one_of
from gencourse.evaluation import CLASSIFIERS, PictureClassifier, share_right
from gencourse.training import Method, Mover, fit, save_weights, seeded, warmup_cosine

__all__ = ["RECIPES", "Recipe", "Recogniser", "train_classifier"]


class Recipe(NamedTuple):
    """How a classifier is trained.

    Attributes:
        load: "train" or "test" to the pictures of that split.
        epochs: passes over the training pictures.
        shift: whether pictures are moved at random. Formulas draw shapes anywhere already.
        options: of `fit`.
    """

    load: Callable[[str], ImageDataset]
    epochs: int
    shift: bool
    options: dict[str, Any]


_STEADY: dict[str, Any] = {"learning_rate": 2e-3, "average": 0.999}

RECIPES = {
    "mnist": Recipe(lambda split: load("mnist", split=split), 14, True, _STEADY),
    "fashion_mnist": Recipe(lambda split: load("fashion_mnist", split=split), 14, True, _STEADY),
    "shapes": Recipe(
        # seeds that no chapter draws with
        lambda split: shapes(10_000, 32, 1000 if split == "train" else 1001),
        8,
        False,
        # an average over moving weights has not the statistics of its own features, so they come to rest first
        {"learning_rate": 1e-3, "average": 0.99, "schedule": warmup_cosine(0.05)},
    ),
}
"""The name of a dataset to how its classifier was trained."""


class Recogniser(Method):
    """Cross-entropy of a classifier on shifted pictures, on generated ones, or on both.

    Args:
        seed: of the weights.
        data: whose pictures, a name of `gencourse.evaluation.CLASSIFIERS`.
        shift: whether pictures are moved at random by up to two pixels.
        draw: given labels (B,), makes a picture for each, (B, 1, 28, 28).
        share: how much of each mini-batch is drawn instead of real.
    """

    def __init__(
        self,
        seed: int,
        *,
        data: str = "mnist",
        shift: bool = True,
        draw: Callable[[Tensor], Tensor] | None = None,
        share: float = 0.0,
    ) -> None:
        super().__init__()
        need_one_of("data", data, CLASSIFIERS)
        self.shape, classes = CLASSIFIERS[data].shape, CLASSIFIERS[data].classes
        self.labels = (0, classes - 1)
        with seeded(seed):
            self.classifier = PictureClassifier(self.shape, classes)
        self.shift, self.draw, self.share = shift, draw, share

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: the classifier."""
        return {"classifier": self.parameters()}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of cross-entropy in nats."""
        y = self._told(y)
        if self.draw is not None:
            made = round(self.share * len(x))
            x = torch.cat([self.draw(y[:made]), x[made:]])
        loss = F.cross_entropy(self.classifier(_shifted(x) if self.shift else x), y)
        return {"classifier": update("classifier", loss)}


def train_classifier(
    data: str = "mnist",
    path: str | Path | None = None,
    *,
    images: int = 60_000,
    epochs: int | None = None,
    seed: int = 0,
    tested: int = 10_000,
) -> float:
    """Train a classifier and save it, with the facts about the run.

    Args:
        data: a name of `RECIPES`.
        path: where to save it; where the package looks for it, when not given.
        images: how many training images to use, at most.
        epochs: passes over them; the recipe's when not given.
        seed: of weights, shuffling and shifts.
        tested: how many test images to measure the accuracy on.

    Returns:
        Accuracy on the test set of the weights' moving average, which is what is saved.

    Raises:
        ValueError: there is no recipe for that name.
    """
    need_one_of("data", data, RECIPES)
    recipe = RECIPES[data]
    train, test = recipe.load("train"), recipe.load("test")
    train, test = train.take(min(images, len(train))), test.take(min(tested, len(test)))
    epochs = recipe.epochs if epochs is None else epochs
    history = fit(
        Recogniser(seed, data=data, shift=recipe.shift),
        train,
        epochs=epochs,
        batch_size=100,
        device="cpu",
        seed=seed,
        progress=False,
        **recipe.options,
    )
    model = history.averaged.classifier
    reached = share_right(model.classify, test)
    save_weights(
        path or CLASSIFIERS[data].weights,
        model,
        command=f"python -m gencourse.studies.classifier {data}",
        images=len(train),
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
    for name in sys.argv[1:] or RECIPES:
        print(f"{name}: test accuracy {train_classifier(name):.4f}, saved in {CLASSIFIERS[name].weights}")

"""Studies of chapter 2."""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.data import load
from gencourse.evaluation import score_digits, share_right
from gencourse.methods import GAN
from gencourse.presets import preset
from gencourse.studies.classifier import Recogniser
from gencourse.studies.engine import Study
from gencourse.training import fit

__all__ = ["AUGMENTATION", "SIX_LOSSES", "VARIANTS", "AgreeingGAN", "augmentation", "six_losses"]


class AgreeingGAN(GAN):
    """The pair of losses of document 003, to be seen failing: both players want D(G(z)) to fall.

    The discriminator minimises E log(1 − D(x)) + E log D(G(z)), the generator E log D(G(z)).
    """

    def discriminator_loss(self, x: Tensor, fake: Tensor, y: Tensor | None = None) -> Tensor:
        """E log(1 − D(x)) + E log D(fake), on logits: unbounded below."""
        return F.logsigmoid(-self.score(x, y)).mean() + F.logsigmoid(self.score(fake, y)).mean()

    def generator_loss(self, fake: Tensor, x: Tensor, y: Tensor | None = None) -> Tensor:
        """E log D(fake): descent makes fakes worse."""
        return F.logsigmoid(self.score(fake, y)).mean()


VARIANTS: dict[str, dict[str, Any]] = {
    "minimax": {"loss": "minimax"},
    "non-saturating": {"loss": "non_saturating"},
    "least squares": {"loss": "least_squares"},
    "hinge": {"loss": "hinge"},
    "Wasserstein, clipped at 0.01": {"loss": "wasserstein", "clip_weights": 0.01},
    "Wasserstein, gradient penalty 10": {"loss": "wasserstein", "gradient_penalty": 10.0},
    "relativistic, R1 and R2 0.1": {"loss": "relativistic", "r1": 0.1, "r2": 0.1},
    "document 003": {},
}
"""Each loss with what it cannot do without: a critic must be bounded, R3GAN's pair comes with two penalties."""


def six_losses(variant: str, seed: int) -> dict[str, float]:
    """One network, one budget, another loss: how good are the samples?

    Args:
        variant: a key of `VARIANTS`.
        seed: of weights, shuffling and noise.
    """
    sizes = preset()
    train, test = load("mnist").take(sizes.train_images), load("mnist", split="test").take(sizes.test_images)
    kind = AgreeingGAN if variant == "document 003" else GAN
    gan = kind(seed=seed, **VARIANTS[variant])
    start = time.perf_counter()
    fit(gan, train, epochs=sizes.short_epochs, seed=seed, progress=False)
    trained = time.perf_counter() - start
    samples = gan.sample(len(test), torch.Generator(gan.device).manual_seed(seed))
    return {**score_digits(samples, test.x, nearest=len(test)), "training_seconds": trained}


SIX_LOSSES = Study(
    name="six_losses",
    settings=tuple({"variant": variant, "seed": seed} for seed in range(3) for variant in VARIANTS),
    run=six_losses,
)

_STEPS = {"smoke": 10, "book": 600, "full": 600}  # of every classifier, whatever it is shown
_SHOWN = {"smoke": 1_000, "book": 60_000, "full": 600_000}  # pictures that pass the GAN in its training


def augmentation(pictures: str, labels: int, seed: int) -> dict[str, float]:
    """Do generated pictures help a classifier that has few labels? Test accuracy, all else being equal.

    The GAN is told what to draw and learns from the same labelled pictures as the classifier, and no others.

    Args:
        pictures: "real", "real, shifted", "real and generated" (half of each mini-batch) or "generated".
        labels: how many labelled pictures there are.
        seed: which pictures they are, and of weights, shuffling and noise.
    """
    size = preset().name
    train, test = load("mnist"), load("mnist", split="test").take(preset().test_images)
    few = train.take(torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:labels])
    share = {"real": 0.0, "real, shifted": 0.0, "real and generated": 0.5, "generated": 1.0}[pictures]
    draw = None
    if share:
        gan = GAN(classes=10, r1=0.1, seed=seed)
        fit(gan, few, epochs=max(1, _SHOWN[size] // labels), seed=seed, device="cpu", progress=False)
        draw = lambda y: gan.sample(len(y), y=y)  # noqa: E731 (a closure of one line)
    model = Recogniser(seed, shift=pictures == "real, shifted", draw=draw, share=share)
    passes = max(1, _STEPS[size] * 50 // labels)
    fit(model, few, epochs=passes, batch_size=50, device="cpu", seed=seed, progress=False)
    return {"accuracy": share_right(model.classifier.classify, test)}


AUGMENTATION = Study(
    name="augmentation",
    settings=tuple(
        {"pictures": pictures, "labels": labels, "seed": seed}
        for seed in range(3)
        for labels in (200, 1000)
        for pictures in ("real", "real, shifted", "real and generated", "generated")
    ),
    run=augmentation,
)

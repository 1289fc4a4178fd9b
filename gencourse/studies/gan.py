"""Studies of chapter 2."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gencourse.data import ImageDataset, load
from gencourse.evaluation import (
    classifier_distance,
    digit_classifier,
    mode_coverage,
    score_digits,
    share_right,
)
from gencourse.methods import GAN
from gencourse.networks import Augment
from gencourse.presets import preset
from gencourse.studies.classifier import Recogniser
from gencourse.studies.engine import Study
from gencourse.training import Update, adam, fit, seeded

__all__ = [
    "AUGMENTATION",
    "CHANGES",
    "JUDGE_AHEAD",
    "OVER_TIME",
    "SIX_LOSSES",
    "SMALL_DATA",
    "VARIANTS",
    "AgreeingGAN",
    "augmentation",
    "judge_ahead",
    "over_time",
    "six_losses",
    "small_data",
]

_BATCH = 64


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
    chapters=(2,),
)


def _batches(images: ImageDataset, seed: int) -> Iterator[Tensor]:
    """Shuffled mini-batches (B, C, H, W) without end: for studies that count steps, not passes."""
    shuffle = torch.Generator().manual_seed(seed)
    while True:
        for x, _ in images.batches(_BATCH, generator=shuffle):
            yield x


def _update(gan: GAN) -> Update:
    """An Adam for each player, as `fit` makes them."""
    players = {name: list(own) for name, own in gan.players().items()}
    return Update(players, {name: adam(own, gan.learning_rate, gan.betas) for name, own in players.items()})


def _shot() -> Tensor:
    """Test pictures for a distance that is taken again and again: two thousand, fewer in the smoke preset."""
    return load("mnist", split="test").take(min(2_000, preset().test_images)).x


def _slope(gan: GAN, x: Tensor) -> float:
    """Norm of the generator's gradient, over all its weights, on as many samples as there are pictures in x."""
    loss = gan.generator_loss(gan.generate(gan.noise(len(x))), x)
    slopes = torch.autograd.grad(loss, list(gan.generator.parameters()))
    return torch.stack([slope.norm() for slope in slopes]).norm().item()


def judge_ahead(loss: str, optimizer: str, seed: int) -> dict[str, float]:
    """The discriminator is trained alone first; does the generator, which then starts, ever catch up?

    Eqs. (2.5) and (2.6) say that the minimax pull is gone by then. Adam divides each gradient by its own usual
    size, so that a small gradient moves a weight as far as a large one; plain descent (SGD) does not.

    Args:
        loss: "minimax" or "non_saturating".
        optimizer: of both players once the game starts: "Adam", as everywhere, or "SGD" with a step of 0.003.
        seed: of weights, shuffling and noise.

    Returns:
        When the generator starts: the mean logit of its samples and the norm of its gradient. After the game:
        the logit again, classifier distance of two thousand samples, and digits covered.
    """
    lead, steps = {"smoke": (5, 5), "book": (200, 400), "full": (200, 4_000)}[preset().name]
    train, real = load("mnist").take(preset().train_images), _shot()
    gan = GAN(loss=loss, seed=seed)
    update, batches = _update(gan), _batches(train, seed)
    with seeded(seed):
        for _ in range(lead):
            x = next(batches)
            with torch.no_grad():
                fake = gan.generate(gan.noise(len(x)))
            update("discriminator", gan.discriminator_loss(x, fake))
        found = {"start_logit": _logit(gan), "start_slope": _slope(gan, next(batches))}
        if optimizer == "SGD":
            update.optimizers = {name: SGD(own, lr=0.003) for name, own in update.players.items()}
        for _ in range(steps):
            gan.step(next(batches), update)
        found["logit"] = _logit(gan)
    samples = gan.sample(len(real), torch.Generator().manual_seed(seed))
    found["distance"] = classifier_distance(samples, real)
    found["digits"] = mode_coverage(digit_classifier().classify(samples))
    return found


def _logit(gan: GAN) -> float:
    """Mean logit of generated samples."""
    with torch.no_grad():
        return gan.score(gan.generate(gan.noise(256))).mean().item()


JUDGE_AHEAD = Study(
    name="judge_ahead",
    settings=tuple(
        {"loss": loss, "optimizer": optimizer, "seed": seed}
        for seed in range(3)
        for loss in ("minimax", "non_saturating")
        for optimizer in ("Adam", "SGD")
    ),
    run=judge_ahead,
    chapters=(2,),
)

_MARKS = 6  # every sixth of a pass, for one pass


def over_time(momentum: float, seed: int) -> dict[str, float]:
    """Every sixth of a pass: how far from real digits are the weights that play, and their moving average?

    Args:
        momentum: of Adam, for both players: 0.5, with 0.99 as its second number, or torch's own pair 0.9 and
            0.999.
        seed: of weights, shuffling and noise.

    Returns:
        "last_1" to "last_6" and "averaged_1" to "averaged_6": classifier distances of two thousand samples; the
        average forgets by a factor of 0.99 a step. "digits_1" to "digits_6": how many the weights that play
        cover. "slope_1": norm of the generator's gradient at the first mark.
    """
    train, real = load("mnist").take(preset().train_images), _shot()
    gan = GAN(seed=seed)
    gan.betas = {0.9: (0.9, 0.999), 0.5: (0.5, 0.99)}[momentum]
    update, batches = _update(gan), _batches(train, seed)
    averaged = AveragedModel(gan, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    found: dict[str, float] = {}
    with seeded(seed):
        for mark in range(1, _MARKS + 1):
            for _ in range(-(-len(train) // _BATCH) // _MARKS):
                gan.step(next(batches), update)
                averaged.update_parameters(gan)
            if mark == 1:
                found["slope_1"] = _slope(gan, next(batches))
            for name, model in (("last", gan), ("averaged", averaged.module)):
                samples = cast(GAN, model).sample(len(real), torch.Generator().manual_seed(seed))
                found[f"{name}_{mark}"] = classifier_distance(samples, real)
                if model is gan:
                    found[f"digits_{mark}"] = mode_coverage(digit_classifier().classify(samples))
    return found


OVER_TIME = Study(
    name="over_time",
    settings=tuple({"momentum": m, "seed": seed} for m in (0.5, 0.9) for seed in range(3)),
    run=over_time,
    chapters=(2,),
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
    chapters=(2, 4),
)

_FEW = 500  # pictures to learn from
_QUARTERS = 4
CHANGES = Augment(colour=1.0, shift=0.125, cutout=0.5)
"""Colour, translation and cutout, as strong as Zhao et al. (2020) have them."""


def small_data(augment: str, seed: int) -> dict[str, float]:
    """A GAN that knows five hundred pictures only: what does differentiable augmentation bring in as many steps?

    Args:
        augment: "none", or "colour, shift, cutout": `CHANGES`, of both inputs of the discriminator.
        seed: which pictures they are, and of weights, shuffling and noise.

    Returns:
        After each quarter of the steps, "distance_1" to "distance_4" and "recall_1" to "recall_4": classifier
        distance and recall of two thousand samples, against test pictures. At the end, of the last weights,
        "precision" and "modes", and "known" and "new": the discriminator's mean logit of the pictures that it learnt
        from, and of test pictures; where the first is far above the second, it knows them by heart.

    As recorded (four thousand steps, 512 passes): with the changes the discriminator no longer knows its pictures by
    heart, in all three seeds. The samples are better for it in one seed (by 13 units of distance)
    and worse in two (by 6 each): nothing is gained yet in so few steps.
    """
    steps = {"smoke": 8, "book": 4_000, "full": 40_000}[preset().name]
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(seed))
    few, real = load("mnist").take(order[:_FEW]), _shot()
    gan = GAN(augment=None if augment == "none" else CHANGES, seed=seed)
    update, batches = _update(gan), _batches(few, seed)
    found: dict[str, float] = {}
    with seeded(seed):
        for quarter in range(1, _QUARTERS + 1):
            for _ in range(steps // _QUARTERS):
                gan.step(next(batches), update)
            made = score_digits(gan.sample(len(real), torch.Generator().manual_seed(seed)), real)
            found[f"distance_{quarter}"], found[f"recall_{quarter}"] = made["distance"], made["recall"]
    gan.eval()
    with torch.no_grad():
        known, new = gan.score(few.x).mean().item(), gan.score(real).mean().item()
    return {**found, "precision": made["precision"], "modes": made["modes"], "known": known, "new": new}


SMALL_DATA = Study(
    name="small_data",
    settings=tuple(
        {"augment": augment, "seed": seed}
        for seed in range(3)
        for augment in ("none", "colour, shift, cutout")
    ),
    run=small_data,
)

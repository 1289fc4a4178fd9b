"""Studies of chapter 3."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gencourse.data import ImageDataset, load
from gencourse.evaluation import (
    CodeMixture,
    digit_classifier,
    features_of,
    frechet_from_features,
    psnr,
)
from gencourse.methods import AEGAN, VAE, Autoencoder, ContextEncoder
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.training import History, Method, fit

__all__ = [
    "INPAINTING",
    "SAMPLERS",
    "TRADE_OFF",
    "WEIGHTS",
    "classifier_distance",
    "inpainting",
    "samplers",
    "trade_off",
]

WEIGHTS = (0.0, 4.0, 16.0, 64.0, 256.0)
"""λ, in nats of log p(x|z) for a nat of log p/q."""


def digits() -> tuple[ImageDataset, ImageDataset]:
    """Training and test digits of this chapter: a third of the preset's, for a game costs three times as much."""
    sizes = preset()
    train = load("mnist").take(sizes.train_images // 3)
    return train, load("mnist", split="test").take(sizes.test_images)


@torch.no_grad()
def classifier_distance(pictures: Tensor, test: ImageDataset) -> float:
    """Fréchet distance of the digit classifier's features between pictures (N, 1, 28, 28) and a test set."""
    judge = digit_classifier().features
    made = torch.cat([judge(part) for part in pictures.cpu().split(1000)])
    return frechet_from_features(made, features_of(judge, test))


@torch.no_grad()
def reconstructed(method: Method, test: ImageDataset) -> Tensor:
    """Reconstructions of all test pictures, on the CPU."""
    return torch.cat([method.reconstruct(x).cpu() for x, _ in test.batches(1000, device=method.device)])


@torch.no_grad()
def drawn(sample: Callable[[int, torch.Generator], Tensor], n: int, seed: int) -> Tensor:
    """n new pictures, a thousand at a time, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([sample(min(1000, n - k), generator).cpu() for k in range(0, n, 1000)])


def play(weight: float, seed: int, train: ImageDataset) -> tuple[AEGAN, History]:
    """The game behind one point of `trade_off`: the trained model, and what `fit` returned."""
    model = AEGAN(weight=weight, seed=seed)
    return model, fit(model, train, epochs=preset().short_epochs, seed=seed, progress=False)


def trade_off(weight: float, seed: int) -> dict[str, float]:
    """One point of the curve of perception against distortion, measured on reconstructed test digits.

    Args:
        weight: λ of the adversarial loss.
        seed: of weights and shuffling.
    """
    train, test = digits()
    model, _ = play(weight, seed, train)
    x_hat = reconstructed(model, test)
    return {"psnr": psnr(x_hat, test.x), "distance": classifier_distance(x_hat, test)}


def samplers(method: str, seed: int) -> dict[str, float]:
    """PSNR of reconstructions and classifier distance of as many samples as there are test digits.

    Args:
        method: "vae", "ae_gmm" (an autoencoder, and ten Gaussians on its codes), "ae_gan" (the discriminator
            sees reconstructions and samples) or "vae_gan".
        seed: of weights, shuffling and samples.
    """
    train, test = digits()
    model: Method = {
        "vae": lambda: VAE(seed=seed),
        "ae_gmm": lambda: Autoencoder("conv", 16, seed=seed),
        "ae_gan": lambda: AEGAN(judged="both", weight=10.0, seed=seed),
        "vae_gan": lambda: AEGAN.vae_gan(weight=10.0, seed=seed),
    }[method]()
    fit(model, train, epochs=preset().short_epochs, seed=seed, progress=False)
    sample: Callable[[int, torch.Generator], Tensor] = model.sample
    if method == "ae_gmm":
        sample = CodeMixture(
            features_of(model.encode, train, device=model.device), model.decode, 10, seed
        ).sample
    return {
        "psnr": psnr(reconstructed(model, test), test.x),
        "distance": classifier_distance(drawn(sample, len(test), seed), test),
    }


def inpainting(weight: float, seed: int) -> dict[str, float]:
    """A hole of 14×14 filled by a context encoder: its error and how real the filled digits look.

    Args:
        weight: λ of the adversarial loss; 0 is a plain regression.
        seed: of weights and shuffling.
    """
    train, test = digits()
    model = ContextEncoder(weight=weight, seed=seed)
    fit(model, train, epochs=preset().short_epochs, seed=seed, progress=False)
    filled = reconstructed(model, test)
    return {
        "error": (filled - test.x).square().flatten(1).sum(1).mean().item(),
        "distance": classifier_distance(filled, test),
    }


TRADE_OFF = Study(
    name="trade_off",
    settings=tuple({"weight": w, "seed": s} for s in range(3) for w in WEIGHTS),
    run=trade_off,
)

SAMPLERS = Study(
    name="samplers",
    settings=tuple(
        {"method": m, "seed": s} for s in range(3) for m in ("vae", "ae_gmm", "ae_gan", "vae_gan")
    ),
    run=samplers,
)

INPAINTING = Study(
    name="inpainting",
    settings=tuple({"weight": w, "seed": s} for s in range(3) for w in (0.0, 10.0)),
    run=inpainting,
)

"""Studies of chapter 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from gencourse.data import ImageDataset, load
from gencourse.evaluation import (
    CodeMixture,
    classifier_distance,
    features_of,
    psnr,
)
from gencourse.methods import (
    AEGAN,
    VAE,
    VAEGAN,
    Autoencoder,
    ContextEncoder,
    HoleFiller,
    PairedAEGAN,
    Restorer,
    SamplingAEGAN,
    degraded,
)
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.training import Method, fit, seeded, warmup_cosine

__all__ = [
    "INPAINTING",
    "RESTORING",
    "SAMPLERS",
    "TRADE_OFF",
    "WEIGHTS",
    "inpainting",
    "restoring",
    "samplers",
    "trade_off",
    "train_hybrid",
]

MethodT = TypeVar("MethodT", bound=Method)

WEIGHTS = (0.0, 4.0, 16.0, 64.0, 256.0)
"""λ, in nats of log p(x|z) for a nat of log p/q."""


def digits() -> tuple[ImageDataset, ImageDataset]:
    """Training and test digits of this chapter: half of the preset's, for a game costs three times as much."""
    sizes = preset()
    train = load("mnist").take(sizes.train_images // 2)
    return train, load("mnist", split="test").take(sizes.test_images)


def train_hybrid(method: MethodT, seed: int = 0) -> MethodT:
    """Train one of this chapter's methods; the same recipe for all, so that only the losses differ."""
    fit(
        method,
        digits()[0],
        epochs=preset().short_epochs,
        learning_rate=4e-3,
        schedule=warmup_cosine(0.05),
        seed=seed,
        progress=False,
    )
    return method


@torch.no_grad()
def reconstructed(method: Method, test: ImageDataset) -> Tensor:
    """Reconstructions of all test pictures, on the CPU."""
    return torch.cat([method.reconstruct(x).cpu() for x, _ in test.batches(1000, device=method.device)])


@torch.no_grad()
def drawn(sample: Callable[[int, torch.Generator], Tensor], n: int, seed: int) -> Tensor:
    """n new pictures, a thousand at a time, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([sample(min(1000, n - k), generator).cpu() for k in range(0, n, 1000)])


def trade_off(weight: float, seed: int) -> dict[str, float]:
    """One point of the curve of perception against distortion, measured on reconstructed test digits.

    Args:
        weight: λ of the adversarial loss.
        seed: of weights and shuffling.
    """
    _, test = digits()
    x_hat = reconstructed(train_hybrid(AEGAN(weight=weight, seed=seed), seed), test)
    return {"psnr": psnr(x_hat, test.x), "distance": classifier_distance(x_hat, test.x)}


def samplers(method: str, seed: int) -> dict[str, float]:
    """PSNR of reconstructions and classifier distance of as many samples as there are test digits.

    Args:
        method: "vae", "ae_gmm" (an autoencoder, and ten Gaussians on its codes), "ae_gan" (the discriminator
            sees reconstructions and samples), "vae_gan", or "hybrid_gmm" (the plain hybrid, λ = 16, and ten
            Gaussians on its codes).
        seed: of weights, shuffling and samples.
    """
    train, test = digits()
    model: Method = {
        "vae": lambda: VAE(seed=seed),
        "ae_gmm": lambda: Autoencoder("conv", 16, seed=seed),
        "ae_gan": lambda: SamplingAEGAN(weight=16.0, seed=seed),
        "vae_gan": lambda: VAEGAN(weight=10.0, seed=seed),
        "hybrid_gmm": lambda: AEGAN(weight=16.0, seed=seed),
    }[method]()
    train_hybrid(model, seed)
    sample: Callable[[int, torch.Generator], Tensor] = model.sample
    if method.endswith("_gmm"):
        sample = CodeMixture(
            features_of(model.encode, train, device=model.device), model.decode, 10, seed
        ).sample
    return {
        "psnr": psnr(reconstructed(model, test), test.x),
        "distance": classifier_distance(drawn(sample, len(test), seed), test.x),
    }


def inpainting(weight: float, seed: int) -> dict[str, float]:
    """A hole of 14×14 filled by a context encoder: its error and how real the filled digits look.

    Args:
        weight: λ of the adversarial loss; 0 is a plain regression.
        seed: of weights and shuffling.
    """
    return _restored(ContextEncoder(weight=weight, seed=seed) if weight else HoleFiller(seed=seed), seed)


def restoring(weight: float, seed: int) -> dict[str, float]:
    """Digits as a poor camera sees them, restored: their error and how real they look.

    Args:
        weight: λ of the adversarial loss; 0 is a plain regression.
        seed: of weights, noise and shuffling.
    """
    method = PairedAEGAN(degraded, weight=weight, seed=seed) if weight else Restorer(degraded, seed=seed)
    return _restored(method, seed)


def _restored(method: Method, seed: int) -> dict[str, float]:
    _, test = digits()
    with seeded(seed):  # the camera's noise
        x_hat = reconstructed(train_hybrid(method, seed), test)
    return {
        "error": (x_hat - test.x).square().flatten(1).sum(1).mean().item(),
        "distance": classifier_distance(x_hat, test.x),
    }


TRADE_OFF = Study(
    name="trade_off",
    settings=tuple({"weight": w, "seed": s} for s in range(3) for w in WEIGHTS),
    run=trade_off,
    chapters=(3,),
)

SAMPLERS = Study(
    name="samplers",
    settings=tuple(
        {"method": m, "seed": s}
        for s in range(3)
        for m in ("vae", "ae_gmm", "ae_gan", "vae_gan", "hybrid_gmm")
    ),
    run=samplers,
    chapters=(3,),
)

INPAINTING = Study(
    name="inpainting",
    settings=tuple({"weight": w, "seed": s} for s in range(3) for w in (0.0, 16.0)),
    run=inpainting,
    chapters=(3, 5),
)

RESTORING = Study(
    name="restoring",
    settings=tuple({"weight": w, "seed": s} for s in range(3) for w in (0.0, 16.0)),
    run=restoring,
    chapters=(3,),
)

"""Studies that repeat a table of a paper, as far as two cores allow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gencourse.data import load, ring
from gencourse.evaluation import choose_sigma, mode_coverage, parzen_log_likelihood, score_digits
from gencourse.methods import GAN, load_trained
from gencourse.networks import mlp
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.training import fit, seeded

__all__ = ["PARZEN", "PENALTIES", "R3GAN_PAIRS", "parzen", "r3gan_pairs"]

PENALTIES: dict[str, dict[str, float]] = {
    "none": {},
    "R1": {"r1": 0.1},
    "R1 and R2": {"r1": 0.1, "r2": 0.1},
}
"""Which of the two penalties of R3GAN, with which weight."""


def parzen(source: str, seed: int) -> dict[str, float]:
    """The Parzen estimate of the old tables, eq. (2.25), for ten thousand pictures from four sources.

    The width is chosen among twenty on a thousand training pictures that no kernel stands on (the two networks had
    trained on them), and the estimate taken on the test pictures.

    Args:
        source: "GAN" or "AAE", the networks that ship with the course; "training pictures"; or "centres of
            k-means", a thousand of them (in mini-batches), which no one would call samples.
        seed: of draws and first centres.

    Returns:
        "nats", mean over the test pictures, "error", the standard error of that mean, "sigma", and "nats_wider",
        the estimate where the width is a tenth larger.
    """
    size = {"smoke": 200, "book": 10_000, "full": 10_000}[preset().name]
    train, test = load("mnist"), load("mnist", split="test").take(preset().test_images).x.flatten(1)
    kept, held = train.take(59_000), train.images[59_000:].float().flatten(1) / 255
    generator = torch.Generator().manual_seed(seed)
    samples: Tensor
    if source in ("GAN", "AAE"):
        samples = torch.cat([load_trained(source).sample(size // 10, generator) for _ in range(10)]).flatten(
            1
        )
    else:
        chosen = torch.randperm(len(kept), generator=generator)
        samples = kept.take(chosen[:size]).x.flatten(1)
    if source == "centres of k-means":
        from sklearn.cluster import MiniBatchKMeans

        centres = MiniBatchKMeans(size // 10, n_init=1, random_state=seed, batch_size=2048).fit(
            samples.numpy()
        )
        samples = torch.from_numpy(centres.cluster_centers_).float()
    sigma = choose_sigma(samples, held, torch.linspace(0.08, 0.27, 20).tolist())
    nats = parzen_log_likelihood(samples, test, sigma)
    return {
        "nats": nats.mean().item(),
        "error": (nats.std() / len(nats) ** 0.5).item(),
        "sigma": sigma,
        "nats_wider": parzen_log_likelihood(samples, test, 1.1 * sigma).mean().item(),
    }


def r3gan_pairs(data: str, loss: str, penalties: str, seed: int) -> dict[str, float]:
    """The four pairs of R3GAN's first table, and two more, on eight clusters in the plane and on digits.

    Args:
        data: "ring" or "digits".
        loss: "non_saturating" or "relativistic".
        penalties: a key of `PENALTIES`.
        seed: of weights, shuffling and noise.

    Returns:
        "modes", clusters or digits covered. On the ring, with small networks, also "near", the share of samples
        near a cluster; on digits, after three passes, also "distance", "precision" and "recall".
    """
    size = preset()
    weights: dict[str, Any] = PENALTIES[penalties]
    if data == "ring":
        points = ring(20_000)
        with seeded(seed):
            g, d = mlp((2, 64, 64, 2)), mlp((2, 64, 64, 1))
        gan = GAN(shape=(2,), noise_size=2, generator=g, discriminator=d, loss=loss, **weights)
        batch = 64
        passes = max(1, round(2 * size.toy_steps * batch / len(points)))
        fit(gan, points, epochs=passes, batch_size=batch, seed=seed, device="cpu", progress=False)
        found = points.cluster_of(gan.sample(2_000, torch.Generator().manual_seed(seed)))
        return {"modes": float(mode_coverage(found, 8)), "near": (found >= 0).double().mean().item()}
    train, test = load("mnist").take(size.train_images), load("mnist", split="test").take(size.test_images)
    gan = GAN(loss=loss, seed=seed, **weights)
    fit(gan, train, epochs=size.short_epochs, seed=seed, progress=False)
    samples = gan.sample(len(test), torch.Generator(gan.device).manual_seed(seed))
    score = score_digits(samples, test.x)
    return {name: score[name] for name in ("modes", "distance", "precision", "recall")}


PARZEN = Study(
    name="parzen",
    settings=tuple(
        {"source": source, "seed": seed}
        for seed in range(3)
        for source in ("GAN", "AAE", "training pictures", "centres of k-means")
    ),
    run=parzen,
)

R3GAN_PAIRS = Study(
    name="r3gan_pairs",
    settings=tuple(
        {"data": data, "loss": loss, "penalties": penalties, "seed": seed}
        for data in ("ring", "digits")
        for seed in range(3)
        for loss in ("non_saturating", "relativistic")
        for penalties in PENALTIES
    ),
    run=r3gan_pairs,
)

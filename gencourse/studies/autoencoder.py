"""Studies of chapter 1."""

from __future__ import annotations

from gencourse.data import load
from gencourse.evaluation import PCA, reconstruction_error
from gencourse.methods import AEGAN, Autoencoder
from gencourse.networks import Plan
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.training import Method, fit

__all__ = ["CODE_SIZES", "CURES", "OVERFITTING", "RATE_DISTORTION", "overfitting", "rate_distortion"]

CODE_SIZES = (2, 4, 8, 16, 32, 64)

CURES = ("none", "adversary", "noise", "early stop")
"""What is said to help an autoencoder that has few pictures: see `overfitting`."""


def rate_distortion(coder: str, code_size: int, seed: int) -> dict[str, float]:
    """Test error of one coder at one code size: a point of the rate-distortion curve.

    Args:
        coder: "pca" or "conv".
        code_size: numbers in the code.
        seed: of weights and shuffling.
    """
    sizes = preset()
    train, test = load("mnist").take(sizes.train_images), load("mnist", split="test").take(sizes.test_images)
    if coder == "pca":
        return {"error": reconstruction_error(PCA(train, code_size).reconstruct, test)}
    model = Autoencoder(coder, code_size, seed=seed)
    fit(model, train, epochs=sizes.epochs, seed=seed, progress=False)
    return {"error": reconstruction_error(model.reconstruct, test, device=model.device)}


RATE_DISTORTION = Study(
    name="rate_distortion",
    settings=(
        *({"coder": "pca", "code_size": k, "seed": 0} for k in CODE_SIZES),
        *({"coder": "conv", "code_size": k, "seed": s} for s in range(3) for k in CODE_SIZES),
    ),
    run=rate_distortion,
    chapters=(1,),
)


def overfitting(cure: str, pictures: int, seed: int) -> dict[str, float]:
    """How far an autoencoder's error on its training pictures and on new ones lie apart.

    Dense networks, 16 numbers in a code, as many mini-batches for few pictures as for many: 1000 for an epoch of
    the preset.

    Args:
        cure: "none"; "adversary", the hybrid of eq. (3.3) with λ = 16; "noise" of 0.3 on the input, eq. (1.11); or
            "early stop" after a tenth of the mini-batches.
        pictures: how many there are to train on.
        seed: of weights, shuffling and noise.

    Returns:
        "train" and "test": squared errors, eq. (1.1).
    """
    plan, sizes = Plan("dense", (128,)), preset()
    train, test = load("mnist").take(pictures), load("mnist", split="test").take(sizes.test_images)
    model: Method = (
        AEGAN(plan, 16, weight=16.0, seed=seed)
        if cure == "adversary"
        else Autoencoder(plan, 16, noise=0.3 if cure == "noise" else 0.0, seed=seed)
    )
    steps = sizes.epochs * (100 if cure == "early stop" else 1000)
    passes = max(1, round(steps / (pictures / 64)))
    fit(model, train, epochs=passes, learning_rate=1e-3, seed=seed, progress=False)
    return {
        "train": reconstruction_error(model.reconstruct, train, device=model.device),
        "test": reconstruction_error(model.reconstruct, test, device=model.device),
    }


OVERFITTING = Study(
    name="overfitting",
    settings=tuple(
        {"cure": cure, "pictures": n, "seed": s}
        for s in range(3)
        for n in (500, 20_000)
        for cure in (CURES if n == 500 else CURES[:1])
    ),
    run=overfitting,
    chapters=(3,),
)

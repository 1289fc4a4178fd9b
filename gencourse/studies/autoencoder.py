"""Studies of chapter 1."""

from __future__ import annotations

from gencourse.data import load
from gencourse.evaluation import PCA, reconstruction_error
from gencourse.methods import Autoencoder
from gencourse.presets import preset
from gencourse.studies.engine import Study
from gencourse.training import fit

__all__ = ["CODE_SIZES", "RATE_DISTORTION", "rate_distortion"]

CODE_SIZES = (2, 4, 8, 16, 32, 64)


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
)

"""The networks that ship: all there, small, of known origin, and as good as they say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gencourse.data import load
from gencourse.methods import GAN, load_trained, trained_facts, trained_names
from gencourse.methods.trained import TRAINED
from gencourse.studies.trained import RECIPES, row, train_shipped

TESTED = 500  # of the 2000 pictures that the recorded figures come from: seconds instead of minutes
CLOSE = {  # a mean over fewer pictures strays by a few hundredths; distances between sets grow with fewer
    "reconstruction_error": 0.1,
    "psnr": 0.05,
    "ssim": 0.05,
    "masked_error": 0.1,
    "accuracy": 0.1,
}


def test_each_recipe_ships_and_all_are_small() -> None:
    assert set(trained_names()) == set(RECIPES)
    assert sum(path.stat().st_size for path in TRAINED.glob("*.safetensors")) < 10e6


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_shipped_network_is_as_good_as_it_says(name: str) -> None:
    facts = trained_facts(name)
    assert facts["command"] == f"python -m gencourse.studies.trained {name}"
    recipe, images = RECIPES[name], load("mnist").images[: RECIPES[name].images]
    assert facts["images"] == len(images) and facts["epochs"] == recipe.epochs and facts["seconds"] > 0
    assert facts["data_sha256"] == hashlib.sha256(images.numpy().tobytes()).hexdigest()
    method = load_trained(name)
    assert type(method).__name__.lower() == name and not method.training
    found, recorded = row(method, TESTED), facts["figures"]
    assert recorded.keys() <= found.keys()
    for figure, band in CLOSE.items():
        if figure in found:
            assert found[figure] == pytest.approx(recorded[figure], rel=band)
    # a set of 500 is farther from another than one of 2000: a quarter more at most
    if "classifier_distance" in found:
        assert 0.75 * recorded["classifier_distance"] < found["classifier_distance"]
        assert found["classifier_distance"] < 1.25 * recorded["classifier_distance"] + 30
        assert found["modes"] >= 9
    # what it was trained for has come of it
    if "reconstruction_error" in found:
        assert found["reconstruction_error"] < 0.75 * found["mean_picture_error"]


def test_training_again_leaves_the_same_file_contents(tmp_path: Path) -> None:
    figures = [train_shipped("autoencoder", tmp_path / n, images=128, tested=40) for n in "ab"]
    assert figures[0] == figures[1]


def test_an_unknown_network_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="name is 'dalle': choose one of aae, "):
        load_trained("dalle")
    assert isinstance(load_trained("GAN"), GAN)

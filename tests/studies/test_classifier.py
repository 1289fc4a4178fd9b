"""The script behind the shipped classifiers runs, is reproducible, and shifts as it says."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gencourse.evaluation import CLASSIFIERS, picture_classifier
from gencourse.studies.classifier import RECIPES, _shifted, train_classifier


@pytest.mark.parametrize("name", ["mnist", "shapes"])
def test_it_trains_and_saves_weights_that_fit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RECIPES[name]
    few = {split: whole.load(split).take(400) for split in ("train", "test")}
    monkeypatch.setitem(RECIPES, name, whole._replace(load=few.__getitem__))
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    reached = [train_classifier(name, path, images=300, epochs=1, tested=100) for path in (one, two)]
    assert reached[0] == reached[1]
    first, second = load_file(one), load_file(two)
    assert all(torch.equal(first[name], second[name]) for name in first)
    shipped = picture_classifier(name).state_dict()
    assert {name: t.shape for name, t in first.items()} == {name: t.shape for name, t in shipped.items()}


def test_every_classifier_that_ships_has_a_recipe() -> None:
    assert set(RECIPES) == set(CLASSIFIERS)


def test_pictures_are_shifted_by_up_to_two_pixels_each_way() -> None:
    dot = torch.zeros(400, 1, 9, 9)
    dot[:, 0, 4, 4] = 1
    torch.manual_seed(0)
    moved = _shifted(dot)
    assert moved.shape == dot.shape
    _, _, row, column = moved.nonzero().T
    assert set(zip(row.tolist(), column.tolist(), strict=True)) == {
        (r, c) for r in range(2, 7) for c in range(2, 7)
    }

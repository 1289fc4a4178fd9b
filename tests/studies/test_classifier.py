"""The script behind the shipped classifier runs, is reproducible, and shifts as it says."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from gencourse.evaluation import digit_classifier
from gencourse.studies.classifier import _shifted, train_classifier


def test_it_trains_and_saves_weights_that_fit(tmp_path: Path) -> None:
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    reached = [train_classifier(path, images=300, epochs=1, tested=100) for path in (one, two)]
    assert reached[0] == reached[1]
    first, second = load_file(one), load_file(two)
    assert all(torch.equal(first[name], second[name]) for name in first)
    shipped = digit_classifier().state_dict()
    assert {name: t.shape for name, t in first.items()} == {name: t.shape for name, t in shipped.items()}


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

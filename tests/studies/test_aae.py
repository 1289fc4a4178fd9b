"""Chapter 4's studies: labels are used where they may be and nowhere else."""

from __future__ import annotations

import pytest
import torch

from gencourse.data import ImageDataset, load
from gencourse.methods import AAE, ClusteringAAE
from gencourse.networks import Plan
from gencourse.studies import LabelsOnly, semi_supervised
from gencourse.studies.aae import _drawn_code, train_matched
from gencourse.training import fit


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load("mnist").take(400)


def test_only_the_few_labels_are_looked_at(digits: ImageDataset) -> None:
    """With all other labels turned round, the run is the same to the last bit."""
    few = digits.of_each_class(2)
    turned = ImageDataset(digits.images, (digits.labels + 3) % 10)
    one, other = (semi_supervised(few, data, epochs=1, seed=1)[0] for data in (digits, turned))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))
    wrong = ImageDataset(few.images, (few.labels + 3) % 10)
    another = semi_supervised(wrong, digits, epochs=1, seed=1)[0]
    assert any(not torch.equal(p, q) for p, q in zip(one.parameters(), another.parameters(), strict=True))


def test_without_labels_it_sorts_into_clusters(digits: ImageDataset) -> None:
    model, history = semi_supervised(digits.take(digits.labels < 0), digits, epochs=1, classes=16)
    assert type(model) is ClusteringAAE and model.classes == 16 and model.label_prior.soften > 0
    assert "classifier" not in history.names


def test_the_baseline_trains_the_encoder_alone_on_labels(digits: ImageDataset) -> None:
    model = LabelsOnly("dense", 5)
    decoder = [p.detach().clone() for p in model.decoder.parameters()]
    fit(model, digits, epochs=3, progress=False)
    assert all(torch.equal(p, q) for p, q in zip(decoder, model.decoder.parameters(), strict=True))
    right = (model.classify(digits.x) == digits.labels).float().mean()
    assert right > 0.6
    with pytest.raises(ValueError, match="y is None"):
        model.step(digits.x, lambda *_: 0.0)


def test_a_matched_run_gives_back_the_averaged_weights(digits: ImageDataset) -> None:
    model = AAE(Plan("dense", (8,)), 2)
    averaged = train_matched(model, digits, epochs=1)
    assert averaged is not model and isinstance(averaged, AAE)
    moved = [(p - q).abs().max() for p, q in zip(model.parameters(), averaged.parameters(), strict=True)]
    assert max(moved) > 0


def test_a_vaes_codes_are_draws_and_not_means() -> None:
    from gencourse.methods import VAE

    model, x = VAE(Plan("dense", (8,)), 2).eval(), torch.rand(5, 1, 28, 28)
    draw = _drawn_code(model)
    assert not torch.equal(draw(x), draw(x)) and not torch.equal(draw(x), model.encode(x))
    fixed = AAE(Plan("dense", (8,)), 2).eval()
    assert torch.equal(_drawn_code(fixed)(x), fixed.encode(x))

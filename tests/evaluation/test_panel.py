"""The panel measures what a thing can do, says what it cannot, and disturbs nothing."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from gencourse.data import ImageDataset, load
from gencourse.evaluation import MEANING, Panel, panel, psnr, ssim
from gencourse.methods import GAN, VAE, Autoencoder


@pytest.fixture(scope="module")
def test() -> ImageDataset:
    return load("mnist", split="test").take(200)


@pytest.fixture(scope="module")
def train() -> ImageDataset:
    return load("mnist").take(300)


def memory(train: ImageDataset) -> SimpleNamespace:
    """Draws training pictures, and answers every picture with itself."""
    return SimpleNamespace(
        reconstruct=lambda x: x,
        sample=lambda n, generator: train.x[torch.randperm(len(train), generator=generator)[:n]],
        features=lambda x: x.flatten(1),
    )


def test_a_method_without_an_ability_says_so_and_gets_no_figure(
    test: ImageDataset, train: ImageDataset
) -> None:
    found = panel(Autoencoder("conv", 8), test, train)
    assert "no law to draw" in found.missing["sample"] and "classifier_distance" not in found.figures
    assert "no strange pictures" in found.missing["anomalies"] and "anomaly_auroc" not in found.figures
    assert set(found.figures) | set(found.cost) <= set(MEANING)
    assert "cannot encode" in panel(GAN(), test, train, comparisons=False).missing["reconstruct"]


def test_functions_will_do_and_one_ability_is_enough(test: ImageDataset, train: ImageDataset) -> None:
    found = panel(SimpleNamespace(reconstruct=lambda x: x), test, train)
    assert found.figures["reconstruction_error"] == 0 and found.figures["ssim"] == pytest.approx(1)
    assert found.missing["sample"] == "SimpleNamespace has no 'sample'."
    assert {"sample", "features", "prior", "classify", "anomalies", "parameters"} <= set(found.missing)
    with pytest.raises(TypeError, match="method is 3: give something that can reconstruct"):
        panel(3, test, train)
    with pytest.raises(TypeError, match="method is 'vae': give something"):
        panel("vae", test, train)


def test_memory_is_caught_and_new_pictures_are_not(test: ImageDataset, train: ImageDataset) -> None:
    copies = panel(memory(train), test, train).figures
    assert copies["copied"] == 1 and copies["nearest_train"] < 1e-3 < copies["nearest_train_real"]
    other = load("mnist").take(torch.arange(1000, 1200))
    fresh = SimpleNamespace(sample=lambda n, generator: other.x[:n])
    assert panel(fresh, test, train).figures["copied"] < 0.1
    # and yet the copies have perfect scores: that is why there is a figure for them
    assert copies["classifier_distance"] < 2 * copies["classifier_distance_real"]
    assert copies["modes"] == 10


def test_the_number_of_pictures_stands_in_the_name_of_a_distance(
    test: ImageDataset, train: ImageDataset
) -> None:
    row = panel(memory(train), test, train, pictures=50).row()
    assert {"classifier_distance_50", "classifier_distance_50_real", "kernel_distance_50"} <= set(row)
    assert "classifier_distance" not in row and "precision" in row
    plain = Panel({"psnr": 1.0}, {}, {"parameters": 2.0}, 7)
    assert plain.row() == {"psnr": 1.0, "parameters": 2.0}


def test_probes_see_as_many_labels_as_their_names_say(
    test: ImageDataset, train: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def spy(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor) -> float:
        assert len(features) == len(labels) and len(test_features) == len(test_labels) == len(test)
        seen.append(len(features))
        return 0.5

    # the function of that name hides the module
    monkeypatch.setattr(importlib.import_module("gencourse.evaluation.panel"), "linear_probe", spy)
    found = panel(memory(train), test, train, comparisons=False).figures
    assert seen == [100, 300]  # of 300 pictures no probe of 1000 is claimed
    assert {k for k in found if k.startswith("probe")} == {"probe_accuracy_100", "probe_accuracy"}


def test_a_score_for_strangeness_is_used_where_there_is_one(test: ImageDataset, train: ImageDataset) -> None:
    dark = ImageDataset(torch.zeros_like(test.images[:40]), test.labels[:40], "mnist", test.classes)
    told = SimpleNamespace(features=lambda x: x.flatten(1), anomaly_score=lambda x: -x.flatten(1).sum(1))
    assert panel(told, test, train, strange=dark).figures["anomaly_auroc"] == 1
    turned = SimpleNamespace(features=told.features, anomaly_score=lambda x: x.flatten(1).sum(1))
    assert panel(turned, test, train, strange=dark).figures["anomaly_auroc"] == 0
    # without one, the error of the reconstruction: zeros answer dark pictures best
    black = SimpleNamespace(reconstruct=torch.zeros_like)
    assert panel(black, test, train, strange=dark).figures["anomaly_auroc"] == 0


def test_codes_are_judged_beside_two_draws_of_the_prior(test: ImageDataset, train: ImageDataset) -> None:
    found = panel(VAE("conv", 8), test, train, comparisons=False).figures
    assert abs(found["code_two_sample_accuracy_prior"] - 0.5) < 0.2
    assert abs(found["code_mmd_prior"]) < 0.02
    # an encoder of constants: a judge tells them from every draw
    model = VAE("conv", 8)
    with torch.no_grad():
        for p in model.encoder.parameters():
            p.zero_()
        list(model.encoder.parameters())[-1][8:] = -20.0  # log variances: a code is its mean, 0
    assert panel(model, test, train, comparisons=False).figures["code_two_sample_accuracy"] > 0.9


def test_the_same_seed_gives_the_same_row_and_nothing_outside_moves(
    test: ImageDataset, train: ImageDataset
) -> None:
    method = VAE("conv", 8)
    before = [p.clone() for p in method.parameters()]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = panel(method, test, train, comparisons=False)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert panel(method, test, train, comparisons=False).figures == one.figures
    assert all(torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True))


def test_costs_are_told(test: ImageDataset, train: ImageDataset) -> None:
    method = Autoencoder("conv", 8)
    found = panel(method, test, train, seconds=12.5, comparisons=False)
    assert found.cost["training_seconds"] == 12.5 and found.cost["pictures_per_second"] > 0
    assert found.cost["parameters"] == sum(p.numel() for p in method.parameters())
    assert ("peak_mb" in found.cost) != ("peak_mb" in found.missing)


def test_bad_arguments_are_refused_in_a_sentence(test: ImageDataset, train: ImageDataset) -> None:
    method = Autoencoder("conv", 8)
    with pytest.raises(ValueError, match="test has 3 pictures: give at least 20"):
        panel(method, test.take(3), train)
    with pytest.raises(ValueError, match="pictures is 3"):
        panel(method, test, train, pictures=3)
    with pytest.raises(ValueError, match="seconds is -1"):
        panel(method, test, train, seconds=-1)


def test_pictures_that_are_no_digits_get_distances_of_pixels() -> None:
    pictures = ImageDataset.from_tensor(torch.rand(40, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    found = panel(GAN(), pictures, pictures, pictures=40)
    assert found.figures["pixel_distance_real"] < 1e-6 < found.figures["pixel_distance"]
    assert "no labels" in found.missing["features"] and "pixel_distance_40" in found.row()


def test_what_leaves_the_range_of_pictures_is_cut_before_it_is_compared(
    test: ImageDataset, train: ImageDataset
) -> None:
    def spread(x: Tensor) -> Tensor:
        return 3 * x - 1

    def drawn(n: int, generator: torch.Generator) -> Tensor:
        return spread(train.x[:n])

    loud = SimpleNamespace(reconstruct=spread, sample=drawn)
    soft = SimpleNamespace(sample=lambda n, generator: drawn(n, generator).clamp(0, 1))
    found, cut = (panel(one, test, train, comparisons=False).figures for one in (loud, soft))
    assert found["psnr"] == pytest.approx(psnr(spread(test.x).clamp(0, 1), test.x))
    assert found["ssim"] == pytest.approx(ssim(spread(test.x).clamp(0, 1), test.x))
    assert found["reconstruction_error"] == pytest.approx(
        (spread(test.x) - test.x).square().sum((1, 2, 3)).mean().item(), rel=1e-5
    )
    assert all(found[name] == value for name, value in cut.items())


def test_one_picture_again_and_again_has_no_recall_without_a_classifier_too() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (120, 1, 16, 16), dtype=torch.uint8, generator=generator)
    noise = ImageDataset(images, torch.arange(120) % 3, "noise")
    stuck = SimpleNamespace(sample=lambda n, generator: torch.zeros(n, 1, 16, 16))
    found = panel(stuck, noise, noise).figures
    assert found["pixel_recall"] == 0 and found["pixel_precision"] == 0


def test_codes_are_drawn_with_the_spread_that_the_encoder_says(
    test: ImageDataset, train: ImageDataset
) -> None:
    coder = SimpleNamespace(
        prior="normal with spread 2",
        draw=lambda n, generator: 2 * torch.randn(n, 3, generator=generator),
        posterior=lambda x: (torch.zeros(len(x), 3), torch.full((len(x), 3), 4.0).log()),
        encode=lambda x: torch.zeros(len(x), 3),
    )
    found = panel(coder, test, train, comparisons=False).figures
    assert found["code_two_sample_accuracy"] < 0.65

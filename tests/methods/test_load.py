"""A method comes back from its file alone: same arguments, same weights, same answers; and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import gencourse.methods as room
from gencourse.data import ImageDataset
from gencourse.methods import (
    GAN,
    MAE,
    VAE,
    WAE,
    Autoencoder,
    Classifier,
    ContextEncoder,
    LabelledAAE,
    MixturePrior,
    SemiSupervisedAAE,
    load,
)
from gencourse.networks import Plan
from gencourse.training import (
    CheckpointError,
    Method,
    built_with,
    fit,
    read_checkpoint,
    save_weights,
    write_checkpoint,
)
from gencourse.widgets.masked_digit import MASKED_DIGIT_WEIGHTS

SMALL = Plan("dense", (8,))

QUIET = {"batch_size": 4, "device": "cpu", "progress": False}
SMALL_MAE = {"width": 8, "depth": 1, "heads": 2, "decoder_width": 8, "decoder_heads": 2}


def pictures() -> ImageDataset:
    images = torch.randint(
        0, 256, (8, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return ImageDataset(images, torch.arange(8))


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Autoencoder("linear", 3, [1, 28, 28], noise=0.5, seed=4),
        lambda: GAN(width=2, noise_size=3, loss="hinge", critic_steps=2),
        lambda: VAE(Plan("dense", (8,)), code_size=2),
        lambda: LabelledAAE(Plan("dense", (8,)), 2, judge=(4,), prior=MixturePrior(5), classes=5),
        lambda: WAE(Plan("dense", (8,)), 2, weight=3),
        lambda: MAE(mask_ratio=0.5, **SMALL_MAE),
        lambda: ContextEncoder(mask=torch.ones(28, 28).tril(), network=Plan("conv", width=2)),
    ],
)
def test_a_method_comes_back_from_its_weights(make: Callable[[], Method], tmp_path: Path) -> None:
    method = make()
    with torch.no_grad():
        for weight in method.parameters():
            weight.mul_(1.5)
    save_weights(tmp_path / "w", method)
    before = torch.get_rng_state()
    loaded = load(tmp_path / "w")
    assert torch.equal(torch.get_rng_state(), before)
    assert type(loaded) is type(method) and built_with(loaded) == built_with(method)
    assert same(loaded, method) and not loaded.training
    for name, buffer in method.named_buffers():
        assert torch.equal(loaded.get_buffer(name), buffer)  # those that are not in the file, too


def test_a_method_comes_back_from_a_run_plain_or_averaged(tmp_path: Path) -> None:
    method = Autoencoder(SMALL, code_size=2)
    path = tmp_path / "run"
    history = fit(method, pictures(), checkpoint=path, average=0.5, learning_rate=0.1, **QUIET)
    assert same(load(path), method)
    assert same(load(path, averaged=True), history.averaged) and not same(method, history.averaged)
    resumed = load(path)  # and it can go on
    fit(method, pictures(), epochs=2, average=0.5, learning_rate=0.1, **QUIET)
    fit(resumed, pictures(), epochs=2, checkpoint=path, resume=True, average=0.5, learning_rate=0.1, **QUIET)
    save_weights(tmp_path / "w", method)
    with pytest.raises(CheckpointError, match="has no averaged weights: leave out averaged=True"):
        load(tmp_path / "w", averaged=True)


def test_the_shipped_network_comes_back() -> None:
    assert isinstance(load(MASKED_DIGIT_WEIGHTS), MAE)


def test_what_is_ones_own_is_asked_for(tmp_path: Path) -> None:
    own = {"generator": nn.Linear(64, 1), "discriminator": nn.Linear(1, 1)}
    save_weights(tmp_path / "w", GAN(shape=(1,), **own))
    with pytest.raises(
        CheckpointError, match=r"something of your own \(generator, discriminator\).*load_weights"
    ):
        load(tmp_path / "w")
    save_weights(tmp_path / "w", Classifier(MAE(**SMALL_MAE).encoder))
    with pytest.raises(CheckpointError, match=r"Classifier was built with something of your own \(encoder\)"):
        load(tmp_path / "w")


@pytest.mark.parametrize(
    "name", ["Mine", "nn.Linear", "os", "Prior", "degraded", "load", "__builtins__", "", None, 3]
)
def test_only_methods_of_the_room_are_built(name: object, tmp_path: Path) -> None:
    save_weights(tmp_path / "w", Autoencoder(SMALL))
    tensors, facts = read_checkpoint(tmp_path / "w")
    write_checkpoint(tmp_path / "w", tensors, facts | {"class": name})
    with pytest.raises(CheckpointError, match=r"is no method of gencourse.methods: build it yourself"):
        load(tmp_path / "w")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"noise": {"function": "os.system"}}, "something of your own"),
        ({"noise": {"class": "Path", "x": "/"}}, "something of your own"),
        ({"noise": {"opaque": "somewhere.Thing"}}, "something of your own"),
        ({"noise": -1.0}, "cannot be built with what the file says"),
        ({"noise": {"tensor": [1], "dtype": "load"}}, "cannot be built with what the file says"),
        ({"noise": {"class": "GaussianPrior", "x": 1}}, "cannot be built with what the file says"),
        ({"code_size": "many"}, "cannot be built with what the file says"),
        ({"later": 1}, "cannot be built with what the file says"),
        ({"code_size": 5}, "has 'encoder"),
    ],
)
def test_arguments_that_do_not_fit_get_one_sentence(change: dict, says: str, tmp_path: Path) -> None:
    save_weights(tmp_path / "w", Autoencoder(SMALL, code_size=3))
    tensors, facts = read_checkpoint(tmp_path / "w")
    facts["arguments"] |= change
    write_checkpoint(tmp_path / "w", tensors, facts)
    with pytest.raises(CheckpointError, match=says) as caught:
        load(tmp_path / "w")
    assert "\n" not in str(caught.value)


def test_plain_modules_are_not_methods(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match="holds a 'Linear', which is no method"):
        load(tmp_path / "w")
    assert "load" in room.__all__


def test_a_dataset_is_left_out_where_it_may_be(tmp_path: Path) -> None:
    method = SemiSupervisedAAE(Plan("dense", (8,)), 2, judge=(4,), labelled=pictures())
    save_weights(tmp_path / "w", method)
    loaded = load(tmp_path / "w")
    assert same(loaded, method) and loaded.labelled is None
    assert built_with(method)["labelled"]["images"] == 8

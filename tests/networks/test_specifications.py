"""The details that papers fix, and that no training run shows: slopes, strides, sizes in the middle."""

import dataclasses

import pytest
import torch
from torch import nn

from gencourse.networks import (
    GaussianEncoder,
    Plan,
    ViTEncoder,
    attention,
    conv_discriminator,
    conv_generator,
    conv_stages,
    dcgan_discriminator,
    dcgan_generator,
    dense_discriminator,
    dense_generator,
    fill_and_restore,
    sincos_positions,
)

LEAKY = {
    "dense discriminator": lambda: dense_discriminator((1, 28, 28)),
    "dense generator": lambda: dense_generator(8, (1, 28, 28)),
    "conv discriminator": lambda: conv_discriminator((1, 28, 28)),
    "dcgan generator": lambda: dcgan_generator(8, (1, 32, 32)),
    "dcgan discriminator": lambda: dcgan_discriminator((1, 32, 32)),
}


@pytest.mark.parametrize("make", LEAKY.values(), ids=LEAKY)
def test_leaky_layers_have_the_slope_of_the_dcgan_paper(make) -> None:
    slopes = {layer.negative_slope for layer in make().modules() if isinstance(layer, nn.LeakyReLU)}
    assert slopes == {0.2}


@pytest.mark.parametrize("classes", [0, 3])
def test_a_generator_reads_noise_and_as_many_numbers_as_there_are_labels(classes: int) -> None:
    for make in (dense_generator, conv_generator):
        first = next(
            layer for layer in make(8, (1, 28, 28), classes=classes).modules() if isinstance(layer, nn.Linear)
        )
        assert first.in_features == 8 + classes


@pytest.mark.parametrize(
    ("shape", "halvings"),
    [((1, 28, 28), 2), ((1, 32, 32), 3), ((3, 64, 64), 4), ((3, 256, 256), 6), ((1, 28, 56), 2)],
)
def test_pictures_are_halved_until_a_side_is_below_eight(shape: tuple[int, int, int], halvings: int) -> None:
    assert conv_stages(shape) == halvings
    assert min(shape[1:]) / 2**halvings <= 7 < min(shape[1:]) / 2 ** (halvings - 1)


def test_a_plan_cannot_be_changed_behind_a_networks_back() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Plan("dense").kind = "conv"  # type: ignore[misc]


def test_no_picture_is_no_error() -> None:
    assert GaussianEncoder.draw(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0, 3)
    nothing = torch.zeros(0, 2, 3, 8)
    assert attention(nothing, nothing, nothing).shape == nothing.shape
    with pytest.raises(ValueError, match="plain is -1"):
        GaussianEncoder(nn.Identity(), plain=-1)


@pytest.mark.parametrize(
    "restore",
    [
        torch.zeros(2, 4),
        torch.zeros(2, 4, dtype=torch.int32),
        torch.zeros(2, 4, 1).long(),
        torch.zeros(3, 4).long(),
    ],
    ids=["floats", "int32", "three axes", "another batch"],
)
def test_an_order_of_places_is_int64_and_one_a_picture(restore: torch.Tensor) -> None:
    with pytest.raises((ValueError, TypeError), match="restore is"):
        fill_and_restore(torch.zeros(2, 3, 5), torch.zeros(5), restore)


def test_an_encoder_knows_rows_from_columns() -> None:
    positions = ViTEncoder((1, 28, 56), 7, 16, depth=0, heads=2).positions
    assert torch.equal(positions, sincos_positions(4, 8, 16))
    assert not torch.equal(positions, sincos_positions(8, 4, 16))

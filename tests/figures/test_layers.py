"""The table of a network's layers: every layer once, in its order, and no parameter lost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gencourse.figures import layers
from gencourse.methods import GAN, MAE, Autoencoder
from gencourse.networks import patchify

X = torch.zeros(1, 1, 28, 28)


def counts(network: nn.Module, example: Tensor) -> list[int]:
    return [int(row[3].replace("\u202f", "")) for row in layers({"it": (network, example)}).rows]


@pytest.mark.parametrize(
    ("network", "example"),
    [
        (Autoencoder("conv").encoder, X),
        (Autoencoder("conv").decoder, torch.zeros(1, 32)),
        (Autoencoder("dense").encoder, X),
        (GAN("dcgan", (1, 32, 32)).generator, torch.zeros(1, 64)),
        (GAN().discriminator, X),
        (MAE().encoder, patchify(X, 7)),
    ],
)
def test_the_rows_add_up_to_all_parameters(network: nn.Module, example: Tensor) -> None:
    *parts, together = counts(network, example)
    assert sum(parts) == together == sum(p.numel() for p in network.parameters())


def test_a_convolutional_encoder_reads_as_it_is() -> None:
    rows = layers({"encoder": (Autoencoder("conv", code_size=32).encoder, X)}).rows
    assert rows == [
        ["encoder", "convolution 4×4, stride 2, ReLU", "16×14×14", "272"],
        ["", "convolution 4×4, stride 2, ReLU", "32×7×7", "8\u202f224"],
        ["", "linear 1568 → 32", "32", "50\u202f208"],
        ["", "together", "", "58\u202f704"],
    ]


def test_looking_leaves_no_trace() -> None:
    network = GAN("dense").generator.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layers({"generator": (network, torch.zeros(1, 64))})
    assert network.training and not any(layer._forward_hooks for layer in network.modules())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())

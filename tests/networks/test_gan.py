import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gencourse.networks import (
    UpsampleConv2d,
    conv_discriminator,
    conv_generator,
    dcgan_discriminator,
    dcgan_generator,
    dense_discriminator,
    dense_generator,
    has_batch_norm,
)

SHAPE = (1, 32, 32)


@pytest.mark.parametrize(("size", "n_in", "n_out"), [(7, 3, 5), (8, 1, 1), (1, 2, 3)])
def test_one_transposed_convolution_equals_doubling_and_convolving(size: int, n_in: int, n_out: int) -> None:
    torch.manual_seed(0)
    layer, x = UpsampleConv2d(n_in, n_out), torch.randn(2, n_in, size, size)
    doubled = F.interpolate(x, scale_factor=2, mode="nearest")
    expected = F.conv2d(doubled, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-5)
    target = torch.randn_like(expected)
    ours, theirs = (
        torch.autograd.grad((out * target).sum(), (layer.weight, layer.bias)) for out in (layer(x), expected)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert layer.weight.shape == (n_out, n_in, 3, 3) and list(layer.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize(
    "network",
    [dense_generator(4, SHAPE), conv_generator(4, SHAPE, 2, batch_norm=True), dcgan_generator(4, SHAPE)],
)
def test_batch_norm_starts_from_torchs_own_eps(network: nn.Module) -> None:
    """Its second positional argument is eps; 0.8 there would shrink what is smaller than one."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert norms and all(norm.eps == 1e-5 for norm in norms)


def test_only_the_dcgan_discriminator_mixes_the_samples_of_a_batch() -> None:
    x = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    for network, mixes in (
        (dense_discriminator(SHAPE), False),
        (conv_discriminator(SHAPE, 2), False),
        (dcgan_discriminator(SHAPE), True),
    ):
        for layer in network.modules():
            if isinstance(layer, nn.Dropout2d):
                layer.p = 0.0
        network.train()
        assert has_batch_norm(network) == mixes
        assert torch.allclose(network(x)[:2], network(x[:2]), atol=1e-5) != mixes


@pytest.mark.parametrize("size", [28, 32, 64])
def test_the_generator_starts_with_logits_of_moderate_size(size: int) -> None:
    torch.manual_seed(0)
    out = conv_generator(64, (1, size, size))(torch.randn(64, 64))
    assert 0.3 < out.std() < 3


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 40, 40), (1, 32, 8), (1, 8, 8)])
def test_a_size_that_the_dcgan_cannot_make_is_named(shape: tuple[int, int, int]) -> None:
    for build in (lambda: dcgan_generator(4, shape), lambda: dcgan_discriminator(shape)):
        with pytest.raises(ValueError, match="multiples of 16"):
            build()


def test_a_label_adds_its_product_with_the_hidden_layer_to_the_logit() -> None:
    # the projection discriminator (Miyato & Koyama, 2018)
    judge, x = conv_discriminator(SHAPE, classes=3), torch.rand(4, *SHAPE)
    hidden, of_label = judge.features(x), judge.label.weight
    for label in range(3):
        y = torch.full((4,), label)
        found = judge(x, y) - judge.head(hidden).squeeze(1)
        torch.testing.assert_close(found, hidden @ of_label[label])


def test_a_generator_draws_rectangles() -> None:
    for shape in ((1, 32, 64), (3, 64, 32)):
        assert conv_generator(8, shape)(torch.randn(2, 8)).shape == (2, *shape)

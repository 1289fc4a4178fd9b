import pytest
import torch
from torch import nn

from gencourse.networks import mlp


def test_mlp_is_the_chain_written_by_hand() -> None:
    net = mlp((6, 5, 4, 3), activation=nn.Tanh)
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    x = torch.randn(7, 6)
    h = x
    for layer in linear[:-1]:
        h = torch.tanh(h @ layer.weight.T + layer.bias)
    torch.testing.assert_close(net(x), h @ linear[-1].weight.T + linear[-1].bias)
    assert [(a.in_features, a.out_features) for a in linear] == [(6, 5), (5, 4), (4, 3)]


def test_the_default_activation_is_relu_and_the_last_layer_has_none() -> None:
    kinds = [type(layer) for layer in mlp((4, 3, 2))]
    assert kinds == [nn.Linear, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in mlp((4, 2))] == [nn.Linear]


@pytest.mark.parametrize("sizes", [(), (4,), (4, 0), (4, -1, 2)])
def test_impossible_widths_are_named(sizes: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"sizes has \d entries: give at least 2|sizes\[1\] is .*: give at least 1"
    ):
        mlp(sizes)

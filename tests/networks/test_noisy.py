"""An encoder with noise: the noise is read, in the hidden layer, and drawn anew when it is not given."""

import torch
from torch import Tensor, nn

from gencourse.networks import NoisyEncoder


def encoder() -> NoisyEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NoisyEncoder(nn.Sequential(nn.Flatten(), nn.Linear(12, 6)), width=6, noise_size=2, n_out=3)


def x(n: int = 4) -> Tensor:
    return torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def test_the_same_noise_gives_the_same_code_and_other_noise_another() -> None:
    net, noise = encoder(), torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    assert net(x(), noise).shape == (4, 3)
    assert torch.equal(net(x(), noise), net(x(), noise))
    assert not torch.equal(net(x(), noise), net(x(), -noise))
    assert not torch.equal(net(x()), net(x()))


def test_noise_joins_the_features_before_a_hidden_layer() -> None:
    net, noise = encoder(), torch.ones(4, 2)
    first, _, last = net.head
    by_hand = last(first(torch.cat([net.body(x()).relu(), noise], dim=1)).relu())
    torch.testing.assert_close(net(x(), noise), by_hand)


def test_noise_that_is_not_given_is_standard_normal() -> None:
    net, seen = encoder(), []
    net.head[0].register_forward_pre_hook(lambda _, given: seen.append(given[0][:, 6:]))
    torch.manual_seed(0)
    net(x(5000))
    (noise,) = seen
    assert noise.shape == (5000, 2)
    assert noise.mean().abs() < 0.03 and abs(noise.std() - 1) < 0.03
    # rand and powers of randn have other shares within one standard deviation
    assert abs((noise.abs() < 1).float().mean() - 0.6827) < 0.02

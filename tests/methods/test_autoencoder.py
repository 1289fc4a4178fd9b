"""Chapter 1's method: what it can do, what it refuses, and what each option changes."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from gencourse.losses import bernoulli_nll, l1_penalty, squared_error
from gencourse.methods import Autoencoder
from gencourse.networks import Plan

NETWORKS = ("dense", "conv", "linear")


def small(network: str = "dense", **options) -> Autoencoder:
    return Autoencoder(Plan(network, (12, 7), 2), code_size=5, **options)


def pictures(n: int = 4, shape: tuple[int, ...] = (1, 28, 28)) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


class Spy:
    """Takes the place of update: keeps the loss, moves nobody."""

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        self.player, self.loss = player, loss
        return loss.detach()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_it_encodes_decodes_and_reconstructs(network: str, shape: tuple[int, int, int]) -> None:
    method, x = small(network, shape=shape), pictures(4, shape)
    z = method.encode(x)
    assert z.shape == method.features(x).shape == (4, 5)
    assert method.decode(z).shape == x.shape
    assert torch.equal(method.reconstruct(x), method.decode(z))


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_reconstructions_are_pixels(network: str) -> None:
    method = small(network)
    x_hat = method.decode(1e4 * torch.randn(8, 5, generator=torch.Generator().manual_seed(0)))
    assert x_hat.min() >= 0 and x_hat.max() <= 1


@pytest.mark.parametrize("shape", [(4, 1, 28, 27), (4, 3, 28, 28), (4, 784), (1, 28, 28)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"give \(B, 1, 28, 28\)") as caught:
        small().encode(torch.zeros(shape))
    assert str(shape) in str(caught.value)


def test_it_cannot_sample_and_says_why() -> None:
    with pytest.raises(NotImplementedError, match=r"Autoencoder cannot sample: .*distribution of the codes"):
        small().sample(4)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_seed_decides_the_initial_weights(network: str) -> None:
    torch.manual_seed(1)
    one = small(network, seed=3).state_dict()
    torch.manual_seed(2)
    again, other = small(network, seed=3).state_dict(), small(network, seed=4).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    weights = [name for name in one if name.endswith("weight")]  # biases may start at zero
    assert not any(torch.equal(one[name], other[name]) for name in weights)


@pytest.mark.parametrize("network", NETWORKS)
def test_one_player_owns_every_parameter_once(network: str) -> None:
    method = small(network)
    owned = [id(p) for own in method.players().values() for p in own]
    assert list(method.players()) == ["autoencoder"]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(p) for p in method.parameters()}


def test_parameters_are_as_many_as_the_layers_say() -> None:
    def dense(*sizes: int) -> int:
        return sum(a * b + b for a, b in pairwise(sizes))

    def count(method: nn.Module) -> int:
        return sum(p.numel() for p in method.parameters())

    assert count(small()) == dense(784, 12, 7, 5) + dense(5, 7, 12, 784)
    assert count(small("linear")) == dense(784, 5) + dense(5, 784)
    assert count(Autoencoder(Plan("dense", (512,)), code_size=16)) == 821_024
    # 1 -> 2 -> 4 channels, 28 -> 14 -> 7 pixels
    down = (16 * 1 * 2 + 2) + (16 * 2 * 4 + 4) + dense(4 * 49, 5)
    up = dense(5, 4 * 49) + (16 * 4 * 2 + 2) + (16 * 2 * 1 + 1)
    assert count(small("conv")) == down + up


@pytest.mark.equation("1.9")
def test_the_linear_network_is_affine() -> None:
    method, x = small("linear"), pictures(6)
    a, b = x[:3], x[3:]
    for t in (0.3, -2.0, 5.0):
        mixed = method.reconstruct(t * a + (1 - t) * b)
        expected = t * method.reconstruct(a) + (1 - t) * method.reconstruct(b)
        torch.testing.assert_close(mixed, expected, rtol=1e-4, atol=1e-5)
    assert [m for m in method.modules() if isinstance(m, nn.Linear)] == [method.encoder[1], method.decoder[0]]


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_the_other_networks_are_not(network: str) -> None:
    method, z = small(network), torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    mixed = method.decoder(10 * z[:1] - 9 * z[1:])
    assert not torch.allclose(mixed, 10 * method.decoder(z[:1]) - 9 * method.decoder(z[1:]), rtol=1e-3)


@pytest.mark.equation("1.1")
def test_a_step_minimises_the_squared_error() -> None:
    method, x, spy = small(), pictures(), Spy()
    assert method.step(x, spy) == {"autoencoder": spy.loss.item()}
    assert spy.player == "autoencoder"
    torch.testing.assert_close(spy.loss, squared_error(method.reconstruct(x), x))
    for weight in method.parameters():  # the loss is shared: encoder and decoder both learn from it
        assert torch.autograd.grad(spy.loss, weight, retain_graph=True)[0].abs().sum() > 0


@pytest.mark.equation("1.5")
def test_a_bernoulli_step_minimises_the_cross_entropy_of_the_logits() -> None:
    method, x, spy = small(likelihood="bernoulli"), pictures(), Spy()
    method.step(x, spy)
    torch.testing.assert_close(spy.loss, bernoulli_nll(method.decoder(method.encode(x)), x))
    torch.testing.assert_close(
        method.decode(method.encode(x)), torch.sigmoid(method.decoder(method.encode(x)))
    )


@pytest.mark.equation("1.11")
def test_noise_is_put_on_the_input_and_not_on_the_target() -> None:
    method, x, spy = small(noise=0.5), pictures(256), Spy()
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    method.encoder.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    plain = method.reconstruction_loss
    method.reconstruction_loss = lambda z, x: targets.append(x) or plain(z, x)
    method.step(x, spy)
    assert torch.equal(targets[0], x)
    noise = inputs[0] - x
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(0.5, rel=0.02)
    # σε with ε normal, independent of the picture and of the other pictures' noise
    assert noise.abs().mean().item() == pytest.approx(0.5 * math.sqrt(2 / math.pi), rel=0.02)
    assert abs(torch.corrcoef(torch.stack([noise.flatten(), x.flatten()]))[0, 1]) < 0.02
    size = noise.square()
    assert abs(torch.corrcoef(torch.stack([size.flatten(), x.flatten()]))[0, 1]) < 0.02
    assert abs(torch.corrcoef(noise[:2].flatten(1))[0, 1]) < 0.2


def test_without_noise_the_picture_is_left_alone() -> None:
    x = pictures()
    before = torch.get_rng_state()
    assert small().corrupt(x) is x
    assert torch.equal(torch.get_rng_state(), before)


def test_reconstruct_adds_no_noise() -> None:
    method, x = small(noise=0.5), pictures()
    assert torch.equal(method.reconstruct(x), method.reconstruct(x))


@pytest.mark.equation("1.14")
def test_sparsity_adds_the_l1_penalty_of_the_code() -> None:
    x, spy, sparse_spy = pictures(), Spy(), Spy()
    plain, sparse = small(), small(sparsity=0.3)  # the same seed: the same weights
    plain.step(x, spy)
    sparse.step(x, sparse_spy)
    penalty = 0.3 * l1_penalty(plain.encode(x))
    assert penalty > 0
    torch.testing.assert_close(sparse_spy.loss - spy.loss, penalty, rtol=1e-3, atol=1e-4)
    # the price is felt: slopes of the sum are the sum of the slopes
    for found, one, two in zip(
        torch.autograd.grad(sparse_spy.loss, list(sparse.encoder.parameters())),
        torch.autograd.grad(spy.loss, list(plain.encoder.parameters())),
        torch.autograd.grad(penalty, list(plain.encoder.parameters())),
        strict=True,
    ):
        assert two.abs().sum() > 0
        torch.testing.assert_close(found, one + two, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"network": "deep"}, "network is 'deep': choose one of dense, conv, linear"),
        ({"likelihood": "l2"}, "likelihood is 'l2': choose one of gaussian, bernoulli"),
        ({"code_size": 0}, "code_size is 0: give at least 1"),
        ({"noise": -0.1}, "noise is -0.1: .*not negative"),
        ({"sparsity": -1.0}, "sparsity is -1.0: .*not negative"),
        ({"network": "conv", "shape": (1, 30, 30)}, r"shape is \(1, 30, 30\)"),
    ],
)
def test_wrong_options_are_named(wrong: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Autoencoder(**wrong)


def test_the_parameters_that_the_errata_quote() -> None:
    assert sum(p.numel() for p in Autoencoder("conv", 32).parameters()) == 118_913

"""Chapter 3's VAE: its bound, its codes, its samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from gencourse.losses import bernoulli_nll, kl_to_standard_normal
from gencourse.methods import VAE, VAEGAN, WAE
from gencourse.networks import Plan


def small(network: str = "conv", **options) -> VAE:
    return VAE(Plan(network, (9,), 2), **{"code_size": 3, **options})


def pictures(n: int = 6, shape: tuple[int, ...] = (1, 28, 28)) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


class Spy:
    """Takes the place of update: keeps the loss, moves nobody."""

    def __call__(self, player: str, loss: Tensor) -> Tensor:
        self.player, self.loss = player, loss
        return loss.detach()


@pytest.mark.parametrize("network", ["conv", "dense"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_it_encodes_decodes_reconstructs_and_samples(network: str, shape: tuple[int, int, int]) -> None:
    method, x = small(network, shape=shape), pictures(4, shape)
    z = method.encode(x)
    assert z.shape == (4, 3)
    assert torch.equal(z, method.posterior(x)[0])  # the mean: nothing random
    assert torch.equal(method.reconstruct(x), method.decode(z))
    made = method.sample(5, torch.Generator().manual_seed(1))
    assert made.shape == (5, *shape) and made.min() >= 0 and made.max() <= 1
    assert torch.equal(made, method.sample(5, torch.Generator().manual_seed(1)))
    assert torch.equal(made, method.decode(method.draw(5, torch.Generator().manual_seed(1))))


@pytest.mark.equation("3.9")
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_a_step_minimises_both_parts_and_records_them(likelihood: str) -> None:
    method, x, spy = small(likelihood=likelihood, beta=0.7, sigma=0.3), pictures(), Spy()
    torch.manual_seed(5)
    record = method.step(x, spy)
    assert spy.player == "autoencoder"
    torch.manual_seed(5)
    mean, log_var = method.posterior(x)
    logits = method.decoder(mean + (log_var / 2).exp() * torch.randn_like(mean))
    if likelihood == "bernoulli":
        nll = bernoulli_nll(logits, x)
    else:
        pixel = torch.distributions.Normal(torch.sigmoid(logits), 0.3)
        nll = -pixel.log_prob(x).flatten(1).sum(1).mean()
    kl = kl_to_standard_normal(mean, log_var)
    torch.testing.assert_close(spy.loss, nll + 0.7 * kl)
    # the encoder learns through the drawn codes as well as from the divergence
    weights = list(method.parameters())
    slopes = (torch.autograd.grad(loss, weights) for loss in (spy.loss, nll + 0.7 * kl))
    for found, wanted in zip(*slopes, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    assert VAE().beta == 1  # a bound, unless another weight is asked for
    assert record["reconstruction"].item() == pytest.approx(nll.item(), rel=1e-5)
    assert record["kl"].item() == pytest.approx(kl.item(), rel=1e-5)
    assert record["autoencoder"] == spy.loss.item()


@pytest.mark.equation("3.7")
@pytest.mark.parametrize("method", [small(), VAEGAN(Plan("conv", width=2), 3)])
def test_codes_are_drawn_from_their_gaussians_and_gradients_reach_both_parameters(
    method: VAE | VAEGAN,
) -> None:
    n = 50_000
    mean = torch.tensor([[1.0, -2.0, 0.0]]).expand(n, 3).clone().requires_grad_()
    log_var = torch.tensor([[0.0, -2.0, 1.0]]).expand(n, 3).clone().requires_grad_()
    torch.manual_seed(0)
    z = method.encoder.draw(mean, log_var)
    torch.testing.assert_close(z.mean(0), mean[0], rtol=0, atol=0.03)
    torch.testing.assert_close(z.std(0), (log_var[0] / 2).exp(), rtol=0.02, atol=0)
    to_mean, to_log_var = torch.autograd.grad(z.sum(), (mean, log_var))
    torch.testing.assert_close(to_mean, torch.ones_like(mean))
    torch.testing.assert_close(to_log_var, (z - mean).detach() / 2, rtol=1e-4, atol=1e-5)


class Linear(VAE):
    """p(x|z) = N(Wz + b, σ²I) without the sigmoid, and the encoder that Bayes' rule gives for it."""

    def __init__(self, weight: Tensor, bias: Tensor, sigma: float) -> None:
        super().__init__(Plan("conv", width=2), code_size=weight.shape[1], sigma=sigma)
        self.decoder = nn.Linear(weight.shape[1], weight.shape[0])
        self.decoder.weight.data, self.decoder.bias.data = weight, bias
        precision = torch.eye(weight.shape[1]).double() + weight.T @ weight / sigma**2
        self.to_mean = torch.linalg.solve(precision, weight.T / sigma**2)
        self.log_var = -precision.diagonal().log()

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return (x - self.decoder.bias) @ self.to_mean.T, self.log_var.expand(len(x), -1)


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> Linear:
    """Orthogonal columns, so that the posterior is a Gaussian with independent numbers."""
    monkeypatch.setattr(torch, "sigmoid", lambda x: x)
    columns = torch.linalg.qr(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double()).Q
    return Linear(columns * torch.tensor([1.5, 0.4]).double(), torch.arange(4).double() / 10, 0.6)


def elbo(method: VAE, x: Tensor, draws: int) -> float:
    parts = method.loss_parts(x.expand(draws, -1))
    return -(parts["reconstruction"] + parts["kl"]).item()


@pytest.mark.equation("3.6")
def test_the_bound_is_log_p_of_x_where_the_encoder_is_the_posterior(linear: Linear) -> None:
    weight, bias = linear.decoder.weight.detach(), linear.decoder.bias.detach()
    marginal = MultivariateNormal(bias, weight @ weight.T + linear.sigma**2 * torch.eye(4).double())
    torch.manual_seed(0)
    for seed in range(3):
        x = marginal.mean + torch.randn(4, generator=torch.Generator().manual_seed(seed)).double()
        assert elbo(linear, x, 200_000) == pytest.approx(marginal.log_prob(x).item(), abs=0.02)


@pytest.mark.equation("3.6")
def test_with_any_other_encoder_it_lies_below_by_the_divergence_from_the_posterior(linear: Linear) -> None:
    x = torch.tensor([0.3, -0.5, 0.8, 0.1]).double()
    torch.manual_seed(0)
    tight = elbo(linear, x, 200_000)
    linear.log_var = linear.log_var + math.log(2.5)
    linear.to_mean = 0.5 * linear.to_mean
    mean = (x - linear.decoder.bias) @ linear.to_mean.T
    # q = N(m/2, 2.5 s²) against the posterior N(m, s²): the divergence in closed form
    var = linear.log_var.exp() / 2.5
    gap = ((2.5 - 1 - math.log(2.5)) + mean.square() / var).sum().item() / 2
    assert gap > 0.5
    assert elbo(linear, x, 200_000) == pytest.approx(tight - gap, abs=0.05)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"network": "vit"}, "network is 'vit': choose one of dense, conv, linear"),
        ({"likelihood": "l2"}, "likelihood is 'l2': choose one of gaussian, bernoulli"),
        ({"code_size": 0}, "code_size is 0: give at least 1"),
        ({"sigma": 0.0}, "sigma is 0.0: give a positive number"),
        ({"beta": -1.0}, "beta is -1.0: give a positive number"),
        ({"shape": (1, 30, 30)}, r"shape is \(1, 30, 30\)"),
    ],
)
def test_wrong_options_are_named(wrong: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        VAE(**wrong)


def test_a_wrong_picture_is_named() -> None:
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 28, 28\): give \(B, 1, 28, 28\)"):
        small().encode(torch.zeros(2, 3, 28, 28))


@pytest.mark.parametrize(
    "method", [small(), WAE(Plan("dense", (9,), 2), 3), VAEGAN(Plan("conv", width=2), 3)]
)
def test_what_a_step_records_holds_no_graph(method: VAE | WAE | VAEGAN) -> None:
    """A history that kept graphs would keep every mini-batch in memory."""
    record = method.step(pictures(), Spy())
    assert not [name for name, value in record.items() if value.requires_grad]

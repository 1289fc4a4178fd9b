"""Equations of chapter 1 that no single function computes: averages, shrinkage and the score."""

from __future__ import annotations

import math

import pytest
import torch

from gencourse.evaluation import conditional_mean
from gencourse.exercises import exercise
from gencourse.losses import squared_error
from gencourse.methods import Autoencoder
from gencourse.networks import Plan
from gencourse.training import seeded


@pytest.mark.equation("1.7")
def test_the_error_splits_at_the_conditional_mean() -> None:
    """Discrete codes: the identity holds exactly for sample averages, for any answer g."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randint(5, (1000,), generator=generator)
    x = torch.randn(1000, 3, generator=generator, dtype=torch.float64) + z[:, None]
    mean, left = conditional_mean(x, z[:, None])
    torch.testing.assert_close(mean, torch.stack([x[z == code].mean(0) for code in range(5)])[z])
    assert 3 * left == pytest.approx(squared_error(mean, x).item())
    for seed in range(10):
        g = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        split = squared_error(mean, x) + squared_error(mean, g[z])
        assert squared_error(g[z], x) == pytest.approx(split.item(), rel=1e-10)


@pytest.mark.equation("1.1")
def test_the_encoder_learns_through_the_decoder() -> None:
    """The encoder's gradient is the decoder's Jacobian times the picture's error: no decoder, no gradient."""
    model = Autoencoder(Plan("dense", (16,)), 4, (1, 8, 8))
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    squared_error(model.reconstruct(x), x).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())
    z = model.encode(x).detach().requires_grad_()
    x_hat = model.decode(z)
    by_hand = torch.autograd.grad(x_hat, z, grad_outputs=2 * (x_hat - x).detach() / 5)[0]
    (through,) = torch.autograd.grad(squared_error(model.decode(z), x), z)
    assert torch.allclose(through, by_hand, atol=1e-6)


def gaussian(n: int, sigma: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    a = torch.tensor([[1.7, 0.0], [0.5, 0.6]], dtype=torch.float64)
    x = torch.randn(n, 2, generator=generator, dtype=torch.float64) @ a.T
    return x, x + sigma * torch.randn(n, 2, generator=generator, dtype=torch.float64), a @ a.T


@pytest.mark.equation("1.11", "1.12")
def test_the_best_linear_denoiser_shrinks() -> None:
    """Least squares from noisy to clean finds Σ(Σ + σ²I)⁻¹; from noisy to noisy it finds the identity."""
    sigma = 0.8
    x, y, cov = gaussian(200_000, sigma)
    wiener = cov @ torch.linalg.inv(cov + sigma**2 * torch.eye(2))
    assert torch.allclose(torch.linalg.lstsq(y, x).solution.T, wiener, atol=0.02)
    assert torch.allclose(torch.linalg.lstsq(y, y).solution.T, torch.eye(2, dtype=torch.float64), atol=1e-9)
    shrink = torch.linalg.eigvals(wiener).real
    values = torch.linalg.eigvalsh(cov)
    assert torch.allclose(shrink.sort().values, values / (values + sigma**2))


@pytest.mark.equation("1.11")
def test_the_denoising_target_is_clean() -> None:
    """The step's loss compares with x: with a decoder that returns what it is given, it is the noise's size."""
    model = Autoencoder("linear", 16, (1, 4, 4), noise=0.5)
    with torch.no_grad():
        for part in (model.encoder[1], model.decoder[0]):
            part.weight.copy_(torch.eye(16))
            part.bias.zero_()
    x = torch.rand(4000, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with seeded(0):
        seen = model.step(x, lambda player, loss: loss.item())["autoencoder"]
    assert seen == pytest.approx(16 * 0.5**2, rel=0.05)


@pytest.mark.equation("1.13")
def test_tweedie_on_a_mixture_by_brute_force() -> None:
    """Data on four points: E[x|y] by Bayes' rule equals y plus σ² times the slope of log p, by autograd."""
    points = torch.tensor([[0.0, 0.0], [2.0, 0.5], [-1.0, 1.5], [0.5, -2.0]], dtype=torch.float64)
    weight, sigma = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64), 0.7
    y = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    log_joint = weight.log() - (y[:, None] - points).square().sum(2) / (2 * sigma**2)
    posterior_mean = torch.softmax(log_joint, 1) @ points
    log_density = torch.logsumexp(log_joint, 1) - math.log(2 * math.pi * sigma**2)
    (score,) = torch.autograd.grad(log_density.sum(), y)
    assert torch.allclose(posterior_mean, y + sigma**2 * score)


@pytest.mark.equation("1.12", "1.13")
def test_the_exercise_s_denoiser_is_the_score_of_a_gaussian() -> None:
    names: dict[str, object] = {"torch": torch}
    exec(exercise("1.4").solution, names)
    sigma = 0.8
    _, y, cov = gaussian(100, sigma)
    law = torch.distributions.MultivariateNormal(
        torch.zeros(2, dtype=torch.float64), cov + sigma**2 * torch.eye(2)
    )
    y.requires_grad_()
    (score,) = torch.autograd.grad(law.log_prob(y).sum(), y)
    assert torch.allclose(names["denoise"](y, cov, sigma), y + sigma**2 * score)  # type: ignore[operator]


@pytest.mark.equation("1.14")
def test_the_sparse_loss_is_the_squared_error_plus_the_price() -> None:
    x = torch.rand(7, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    plain, sparse = (Autoencoder(Plan("dense", (16,)), 5, (1, 8, 8), sparsity=s) for s in (0.0, 0.3))

    def value(model: Autoencoder) -> float:
        return model.step(x, lambda player, loss: loss.item())["autoencoder"]

    price = 0.3 * plain.encode(x).abs().sum(1).mean().item()
    assert value(sparse) - value(plain) == pytest.approx(price, rel=1e-4)

"""The divergence of codes from the prior, against torch's own distributions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from gencourse.losses import kl_to_standard_normal

B, K = 7, 5


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.equation("3.8")
def test_it_is_the_divergence_summed_over_a_code_and_averaged_over_the_batch() -> None:
    mean, log_var = numbers(0, B, K), numbers(1, B, K)
    each = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0, 1))
    torch.testing.assert_close(kl_to_standard_normal(mean, log_var), each.sum(1).mean())


@pytest.mark.equation("3.8")
def test_it_is_zero_at_the_prior_and_grows_in_every_direction() -> None:
    zero = torch.zeros(1, K)
    assert kl_to_standard_normal(zero, zero) == 0
    for step in (-0.5, 0.5):
        moved = torch.full_like(zero, step)
        assert kl_to_standard_normal(moved, zero) > 0.1
        assert kl_to_standard_normal(zero, moved) > 0.1


@pytest.mark.equation("3.8")
def test_its_gradient_pulls_the_mean_to_zero_and_the_variance_to_one() -> None:
    mean, log_var = numbers(0, B, K).requires_grad_(), numbers(1, B, K).requires_grad_()
    to_mean, to_log_var = torch.autograd.grad(kl_to_standard_normal(mean, log_var), (mean, log_var))
    torch.testing.assert_close(to_mean, mean.detach() / B)
    torch.testing.assert_close(to_log_var, (log_var.detach().exp() - 1) / (2 * B))


@pytest.mark.equation("3.8")
def test_a_monte_carlo_estimate_agrees() -> None:
    mean, log_var = numbers(2, 1, K), numbers(3, 1, K)
    q = Normal(mean, (log_var / 2).exp())
    z = mean + (log_var / 2).exp() * numbers(4, 200_000, K)
    estimate = (q.log_prob(z) - Normal(0, 1).log_prob(z)).sum(1).mean()
    assert kl_to_standard_normal(mean, log_var).item() == pytest.approx(estimate.item(), abs=0.03)


def test_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mean has shape \(7, 5\) and log_var has shape \(1, 5\)"):
        kl_to_standard_normal(numbers(0, B, K), numbers(1, 1, K))

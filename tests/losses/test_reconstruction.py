"""The losses of chapter 1 against closed forms, autograd and torch's own distributions."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from gencourse.losses import bernoulli_entropy, bernoulli_nll, gaussian_nll, l1_penalty, squared_error

B, SHAPE = 5, (2, 3, 4)
D = math.prod(SHAPE)


def pictures(seed: int) -> Tensor:
    return torch.rand(B, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(loss: Tensor, at: Tensor) -> Tensor:
    return torch.autograd.grad(loss, at)[0]


@pytest.mark.equation("1.1")
def test_squared_error_is_the_squared_distance_averaged_over_the_batch() -> None:
    x, x_hat = pictures(0), pictures(1)
    by_hand = sum(((a - b) ** 2).sum().item() for a, b in zip(x, x_hat, strict=True)) / B
    assert squared_error(x_hat, x).item() == pytest.approx(by_hand)
    assert squared_error(x, x).item() == 0


@pytest.mark.equation("1.1")
def test_the_gradient_of_the_squared_error_points_from_the_picture() -> None:
    x, x_hat = pictures(0), pictures(1).requires_grad_()
    torch.testing.assert_close(gradient(squared_error(x_hat, x), x_hat), 2 * (x_hat.detach() - x) / B)


@pytest.mark.equation("1.1")
def test_a_repeated_batch_has_the_same_squared_error() -> None:
    x, x_hat = pictures(0), pictures(1)
    torch.testing.assert_close(
        squared_error(x_hat.repeat(3, 1, 1, 1), x.repeat(3, 1, 1, 1)), squared_error(x_hat, x)
    )


@pytest.mark.equation("1.4")
def test_squared_error_is_d_times_the_mean_over_pixels_and_so_is_its_gradient() -> None:
    x, x_hat = pictures(0), pictures(1).requires_grad_()
    summed, mean = squared_error(x_hat, x), F.mse_loss(x_hat, x)
    torch.testing.assert_close(summed, D * mean)
    torch.testing.assert_close(gradient(summed, x_hat), D * gradient(mean, x_hat))


@pytest.mark.equation("1.2")
@pytest.mark.parametrize("log_sigma", [-2.0, 0.0, 0.7])
def test_gaussian_nll_is_the_negative_log_density(log_sigma: float) -> None:
    x, x_hat = pictures(0), pictures(1)
    density = Normal(x_hat, math.exp(log_sigma)).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(gaussian_nll(x_hat, x, log_sigma), -density.mean())
    torch.testing.assert_close(
        gaussian_nll(x_hat, x, torch.tensor([log_sigma])), -density.mean(), rtol=1e-6, atol=0
    )


@pytest.mark.equation("1.2")
def test_gaussian_nll_is_a_scalar_for_a_parameter_of_any_shape() -> None:
    x, x_hat = pictures(0), pictures(1)
    for shape in ((), (1,), (1, 1)):
        log_sigma = torch.zeros(shape, requires_grad=True)
        loss = gaussian_nll(x_hat, x, log_sigma)
        assert loss.shape == ()
        loss.backward()
        assert log_sigma.grad is not None and log_sigma.grad.item() != 0


@pytest.mark.equation("1.3")
def test_the_best_variance_is_the_mean_squared_error() -> None:
    x, x_hat = pictures(0), pictures(1)
    variance = squared_error(x_hat, x).item() / D
    log_sigma = torch.tensor(math.log(variance) / 2, dtype=torch.float64, requires_grad=True)
    best = gaussian_nll(x_hat, x, log_sigma)
    assert gradient(best, log_sigma).item() == pytest.approx(0, abs=1e-9)
    assert best.item() == pytest.approx(D / 2 * (1 + math.log(2 * math.pi * variance)))
    for step in (-0.1, 0.1):
        assert gaussian_nll(x_hat, x, log_sigma + step) > best


@pytest.mark.equation("1.5")
def test_bernoulli_nll_is_the_negative_log_probability_of_a_binary_picture() -> None:
    x, logits = pictures(0).round(), 4 * pictures(1) - 2
    probability = Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(bernoulli_nll(logits, x), -probability.mean())


@pytest.mark.equation("1.5")
def test_bernoulli_nll_of_a_grey_picture_is_the_cross_entropy() -> None:
    x, logits = pictures(0), 4 * pictures(1) - 2
    p = torch.sigmoid(logits)
    by_hand = -(x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1).mean()
    torch.testing.assert_close(bernoulli_nll(logits, x), by_hand)


@pytest.mark.equation("1.5")
def test_bernoulli_nll_stays_finite_for_certain_logits() -> None:
    logits = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    right = bernoulli_nll(logits, torch.tensor([[1.0, 0.0]]))
    wrong = bernoulli_nll(logits, torch.tensor([[0.0, 1.0]]))
    assert right.item() == 0
    assert wrong.item() == 2000
    assert gradient(wrong, logits).tolist() == [[1, -1]]


@pytest.mark.equation("1.6")
def test_the_gradient_in_the_logits_is_prediction_minus_picture() -> None:
    x, logits = pictures(0), (4 * pictures(1) - 2).requires_grad_()
    expected = (torch.sigmoid(logits.detach()) - x) / B
    torch.testing.assert_close(gradient(bernoulli_nll(logits, x), logits), expected)


@pytest.mark.equation("1.6")
def test_the_entropy_of_a_pixel_of_three_tenths() -> None:
    x = torch.full((1, 1), 0.3, dtype=torch.float64)
    assert bernoulli_entropy(x).item() == pytest.approx(0.6109, abs=5e-5)
    assert bernoulli_nll(torch.logit(x), x).item() == pytest.approx(0.6109, abs=5e-5)


@pytest.mark.equation("1.6")
@given(
    x=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6),
    off=st.floats(0.05, 5) | st.floats(-5, -0.05),
    which=st.integers(0, 5),
)
def test_the_floor_of_the_cross_entropy(x: list[float], off: float, which: int) -> None:
    picture = torch.tensor([x], dtype=torch.float64)
    best = torch.logit(picture)
    floor = bernoulli_entropy(picture)
    torch.testing.assert_close(bernoulli_nll(best, picture), floor)
    best[0, which % len(x)] += off
    assert bernoulli_nll(best, picture) > floor


@pytest.mark.equation("1.6")
def test_the_floor_is_zero_only_for_binary_pictures() -> None:
    assert bernoulli_entropy(pictures(0).round()).item() == 0
    assert bernoulli_entropy(torch.tensor([[0.0, 1.0, 0.5]])).item() == pytest.approx(math.log(2))


@pytest.mark.equation("1.6")
def test_the_floor_is_summed_over_pixels_and_averaged_over_the_batch() -> None:
    one = bernoulli_entropy(torch.full((1, 1), 0.3)).item()
    assert bernoulli_entropy(torch.full((4, 7), 0.3)).item() == pytest.approx(7 * one)


@pytest.mark.equation("1.14")
def test_l1_penalty_pulls_every_number_of_the_code_towards_zero_with_the_same_force() -> None:
    z = torch.tensor([[3.0, -0.01, 0.0], [-7.0, 1.0, 2.0]], requires_grad=True)
    loss = l1_penalty(z)
    assert loss.item() == pytest.approx((3 + 0.01 + 7 + 1 + 2) / 2)
    torch.testing.assert_close(gradient(loss, z), z.detach().sign() / 2)


@pytest.mark.parametrize("loss", [squared_error, bernoulli_nll, lambda a, b: gaussian_nll(a, b, 0.0)])
def test_shapes_that_would_broadcast_are_refused(loss) -> None:
    with pytest.raises(ValueError, match=r"\(5, 2, 3, 4\).*\(5, 1, 3, 4\).*same shape"):
        loss(torch.zeros(5, 2, 3, 4), torch.zeros(5, 1, 3, 4))


def test_gaussian_nll_takes_one_sigma() -> None:
    with pytest.raises(ValueError, match=r"log_sigma has 3 elements"):
        gaussian_nll(torch.zeros(1, 3), torch.zeros(1, 3), torch.zeros(3))


@pytest.mark.equation("1.2")
def test_a_batch_of_one_picture_will_do() -> None:
    x, x_hat = pictures(0)[:1], pictures(1)[:1]
    density = Normal(x_hat, 2.0).log_prob(x).sum()
    torch.testing.assert_close(gaussian_nll(x_hat, x, math.log(2)), -density)


def test_of_a_batch_the_first_picture_is_looked_at() -> None:
    fine, bright = torch.full((1, 3), 0.5), torch.full((1, 3), 2.0)
    with pytest.raises(ValueError, match="x "):
        bernoulli_nll(torch.zeros(2, 3), torch.cat([bright, fine]))
    bernoulli_nll(torch.zeros(2, 3), torch.cat([fine, bright]))
    with pytest.raises(ValueError, match="x "):  # here all of them are
        bernoulli_entropy(torch.cat([fine, bright]))

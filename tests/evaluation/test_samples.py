"""Distances between two sets of samples, against closed forms, other implementations and sets built for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import gaussian_kde
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from gencourse.evaluation import (
    choose_sigma,
    class_entropy,
    frechet_distance,
    frechet_from_features,
    kernel_distance,
    mode_coverage,
    nearest_neighbours,
    parzen_log_likelihood,
    precision_recall,
)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def covariance(seed: int, n: int = 4) -> Tensor:
    a = normal(seed, n, n)
    return a @ a.T


# ---- Fréchet distance --------------------------------------------------------------------------------


@pytest.mark.equation("2.21")
def test_frechet_of_gaussians_with_the_same_axes() -> None:
    """Covariances that commute: ‖μ_a − μ_b‖² + Σ(σ_a − σ_b)²."""
    mean_a, mean_b = torch.tensor([1.0, -2, 0]), torch.tensor([0.0, 0, 0.5])
    std_a, std_b = torch.tensor([1.0, 2, 0]), torch.tensor([3.0, 0.5, 1])
    turn = torch.linalg.qr(normal(0, 3, 3).float()).Q

    def cov(std: Tensor) -> Tensor:
        return turn @ torch.diag(std**2) @ turn.T

    expected = (1 + 4 + 0.25) + (4 + 2.25 + 1)
    assert frechet_distance(mean_a, cov(std_a), mean_b, cov(std_b)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.equation("2.21")
def test_frechet_by_the_formula_as_it_is_printed() -> None:
    mean_a, mean_b, cov_a, cov_b = normal(0, 4), normal(1, 4), covariance(2), covariance(3)
    root = sqrtm((cov_a @ cov_b).numpy())
    expected = (mean_a - mean_b).square().sum() + (cov_a + cov_b).trace() - 2 * np.trace(root).real
    assert frechet_distance(mean_a, cov_a, mean_b, cov_b) == pytest.approx(expected.item(), rel=1e-9)
    assert not torch.allclose(cov_a @ cov_b, cov_b @ cov_a)


@pytest.mark.equation("2.21")
def test_frechet_is_symmetric_zero_for_equals_and_blind_to_turns_and_shifts() -> None:
    a, b = (normal(0, 4), covariance(2)), (normal(1, 4), covariance(3))
    turn, shift = torch.linalg.qr(normal(4, 4, 4)).Q, normal(5, 4)

    def moved(mean: Tensor, cov: Tensor) -> tuple[Tensor, Tensor]:
        return turn @ mean + shift, turn @ cov @ turn.T

    apart = frechet_distance(*a, *b)
    assert apart > 0.1
    assert frechet_distance(*b, *a) == pytest.approx(apart)
    assert frechet_distance(*moved(*a), *moved(*b)) == pytest.approx(apart)
    assert frechet_distance(*a, *a) == pytest.approx(0, abs=1e-9)
    scaled = frechet_distance(3 * a[0], 9 * a[1], 3 * b[0], 9 * b[1])
    assert scaled == pytest.approx(9 * apart)


@pytest.mark.equation("2.21")
def test_frechet_of_singular_covariances_is_real() -> None:
    """Fewer samples than features: most eigenvalues are zero, and rounding makes some of them negative."""
    few, others = normal(0, 10, 64).float(), normal(1, 12, 64).float()
    apart = frechet_from_features(few, others)
    assert math.isfinite(apart) and apart > 1
    assert frechet_from_features(few, few) == pytest.approx(0, abs=1e-5)


@pytest.mark.equation("2.21")
def test_frechet_from_features_fits_the_gaussians() -> None:
    a, b = normal(0, 500, 3), normal(1, 400, 3) @ covariance(2, 3) + 1
    expected = frechet_distance(
        *(torch.as_tensor(f(v.numpy())) for v in (a, b) for f in (lambda v: v.mean(0), lambda v: np.cov(v.T)))
    )
    assert frechet_from_features(a, b) == pytest.approx(expected)
    one = frechet_from_features(a[:, :1], b[:, :1])
    assert one == pytest.approx(
        ((a[:, 0].mean() - b[:, 0].mean()) ** 2 + (a[:, 0].std() - b[:, 0].std()) ** 2).item()
    )


@pytest.mark.equation("2.21")
def test_frechet_is_biased_and_less_so_with_more_samples() -> None:
    """Two draws from one law: never zero, and about ten times smaller with ten times as many."""

    def mean_distance(n: int) -> float:
        return sum(frechet_from_features(normal(s, n, 8), normal(s + 100, n, 8)) for s in range(10)) / 10

    few, many = mean_distance(100), mean_distance(1000)
    assert few > 5 * many > 0


def test_frechet_refuses_what_is_no_covariance() -> None:
    mean, eye = torch.zeros(2), torch.eye(2)
    for cov, says in (
        (torch.tensor([[1.0, 0.0], [0.0, -1.0]]), "least eigenvalue -1 is"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (torch.full((2, 2), math.nan), "NaN or infinite"),
    ):
        with pytest.raises(ValueError, match=f"cov_a .*{says}"):
            frechet_distance(mean, cov, mean, eye)
        with pytest.raises(ValueError, match=f"cov_b .*{says}"):
            frechet_distance(mean, eye, mean, cov)
    with pytest.raises(ValueError, match=r"mean_a has shape \(2,\): give \(3,\)"):
        frechet_distance(mean, torch.eye(3), mean, eye)
    for a, b in ((normal(0, 1, 3), normal(1, 9, 3)), (normal(0, 9, 2), normal(1, 9, 3))):
        with pytest.raises(ValueError, match=r"at least 2 rows|of the same width"):
            frechet_from_features(a, b)


# ---- kernel distance ---------------------------------------------------------------------------------


@pytest.mark.equation("2.22")
def test_the_kernel_distance_is_the_unbiased_estimate() -> None:
    a, b = normal(0, 40, 5), normal(1, 40, 5) + 0.5
    assert kernel_distance(a, b) == pytest.approx(poly_mmd(a, b).item())

    def k(x: Tensor, y: Tensor) -> float:
        return (x @ y / 5 + 1).item() ** 3

    few = b[:7]  # the sets may differ in size
    within_a = sum(k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j) / (40 * 39)
    within_b = sum(k(x, y) for i, x in enumerate(few) for j, y in enumerate(few) if i != j) / (7 * 6)
    across = sum(k(x, y) for x in a for y in few) / (40 * 7)
    assert kernel_distance(a, few) == pytest.approx(within_a + within_b - 2 * across)


@pytest.mark.equation("2.22")
def test_the_kernel_distance_averages_zero_for_equal_laws_whatever_the_number() -> None:
    for n in (10, 100):
        draws = torch.tensor([kernel_distance(normal(s, n, 3), normal(s + 500, n, 3)) for s in range(200)])
        assert abs(draws.mean()) < 3 * draws.std() / 200**0.5
        assert (draws < 0).any()
    assert kernel_distance(normal(0, 1500, 3), normal(1, 1200, 3) + 1) > 1  # more rows than one chunk


@pytest.mark.equation("2.22")
def test_the_kernel_sees_a_third_moment() -> None:
    """Equal mean and covariance, but lopsided: the Fréchet distance is blind to it, the cubic kernel is not."""
    lopsided = normal(0, 4000, 1).exp()
    lopsided = (lopsided - lopsided.mean()) / lopsided.std()
    even = normal(1, 4000, 1)
    even = (even - even.mean()) / even.std()
    assert frechet_from_features(lopsided, even) == pytest.approx(0, abs=1e-9)
    assert kernel_distance(lopsided, even) > 1


# ---- precision and recall ----------------------------------------------------------------------------


def grid(side: int, offset: float = 0.0) -> Tensor:
    line = torch.arange(side).double() + offset
    return torch.cartesian_prod(line, line)


@pytest.mark.equation("2.23")
def test_precision_and_recall_of_sets_built_for_them() -> None:
    real = torch.cat([grid(5), grid(5, 100.0)])  # two heaps
    one_heap, astray = grid(5, 0.1), grid(5, 1000.0)
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, one_heap) == (1, 0.5)  # good pictures of half of the kinds
    assert precision_recall(one_heap, real) == (0.5, 1)
    assert precision_recall(real, astray) == (0, 0)
    assert precision_recall(real, torch.cat([real, real[:10] + 5000])) == (50 / 60, 1)


@pytest.mark.equation("2.23")
def test_the_edge_belongs_to_the_ball() -> None:
    """Points on a line, one apart: the balls of k = 1 have radius 1, and 4 is on the edge of that round 3."""
    real, fake = torch.arange(4.0)[:, None], torch.tensor([[4.0], [4.5], [6.0], [7.0]])
    assert precision_recall(real, fake, k=1) == (0.25, 0)


@pytest.mark.equation("2.23")
@pytest.mark.parametrize("k", [1, 2, 4])
def test_precision_and_recall_by_brute_force(k: int) -> None:
    real, fake = normal(0, 31, 3), normal(1, 23, 3) + 0.7

    def share(points: Tensor, centres: Tensor) -> float:
        inside = 0
        for p in points:
            for i, c in enumerate(centres):
                others = sorted((c - o).norm().item() for j, o in enumerate(centres) if j != i)
                if (p - c).norm().item() <= others[k - 1]:
                    inside += 1
                    break
        return inside / len(points)

    assert precision_recall(real, fake, k) == pytest.approx((share(fake, real), share(real, fake)))


@pytest.mark.equation("2.23")
def test_chunks_do_not_change_precision_and_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = normal(0, 60, 3), normal(1, 50, 3) + 1
    whole = precision_recall(real, fake)
    monkeypatch.setattr("gencourse.evaluation.samples._ROWS", 7)
    assert precision_recall(real, fake) == whole
    assert 0 < whole[0] < 1 and 0 < whole[1] < 1


def test_precision_and_recall_need_a_neighbour() -> None:
    with pytest.raises(ValueError, match="k is 0"):
        precision_recall(grid(2), grid(2), k=0)
    with pytest.raises(ValueError, match="at least 4 rows"):
        precision_recall(grid(5), grid(2)[:3])


# ---- modes -------------------------------------------------------------------------------------------


@pytest.mark.equation("2.24")
def test_coverage_counts_classes_that_have_their_share() -> None:
    labels = torch.tensor([0] * 60 + [1] * 35 + [2] * 4 + [3] * 1)
    assert mode_coverage(labels, classes=4) == 3  # a tenth of a fair share is 2.5
    assert mode_coverage(labels, classes=4, at_least=0) == 4
    assert mode_coverage(labels, classes=4, at_least=1) == 2
    assert mode_coverage(torch.full((50,), -1), classes=4) == 0
    # one sample in a hundred of ten classes is enough, p̂ = 1/100 itself; less is not
    just, less = torch.tensor([0] * 197 + [1] * 2 + [2]), torch.tensor([0] * 199 + [1] * 1)
    assert mode_coverage(just) == 2 and mode_coverage(less) == 1


@pytest.mark.equation("2.24")
def test_class_entropy() -> None:
    assert class_entropy(torch.arange(100) % 10) == pytest.approx(math.log(10))
    assert class_entropy(torch.full((7,), 3)) == 0
    assert class_entropy(torch.tensor([0, 0, 0, 1, -1, -1]), classes=2) == pytest.approx(
        -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    )
    with pytest.raises(ValueError, match="no sample with a class"):
        class_entropy(torch.full((3,), -1))
    with pytest.raises(ValueError, match="labels go from 5 to 5: with classes=5 give 0 to 4"):
        mode_coverage(torch.tensor([5]), classes=5)


# ---- Parzen windows ----------------------------------------------------------------------------------


@pytest.mark.equation("2.25")
def test_one_window_is_one_gaussian() -> None:
    x, sample = normal(0, 6, 2, 5), normal(1, 1, 2, 5)
    law = torch.distributions.Normal(sample, 0.3)
    torch.testing.assert_close(parzen_log_likelihood(sample, x, 0.3), law.log_prob(x).flatten(1).sum(1))


@pytest.mark.equation("2.25")
def test_parzen_is_the_kernel_density_of_scipy() -> None:
    samples, data = normal(0, 50, 1), normal(1, 9, 1)
    kde = gaussian_kde(samples.T.numpy(), bw_method=lambda k: 0.4 / samples.std().item())
    torch.testing.assert_close(
        parzen_log_likelihood(samples, data, 0.4), torch.as_tensor(kde.logpdf(data.T.numpy()))
    )


@pytest.mark.equation("2.25")
def test_parzen_does_not_underflow() -> None:
    """784 pixels, one far away: exp(−‖x − x_i‖²/2σ²) is zero in any precision, its logarithm is not."""
    samples, data = torch.zeros(3, 1, 28, 28), torch.ones(1, 1, 28, 28)
    expected = -784 / (2 * 0.1**2) - 392 * math.log(2 * math.pi * 0.1**2)
    assert parzen_log_likelihood(samples, data, 0.1).item() == pytest.approx(expected)
    peak = parzen_log_likelihood(samples, samples, 0.2)
    assert peak.tolist() == pytest.approx(
        [541.3] * 3, abs=0.1
    )  # what the peak of the density alone adds on MNIST


@pytest.mark.equation("2.25")
def test_parzen_of_a_gaussian_approaches_its_density() -> None:
    """Samples of N(0, I), windows of width σ: in the limit the law N(0, (1 + σ²)I)."""
    samples, data, sigma = normal(0, 20_000, 2), normal(1, 50, 2), 0.5
    law = torch.distributions.Normal(0, math.sqrt(1 + sigma**2))
    expected = law.log_prob(data).sum(1)
    assert (parzen_log_likelihood(samples, data, sigma) - expected).mean().item() == pytest.approx(
        0, abs=0.03
    )


@pytest.mark.equation("2.25")
def test_the_chosen_sigma_is_the_best_on_validation_data() -> None:
    samples, validation = normal(0, 200, 2), normal(1, 1500, 2)
    tried = [0.02, 0.1, 0.4, 1.5, 5.0]
    found = choose_sigma(samples, validation, tried)
    means = {s: parzen_log_likelihood(samples, validation, s).mean().item() for s in tried}
    assert found == max(means, key=means.__getitem__) == 0.4
    assert 0.1 <= choose_sigma(samples, validation) <= 1


def test_parzen_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match=r"sigma is 0\.0: give a positive number"):
        parzen_log_likelihood(torch.zeros(2, 3), torch.zeros(2, 3), 0.0)
    with pytest.raises(ValueError, match=r"samples has shape \(2, 4\) and data \(2, 3\)"):
        parzen_log_likelihood(torch.zeros(2, 4), torch.zeros(2, 3), 1.0)


def test_a_remembered_picture_is_found() -> None:
    train = torch.rand(1200, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    distances, where = nearest_neighbours(train[[1100, 3]] + 0.01, train)
    assert where.tolist() == [1100, 3]
    assert distances.tolist() == pytest.approx([0.04, 0.04], rel=1e-3)


def test_two_rows_are_enough_for_the_kernel_distance_and_one_is_not() -> None:
    a, b = normal(0, 2, 3), normal(1, 2, 3)
    assert kernel_distance(a, b) == pytest.approx(poly_mmd(a, b).item())
    with pytest.raises(ValueError, match="a has"):
        kernel_distance(a[:1], b)
    with pytest.raises(ValueError, match="b has"):
        kernel_distance(a, b[:1])


def test_ten_sigmas_from_a_tenth_to_one_are_tried_in_equal_ratios() -> None:
    tried = [10 ** (n / 9 - 1) for n in range(10)]
    for samples, validation in (
        (torch.zeros(1, 1), torch.full((1, 1), best)) for best in (0.01, *tried[1:-1:2], 5.0)
    ):  # from one sample the likeliest σ is the distance itself
        best = min(max(validation.item(), 0.1), 1.0)
        assert choose_sigma(samples, validation) == pytest.approx(best, rel=1e-5)

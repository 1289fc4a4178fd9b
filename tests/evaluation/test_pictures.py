"""Scores of pictures against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from gencourse.data import ImageDataset
from gencourse.evaluation import errors_of, psnr, reconstruction_error, ssim
from gencourse.losses import squared_error


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(6, 1, 16, 16, generator=generator)
    return (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1), x


@pytest.mark.equation("1.16")
def test_psnr_is_the_mean_over_pictures_of_minus_ten_log_mse() -> None:
    x_hat, x = pair()
    by_hand = [10 * math.log10(1 / (a - b).square().mean().item()) for a, b in zip(x_hat, x, strict=True)]
    assert psnr(x_hat, x) == pytest.approx(sum(by_hand) / 6, abs=1e-3)


@pytest.mark.equation("1.16")
def test_ten_decibels_are_a_factor_of_ten_in_error() -> None:
    x = torch.full((2, 1, 8, 8), 0.5)
    assert psnr(x + 0.1, x) - psnr(x + 0.1 * math.sqrt(10), x) == pytest.approx(10, abs=1e-3)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise() -> None:
    x_hat, x = pair()
    assert ssim(x, x) == pytest.approx(1)
    assert ssim(x_hat, x) < 0.99
    assert ssim(1 - x, x) < ssim(x_hat, x)


@pytest.mark.equation("1.1", "1.17")
def test_errors_are_per_picture_and_their_mean_is_the_loss() -> None:
    x_hat, x = pair()
    data = ImageDataset((x * 255).round().to(torch.uint8), torch.zeros(6, dtype=torch.int64))
    shift = data.x + (x_hat - x)

    def answer(batch: torch.Tensor) -> torch.Tensor:
        return shift

    assert torch.allclose(errors_of(answer, data), (shift - data.x).square().sum((1, 2, 3)))
    assert reconstruction_error(answer, data) == pytest.approx(squared_error(shift, data.x).item(), rel=1e-5)


def test_the_corruption_is_seen_by_the_network_and_not_by_the_score() -> None:
    data = ImageDataset(torch.full((3, 1, 4, 4), 255, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    assert errors_of(lambda x: x, data, corrupt=lambda x: x * 0).tolist() == [16, 16, 16]
    assert errors_of(lambda x: x + 1, data, corrupt=lambda x: x * 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.1), (0.5, 0.52), (1.0, 0.0)])
def test_ssim_of_two_even_greys_has_the_constants_of_the_range_one(a: float, b: float) -> None:
    """Without texture only the comparison of means is left: (2ab + C₁)/(a² + b² + C₁), C₁ = (0.01 · range)²."""
    grey = torch.ones(2, 1, 11, 11)  # the smallest picture that it takes
    assert ssim(a * grey, b * grey) == pytest.approx((2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4), abs=1e-4)


def test_ssim_refuses_pictures_smaller_than_its_window() -> None:
    for shape in ((2, 1, 10, 16), (2, 1, 16, 10)):
        with pytest.raises(ValueError, match="at least 11 by 11 pixels"):
            ssim(torch.zeros(shape), torch.zeros(shape))


def test_psnr_of_a_colour_picture_is_that_of_all_its_numbers() -> None:
    x = torch.zeros(1, 3, 4, 4)
    x_hat = x.clone()
    x_hat[:, 0], x_hat[:, 1] = (
        0.5,
        0.1,
    )  # channels that err differently: a mean of three decibels would be another
    assert psnr(x_hat, x) == pytest.approx(-10 * torch.tensor((0.25 + 0.01) / 3).log10().item(), abs=1e-3)

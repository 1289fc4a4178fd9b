"""Probes, clusters and two-sample tests on data whose answer is known."""

from __future__ import annotations

import pytest
import torch

from gencourse.data import ImageDataset
from gencourse.evaluation import features_of, kmeans_purity, linear_probe, two_sample_accuracy


def spots(n: int, seed: int, gap: float = 8.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Four well-separated classes in the plane."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=generator)
    centres = gap * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    return centres[labels] + torch.randn(n, 2, generator=generator), labels


def test_a_linear_probe_separates_what_is_separable_and_guesses_the_rest() -> None:
    x, y = spots(400, 0)
    new_x, new_y = spots(400, 1)
    assert linear_probe(x, y, new_x, new_y) > 0.97
    noise = torch.randn(800, 2, generator=torch.Generator().manual_seed(2))
    assert linear_probe(noise[:400], y, noise[400:], new_y) < 0.4


def test_a_probe_does_not_care_about_the_scale_of_the_features() -> None:
    x, y = spots(400, 0, gap=3.0)
    new_x, new_y = spots(400, 1, gap=3.0)
    scale = torch.tensor([1e-3, 1e3])
    assert linear_probe(x, y, new_x, new_y) == pytest.approx(
        linear_probe(x * scale, y, new_x * scale, new_y), abs=0.01
    )


def test_a_probe_refuses_sizes_that_do_not_fit() -> None:
    x, y = spots(40, 0)
    with pytest.raises(
        ValueError, match=r"labels has shape \(39,\): give 40 labels, one for each of features"
    ):
        linear_probe(x, y[:-1], x, y)
    with pytest.raises(ValueError, match="features has 2 columns and test_features 1"):
        linear_probe(x, y, x[:, :1], y)


def test_purity_is_one_for_separate_classes_and_the_commonest_share_for_one_cluster() -> None:
    x, y = spots(400, 0)
    assert kmeans_purity(x, y, clusters=4) > 0.97
    assert kmeans_purity(x, y, clusters=1) == pytest.approx(torch.bincount(y).max().item() / 400)
    with pytest.raises(ValueError, match="clusters is 0"):
        kmeans_purity(x, y, clusters=0)


@pytest.mark.equation("1.18")
def test_the_judge_is_at_chance_for_equal_laws_and_sure_for_distant_ones() -> None:
    draw = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    assert 0.45 < two_sample_accuracy(draw[:2000], draw[2000:]) < 0.55
    assert two_sample_accuracy(draw[:2000], draw[2000:] + 5) > 0.99


@pytest.mark.equation("1.18")
def test_the_judge_sees_more_than_means_and_covariances() -> None:
    generator = torch.Generator().manual_seed(0)
    gauss = torch.randn(2000, 2, generator=generator)
    ring = torch.randn(2000, 2, generator=generator)
    ring = ring / ring.norm(dim=1, keepdim=True) * 2**0.5  # mean 0, covariance I, like the Gaussian
    assert two_sample_accuracy(gauss, ring) > 0.8


def test_the_judge_refuses_too_little() -> None:
    with pytest.raises(ValueError, match="at least 20 rows"):
        two_sample_accuracy(torch.zeros(5, 2), torch.zeros(5, 2))
    with pytest.raises(ValueError, match="same width"):
        two_sample_accuracy(torch.zeros(50, 2), torch.zeros(50, 3))


def test_features_come_in_order_and_in_full() -> None:
    images = torch.arange(2500, dtype=torch.int64).remainder(256).to(torch.uint8).view(2500, 1, 1, 1)
    data = ImageDataset(images, torch.zeros(2500, dtype=torch.int64))
    assert torch.equal(features_of(lambda x: x.flatten(1), data), data.x.flatten(1))

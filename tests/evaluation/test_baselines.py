"""PCA against its closed form, and the linear algebra of chapter 1 beside it."""

from __future__ import annotations

import pytest
import torch

from gencourse.data import ImageDataset
from gencourse.evaluation import (
    PCA,
    CodeMixture,
    MeanPicture,
    conditional_mean,
    reconstruction_error,
    two_sample_accuracy,
)
from gencourse.exercises import exercise


@pytest.fixture(scope="module")
def pictures() -> ImageDataset:
    """Correlated pictures of 6×6 whose spectrum falls."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(500, 36, generator=generator) * torch.linspace(3, 0.1, 36)
    mixed = mixed @ torch.linalg.qr(torch.randn(36, 36, generator=generator)).Q
    scaled = (mixed - mixed.min()) / (mixed.max() - mixed.min())
    return ImageDataset(
        (scaled * 255).to(torch.uint8).view(500, 1, 6, 6), torch.zeros(500, dtype=torch.int64)
    )


def spectrum(data: ImageDataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues, largest first, and eigenvectors of the covariance (normalised by N, as an expectation is)."""
    x = data.x.flatten(1).double()
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    return values.flip(0), vectors.flip(1)


@pytest.mark.equation("1.8")
@pytest.mark.parametrize("k", [1, 5, 20, 36])
def test_the_error_of_pca_is_the_variance_left_out(pictures: ImageDataset, k: int) -> None:
    left_out = spectrum(pictures)[0][k:].sum().item()
    assert reconstruction_error(PCA(pictures, k).reconstruct, pictures) == pytest.approx(left_out, abs=1e-4)


@pytest.mark.equation("1.8")
def test_no_matrix_of_rank_k_does_better(pictures: ImageDataset) -> None:
    x = pictures.x.flatten(1).double()
    x = x - x.mean(0)
    least = spectrum(pictures)[0][5:].sum()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        w_e = torch.randn(5, 36, generator=generator, dtype=torch.float64)
        z = x @ w_e.T
        w_d = torch.linalg.lstsq(z, x).solution  # the best decoder for this encoder
        assert (x - z @ w_d).square().sum(1).mean() >= least - 1e-9


@pytest.mark.equation("1.9", "1.10")
def test_a_trained_linear_autoencoder_finds_the_projector_but_not_the_components(
    pictures: ImageDataset,
) -> None:
    x = pictures.x.flatten(1).double()
    x = x - x.mean(0)
    u = spectrum(pictures)[1][:, :3]
    generator = torch.Generator().manual_seed(1)
    w_e, w_d = torch.randn(3, 36, generator=generator).double(), None
    for _ in range(300):  # alternating least squares: each step solves for one matrix exactly
        z = x @ w_e.T
        w_d = torch.linalg.lstsq(z, x).solution.T
        w_e = torch.linalg.pinv(w_d)
    assert w_d is not None
    assert torch.allclose(w_d @ w_e, u @ u.T, atol=1e-6)  # eq. (1.9)
    assert not torch.allclose(w_e.abs(), u.T.abs(), atol=0.05)  # but the rows are not the components
    g = torch.randn(3, 3, generator=generator).double()
    assert torch.allclose((w_d @ torch.linalg.inv(g)) @ (g @ w_e), w_d @ w_e)  # eq. (1.10)


@pytest.mark.equation("1.8", "1.9")
def test_pca_components_are_orthonormal_and_keep_is_a_prefix(pictures: ImageDataset) -> None:
    pca = PCA(pictures, 10)
    assert torch.allclose(pca.components @ pca.components.T, torch.eye(10), atol=1e-5)
    for k in (1, 4, 10):  # encoder and decoder together are the projector onto the first k eigenvectors
        u = spectrum(pictures)[1][:, :k].float()
        kept = pca.keep(k).components
        torch.testing.assert_close(kept.T @ kept, u @ u.T, rtol=0, atol=1e-3)
    assert torch.allclose(pca.keep(4).components, PCA(pictures, 4).components, atol=1e-5)
    assert pca.keep(4).encode(pictures.x).shape == (500, 4)


def test_the_mean_picture_is_pca_of_size_zero(pictures: ImageDataset) -> None:
    total = spectrum(pictures)[0].sum().item()
    assert reconstruction_error(MeanPicture(pictures).reconstruct, pictures) == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("k", [0, 37, -1])
def test_an_impossible_code_size_is_refused(pictures: ImageDataset, k: int) -> None:
    with pytest.raises(ValueError, match=f"code_size is {k}: give 1 to 36"):
        PCA(pictures, k)


@pytest.mark.equation("1.15")
def test_uniform_noise_leaves_nothing_to_compress() -> None:
    """A rank-k code of fresh uniform pixels: (1 − k/D)/12 a pixel is the floor, the mean picture gives 1/12."""
    d, k, n = 36, 9, 20_000
    x = torch.rand(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x - x.mean(0)
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    assert values[k:].sum() / d == pytest.approx((1 - k / d) / 12, rel=0.03)
    assert values.sum() / d == pytest.approx(1 / 12, rel=0.01)
    # and with the package's own: components of one half of the pictures, errors on the other
    images = torch.randint(0, 256, (n, 1, 6, 6), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    fitted, fresh = (
        ImageDataset(part, torch.zeros(n // 2, dtype=torch.int64)) for part in images.split(n // 2)
    )
    for k in (1, 9, 27):
        floor = reconstruction_error(PCA(fitted, k).reconstruct, fresh) / d
        assert floor == pytest.approx((1 - k / d) / 12, rel=0.03)


def test_exercise_and_package_agree_on_the_components(pictures: ImageDataset) -> None:
    names: dict[str, object] = {"torch": torch}
    exec(exercise("1.1").solution, names)
    pca = PCA(pictures, 4)
    distance = names["distance_to_pca"](pca.components, pca.components.T, pictures.x.flatten(1))  # type: ignore[operator]
    assert distance < 1e-3


# ---- a density on codes ------------------------------------------------------------------------------


def two_clouds(n: int) -> torch.Tensor:
    """Codes in the plane: a quarter near (4, 0), long in one direction, the rest near (−2, 1)."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n, 2, generator=generator)
    long = noise @ torch.tensor([[1.0, 1.0], [0.0, 0.3]]) + torch.tensor([4.0, 0.0])
    short = 0.5 * noise + torch.tensor([-2.0, 1.0])
    return torch.where((torch.rand(n, 1, generator=generator) < 0.25), long, short)


@pytest.mark.equation("3.10")
def test_the_mixtures_samples_have_the_law_of_the_codes() -> None:
    codes = two_clouds(4000)
    mixture = CodeMixture(codes, lambda z: z, components=2)
    made = mixture.sample_codes(4000, torch.Generator().manual_seed(1))
    assert made.dtype == torch.float32 and made.shape == (4000, 2)
    for side in (1, -1):
        wanted, found = codes[codes[:, 0] * side > 0.5], made[made[:, 0] * side > 0.5]
        assert len(found) == pytest.approx(len(wanted), rel=0.1)
        torch.testing.assert_close(found.mean(0), wanted.mean(0), rtol=0, atol=0.1)
        torch.testing.assert_close(torch.cov(found.T), torch.cov(wanted.T), rtol=0, atol=0.1)
    assert two_sample_accuracy(made, two_clouds(8000)[4000:]) < 0.55
    one = CodeMixture(codes, lambda z: z, components=1).sample_codes(4000, torch.Generator().manual_seed(1))
    assert two_sample_accuracy(one, two_clouds(8000)[4000:]) > 0.8  # one Gaussian does not do


@pytest.mark.equation("3.10")
def test_the_mixture_decodes_what_it_draws() -> None:
    mixture = CodeMixture(two_clouds(100), lambda z: z[:, :, None, None] * 2, components=2)
    made = mixture.sample(7, torch.Generator().manual_seed(1))
    codes = mixture.sample_codes(7, torch.Generator().manual_seed(1))
    assert torch.equal(made, 2 * codes[:, :, None, None])
    assert torch.equal(made, mixture.sample(7, torch.Generator().manual_seed(1)))
    assert not torch.equal(made, mixture.sample(7, torch.Generator().manual_seed(2)))


def test_the_mixture_names_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match=r"codes has shape \(4, 1, 2\)"):
        CodeMixture(torch.zeros(4, 1, 2), lambda z: z)
    with pytest.raises(ValueError, match="components is 5: give 1 to 4"):
        CodeMixture(torch.zeros(4, 2), lambda z: z, components=5)


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_row_that_never_occurs_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight goes down to"):
        conditional_mean(torch.rand(2, 3), torch.zeros(2, 1), torch.tensor([1.0, weight]))

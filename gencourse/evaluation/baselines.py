"""What a method must beat: the mean picture, principal components, a mixture of Gaussians on codes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.errors import (
    need_callable,
    need_data,
    need_finite,
    need_generator,
    need_kind,
    need_seed,
    need_size,
    need_table,
    need_tensor,
    need_whole,
    shown,
)

__all__ = ["PCA", "CodeMixture", "MeanPicture", "conditional_mean"]


def conditional_mean(hidden: Tensor, visible: Tensor, weight: Tensor | None = None) -> tuple[Tensor, float]:
    """The best guess of what is hidden from what is visible, and the error that it leaves, eq. (5.14).

    Under a squared error that is E[u | visible], and what is left is E Var(u | visible); chapter 1 has the
    same of pictures given their code, eq. (1.7). A draw from the law of u given what is visible errs twice as
    much, eq. (3.18). It is exact for a law that is listed in full, and an estimate
    for a sample from a law in which every visible part comes up often.

    Args:
        hidden: u, one row for each picture that can occur, shape (N, n).
        visible: what is seen of each, shape (N, m); rows that are equal cannot be told apart.
        weight: how likely each row is, shape (N,), positive, of any sum; all rows alike when not given.

    Returns:
        The best guess for each row, shape (N, n), and the least error: a mean over pictures and over the n
        numbers.

    Raises:
        TypeError: an argument is no such tensor.
        ValueError: hidden, visible and weight have different numbers of rows, a number is NaN or infinite, or a
            weight is not positive.
    """
    need_table("hidden", hidden, "(N, n)")
    need_tensor("visible", visible, "(N, m)", kind="any")
    need_finite("visible", visible)
    weight = hidden.new_ones(len(hidden)) if weight is None else weight
    need_tensor("weight", weight, "(N,)")
    need_finite("weight", weight)
    if (weight <= 0).any():
        raise ValueError(f"weight goes down to {weight.min():.4g}: leave out rows that never occur.")
    weight = weight.to(hidden)
    if not len(hidden) == len(visible) == len(weight):
        raise ValueError(
            f"hidden has {len(hidden)} rows, visible {len(visible)} and weight {len(weight)}: give the same "
            "number."
        )
    kinds, kind = visible.unique(dim=0, return_inverse=True)
    total = weight.new_zeros(len(kinds)).index_add(0, kind, weight)
    sums = hidden.new_zeros(len(kinds), hidden.shape[1]).index_add(0, kind, weight[:, None] * hidden)
    best = (sums / total[:, None])[kind]
    left = (weight * (hidden - best).square().mean(1)).sum() / weight.sum()
    return best, left.item()


class MeanPicture:
    """Answers every picture with the mean of the training pictures: the best code of size zero."""

    def __init__(self, data: ImageDataset) -> None:
        _need_images(data)
        self.mean = data.images.double().mean(0).div(255).float()

    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean picture, once for each of x: shape (B, C, H, W)."""
        _need_batch("x", x, tuple(self.mean.shape))
        return self.mean.to(x.device).expand(x.shape)


class PCA:
    """Principal components, computed exactly: the best linear code of its size, eqs. (1.8) and (1.9).

    Args:
        data: training pictures.
        code_size: how many components to keep.

    Raises:
        ValueError: more components are asked for than there are pixels or pictures.
    """

    def __init__(self, data: ImageDataset, code_size: int) -> None:
        from sklearn.decomposition import PCA as Components

        _need_images(data)
        most = min(len(data), data.images[0].numel())
        if not isinstance(code_size, int) or not 1 <= code_size <= most:
            raise ValueError(
                f"code_size is {shown(code_size)}: give 1 to {most}, data has no more pictures or pixels."
            )
        found = Components(code_size, svd_solver="covariance_eigh").fit(data.x.flatten(1).numpy())
        self.mean = torch.from_numpy(found.mean_).float()
        self.components = torch.from_numpy(found.components_).float()
        self.shape = data.shape

    def keep(self, code_size: int) -> PCA:
        """The same components, only the first `code_size` of them."""
        need_whole("code_size", code_size, 1, len(self.components))
        fewer = object.__new__(PCA)
        fewer.mean, fewer.components, fewer.shape = self.mean, self.components[:code_size], self.shape
        return fewer

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to codes (B, code_size)."""
        _need_batch("x", x, self.shape)
        return (x.flatten(1).float() - self.mean.to(x.device)) @ self.components.to(x.device).T

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W); values may leave [0, 1]."""
        _need_batch("z", z, (len(self.components),))
        return (z.float() @ self.components.to(z.device) + self.mean.to(z.device)).unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures to codes and back."""
        return self.decode(self.encode(x))


class CodeMixture:
    """A density fitted to the codes of a trained autoencoder, so that it can sample, eq. (3.10).

    The second stage after the first: Gaussians with full covariance matrices, fitted by expectation
    maximisation (Ghosh et al., 2020).

    Args:
        codes: of training pictures, shape (N, K), on any device.
        decode: codes (B, K) to pictures, for example `model.decode`.
        components: how many Gaussians.
        seed: of the fit's starting points.

    Raises:
        ValueError: the codes are no table of finite numbers, or there are fewer of them than Gaussians.
    """

    def __init__(
        self, codes: Tensor, decode: Callable[[Tensor], Tensor], components: int = 10, seed: int = 0
    ) -> None:
        from sklearn.mixture import GaussianMixture

        need_table("codes", codes, "(N, K)", least=2)
        need_callable("decode", decode, "from codes to pictures")
        need_whole("components", components, 1, len(codes))
        need_seed("seed", seed)
        rows = codes.detach().cpu().double().numpy()
        self.density = GaussianMixture(components, random_state=seed).fit(rows)
        self.decode, self.device = decode, codes.device

    def sample_codes(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n codes (n, K): a Gaussian by its weight, then a point from it.

        Args:
            n: how many.
            generator: on the CPU; torch's own when not given.
        """
        need_size("n", n)
        need_generator("generator", generator)
        weights, means, covariances = (
            torch.from_numpy(v)
            for v in (self.density.weights_, self.density.means_, self.density.covariances_)
        )
        which = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, means.shape[1], 1, generator=generator, dtype=means.dtype)
        codes = means[which] + (torch.linalg.cholesky(covariances)[which] @ noise).squeeze(2)
        return codes.float().to(self.device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n new pictures: decoded codes, for example (n, C, H, W)."""
        return self.decode(self.sample_codes(n, generator))


def _need_images(data: ImageDataset) -> None:
    need_kind("data", data, ImageDataset, "an ImageDataset, for example gencourse.data.load('mnist')")
    need_data("data", data)


def _need_batch(name: str, x: Tensor, shape: tuple[int, ...]) -> None:
    """A batch of finite numbers of one shape. Noise may have carried them out of [0, 1]."""
    need_tensor(name, x, f"(B, {', '.join(map(str, shape))})", empty=True)
    need_finite(name, x)

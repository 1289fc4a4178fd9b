"""What a method must beat: the mean picture and principal components."""

from __future__ import annotations

import torch
from sklearn.decomposition import PCA as _PCA
from torch import Tensor

from gencourse.data import ImageDataset

__all__ = ["PCA", "MeanPicture"]


class MeanPicture:
    """Answers every picture with the mean of the training pictures: the best code of size zero."""

    def __init__(self, data: ImageDataset) -> None:
        self.mean = data.images.double().mean(0).div(255).float()

    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean picture, once for each of x: shape (B, C, H, W)."""
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
        most = min(len(data), data.images[0].numel())
        if not 1 <= code_size <= most:
            raise ValueError(f"code_size is {code_size}: give 1 to {most}.")
        found = _PCA(code_size, svd_solver="covariance_eigh").fit(data.x.flatten(1).numpy())
        self.mean = torch.from_numpy(found.mean_).float()
        self.components = torch.from_numpy(found.components_).float()
        self.shape = data.shape

    def keep(self, code_size: int) -> PCA:
        """The same components, only the first `code_size` of them."""
        fewer = object.__new__(PCA)
        fewer.mean, fewer.components, fewer.shape = self.mean, self.components[:code_size], self.shape
        return fewer

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to codes (B, code_size)."""
        return (x.flatten(1) - self.mean.to(x.device)) @ self.components.to(x.device).T

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, code_size) to pictures (B, C, H, W); values may leave [0, 1]."""
        return (z @ self.components.to(z.device) + self.mean.to(z.device)).unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures to codes and back."""
        return self.decode(self.encode(x))

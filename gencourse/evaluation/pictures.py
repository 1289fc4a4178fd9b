"""How close two sets of pictures are, picture by picture."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from gencourse.data import ImageDataset

__all__ = ["errors_of", "psnr", "reconstruction_error", "ssim"]


def psnr(x_hat: Tensor, x: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels, eq. (1.16): the mean over pictures of 10 log10(1 / MSE).

    Args:
        x_hat: reconstructions in [0, 1], shape (B, C, H, W).
        x: pictures, the same shape.
    """
    dims = tuple(range(1, x.dim()))
    return peak_signal_noise_ratio(x_hat, x, data_range=1.0, reduction="elementwise_mean", dim=dims).item()


def ssim(x_hat: Tensor, x: Tensor) -> float:
    """Structural similarity (Wang et al., 2004), 1 for equal pictures: the mean over pictures.

    Args:
        x_hat: reconstructions in [0, 1], shape (B, C, H, W).
        x: pictures, the same shape.
    """
    value = structural_similarity_index_measure(x_hat, x, data_range=1.0)
    return float(value) if isinstance(value, Tensor) else float(value[0])


@torch.no_grad()
def errors_of(
    reconstruct: Callable[[Tensor], Tensor],
    data: ImageDataset,
    *,
    device: torch.device | str = "cpu",
    corrupt: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Squared error of each picture, summed over its pixels: the anomaly score of eq. (1.17).

    Args:
        reconstruct: pictures (B, C, H, W) to pictures, for example `model.reconstruct`.
        data: the pictures.
        device: where to compute.
        corrupt: applied to what `reconstruct` sees, not to what it is compared with.

    Returns:
        Shape (N,), on the CPU.
    """
    parts = []
    for x, _ in data.batches(1000, device=device):
        x_hat = reconstruct(x if corrupt is None else corrupt(x))
        parts.append((x_hat - x).square().flatten(1).sum(1).cpu())
    return torch.cat(parts)


def reconstruction_error(
    reconstruct: Callable[[Tensor], Tensor],
    data: ImageDataset,
    *,
    device: torch.device | str = "cpu",
    corrupt: Callable[[Tensor], Tensor] | None = None,
) -> float:
    """Mean of `errors_of`: the loss of eq. (1.1) on this data."""
    return errors_of(reconstruct, data, device=device, corrupt=corrupt).mean().item()

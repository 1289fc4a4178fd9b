"""How close two sets of pictures are, picture by picture."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.errors import (
    need_callable,
    need_data,
    need_device,
    need_finite,
    need_pictures,
    need_same_device,
    need_same_shape,
    need_tensor,
)

__all__ = ["errors_of", "psnr", "reconstruction_error", "ssim"]


def psnr(x_hat: Tensor, x: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels, eq. (1.16): the mean over pictures of 10 log10(1 / MSE).

    Args:
        x_hat: reconstructions in [0, 1], shape (B, C, H, W).
        x: pictures, the same shape.

    Raises:
        ValueError: the shapes differ, or a picture is not in [0, 1].
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    _need_pair(x_hat, x)
    dims = tuple(range(1, x.dim()))
    return peak_signal_noise_ratio(x_hat, x, data_range=1.0, reduction="elementwise_mean", dim=dims).item()


def ssim(x_hat: Tensor, x: Tensor) -> float:
    """Structural similarity (Wang et al., 2004), 1 for equal pictures: the mean over pictures.

    Args:
        x_hat: reconstructions in [0, 1], shape (B, C, H, W).
        x: pictures, the same shape, at least 11 pixels high and wide.

    Raises:
        ValueError: the shapes differ, or a picture is not in [0, 1] or too small.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    _need_pair(x_hat, x)
    if min(x.shape[2:]) < 11:
        raise ValueError(f"x has shape {tuple(x.shape)}: give pictures of at least 11 by 11 pixels.")
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

    Raises:
        ValueError: the data are empty, or what `reconstruct` or `corrupt` gives has another shape than the
            pictures or is not finite.
    """
    need_callable("reconstruct", reconstruct, "from pictures (B, C, H, W) to pictures")
    need_data("data", data)
    need_device("device", device)
    if corrupt is not None:
        need_callable("corrupt", corrupt, "from pictures (B, C, H, W) to pictures, or None")
    parts = []
    for x, _ in data.batches(1000, device=device):
        seen = x
        if corrupt is not None:
            seen = corrupt(x)
            need_tensor("corrupt(x)", seen)
        x_hat = reconstruct(seen)
        need_tensor("reconstruct(x)", x_hat)
        need_same_shape("reconstruct(x)", x_hat, "x", x)
        need_same_device("reconstruct(x)", x_hat, "x", x)
        need_finite("reconstruct(x)", x_hat)
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


def _need_pair(x_hat: Tensor, x: Tensor) -> None:
    """Reconstructions and their pictures."""
    need_pictures("x_hat", x_hat)
    need_pictures("x", x)
    need_same_shape("x_hat", x_hat, "x", x)
    need_same_device("x_hat", x_hat, "x", x)

"""How far a reconstruction is from its picture: three negative log-likelihoods and one penalty.

All follow the course's convention: **sum over the numbers of one sample, mean over the batch.** The result
is then in nats a sample wherever the loss is a likelihood.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.errors import (
    need_number,
    need_pictures,
    need_same_device,
    need_same_shape,
    need_tensor,
    on_cpu,
)

__all__ = ["bernoulli_entropy", "bernoulli_nll", "gaussian_nll", "l1_penalty", "squared_error"]


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared error of a reconstruction, eq. (1.1): E‖x − x̂‖².

    Args:
        x_hat: reconstruction, shape (B, ...).
        x: picture, the same shape.

    Returns:
        Scalar: summed over the numbers of a sample, averaged over the batch. To turn it into the mean over
        pixels that `torch.nn.functional.mse_loss` gives, divide by their number D, eq. (1.4).

    Raises:
        ValueError: the shapes differ. (Broadcasting here would hide a mistake.)
    """
    _same_form("x_hat", x_hat, x)
    return (x_hat - x).square().sum() / len(x)


def gaussian_nll(x_hat: Tensor, x: Tensor, log_sigma: Tensor | float) -> Tensor:
    """Negative log-likelihood of a picture under N(x̂, σ²I), eq. (1.2).

    ‖x − x̂‖² / (2σ²) + D log σ + (D/2) log 2π

    Args:
        x_hat: mean of the Gaussian, shape (B, ...).
        x: picture, the same shape.
        log_sigma: log of the standard deviation of one pixel: a number or a tensor with one element.

    Returns:
        Scalar in nats a sample.

    Raises:
        ValueError: the shapes differ, or log_sigma has more than one element.
    """
    _same_form("x_hat", x_hat, x)
    if not isinstance(log_sigma, Tensor):
        need_number("log_sigma", log_sigma)
    log_sigma = torch.as_tensor(log_sigma, dtype=x.dtype, device=x.device)
    if log_sigma.numel() != 1:
        raise ValueError(
            f"log_sigma has {log_sigma.numel()} elements: give one number, shared by all pixels."
        )
    d = x[0].numel()
    scaled = squared_error(x_hat, x) * torch.exp(-2 * log_sigma) / 2
    return (scaled + d * log_sigma + d / 2 * math.log(2 * math.pi)).squeeze()


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """Negative log-likelihood of a picture whose pixels are coin flips, eq. (1.5); "binary cross-entropy".

    Args:
        logits: log-odds of a white pixel, shape (B, ...): the decoder's output before the sigmoid.
        x: picture in [0, 1], the same shape.

    Returns:
        Scalar in nats a sample. For grey pixels its minimum is `bernoulli_entropy(x)`, not zero.

    Raises:
        ValueError: the shapes differ, or (looked at on a CPU) the first picture is not in [0, 1].
    """
    _same_form("logits", logits, x)
    need_pictures(
        "x", x[:1], "(1, ...)", values=on_cpu(x)
    )  # the first one tells for the rest, and costs little
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def bernoulli_entropy(x: Tensor) -> Tensor:
    """The least value that `bernoulli_nll` can take on these pictures, eq. (1.6).

    Args:
        x: pictures in [0, 1], shape (B, ...).

    Returns:
        Scalar in nats a sample; zero only if every pixel is 0 or 1.

    Raises:
        ValueError: a pixel is not in [0, 1].
    """
    need_pictures("x", x, "(B, ...)", values=on_cpu(x))
    return -(torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).sum() / len(x)


def l1_penalty(z: Tensor) -> Tensor:
    """Sum of the magnitudes of a code, eq. (1.14): the penalty that makes a code sparse.

    Args:
        z: codes, shape (B, ...).

    Returns:
        Scalar: summed over the numbers of a code, averaged over the batch.
    """
    need_tensor("z", z, "(B, ...)")
    return z.abs().sum() / len(z)


def _same_form(name: str, given: Tensor, x: Tensor) -> None:
    """Floats of one shape on one device."""
    need_tensor("x", x, "(B, ...)")
    need_tensor(name, given)
    need_same_shape(name, given, "x", x)
    need_same_device(name, given, "x", x)

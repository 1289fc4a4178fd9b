"""What a loss may ask of codes: to be distributed like a prior."""

from __future__ import annotations

import torch
from torch import Tensor

from gencourse.errors import need_number, need_same_device, need_same_shape, need_tensor

__all__ = ["kl_to_standard_normal", "mmd"]

_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the kernel of `mmd`


def kl_to_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """Divergence of the codes' Gaussians from the prior N(0, I), eq. (3.8): KL(N(μ, σ²) ‖ N(0, I)).

    ½ Σ (μ² + σ² − 1 − log σ²) (Kingma & Welling, 2014, appendix B).

    Args:
        mean: μ of each picture's code, shape (B, K).
        log_var: log σ² of each number in it, the same shape.

    Returns:
        Scalar in nats a sample: summed over the numbers of a code, averaged over the batch.

    Raises:
        ValueError: the shapes differ.
    """
    need_tensor("mean", mean, "(B, ...)")
    need_tensor("log_var", log_var)
    need_same_shape("mean", mean, "log_var", log_var)
    need_same_device("mean", mean, "log_var", log_var)
    return (mean.square() + log_var.exp() - 1 - log_var).sum() / (2 * len(mean))


def mmd(z: Tensor, prior_z: Tensor, std: float = 1.0) -> Tensor:
    """Squared maximum mean discrepancy of two samples: eq. (4.12), the unbiased estimate of eq. (4.11).

    The kernel is the inverse multiquadratic of eq. (4.13), k(a, b) = C/(C + ‖a − b‖²), averaged over seven
    scales, C = 2d·std²·s with s from 0.1 to 10 and d numbers in a code; k(a, a) = 1. Its tails are heavy, so a
    code that is far from the prior still feels a pull (Tolstikhin et al., 2018, section 4 and algorithm 2).

    Args:
        z: codes, shape (N, d), at least two rows.
        prior_z: draws from the prior, shape (M, d), at least two rows.
        std: standard deviation of the prior in each coordinate; it sets the scale of the kernel.

    Returns:
        Scalar. Zero on average for two samples of one law, so it may fall a little below zero; at most 2.

    Raises:
        ValueError: the shapes do not fit, there are fewer than two rows, or std is not positive.
    """
    need_tensor("z", z, "(N, d)")
    need_tensor("prior_z", prior_z, "(M, d)")
    need_same_device("z", z, "prior_z", prior_z)
    need_number("std", std, above=0)
    if z.shape[1:] != prior_z.shape[1:] or min(len(z), len(prior_z)) < 2:
        raise ValueError(
            f"z has shape {tuple(z.shape)} and prior_z {tuple(prior_z.shape)}: give two samples of at least two "
            "rows and the same width."
        )
    n, m = len(z), len(prior_z)
    base = 2 * z.shape[1] * std**2
    # all rows in one table: the three averages are blocks of it
    rows = torch.cat([z, prior_z])
    norms = rows.square().sum(1)
    squared = (norms[:, None] + norms[None, :] - 2 * rows @ rows.T).clamp(min=0)
    kernel = torch.stack([base * s / (base * s + squared) for s in _SCALES]).mean(0)
    among_z, among_prior, between = kernel[:n, :n], kernel[n:, n:], kernel[:n, n:]
    # a row paired with itself says nothing about the law: leaving the diagonal out removes the bias
    return (
        (among_z.sum() - among_z.trace()) / (n * (n - 1))
        + (among_prior.sum() - among_prior.trace()) / (m * (m - 1))
        - 2 * between.mean()
    )

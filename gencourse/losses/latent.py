"""What a loss may ask of codes: to be distributed like a prior."""

from __future__ import annotations

from torch import Tensor

__all__ = ["kl_to_standard_normal"]


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
    if mean.shape != log_var.shape:
        raise ValueError(
            f"mean has shape {tuple(mean.shape)} and log_var has shape {tuple(log_var.shape)}: give them the "
            "same shape."
        )
    return (mean.square() + log_var.exp() - 1 - log_var).sum() / (2 * len(mean))

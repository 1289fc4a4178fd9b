"""What a masked autoencoder makes small: the error on the patches that it could not see.

Unlike the other reconstruction losses of the course this one is a *mean* over pixels, as it is published: the
number of masked pixels is a setting. Losses at two mask ratios must not be compared all the same: other patches
are hidden, and less is visible.
"""

from __future__ import annotations

from torch import Tensor

from gencourse.errors import need_number, need_same_device, need_same_shape, need_tensor, on_cpu
from gencourse.losses.reconstruction import squared_error

__all__ = ["masked_patch_error", "masked_patch_loss", "masking_losses_as_found", "normalise_patches"]


def masked_patch_loss(prediction: Tensor, target: Tensor, mask: Tensor, normalise: bool = False) -> Tensor:
    """Mean squared error over the masked patches and their pixels, eq. (5.11) (He et al., 2022, section 3).

    Args:
        prediction: predicted patches, shape (B, N, n) with n = p·p·C numbers a patch.
        target: the picture's patches, the same shape.
        mask: 1 where a patch was removed, 0 where it was seen, shape (B, N).
        normalise: compare with each target patch at mean 0 and variance 1, eq. (5.12).

    Returns:
        Scalar: squared pixel units, or squared standard deviations of a patch with normalise. What is
        predicted for visible patches has no say.

    Raises:
        ValueError: a shape is wrong, or the mask removes nothing.
    """
    errors = _patch_errors(prediction, target, mask, normalise)
    mask = mask.to(errors.dtype)
    removed = mask.sum()
    if on_cpu(removed) and not removed > 0:  # elsewhere the loss is NaN then, and `update` stops
        raise ValueError("mask has no 1: the loss is a mean over removed patches, so remove at least one.")
    return (errors * mask).sum() / removed


def masked_patch_error(prediction: Tensor, target: Tensor, mask: Tensor, normalise: bool = False) -> Tensor:
    """The loss of each picture by itself, one term of eq. (5.18).

    Args:
        prediction: shape (B, N, n).
        target: the same shape.
        mask: shape (B, N), 1 where a patch was removed; at least one in each row.
        normalise: as in `masked_patch_loss`.

    Returns:
        Shape (B,).

    Raises:
        ValueError: a shape is wrong, or the mask removes nothing from some picture.
    """
    errors = _patch_errors(prediction, target, mask, normalise)
    mask = mask.to(errors.dtype)
    removed = mask.sum(1)
    if on_cpu(removed) and not (removed > 0).all():
        raise ValueError("mask has a row without a 1: remove at least one patch of each picture.")
    return (errors * mask).sum(1) / removed


def normalise_patches(patches: Tensor, eps: float = 1e-6) -> Tensor:
    """Each patch at mean 0 and variance 1, eq. (5.12): (u − mean) / √(variance + eps).

    The variance is the unbiased one, divided by n − 1. So a prediction of zero scores (n − 1)/n on a patch that
    is not flat, eq. (5.13), and 0 on a flat one.

    Args:
        patches: shape (B, N, n), n at least 2.
        eps: keeps flat patches finite.

    Raises:
        ValueError: a patch has one number only, so that it has no variance.
    """
    need_tensor("patches", patches, "(B, N, n)")
    need_number("eps", eps, above=0)
    if patches.shape[-1] < 2:
        raise ValueError(
            f"patches has shape {tuple(patches.shape)}: a patch of one number has no variance; take larger "
            "patches or normalise=False."
        )
    mean = patches.mean(-1, keepdim=True)
    variance = patches.var(-1, keepdim=True, unbiased=True)
    return (patches - mean) / (variance + eps).sqrt()


def masking_losses_as_found(x: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The two losses of source document 004, eqs. (5.1) and (5.2): no network is in either. Not to train with.

    The encoder's is E‖x − x ⊙ m‖², the decoder's E‖x ⊙ m − (x ⊙ m) ⊙ m‖². The first depends on the data and on
    the mask alone, and the second is 0 since m ⊙ m = m; so no weight gets a gradient from them.

    Args:
        x: pictures, shape (B, ...).
        kept: the mask m, 1 where a pixel is kept and 0 where it is hidden, the same shape.

    Returns:
        The encoder's and the decoder's loss, scalars: summed over pixels, averaged over the batch.

    Raises:
        TypeError, ValueError: x or kept is no such tensor, or their shapes differ.
    """
    need_tensor("x", x, "(B, ...)")
    need_tensor("kept", kept, kind="any")
    need_same_shape("x", x, "kept", kept)
    need_same_device("x", x, "kept", kept)
    masked = x * kept
    return squared_error(masked, x), squared_error(masked * kept, masked)


def _patch_errors(prediction: Tensor, target: Tensor, mask: Tensor, normalise: bool) -> Tensor:
    """Mean squared error of each patch, shape (B, N)."""
    need_tensor("prediction", prediction, "(B, N, n)")
    need_tensor("target", target, "(B, N, n)")
    need_same_shape("prediction", prediction, "target", target)
    need_tensor("mask", mask, kind="any")
    need_same_device("prediction", prediction, "target", target)
    need_same_device("mask", mask, "target", target)
    if mask.shape != target.shape[:2]:
        raise ValueError(f"mask has shape {tuple(mask.shape)}: give {tuple(target.shape[:2])}, one a patch.")
    if normalise:
        target = normalise_patches(target)
    return (prediction - target).square().mean(-1)

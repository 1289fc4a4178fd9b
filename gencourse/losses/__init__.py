"""Every displayed objective of the course as a pure function of tensors."""

from gencourse.losses.adversarial import (
    ADVERSARIAL_KINDS,
    adaptive_weight,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    hybrid_loss_as_found,
    r1_penalty,
)
from gencourse.losses.latent import kl_to_standard_normal, mmd
from gencourse.losses.masked import (
    masked_patch_error,
    masked_patch_loss,
    masking_losses_as_found,
    normalise_patches,
)
from gencourse.losses.reconstruction import (
    bernoulli_entropy,
    bernoulli_nll,
    gaussian_nll,
    l1_penalty,
    squared_error,
)

__all__ = [
    "ADVERSARIAL_KINDS",
    "adaptive_weight",
    "bernoulli_entropy",
    "bernoulli_nll",
    "discriminator_loss",
    "gaussian_nll",
    "generator_loss",
    "gradient_penalty",
    "hybrid_loss_as_found",
    "kl_to_standard_normal",
    "l1_penalty",
    "masked_patch_error",
    "masked_patch_loss",
    "masking_losses_as_found",
    "mmd",
    "normalise_patches",
    "r1_penalty",
    "squared_error",
]

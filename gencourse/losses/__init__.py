"""Every displayed objective of the course as a pure function of tensors."""

from gencourse.losses.reconstruction import (
    bernoulli_entropy,
    bernoulli_nll,
    gaussian_nll,
    l1_penalty,
    squared_error,
)

__all__ = ["bernoulli_entropy", "bernoulli_nll", "gaussian_nll", "l1_penalty", "squared_error"]

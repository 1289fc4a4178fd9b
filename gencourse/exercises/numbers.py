"""What the checks share: reproducible numbers, and equality up to rounding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["close", "random"]


def random(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in double precision, the same at every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(a: Any, b: Any, tolerance: float = 1e-5) -> bool:
    """Whether two arrays have the same shape and agree to within the tolerance, relative to the larger."""
    a = torch.as_tensor(a, dtype=torch.float64).detach()
    b = torch.as_tensor(b, dtype=torch.float64).detach()
    return a.shape == b.shape and bool((a - b).abs().max() <= tolerance * (1 + b.abs().max()))

"""An encoder that is handed noise beside the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gencourse.networks.mlp import mlp

__all__ = ["NoisyEncoder"]


class NoisyEncoder(nn.Module):
    """z = f(x, η): the noise joins the picture's features before a hidden layer, so it need not be additive.

    Args:
        body: pictures (B, C, H, W) to features (B, width).
        width: numbers in the features, and units in the hidden layer behind them.
        noise_size: numbers of noise for one picture.
        n_out: numbers that come out.
    """

    def __init__(self, body: nn.Module, width: int, noise_size: int, n_out: int) -> None:
        super().__init__()
        self.body, self.noise_size = body, noise_size
        self.head = mlp((width + noise_size, width, n_out))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pictures (B, C, H, W) and noise (B, noise_size), standard normal when not given, to (B, n_out)."""
        features = self.body(x).relu()
        if noise is None:
            noise = torch.randn(len(x), self.noise_size, device=x.device, dtype=features.dtype)
        return self.head(torch.cat([features, noise], dim=1))

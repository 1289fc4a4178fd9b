"""Encoders that draw a code for a picture: from a Gaussian, or from noise that they bend."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gencourse.errors import need_input, need_kind, need_same_shape, need_size, need_tensor, need_whole
from gencourse.networks.mlp import mlp

__all__ = ["GaussianEncoder", "NoisyEncoder"]


class GaussianEncoder(nn.Module):
    """q(z|x) = N(μ(x), σ²(x)), a Gaussian for each picture.

    Args:
        body: pictures (B, C, H, W) to (B, plain + 2·code_size): plain numbers, means, log variances.
        plain: numbers in front that are no code and come out as they are, for example logits of a label.

    Raises:
        TypeError, ValueError: body is no network, or plain no whole number of at least 0.
    """

    def __init__(self, body: nn.Module, plain: int = 0) -> None:
        super().__init__()
        need_kind("body", body, nn.Module, "a network")
        need_whole("plain", plain, 0)
        self.body, self.plain = body, plain

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, C, H, W) to mean and log variance of their codes, (B, code_size) each."""
        _, mean, log_var = self._parts(x)
        return mean, log_var

    @staticmethod
    def draw(mean: Tensor, log_var: Tensor) -> Tensor:
        """One code from each Gaussian, eq. (3.7): z = μ + σ ⊙ ε, through which gradients reach μ and σ."""
        need_tensor("mean", mean, empty=True)
        need_tensor("log_var", log_var, empty=True)
        need_same_shape("mean", mean, "log_var", log_var)
        return mean + (log_var / 2).exp() * torch.randn_like(mean)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the plain numbers and one draw for each, (B, plain + code_size)."""
        plain, mean, log_var = self._parts(x)
        return torch.cat([plain, self.draw(mean, log_var)], dim=1)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Plain numbers, means, log variances."""
        need_input("x", x, "(B, C, H, W)", self)
        answer = self.body(x)
        mean, log_var = answer[:, self.plain :].chunk(2, dim=1)
        return answer[:, : self.plain], mean, log_var


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
        need_kind("body", body, nn.Module, "a network")
        for name, size in (("width", width), ("noise_size", noise_size), ("n_out", n_out)):
            need_size(name, size)
        self.body, self.noise_size = body, noise_size
        self.head = mlp((width + noise_size, width, n_out))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pictures (B, C, H, W) and noise (B, noise_size), standard normal when not given, to (B, n_out)."""
        need_input("x", x, "(B, D, ...)", self)
        features = self.body(x).relu()
        if noise is None:
            noise = torch.randn(len(x), self.noise_size, device=x.device, dtype=features.dtype)
        need_input("noise", noise, f"(B, {self.noise_size})", self)
        if len(noise) != len(x):
            raise ValueError(f"noise has {len(noise)} rows and x has {len(x)}: give one row a picture.")
        if features.dim() != 2 or features.shape[1] + self.noise_size != self.head[0].in_features:
            raise ValueError(f"x has shape {tuple(x.shape)}: the body makes {tuple(features.shape)} of it.")
        return self.head(torch.cat([features, noise], dim=1))

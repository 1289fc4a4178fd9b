"""Chapter 5: the convolutional relative of the masked autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gencourse.errors import need_size, need_tensor
from gencourse.losses import masked_patch_loss
from gencourse.methods.masked import Masked
from gencourse.networks import he_init, patchify, unpatchify
from gencourse.training.method import Mover, seeded

__all__ = ["MaskedConvAutoencoder"]


class MaskedConvAutoencoder(Masked):
    """A convolutional autoencoder that fills in hidden patches: the one of source document 004, made to work.

    Hidden pixels are set to 0, and the mask comes in as one more channel, so that black and missing differ.
    Two convolutions of stride 2, eight channels in the middle, two transposed convolutions, a sigmoid; the
    loss is eq. (5.3). It is a denoising autoencoder with masking noise (Vincent et al., 2008) and a relative
    of the context encoder (Pathak et al., 2016), not the MAE of He et al.: all pixels go through the encoder.

    Args:
        shape: (C, H, W) of a picture, both sides multiples of 4, 28 to 256 pixels.
        patch: side of a hidden patch in pixels, a divisor of H and W. When not given: as for `MAE`.
        mask_ratio: share of patches to hide, above 0.
        width: channels after the first convolution, twice as many after the second.
        code_channels: channels in the middle, at a quarter of the side.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    def __init__(
        self,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        patch: int | None = None,
        mask_ratio: float = 0.5,
        width: int = 64,
        code_channels: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(shape, patch, mask_ratio)
        need_size("width", width)
        need_size("code_channels", code_channels)
        channels, height, width_in = self.shape
        if height % 4 or width_in % 4:
            raise ValueError(
                f"shape is {self.shape}: this network takes pictures whose sides are multiples of 4."
            )
        with seeded(seed):
            self.encoder = nn.Sequential(
                nn.Conv2d(channels + 1, width, kernel_size=4, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(2 * width, code_channels, kernel_size=1),
            )
            self.decoder = nn.Sequential(
                nn.Conv2d(code_channels, 2 * width, kernel_size=1),
                nn.ReLU(),
                nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(width, channels, kernel_size=4, stride=2, padding=1),
                nn.Sigmoid(),
            )
            he_init(self)

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of eq. (5.3): hide patches, encode the picture with its holes, fill them in."""
        mask = self.random_mask(len(x))
        loss = masked_patch_loss(self.predict(x, mask), patchify(x, self.patch), mask)
        return {"mae": update("mae", loss)}

    def predict(self, x: Tensor, mask: Tensor) -> Tensor:
        """Patches (B, N, p·p·C) in [0, 1] from pictures (B, C, H, W) whose masked patches (B, N) are hidden."""
        self._need("x", x, *self.shape)
        need_tensor("mask", mask, f"({len(x)}, {self.patches})", kind="any")
        pixels = mask.to(x.dtype)[:, :, None].expand(-1, -1, self.patch**2)
        return patchify(
            self.decoder(self._encode(x, unpatchify(pixels, self.patch, 1, self.grid))), self.patch
        )

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to codes (B, code_channels, H/4, W/4); nothing is masked."""
        self._need("x", x, *self.shape)
        return self._encode(x, torch.zeros_like(x[:, :1]))

    def _encode(self, x: Tensor, missing: Tensor) -> Tensor:
        seen = torch.where(missing.bool(), torch.zeros_like(x), x)  # not x·(1 − m): 0·NaN is NaN
        return self.encoder(torch.cat([seen, missing], dim=1))

"""Chapter 5: the masked autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor

from gencourse.errors import need_one_of, need_size, need_tensor
from gencourse.losses import masked_patch_loss
from gencourse.methods.masked import Masked
from gencourse.networks import ViTDecoder, ViTEncoder, patchify, random_masking, split_by_mask
from gencourse.training.method import Mover, seeded

__all__ = ["MAE", "AllPatchesMAE"]

_PLACES = ("decoder", "encoder")


class MAE(Masked):
    """Masked autoencoder (He et al., 2022): encode the visible patches, fill in the others, eq. (5.11).

    Args:
        shape: (C, H, W) of a picture, 28 to 256 pixels a side.
        patch: side of a patch in pixels, a divisor of H and W. When not given: the largest up to 7, or an eighth
            of the shorter side.
        width: numbers in one of the encoder's tokens, a multiple of 4.
        depth: blocks of the encoder.
        heads: its attention heads; they divide the width.
        decoder_width: numbers in one of the decoder's tokens.
        decoder_depth: blocks of the decoder.
        decoder_heads: its attention heads.
        mask_ratio: share of patches to hide, above 0.
        mask_tokens_in: "decoder" (the encoder sees visible patches only) or "encoder" (as many tokens as
            patches all the way, the costly form).
        normalise: predict each patch at mean 0 and variance 1, eq. (5.12).
        class_token: whether the encoder has one token that is no patch.
        seed: of the initial weights.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    learning_rate = 1e-3
    betas = (0.9, 0.95)
    weight_decay = 0.05

    def __init__(
        self,
        shape: tuple[int, int, int] = (1, 28, 28),
        *,
        patch: int | None = None,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        decoder_width: int = 64,
        decoder_depth: int = 1,
        decoder_heads: int = 4,
        mask_ratio: float = 0.75,
        mask_tokens_in: str = "decoder",
        normalise: bool = False,
        class_token: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(shape, patch, mask_ratio)
        need_one_of("mask_tokens_in", mask_tokens_in, _PLACES)
        need_size("depth", depth)
        need_size("decoder_depth", decoder_depth)
        for side, units, parts in (("", width, heads), ("decoder_", decoder_width, decoder_heads)):
            need_size(f"{side}width", units)
            need_size(f"{side}heads", parts)
            if units % 4 or units % parts:
                raise ValueError(
                    f"{side}width is {units} and {side}heads is {parts}: give a width that 4 and the number of "
                    "heads divide."
                )
        in_encoder = mask_tokens_in == "encoder"
        self.normalise = normalise
        with seeded(seed):
            self.encoder = ViTEncoder(
                self.shape, self.patch, width, depth, heads, class_token=class_token, mask_token=in_encoder
            )
            self.decoder = ViTDecoder(
                self.shape,
                self.patch,
                width,
                decoder_width,
                decoder_depth,
                decoder_heads,
                class_token=class_token,
                mask_token=not in_encoder,
            )

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch: hide patches, encode the rest, decode, and compare where it was hidden."""
        target = patchify(x, self.patch)
        visible, mask, restore = random_masking(target, self.mask_ratio)
        prediction = self.decoder(self.encoder(visible, restore), restore)
        loss = masked_patch_loss(prediction, target, self.counted(mask), self.normalise)
        return {"mae": update("mae", loss)}

    def counted(self, mask: Tensor) -> Tensor:
        """Which patches the loss counts, (B, N): the hidden ones, eq. (5.11)."""
        return mask

    def predict(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the network thinks of every patch, from the visible ones alone; see `inpaint` for pictures.

        Args:
            x: pictures (B, C, H, W); pixels under the mask are never looked at.
            mask: 1 where a patch is hidden, (B, N), the same number in every row.

        Returns:
            Patches (B, N, p·p·C), normalised ones with normalise=True.

        Raises:
            TypeError, ValueError: x or mask is none of that, or mask hides every patch.
        """
        self._need("x", x, *self.shape)
        need_tensor("mask", mask, f"(B, {self.patches})", kind="any")
        visible, restore = split_by_mask(patchify(x, self.patch), mask)
        if visible.shape[1] == 0:
            raise ValueError("mask hides every patch: give one with a 0 in every row, where a patch is seen.")
        return self.decoder(self.encoder(visible, restore), restore)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to one token a patch, (B, N, width), a class token in front if there is one.

        Nothing is masked: that belongs to training.
        """
        self._need("x", x, *self.shape)
        return self.encoder(patchify(x, self.patch))

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the mean of their patches' tokens, (B, width); nothing is masked."""
        self._need("x", x, *self.shape)
        return self.encoder.features(x)


class AllPatchesMAE(MAE):
    """The MAE whose loss counts all patches, eq. (5.15).

    Args:
        options: of `MAE`.
    """

    def counted(self, mask: Tensor) -> Tensor:
        """Which patches the loss counts, (B, N): all."""
        return torch.ones_like(mask)

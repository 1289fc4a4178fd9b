"""Chapter 5: what filling in hidden patches has in common, whatever the network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gencourse.errors import (
    need_generator,
    need_number,
    need_seed,
    need_shape,
    need_size,
    need_tensor,
    need_whole,
)
from gencourse.losses import masked_patch_error
from gencourse.networks import patchify, random_masking, unpatchify
from gencourse.training.method import Method

__all__ = ["Masked"]


class Masked(Method):
    """Hide patches and learn to fill them in: patches, masks of any form, inpainting, a score for strangeness.

    Args:
        shape: (C, H, W) of a picture, 28 to 256 pixels a side.
        patch: side of a patch in pixels, a divisor of H and W. When not given: the largest up to 7, or an eighth
            of the shorter side.
        mask_ratio: share of patches to hide, above 0.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    normalise = False  # whether patches are predicted at mean 0 and variance 1

    def __init__(self, shape: tuple[int, int, int], patch: int | None, mask_ratio: float) -> None:
        super().__init__()
        self.shape = need_shape("shape", shape)
        self.patch = _patch_of(self.shape, patch)
        need_number("mask_ratio", mask_ratio)
        if not 0 < round((1 - mask_ratio) * self.patches) < self.patches:
            raise ValueError(
                f"mask_ratio is {mask_ratio}: of {self.patches} patches at least one must be hidden and one "
                f"visible; give a number from {1 / self.patches:.3g} to {1 - 1 / self.patches:.3g}."
            )
        self.mask_ratio = mask_ratio

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches in a picture."""
        return self.shape[1] // self.patch, self.shape[2] // self.patch

    @property
    def patches(self) -> int:
        """How many patches N a picture has."""
        return self.grid[0] * self.grid[1]

    def predict(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the network thinks of every patch, from the visible ones alone.

        Args:
            x: pictures (B, C, H, W); pixels under the mask are never looked at.
            mask: 1 where a patch is hidden, (B, N), the same number in every row.

        Returns:
            Patches (B, N, p·p·C).
        """
        raise NotImplementedError

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: the loss is shared, so encoder and decoder move together."""
        return {"mae": self.parameters()}

    def random_mask(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Masks of n pictures by eq. (5.5), shape (n, N); 1 where a patch is hidden."""
        need_size("n", n)
        need_generator("generator", generator)
        where = self.device if generator is None else generator.device
        nothing = torch.empty(n, self.patches, 0, device=where)
        return random_masking(nothing, self.mask_ratio, generator)[1].to(self.device)

    @torch.no_grad()
    def reconstruct(
        self, x: Tensor, mask: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Hide patches, and fill them in from the others.

        Args:
            x: pictures (B, C, H, W).
            mask: which patches, see `inpaint`; drawn at random with this method's ratio when not given.
            generator: of the random mask; torch's own when not given.

        Returns:
            Pictures in [0, 1]: the visible patches as they were, predictions in the places of the others.
        """
        self._need("x", x, *self.shape)
        need_generator("generator", generator)
        return self.inpaint(x, self.random_mask(len(x), generator) if mask is None else mask)

    @torch.no_grad()
    def inpaint(self, x: Tensor, mask: Tensor) -> Tensor:
        """Fill in what is missing, eq. (5.14): the mean of what could be there, as far as it was learnt.

        Args:
            x: pictures (B, C, H, W). Missing pixels may hold anything, NaN included.
            mask: 1 (or True) where something is missing. Patches: shape (N,), (B, N) or (B, N, 1). Pixels: shape
                (H, W), (B, H, W) or (B, 1, H, W); then a patch is hidden if any of its pixels is missing, and
                only missing pixels are replaced. Pictures may miss different numbers of patches.

        Returns:
            Pictures (B, C, H, W) in [0, 1].

        Raises:
            ValueError: mask has another shape, one that could mean patches or pixels, or hides every patch of a
                picture.
            NotImplementedError: the method predicts normalised patches, which have no brightness.
        """
        self._need("x", x, *self.shape)
        if self.normalise:
            self._cannot(
                "fill in pictures", "with normalise=True it predicts patches without their mean and spread"
            )
        hidden, missing = _two_masks(mask, x, self.patch)
        filled = torch.empty_like(patchify(x, self.patch))
        # pictures with equally many hidden patches go through the network together
        for count in hidden.sum(1).unique().tolist():
            rows = hidden.sum(1) == count
            filled[rows] = self.predict(x[rows], hidden[rows]).to(filled.dtype)
        pictures = unpatchify(filled, self.patch, self.shape[0], self.grid).clamp(0, 1)
        return torch.where(missing, pictures, x)

    @torch.no_grad()
    def anomaly_score(self, x: Tensor, masks: int = 16, seed: int = 0) -> Tensor:
        """How badly a picture is predicted from parts of itself, eq. (5.18): a mean over random masks.

        All pictures get the same masks, so that a picture's score does not depend on its company.

        Args:
            x: pictures (B, C, H, W).
            masks: how many; the noise of the score falls with their number.
            seed: of the masks.

        Returns:
            Masked-patch error of each picture, shape (B,); higher means stranger.

        Raises:
            ValueError: masks is not positive.
        """
        need_size("masks", masks)
        need_seed("seed", seed)
        self._need("x", x, *self.shape)
        drawn = self.random_mask(masks, torch.Generator().manual_seed(seed))
        target, total = patchify(x, self.patch), torch.zeros(len(x), device=x.device)
        for mask in drawn:
            mask = mask.expand(len(x), -1)
            total += masked_patch_error(self.predict(x, mask), target, mask, self.normalise)
        return total / masks

    def decode(self, z: Tensor) -> Tensor:
        """It cannot: codes alone do not say which patches were hidden."""
        self._cannot("decode", "its decoder must also be told which patches were hidden: use 'inpaint'")

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """It cannot: it predicts the mean of what is missing, and needs something that is not."""
        self._cannot(
            "sample",
            "it predicts the mean of the hidden patches given visible ones, which is no draw from their law, "
            "and there is no law of the visible ones (chapter 5, 'The loss, and what it asks for')",
        )


def _patch_of(shape: tuple[int, int, int], patch: int | None) -> int:
    """The side of a patch, a divisor of both sides of a picture; the usual one when not given."""
    height, width = shape[1:]
    if not (28 <= height <= 256 and 28 <= width <= 256):
        raise ValueError(f"shape is {shape}: give pictures of 28 to 256 pixels a side.")
    fitting = [d for d in range(1, min(height, width) + 1) if height % d == width % d == 0]
    if patch is None:
        return max(d for d in fitting if d <= max(7, min(height, width) // 8))
    need_whole("patch", patch)
    if patch not in fitting:
        raise ValueError(f"patch is {patch}: give a divisor of both sides, {', '.join(map(str, fitting))}.")
    return patch


def _two_masks(mask: Tensor, x: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """What is missing of the pictures x: hidden patches, bool (B, N), and missing pixels, bool (B, 1, H, W)."""
    batch, _, height, width = x.shape
    grid = (height // patch, width // patch)
    count = grid[0] * grid[1]
    need_tensor("mask", mask, kind="any")
    mask, shape = mask.to(x.device).bool(), tuple(mask.shape)
    as_patches = shape in ((count,), (batch, count), (batch, count, 1))
    pixels = (height, width)
    as_pixels = shape in (pixels, (batch, *pixels), (batch, 1, *pixels), (1, 1, *pixels))
    if as_patches and as_pixels:
        raise ValueError(
            f"mask has shape {shape}, which could mean {batch} pictures of {count} patches or {height}×"
            f"{width} pixels: give mask[:, :, None] for patches, or mask[None, None] for pixels."
        )
    if as_patches:
        hidden = mask.reshape(-1, count).expand(batch, -1)
        missing = unpatchify(hidden[:, :, None].expand(-1, -1, patch**2), patch, 1, grid)
    elif as_pixels:
        missing = mask.reshape(-1, 1, height, width).expand(batch, -1, -1, -1)
        hidden = patchify(missing, patch).any(-1)
    else:
        raise ValueError(
            f"mask has shape {shape} for x of {batch} pictures: give patches, ({count},) or ({batch}, {count}), "
            f"or pixels, ({height}, {width}) or ({batch}, 1, {height}, {width})."
        )
    if hidden.all(1).any():
        raise ValueError("mask hides every patch of a picture: leave at least one to predict from.")
    return hidden, missing

"""Chapter 5: the masked autoencoder, its convolutional relative, and a classifier on top of an encoder."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.losses import masked_patch_error, masked_patch_loss
from gencourse.networks import (
    ViTDecoder,
    ViTEncoder,
    he_init,
    patchify,
    random_masking,
    split_by_mask,
    unpatchify,
)
from gencourse.training.method import Method, Mover, seeded

__all__ = ["MAE", "Classifier", "MaskedConvAutoencoder"]

_PLACES = ("decoder", "encoder")
_PATCHES = ("masked", "all")


class _Masked(Method):
    """What filling in has in common: patches, masks of any form, inpainting and a score for strangeness."""

    patch: int
    mask_ratio: float
    normalise = False

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
        where = self.device if generator is None else generator.device
        nothing = torch.empty(n, self.patches, 0, device=where)
        return random_masking(nothing, self.mask_ratio, generator)[1].to(self.device)

    @property
    def patches(self) -> int:
        """How many patches N a picture has."""
        return (self.shape[1] // self.patch) ** 2

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
        self._check(x)
        return self.inpaint(x, self.random_mask(len(x), generator) if mask is None else mask)

    @torch.no_grad()
    def inpaint(self, x: Tensor, mask: Tensor) -> Tensor:
        """Fill in what is missing, eq. (5.14): the mean of what could be there, as far as it was learnt.

        Args:
            x: pictures (B, C, H, W). Missing pixels may hold anything, NaN included.
            mask: 1 (or True) where something is missing. Patches: shape (N,) or (B, N). Pixels: shape (H, W),
                (B, H, W) or (B, 1, H, W); then a patch is hidden if any of its pixels is missing, and only
                missing pixels are replaced. Pictures may miss different numbers of patches.

        Returns:
            Pictures (B, C, H, W) in [0, 1].

        Raises:
            ValueError: mask has another shape, or hides every patch of a picture.
            NotImplementedError: the method predicts normalised patches, which have no brightness.
        """
        self._check(x)
        if self.normalise:
            self._cannot(
                "fill in pictures", "with normalise=True it predicts patches without their mean and spread"
            )
        hidden, missing = self._two_masks(x, mask)
        filled = torch.empty_like(patchify(x, self.patch))
        # pictures with equally many hidden patches go through the network together
        for count in hidden.sum(1).unique().tolist():
            rows = hidden.sum(1) == count
            filled[rows] = self.predict(x[rows], hidden[rows]).to(filled.dtype)
        pictures = unpatchify(filled, self.patch, self.shape[0]).clamp(0, 1)
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
        if masks < 1:
            raise ValueError(f"masks is {masks}: give at least 1.")
        self._check(x)
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

    def _two_masks(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden patches, bool (B, N), and missing pixels, bool (B, 1, H, W)."""
        batch, _, height, width = x.shape
        mask = torch.as_tensor(mask, device=x.device).bool()
        if mask.shape in ((self.patches,), (batch, self.patches)):
            hidden = mask.expand(batch, -1)
            pixels = hidden[:, :, None].expand(-1, -1, self.patch**2)
            missing = unpatchify(pixels, self.patch, 1)
        elif mask.shape in ((height, width), (batch, height, width), (batch, 1, height, width)):
            missing = (mask[:, None] if mask.dim() == 3 else mask).expand(batch, 1, -1, -1)
            hidden = patchify(missing, self.patch).any(-1)
        else:
            raise ValueError(
                f"mask has shape {tuple(mask.shape)}: give patches, ({self.patches},) or ({batch}, "
                f"{self.patches}), or pixels, ({height}, {width}) or ({batch}, 1, {height}, {width})."
            )
        if hidden.all(1).any():
            raise ValueError("mask hides every patch of a picture: leave at least one to predict from.")
        return hidden, missing

    def _check(self, x: Tensor) -> None:
        if x.shape[1:] != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(
                f"x has shape {tuple(x.shape)}: this {type(self).__name__} takes (B, {expected})."
            )


class MAE(_Masked):
    """Masked autoencoder (He et al., 2022): encode the visible patches, fill in the others, eq. (5.11).

    Args:
        shape: (C, H, W) of a picture with H = W, 28 to 256 pixels.
        patch: side of a patch in pixels, a divisor of H. When not given: the largest divisor up to 7 or H/8.
        width: numbers in one of the encoder's tokens, a multiple of 4.
        depth: blocks of the encoder.
        heads: its attention heads; they divide the width.
        decoder_width: numbers in one of the decoder's tokens.
        decoder_depth: blocks of the decoder.
        decoder_heads: its attention heads.
        mask_ratio: share of patches to hide, above 0.
        mask_tokens_in: "decoder" (the encoder sees visible patches only) or "encoder" (as many tokens as
            patches all the way, the costly form).
        loss_on: "masked" patches, eq. (5.11), or "all", eq. (5.15).
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
        loss_on: str = "masked",
        normalise: bool = False,
        class_token: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        shape = (shape[0], shape[1], shape[2])  # a list will do, too
        if shape[1] != shape[2] or not 28 <= shape[1] <= 256:
            raise ValueError(f"shape is {shape}: this MAE takes square pictures of 28 to 256 pixels a side.")
        if mask_tokens_in not in _PLACES:
            raise ValueError(f"mask_tokens_in is {mask_tokens_in!r}: choose one of {', '.join(_PLACES)}.")
        if loss_on not in _PATCHES:
            raise ValueError(f"loss_on is {loss_on!r}: choose one of {', '.join(_PATCHES)}.")
        for name, count in (("depth", depth), ("decoder_depth", decoder_depth)):
            if count < 1:
                raise ValueError(f"{name} is {count}: give at least 1.")
        in_encoder = mask_tokens_in == "encoder"
        self.shape, self.patch = shape, _usual_patch(shape[1]) if patch is None else patch
        self.mask_ratio, self.loss_on, self.normalise = mask_ratio, loss_on, normalise
        with seeded(seed):
            self.encoder = ViTEncoder(
                shape, self.patch, width, depth, heads, class_token=class_token, mask_token=in_encoder
            )
            self.decoder = ViTDecoder(
                shape,
                self.patch,
                width,
                decoder_width,
                decoder_depth,
                decoder_heads,
                class_token=class_token,
                mask_token=not in_encoder,
            )
        _check_ratio(mask_ratio, self.patches)

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch: hide patches, encode the rest, decode, and compare where it was hidden."""
        self._check(x)
        target = patchify(x, self.patch)
        visible, mask, restore = random_masking(target, self.mask_ratio)
        prediction = self.decoder(self.encoder(visible, restore), restore)
        if self.loss_on == "all":
            mask = torch.ones_like(mask)
        return {"mae": update("mae", masked_patch_loss(prediction, target, mask, self.normalise))}

    def predict(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the network thinks of every patch, from the visible ones alone; see `inpaint` for pictures.

        Args:
            x: pictures (B, C, H, W); pixels under the mask are never looked at.
            mask: 1 where a patch is hidden, (B, N), the same number in every row.

        Returns:
            Patches (B, N, p·p·C), normalised ones with normalise=True.
        """
        self._check(x)
        visible, restore = split_by_mask(patchify(x, self.patch), mask)
        return self.decoder(self.encoder(visible, restore), restore)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to one token a patch, (B, N, width), a class token in front if there is one.

        Nothing is masked: that belongs to training.
        """
        self._check(x)
        return self.encoder(patchify(x, self.patch))

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the mean of their patches' tokens, (B, width); nothing is masked."""
        self._check(x)
        return self.encoder.features(x)


class MaskedConvAutoencoder(_Masked):
    """A convolutional autoencoder that fills in hidden patches: the one of source document 004, made to work.

    Hidden pixels are set to 0, and the mask comes in as one more channel, so that black and missing differ.
    Two convolutions of stride 2, eight channels in the middle, two transposed convolutions, a sigmoid; the
    loss is eq. (5.3). It is a denoising autoencoder with masking noise (Vincent et al., 2008) and a relative
    of the context encoder (Pathak et al., 2016), not the MAE of He et al.: all pixels go through the encoder.

    Args:
        shape: (C, H, W) of a picture with H = W, a multiple of 4, 28 to 256 pixels.
        patch: side of a hidden patch in pixels, a divisor of H. When not given: as for `MAE`.
        mask_ratio: share of patches to hide, above 0.
        width: channels after the first convolution, twice as many after the second.
        code_channels: channels in the middle, at a quarter of the side.
        loss_on: "masked" patches or "all".
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
        loss_on: str = "masked",
        seed: int = 0,
    ) -> None:
        super().__init__()
        shape = (shape[0], shape[1], shape[2])
        channels, height, _ = shape
        if height != shape[2] or not 28 <= height <= 256 or height % 4:
            raise ValueError(
                f"shape is {shape}: this network takes square pictures of 28 to 256 pixels a side, a multiple of 4."
            )
        self.shape, self.patch = shape, _usual_patch(height) if patch is None else patch
        if self.patch < 1 or height % self.patch:
            raise ValueError(f"patch is {self.patch}: give a divisor of the side, {height}.")
        if loss_on not in _PATCHES:
            raise ValueError(f"loss_on is {loss_on!r}: choose one of {', '.join(_PATCHES)}.")
        _check_ratio(mask_ratio, self.patches)
        self.mask_ratio, self.loss_on = mask_ratio, loss_on
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

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of eq. (5.3): hide patches, encode the picture with its holes, fill them in."""
        self._check(x)
        mask = self.random_mask(len(x))
        prediction, target = self.predict(x, mask), patchify(x, self.patch)
        if self.loss_on == "all":
            mask = torch.ones_like(mask)
        return {"mae": update("mae", masked_patch_loss(prediction, target, mask))}

    def predict(self, x: Tensor, mask: Tensor) -> Tensor:
        """Patches (B, N, p·p·C) in [0, 1] from pictures (B, C, H, W) whose masked patches (B, N) are hidden."""
        self._check(x)
        pixels = mask.to(x.dtype)[:, :, None].expand(-1, -1, self.patch**2)
        return patchify(self.decoder(self._encode(x, unpatchify(pixels, self.patch, 1))), self.patch)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to codes (B, code_channels, H/4, W/4); nothing is masked."""
        self._check(x)
        return self._encode(x, torch.zeros_like(x[:, :1]))

    def _encode(self, x: Tensor, missing: Tensor) -> Tensor:
        seen = torch.where(missing.bool(), torch.zeros_like(x), x)  # not x·(1 − m): 0·NaN is NaN
        return self.encoder(torch.cat([seen, missing], dim=1))


class Classifier(Method):
    """One linear layer on top of an encoder, trained on labels: fine-tuning, or from scratch.

    `Classifier(mae.encoder)` starts from what `mae` has learnt, `Classifier(MAE().encoder)` from scratch.

    Args:
        encoder: a network with `features(x)`, pictures (B, C, H, W) to (B, width), and the attributes `width`
            and `shape`. It is copied: the original stays as it is.
        classes: how many labels there are.
        frozen: train the linear layer alone.
        seed: of the linear layer's initial weights.

    Raises:
        ValueError: the encoder lacks features, or there are fewer than two classes.
    """

    learning_rate = 1e-3
    weight_decay = 0.05

    def __init__(self, encoder: nn.Module, classes: int = 10, *, frozen: bool = False, seed: int = 0) -> None:
        super().__init__()
        for name in ("features", "width", "shape"):
            if not hasattr(encoder, name):
                raise ValueError(
                    f"encoder is a {type(encoder).__name__} without {name!r}: give one that has it, for "
                    "example the 'encoder' of an MAE."
                )
        if classes < 2:
            raise ValueError(f"classes is {classes}: give at least 2.")
        network: Any = copy.deepcopy(encoder).requires_grad_(not frozen)
        self.encoder, self.shape = network, network.shape
        with seeded(seed):
            self.head = nn.Linear(network.width, classes)

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: head and, unless it is frozen, encoder."""
        return {"classifier": (p for p in self.parameters() if p.requires_grad)}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, float]:
        """One mini-batch of the cross-entropy.

        Raises:
            ValueError: there are no labels.
        """
        if y is None:
            raise ValueError("y is None: a classifier learns from labels, so give one for each picture.")
        return {"classifier": update("classifier", F.cross_entropy(self(x), y))}

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to logits (B, classes)."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the encoder's features (B, width)."""
        return self.encoder.features(x)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the likeliest class of each, int64 (B,)."""
        return self(x).argmax(1)


def _usual_patch(side: int) -> int:
    """The largest divisor of the side up to 7 pixels or an eighth of it."""
    return max(d for d in range(1, max(7, side // 8) + 1) if side % d == 0)


def _check_ratio(ratio: float, patches: int) -> None:
    """Some patches must be hidden, and some must not."""
    if not 0 < ratio < 1 or not 0 < round((1 - ratio) * patches) < patches:
        raise ValueError(
            f"mask_ratio is {ratio}: of {patches} patches at least one must be hidden and one visible; give a "
            f"number from {1 / patches:.3g} to {1 - 1 / patches:.3g}."
        )

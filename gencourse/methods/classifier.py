"""Chapter 5: a classifier on top of an encoder, for fine-tuning or from scratch."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.errors import need_size
from gencourse.training.method import Method, Mover, seeded

__all__ = ["Classifier"]


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
        need_size("classes", classes, 2)
        self.labels = (0, classes - 1)
        network: Any = copy.deepcopy(encoder).requires_grad_(not frozen)
        self.encoder, self.shape = network, network.shape
        with seeded(seed):
            self.head = nn.Linear(network.width, classes)

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """One player: head and, unless it is frozen, encoder."""
        return {"classifier": (p for p in self.parameters() if p.requires_grad)}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of the cross-entropy on labels y (B,)."""
        return {"classifier": update("classifier", F.cross_entropy(self(x), self._told(y)))}

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to logits (B, classes)."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the encoder's features (B, width)."""
        self._need("x", x, *self.shape)
        return self.encoder.features(x)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the likeliest class of each, int64 (B,)."""
        return self(x).argmax(1)

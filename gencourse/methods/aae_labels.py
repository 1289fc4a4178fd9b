"""Chapter 4: four places for a label in an adversarial autoencoder. Each class says what it adds to `AAE`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.data import ImageDataset
from gencourse.errors import need_kind, need_labels, need_size, need_tensor
from gencourse.losses import discriminator_loss, generator_loss, squared_error
from gencourse.methods.aae import AAE
from gencourse.methods.priors import CategoricalPrior
from gencourse.networks import mlp
from gencourse.training.method import Mover

__all__ = ["ClusteringAAE", "ConditionalAAE", "LabelledAAE", "SemiSupervisedAAE"]


class LabelledAAE(AAE):
    """The judge sees a label beside each code, so each label is sent to its own part of the prior, eq. (4.15).

    y = −1 marks a picture without a label: the judge is told so, and its "real" code comes from any part.

    Args:
        networks: network, code_size and shape of `AAE`.
        classes: how many labels there are; a prior that has parts must have as many.
        options: of `AAE`.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    def __init__(self, *networks: Any, classes: int = 10, **options: Any) -> None:
        need_size("classes", classes, 2)
        self.classes, self.labels = classes, (-1, classes - 1)
        self.seen = classes + 1  # one more entry than there are labels: "not labelled"
        super().__init__(*networks, **options)
        if self.prior.classes not in (0, classes):
            raise ValueError(
                f"classes is {classes}, but the prior has {self.prior.classes} parts: give the same number."
            )

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of `AAE.step`, its regularisation phase as in eq. (4.15), with labels y (B,)."""
        a = update("autoencoder", self.reconstruction_loss(x))
        z, prior_z = self.encode(x), self.draw(len(x), y=y)
        d = update("discriminator", discriminator_loss(self.score(prior_z, y), self.score(z.detach(), y)))
        e = update("encoder", generator_loss(self.score(z, y)))
        return {"autoencoder": a, "discriminator": d, "encoder": e}

    def score(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes (B, code_size) and labels (B,), −1 for none, to logits (B,): above zero means "prior"."""
        self._need("z", z, self.code_size)
        y = torch.full((len(z),), -1, device=z.device) if y is None else y
        need_labels("y", y, len(z), self.classes, least=-1)
        told = F.one_hot(torch.where(y < 0, self.classes, y), self.seen).to(z.dtype)
        return self.discriminator(torch.cat([z, told], dim=1)).squeeze(1)

    def draw(self, n: int, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """n codes from the prior, (n, code_size), each from the part of its label in y (n,), if there are parts."""
        if y is not None:
            need_labels("y", y, n, self.classes, least=-1)
        y = y if self.prior.classes else None
        return self.prior.draw(n, y, generator, self.device)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """Draw n new pictures (n, C, H, W), each from the part of its label in y (n,); any part without y."""
        return self.decode(self.draw(n, generator, y))


class _Told(AAE):
    """What the AAEs share whose decoder is told labels."""

    classes: int

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes to pictures of given labels.

        Args:
            z: shape (B, code_size).
            y: labels, int64 (B,), or a probability for each label, (B, K).

        Returns:
            Pictures (B, C, H, W) in [0, 1].
        """
        self._need("z", z, self.code_size)
        if y is None:
            raise ValueError("y is None: this decoder is told labels, so give one for each code.")
        need_tensor("y", y, kind="any", empty=True)
        if y.dim() == 1:
            need_labels("y", y, len(z), self.classes)
            y = F.one_hot(y, self.classes)
        if y.shape != (len(z), self.classes):
            raise ValueError(
                f"y has shape {tuple(y.shape)}: give {len(z)} labels, or {len(z)} rows of {self.classes} "
                "probabilities."
            )
        return self.decoder(torch.cat([z, y.to(z.dtype)], dim=1)).sigmoid()

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """Draw n new pictures (n, C, H, W) of the labels y (n,); without them of 0, 1, 2, … in turn."""
        z = self.draw(n, generator)
        y = torch.arange(n) % self.classes if y is None else y
        need_labels("y", y, n, self.classes)
        return self.decode(z, y.to(self.device))


class ConditionalAAE(_Told):
    """The decoder is told the label, so the code is left with the style, eq. (4.16). Every picture needs one.

    Args:
        networks: network, code_size and shape of `AAE`.
        classes: how many labels there are.
        options: of `AAE`.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    def __init__(self, *networks: Any, classes: int = 10, **options: Any) -> None:
        need_size("classes", classes, 2)
        self.classes, self.labels, self.told = classes, (0, classes - 1), classes
        super().__init__(*networks, **options)

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of `AAE.step`, its reconstruction phase as in eq. (4.16), with labels y (B,)."""
        a = update("autoencoder", self.reconstruction_loss(x, y))
        z, prior_z = self.encode(x), self.draw(len(x))
        d = update("discriminator", discriminator_loss(self.score(prior_z), self.score(z.detach())))
        e = update("encoder", generator_loss(self.score(z)))
        return {"autoencoder": a, "discriminator": d, "encoder": e}

    def reconstruction_loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Eq. (4.16), with labels y (B,): a scalar, summed over pixels, mean over the batch."""
        return squared_error(self.reconstruct(self.corrupt(x), y), x)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Pictures (B, C, H, W) with their labels (B,) to codes and back."""
        return self.decode(self.encode(x), y)


class ClusteringAAE(_Told):
    """The code is a row of two parts, label and style, each with its own prior and judge, eq. (4.17).

    The label part, K probabilities, is matched to a categorical law. Nobody says which label is which, so it
    becomes the number of a cluster.

    Args:
        networks: network, code_size (numbers of the style) and shape of `AAE`.
        classes: K, how many labels or clusters.
        soften: how far the categorical prior is softened; see `CategoricalPrior`.
        options: of `AAE`.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    rates: Mapping[str, float] = {"discriminator": 1e-3, "label_discriminator": 1e-3}

    def __init__(
        self,
        *networks: Any,
        classes: int = 10,
        soften: float = 0.0,
        **options: Any,
    ) -> None:
        need_size("classes", classes, 2)
        self.classes = self.read = self.told = classes
        super().__init__(*networks, **options)
        self.label_prior = CategoricalPrior(classes, soften)

    def _build_judges(self, hidden: tuple[int, ...]) -> None:
        """One judge for styles, one for labels."""
        super()._build_judges(hidden)
        self.label_discriminator = mlp((self.classes, *hidden, 1))

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Those of an AAE, and the judge of labels."""
        found = super().players()
        encoder = found.pop("encoder")
        return {**found, "label_discriminator": self.label_discriminator.parameters(), "encoder": encoder}

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch: reconstruction, both judges, and the encoder, eq. (4.17)."""
        a = update("autoencoder", self.reconstruction_loss(x))
        label, z = self.parts(x)
        prior_z, prior_label = self.draw(len(x)), self.label_prior.draw(len(x), device=self.device)
        d_z = discriminator_loss(self.score(prior_z), self.score(z.detach()))
        d_y = discriminator_loss(self.score_label(prior_label), self.score_label(label.detach()))
        moved = {"discriminator": update("discriminator", d_z)}
        moved["label_discriminator"] = update("label_discriminator", d_y)
        e = update("encoder", generator_loss(self.score(z)) + generator_loss(self.score_label(label)))
        return {"autoencoder": a, **moved, "encoder": e}

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, C, H, W) to probabilities of labels (B, K) and styles (B, code_size)."""
        self._need("x", x, *self.shape)
        answer = self.encoder(x)
        return answer[:, : self.read].softmax(1), answer[:, self.read :]

    def label_logits(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to logits of q(y|x), (B, K)."""
        self._need("x", x, *self.shape)
        return self.encoder(x)[:, : self.read]

    def score_label(self, label: Tensor) -> Tensor:
        """Label probabilities or one-hot rows (B, K) to logits (B,): above zero "categorical prior"."""
        self._need("label", label, self.classes)
        return self.label_discriminator(label).squeeze(1)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to styles (B, code_size); see `parts` for the labels."""
        return self.parts(x)[1]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to label and style, and back."""
        label, z = self.parts(x)
        return self.decode(z, label)

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the likeliest label or cluster of each, int64 (B,)."""
        return self.label_logits(x).argmax(1)


class SemiSupervisedAAE(ClusteringAAE):
    """A few labelled pictures teach the clusters which label is which, by a fourth phase, eq. (4.18).

    Args:
        networks: network, code_size (numbers of the style) and shape of `AAE`.
        labelled: the few pictures whose labels may be used. They are not stored with the weights; a trained
            method needs them only to go on training.
        labelled_batch: how many of them each supervised phase takes, drawn anew each time.
        options: of `ClusteringAAE`.

    Raises:
        ValueError: an argument cannot be used; the message says which and why.
    """

    def __init__(
        self,
        *networks: Any,
        labelled: ImageDataset | None = None,
        labelled_batch: int = 100,
        **options: Any,
    ) -> None:
        need_size("labelled_batch", labelled_batch)
        super().__init__(*networks, **options)
        if labelled is not None:
            need_kind("labelled", labelled, ImageDataset, "a dataset of pictures, or None")
            need_labels("labelled", labelled.labels, len(labelled), self.classes)
        self.labelled, self.labelled_batch = labelled, labelled_batch

    def players(self) -> dict[str, Iterable[nn.Parameter]]:
        """Those of a clustering AAE, and the encoder once more, as a classifier."""
        return {**super().players(), "classifier": self.encoder.parameters()}

    def accepts(self, x: Tensor, labels: Tensor | None) -> None:
        """See `Method.accepts`; the few labelled pictures must be there and have the same shape."""
        super().accepts(x, labels)
        if self.labelled is None:
            raise ValueError(
                "labelled is None: a semi-supervised AAE learns labels from a few pictures, for example "
                "SemiSupervisedAAE(..., labelled=data.of_each_class(10))."
            )
        if self.labelled.shape != self.shape:
            raise ValueError(f"labelled has pictures of shape {self.labelled.shape}: give {self.shape}.")

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch of `ClusteringAAE.step`, then the supervised phase, eq. (4.18)."""
        moved = super().step(x, update)
        return {**moved, "classifier": update("classifier", self.supervised_loss(*self.few_labels()))}

    def supervised_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Eq. (4.18): −log q(y|x) in nats, mean over the pictures x (B, C, H, W) with labels y (B,)."""
        logits = self.label_logits(self.corrupt(x))
        need_labels("y", y, len(x), self.classes)
        return F.cross_entropy(logits, y)

    def few_labels(self) -> tuple[Tensor, Tensor]:
        """Some of the labelled pictures, drawn anew: x (n, C, H, W) and their labels (n,)."""
        if self.labelled is None:
            raise ValueError("labelled is None: give the few labelled pictures when the method is made.")
        if self.labelled.images.device != self.device:  # once a run
            self.labelled = self.labelled.to(self.device)
        rows = torch.randperm(len(self.labelled), device=self.device)[: self.labelled_batch]
        return self.labelled.images[rows].float().div_(255), self.labelled.labels[rows]

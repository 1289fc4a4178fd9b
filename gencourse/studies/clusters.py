"""Studies of chapter 4: clusters over the passes, with a soft label, a hard one, a teacher; clusters of codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.evaluation import cluster_result, features_of
from gencourse.losses import r1_penalty, squared_error
from gencourse.methods import AAE, Autoencoder, ClusteringAAE
from gencourse.methods.priors import CategoricalPrior
from gencourse.networks import Plan
from gencourse.presets import preset
from gencourse.studies.aae import FITTED, mixture_of, nearness
from gencourse.studies.engine import Study
from gencourse.studies.long_runs import curve, pictures, train_for
from gencourse.training import History, Method, Mover

__all__ = [
    "CLUSTER_CODES",
    "CLUSTER_LABELS",
    "HardLabelAAE",
    "PenalisedJudgeAAE",
    "TaughtAAE",
    "cluster_codes",
    "cluster_labels",
    "named",
]

COUNTS = (10, 16, 30)
"""K, how many clusters."""

_PASSES = {"smoke": 8, "book": 8, "full": 200}
_STEEP = 10.0  # γ of R1 on the judge of labels
_SLOW = 0.1  # share of its step size that a slow judge of labels keeps
_LESSON = 20.0  # nats of squared error that a nat of cross-entropy weighs
_WIDE = Plan("dense", hidden=(512, 512))


class HardLabelAAE(ClusteringAAE):
    """A clustering AAE whose decoder is handed one entry, and never a mixture that it could read as a code.

    The entry is drawn by a straight-through Gumbel-softmax (Jang et al., 2017, arXiv:1611.01144): one-hot forwards;
    the gradient is that of softmax((logits + Gumbel noise)/temperature).
    """

    temperature = 1.0

    def reconstruction_loss(self, x: Tensor) -> Tensor:
        """Eq. (4.1) with a drawn entry: a scalar, summed over pixels, mean over the batch x (B, C, H, W)."""
        answer = self.encoder(self.corrupt(x))
        entry = F.gumbel_softmax(answer[:, : self.read].float(), tau=self.temperature, hard=True)
        return squared_error(self.decode(answer[:, self.read :], entry), x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to the likeliest entry and a style, and back."""
        label, z = self.parts(x)
        return self.decode(z, label.argmax(1))


class PenalisedJudgeAAE(HardLabelAAE):
    """The same with a judge of labels that pays for being steep: R1 on rows of the prior, eq. (2.14)."""

    def step(self, x: Tensor, update: Mover, y: Tensor | None = None) -> dict[str, Tensor]:
        """One mini-batch: that of `ClusteringAAE`, and R1 on the judge of labels."""

        def moved(player: str, loss: Tensor) -> Tensor:
            if player == "label_discriminator":
                rows = self.label_prior.draw(len(x), device=self.device)
                loss = loss + _STEEP * r1_penalty(self.score_label, rows)
            return update(player, loss)

        return super().step(x, moved, y)


class TaughtAAE(ClusteringAAE):
    """A clustering AAE in its first lesson: told which cluster each picture is in, decoder and encoder alike.

    Args:
        teacher: pictures (B, C, H, W) to probabilities of clusters (B, K).
        options: of `ClusteringAAE`.
    """

    def __init__(self, *networks: Any, teacher: Callable[[Tensor], Tensor], **options: Any) -> None:
        super().__init__(*networks, **options)
        self.teacher = teacher

    def reconstruction_loss(self, x: Tensor) -> Tensor:
        """The squared error with the teacher's clusters, and the encoder's cross-entropy on them: a scalar."""
        told, answer = self.teacher(x), self.encoder(self.corrupt(x))
        guessed = F.cross_entropy(answer[:, : self.read].float(), told)
        return squared_error(self.decode(answer[:, self.read :], told), x) + _LESSON * guessed


def named(posteriors: Tensor, labels: Tensor) -> dict[str, float]:
    """Clusters of test pictures, q(y|x) of shape (N, K), named by eq. (4.19) and by a vote.

    Returns:
        "error" and "vote"; "used", how many clusters hold a picture; "sure", the mean of the largest probability.
    """
    found, surest = cluster_result(posteriors, labels), posteriors.max(1)
    return {
        "error": found.error,
        "vote": found.vote_error,
        "used": float(len(surest.indices.unique())),
        "sure": surest.values.mean().item(),
    }


def cluster_labels(label: str, count: int, seed: int) -> dict[str, float]:
    """Clusters of an AAE after each quarter of the passes.

    The network, the step sizes and the size of the style are those of the study `clusters`; mini-batches of 200,
    numbers of 16 bits (bfloat16) where they are faster than those of 32.

    Args:
        label: what the decoder is handed: "soft", the probabilities; "hard", one entry, see `HardLabelAAE`, with a
            temperature that falls from 1 to 0.5 and a softening that falls from 0.3 to 0.1; "hard, slow judge" and
            "hard, penalised judge": the same where the judge of labels takes a tenth of its steps, or pays for
            being steep, see `PenalisedJudgeAAE`; "hard, taught": as "hard" from the middle of that fall on, after
            three eighths of the passes have gone into an AAE whose codes a mixture of Gaussians sorts, and one
            eighth into a lesson from it, see `TaughtAAE`.
        count: K, how many clusters.
        seed: of weights, shuffling and draws.

    Returns:
        "passes" in all; after each quarter of those of the clustering itself what `named` measures, as "error_1" to
        "error_4" and so on. With a teacher, its own "taught_by".
    """
    train, test = pictures()
    passes, taught = _PASSES[preset().name], label == "hard, taught"
    sizes: dict[str, Any] = {"classes": count, "noise": 0.3, "seed": seed}
    model = ClusteringAAE("dense", 5, soften=0.2, **sizes)
    if label.startswith("hard"):
        judged = PenalisedJudgeAAE if label == "hard, penalised judge" else HardLabelAAE
        model = judged("dense", 5, **sizes)
    model.rates = {"autoencoder": 1e-3, "discriminator": 1e-3, "label_discriminator": 1e-3, "encoder": 3e-4}
    if label == "hard, slow judge":
        model.rates = {**model.rates, "label_discriminator": 1e-3 * _SLOW}
    row = {"passes": float(passes)}
    if taught:
        teacher = _teacher(train, count, seed, passes * 3 // 8)
        pupil = TaughtAAE("dense", 5, soften=0.2, teacher=teacher, **sizes)
        pupil.rates = model.rates
        train_for(pupil, train, seed, passes // 8)
        model.load_state_dict(pupil.state_dict())
        told = torch.cat([teacher(part) for part in test.x.split(1000)])
        row["taught_by"] = cluster_result(told, test.labels).error
        passes //= 2

    def harden(method: Method, history: History) -> None:
        share = len(history) / passes
        share = (1 + share) / 2 if taught else share
        if isinstance(method, HardLabelAAE):
            method.temperature = 0.5**share
            method.label_prior = CategoricalPrior(count, 0.3 * 3**-share)

    def measure(averaged: ClusteringAAE) -> dict[str, float]:
        with torch.no_grad():
            return named(
                features_of(lambda x: averaged.parts(x)[0], test, device=averaged.device), test.labels
            )

    harden(model, History())
    return row | curve(model, train, seed, measure, passes, (harden,))


def cluster_codes(codes: str, seed: int) -> dict[str, float]:
    """Clusters of codes of 16 numbers: k-means and a mixture of Gaussians with full covariances, without any label.

    Args:
        codes: "matched", of an AAE with a Gaussian prior, or "unmatched", of the same networks with the same noise
            on their input and no judge.
        seed: of weights, shuffling, draws and first centres.

    Returns:
        "passes" in all; after each quarter of them and for each K the error of eq. (4.19), "mixture_K_1" to
        "mixture_K_4" and "k_means_K_1" to "k_means_K_4", and that of a vote, "mixture_vote_K_1" and so on.
    """
    train, test = pictures()
    model: Method = _matched(seed)
    if codes == "unmatched":
        model = Autoencoder(_WIDE, 16, noise=0.3, seed=seed)
        model.learning_rate = 1e-3

    def measure(averaged: Method) -> dict[str, float]:
        with torch.no_grad():
            known, asked = (
                features_of(averaged.encode, data, device=averaged.device).float()
                for data in (_some(train), test)
            )
        row: dict[str, float] = {}
        for count in COUNTS:
            by_distance = nearness(known, asked, count, seed)
            mixture = torch.from_numpy(mixture_of(known, count, seed).predict_proba(asked.numpy()))
            for name, posteriors in (("k_means", by_distance), ("mixture", mixture)):
                found = cluster_result(posteriors, test.labels)
                row |= {f"{name}_{count}": found.error, f"{name}_vote_{count}": found.vote_error}
        return row

    passes = _PASSES[preset().name]
    return {"passes": float(passes), **curve(model, train, seed, measure, passes)}


def _matched(seed: int) -> AAE:
    model = AAE(_WIDE, 16, noise=0.3, seed=seed)
    model.rates = {**model.rates, "autoencoder": 1e-3}
    return model


def _some(train: ImageDataset) -> ImageDataset:
    return train.take(min(FITTED, len(train)))


def _teacher(train: ImageDataset, count: int, seed: int, passes: int) -> Callable[[Tensor], Tensor]:
    """Pictures (B, C, H, W) to probabilities (B, K) of clusters of their matched codes."""
    averaged = train_for(_matched(seed), train, seed, passes)
    with torch.no_grad():
        known = features_of(averaged.encode, _some(train), device=averaged.device).float()
    mixture = mixture_of(known, count, seed)

    def teach(x: Tensor) -> Tensor:
        with torch.no_grad():
            codes = averaged.encode(x.to(averaged.device)).float().cpu()
        return torch.from_numpy(mixture.predict_proba(codes.numpy())).to(x)

    return teach


CLUSTER_LABELS = Study(
    name="cluster_labels",
    settings=tuple(
        {"label": label, "count": k, "seed": s}
        for label in ("hard, taught", "hard")
        for k in (16, 30, 10)
        for s in range(3)
    )
    + tuple(
        {"label": label, "count": 16, "seed": s}
        for label in ("hard, slow judge", "hard, penalised judge")
        for s in range(3)
    ),
    run=cluster_labels,
    chapters=(4,),
)

CLUSTER_CODES = Study(
    name="cluster_codes",
    settings=tuple({"codes": c, "seed": s} for c in ("matched", "unmatched") for s in range(3)),
    run=cluster_codes,
    chapters=(4,),
)

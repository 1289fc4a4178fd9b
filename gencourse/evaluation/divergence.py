"""How many nats apart two laws are, estimated by a judge."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gencourse.errors import need_seed, need_table

__all__ = ["kl_estimate"]


def kl_estimate(a: Tensor, b: Tensor, seed: int = 0) -> float:
    """KL(a ‖ b) in nats from samples alone, by the density ratio that a judge learns, eq. (4.5).

    A small classifier learns on half of the rows to tell a from b; its logit t estimates log(a/b). On the other
    half, E_a t + 1 − E_b eᵗ is at most KL(a ‖ b) in the mean for any t, and equal to it for the true ratio
    (Nguyen et al., 2010; eq. (A.7)). So the estimate is a cautious one: a better judge finds more.

    Args:
        a: rows from the first law, shape (N, d), at least 20.
        b: rows from the second, shape (M, d), at least 20; the larger sample is cut to the size of the smaller.
        seed: of the split and of the classifier.

    Returns:
        Nats; about 0 for equal laws, and a little below it by chance.

    Raises:
        ValueError: a sample has fewer than 20 rows or holds NaN, or the widths differ.
    """
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for name, x in (("a", a), ("b", b)):
        need_table(name, x, "(N, d)")
    need_seed("seed", seed)
    n = min(len(a), len(b))
    if n < 20 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}: give two samples of at least 20 rows and the "
            "same width."
        )
    rows = torch.cat([a[:n], b[:n]]).detach().cpu().numpy()
    label = np.repeat([1, 0], n)
    seen, held_out, seen_label, held_out_label = train_test_split(
        rows, label, test_size=0.5, stratify=label, random_state=seed
    )
    # stopped early: a judge that has learnt its rows by heart is sure of what it cannot know
    network = MLPClassifier((64,), learning_rate_init=5e-3, early_stopping=True, random_state=seed)
    judge = make_pipeline(StandardScaler(), network).fit(seen, seen_label)
    log_odds = np.subtract(*judge.predict_log_proba(held_out).T[::-1])
    of_a, of_b = log_odds[held_out_label == 1], log_odds[held_out_label == 0]
    return _bound(of_a, of_b)


def _bound(of_a: np.ndarray, of_b: np.ndarray) -> float:
    """The first row of eq. (A.7) with T = 1 + t. (With a logarithm of the mean it would be too high on average.)"""
    return float(of_a.mean() + 1 - np.exp(of_b).mean())

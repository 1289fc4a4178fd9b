"""Anomaly scores: how well they rank, and where to draw the line."""

from __future__ import annotations

import torch
from torch import Tensor

from gencourse.errors import as_tensor, need_finite, need_number, need_same_shape, need_tensor

__all__ = ["auroc", "threshold_at"]


def auroc(scores: Tensor, is_anomaly: Tensor) -> float:
    """Area under the ROC curve: the chance that an anomaly scores higher than a normal point.

    Args:
        scores: higher means stranger, shape (N,).
        is_anomaly: true where the point is an anomaly, shape (N,).

    Raises:
        ValueError: there are only anomalies or only normal points, or a score is not finite.
    """
    from sklearn.metrics import roc_auc_score

    scores, is_anomaly = as_tensor("scores", scores), as_tensor("is_anomaly", is_anomaly)
    need_tensor("scores", scores, "(N,)", kind="any")
    need_tensor("is_anomaly", is_anomaly, "(N,)", kind="any")
    need_same_shape("scores", scores, "is_anomaly", is_anomaly)
    need_finite("scores", scores)
    need_finite("is_anomaly", is_anomaly)
    is_anomaly = is_anomaly.bool()
    if is_anomaly.all() or not is_anomaly.any():
        raise ValueError("is_anomaly has one value only: AUROC needs both normal points and anomalies.")
    return float(roc_auc_score(is_anomaly.numpy(), scores.numpy()))


def threshold_at(normal_scores: Tensor, false_alarms: float = 0.05) -> float:
    """The score above which to raise an alarm, eq. (1.17), chosen on normal validation data alone.

    Args:
        normal_scores: scores of normal pictures that the model was not trained on, shape (N,).
        false_alarms: share of normal pictures that may be called anomalies.

    Raises:
        ValueError: false_alarms is not between 0 and 1, or a score is not finite.
    """
    need_number(
        "false_alarms", false_alarms, above=0, below=1, fix="a share between 0 and 1, for example 0.05"
    )
    normal_scores = as_tensor("normal_scores", normal_scores)
    need_tensor("normal_scores", normal_scores, "(N,)", kind="any")
    need_finite("normal_scores", normal_scores)
    return torch.quantile(normal_scores.float(), 1 - false_alarms).item()

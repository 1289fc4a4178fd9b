"""Anomaly scores: how well they rank, and where to draw the line."""

from __future__ import annotations

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

__all__ = ["auroc", "threshold_at"]


def auroc(scores: Tensor, is_anomaly: Tensor) -> float:
    """Area under the ROC curve: the chance that an anomaly scores higher than a normal point.

    Args:
        scores: higher means stranger, shape (N,).
        is_anomaly: true where the point is an anomaly, shape (N,).

    Raises:
        ValueError: there are only anomalies or only normal points, or a score is not finite.
    """
    scores, is_anomaly = torch.as_tensor(scores).detach().cpu(), torch.as_tensor(is_anomaly).bool().cpu()
    if is_anomaly.all() or not is_anomaly.any():
        raise ValueError("is_anomaly has one value only: AUROC needs both normal points and anomalies.")
    if not torch.isfinite(scores).all():
        raise ValueError("scores has values that are NaN or infinite: mend the score first.")
    return float(roc_auc_score(is_anomaly.numpy(), scores.numpy()))


def threshold_at(normal_scores: Tensor, false_alarms: float = 0.05) -> float:
    """The score above which to raise an alarm, eq. (1.17), chosen on normal validation data alone.

    Args:
        normal_scores: scores of normal pictures that the model was not trained on, shape (N,).
        false_alarms: share of normal pictures that may be called anomalies.

    Raises:
        ValueError: false_alarms is not between 0 and 1.
    """
    if not 0 < false_alarms < 1:
        raise ValueError(f"false_alarms is {false_alarms}: give a share between 0 and 1, for example 0.05.")
    return torch.quantile(torch.as_tensor(normal_scores).float(), 1 - false_alarms).item()

"""Anomaly scores: how well they rank, and where to draw the line."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gencourse.data import ImageDataset
from gencourse.errors import (
    as_tensor,
    need_data,
    need_device,
    need_finite,
    need_number,
    need_same_shape,
    need_tensor,
    shown,
)
from gencourse.evaluation.pictures import errors_of

__all__ = ["anomaly_scores", "auroc", "threshold_at"]


@torch.no_grad()
def anomaly_scores(method: Any, data: ImageDataset, *, device: torch.device | str = "cpu") -> Tensor:
    """How strange each picture is to a method: its own score, or else the error of its reconstruction, eq. (1.17).

    Args:
        method: anything with `anomaly_score(x)`, pictures (B, C, H, W) to scores (B,), or with `reconstruct(x)`.
        data: the pictures.
        device: where to compute.

    Returns:
        Shape (N,), on the CPU; higher means stranger.

    Raises:
        TypeError: the method has neither.
        ValueError: the data are empty, or the method does not give one number a picture.
    """
    need_data("data", data)
    need_device("device", device)
    score = getattr(method, "anomaly_score", None)
    if score is None:
        if (reconstruct := getattr(method, "reconstruct", None)) is None:
            raise TypeError(
                f"method is {shown(method)}: give something with 'anomaly_score' or 'reconstruct'."
            )
        return errors_of(reconstruct, data, device=device)
    parts = []
    for x, _ in data.batches(1000, device=device):
        part = score(x)
        need_tensor("anomaly_score(x)", part, "(B,)", kind="any")
        if len(part) != len(x):
            raise ValueError(
                f"anomaly_score(x) has {len(part)} numbers for {len(x)} pictures: give one a picture."
            )
        parts.append(part.cpu())
    return torch.cat(parts)


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

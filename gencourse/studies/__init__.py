"""Named, resumable tables over seeds and variants; one file a chapter."""

from gencourse.studies.aae import (
    AUGMENTATION_AAE,
    CLUSTERS,
    CODE_PANEL,
    FEW_LABELS_AAE,
    LabelsOnly,
    semi_supervised,
)
from gencourse.studies.ae_gan import (
    INPAINTING,
    RESTORING,
    SAMPLERS,
    TRADE_OFF,
    train_hybrid,
)
from gencourse.studies.autoencoder import OVERFITTING, RATE_DISTORTION
from gencourse.studies.engine import RESULTS, Study, read, reproduce
from gencourse.studies.gan import (
    AUGMENTATION,
    JUDGE_AHEAD,
    OVER_TIME,
    SIX_LOSSES,
    AgreeingGAN,
    augmentation,
)
from gencourse.studies.mae import (
    ANOMALY,
    FEW_LABELS,
    LONGER_TUNING,
    MAE_PASSES,
    MAE_VARIANTS,
    MASK_RATIO,
    fine_tune,
    from_few,
    hidden_errors,
    labelled,
    middle_square,
    pretrain,
    some_hidden,
    trained_mae,
)
from gencourse.studies.masked_digit import AnyShare
from gencourse.studies.measured import MEANING, Measured, measure

STUDIES = {
    study.name: study
    for study in (
        RATE_DISTORTION,
        OVERFITTING,
        SIX_LOSSES,
        JUDGE_AHEAD,
        OVER_TIME,
        AUGMENTATION,
        TRADE_OFF,
        SAMPLERS,
        INPAINTING,
        RESTORING,
        CODE_PANEL,
        FEW_LABELS_AAE,
        CLUSTERS,
        AUGMENTATION_AAE,
        FEW_LABELS,
        LONGER_TUNING,
        MAE_PASSES,
        MASK_RATIO,
        ANOMALY,
        MAE_VARIANTS,
    )
}

__all__ = [
    "ANOMALY",
    "AUGMENTATION",
    "AUGMENTATION_AAE",
    "CLUSTERS",
    "CODE_PANEL",
    "FEW_LABELS",
    "FEW_LABELS_AAE",
    "INPAINTING",
    "JUDGE_AHEAD",
    "LONGER_TUNING",
    "MAE_PASSES",
    "MAE_VARIANTS",
    "MASK_RATIO",
    "MEANING",
    "OVERFITTING",
    "OVER_TIME",
    "RATE_DISTORTION",
    "RESTORING",
    "RESULTS",
    "SAMPLERS",
    "SIX_LOSSES",
    "STUDIES",
    "TRADE_OFF",
    "AgreeingGAN",
    "AnyShare",
    "LabelsOnly",
    "Measured",
    "Study",
    "augmentation",
    "fine_tune",
    "from_few",
    "hidden_errors",
    "labelled",
    "measure",
    "middle_square",
    "pretrain",
    "read",
    "reproduce",
    "semi_supervised",
    "some_hidden",
    "train_hybrid",
    "trained_mae",
]

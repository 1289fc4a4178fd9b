"""Named, resumable tables over seeds and variants; one file a chapter."""

from gencourse.studies.ae_gan import (
    INPAINTING,
    RESTORING,
    SAMPLERS,
    TRADE_OFF,
    classifier_distance,
    train_hybrid,
)
from gencourse.studies.autoencoder import RATE_DISTORTION
from gencourse.studies.engine import RESULTS, Study, read, reproduce
from gencourse.studies.gan import AUGMENTATION, SIX_LOSSES, AgreeingGAN, augmentation

STUDIES = {
    study.name: study
    for study in (RATE_DISTORTION, SIX_LOSSES, AUGMENTATION, TRADE_OFF, SAMPLERS, INPAINTING, RESTORING)
}

__all__ = [
    "AUGMENTATION",
    "INPAINTING",
    "RATE_DISTORTION",
    "RESTORING",
    "RESULTS",
    "SAMPLERS",
    "SIX_LOSSES",
    "STUDIES",
    "TRADE_OFF",
    "AgreeingGAN",
    "Study",
    "augmentation",
    "classifier_distance",
    "read",
    "reproduce",
    "train_hybrid",
]

"""Named, resumable tables over seeds and variants; one file a chapter."""

from gencourse.studies.autoencoder import RATE_DISTORTION
from gencourse.studies.engine import RESULTS, Study, read, reproduce
from gencourse.studies.gan import AUGMENTATION, SIX_LOSSES, AgreeingGAN, augmentation

STUDIES = {study.name: study for study in (RATE_DISTORTION, SIX_LOSSES, AUGMENTATION)}

__all__ = [
    "AUGMENTATION",
    "RATE_DISTORTION",
    "RESULTS",
    "SIX_LOSSES",
    "STUDIES",
    "AgreeingGAN",
    "Study",
    "augmentation",
    "read",
    "reproduce",
]

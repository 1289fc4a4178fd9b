"""Named, resumable tables over seeds and variants; one file a chapter."""

from gencourse.studies.autoencoder import RATE_DISTORTION
from gencourse.studies.engine import RESULTS, Study, read, reproduce

STUDIES = {study.name: study for study in (RATE_DISTORTION,)}

__all__ = ["RATE_DISTORTION", "RESULTS", "STUDIES", "Study", "read", "reproduce"]

"""Numbers that say how good a result is, each next to what it must be compared with."""

from gencourse.evaluation.anomaly import auroc, threshold_at
from gencourse.evaluation.baselines import PCA, MeanPicture
from gencourse.evaluation.features import features_of, kmeans_purity, linear_probe, two_sample_accuracy
from gencourse.evaluation.pictures import errors_of, psnr, reconstruction_error, ssim

__all__ = [
    "PCA",
    "MeanPicture",
    "auroc",
    "errors_of",
    "features_of",
    "kmeans_purity",
    "linear_probe",
    "psnr",
    "reconstruction_error",
    "ssim",
    "threshold_at",
    "two_sample_accuracy",
]

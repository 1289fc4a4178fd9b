"""Numbers that say how good a result is, each next to what it must be compared with."""

from gencourse.evaluation.anomaly import anomaly_scores, auroc, threshold_at
from gencourse.evaluation.baselines import PCA, CodeMixture, MeanPicture, conditional_mean
from gencourse.evaluation.checkup import check_judge, check_modes, check_seeds
from gencourse.evaluation.classifier import (
    CLASSIFIERS,
    Judge,
    PictureClassifier,
    classifier_distance,
    classifier_facts,
    classifier_of,
    digit_classifier,
    picture_classifier,
    score_digits,
    share_right,
)
from gencourse.evaluation.codes import ClusterResult, CodeReport, cluster_result, code_report, label_probe
from gencourse.evaluation.divergence import kl_estimate
from gencourse.evaluation.features import features_of, kmeans_purity, linear_probe, two_sample_accuracy
from gencourse.evaluation.inception import fid, inception_features
from gencourse.evaluation.panel import MEANING, Panel, panel
from gencourse.evaluation.pictures import errors_of, psnr, reconstruction_error, ssim
from gencourse.evaluation.samples import (
    choose_sigma,
    class_entropy,
    frechet_distance,
    frechet_from_features,
    kernel_distance,
    mode_coverage,
    nearest_neighbours,
    parzen_log_likelihood,
    precision_recall,
)
from gencourse.evaluation.uncertainty import extrapolated_distance, frechet_bias, seed_interval

__all__ = [
    "CLASSIFIERS",
    "MEANING",
    "PCA",
    "ClusterResult",
    "CodeMixture",
    "CodeReport",
    "Judge",
    "MeanPicture",
    "Panel",
    "PictureClassifier",
    "anomaly_scores",
    "auroc",
    "check_judge",
    "check_modes",
    "check_seeds",
    "choose_sigma",
    "class_entropy",
    "classifier_distance",
    "classifier_facts",
    "classifier_of",
    "cluster_result",
    "code_report",
    "conditional_mean",
    "digit_classifier",
    "errors_of",
    "extrapolated_distance",
    "features_of",
    "fid",
    "frechet_bias",
    "frechet_distance",
    "frechet_from_features",
    "inception_features",
    "kernel_distance",
    "kl_estimate",
    "kmeans_purity",
    "label_probe",
    "linear_probe",
    "mode_coverage",
    "nearest_neighbours",
    "panel",
    "parzen_log_likelihood",
    "picture_classifier",
    "precision_recall",
    "psnr",
    "reconstruction_error",
    "score_digits",
    "seed_interval",
    "share_right",
    "ssim",
    "threshold_at",
    "two_sample_accuracy",
]

"""Matplotlib pictures, one function a figure."""

from gencourse.figures.aae import aae_idea
from gencourse.figures.ae_gan import ae_gan_idea, dirac_paths, gaussian_frontier, trade_off
from gencourse.figures.autoencoder import (
    autoencoder_idea,
    code_planes,
    conditional_mean,
    cross_entropy_floor,
    rate_distortion,
    score_field,
    score_histograms,
)
from gencourse.figures.gan import (
    best_discriminator,
    distance_over_time,
    gan_idea,
    generator_pulls,
    point_clouds,
)
from gencourse.figures.layers import layers
from gencourse.figures.mae import hidden_curves, mae_idea, mask_ratio_curves, position_map
from gencourse.figures.measuring import checkup_chart, distance_line, panel_points, search_curves, task_chart
from gencourse.figures.method_map import method_map
from gencourse.figures.pictures import panel, picture_rows, scatter_codes
from gencourse.figures.scaling import step_times
from gencourse.figures.table import Table, table
from gencourse.figures.training import rate_curve

__all__ = [
    "Table",
    "aae_idea",
    "ae_gan_idea",
    "autoencoder_idea",
    "best_discriminator",
    "checkup_chart",
    "code_planes",
    "conditional_mean",
    "cross_entropy_floor",
    "dirac_paths",
    "distance_line",
    "distance_over_time",
    "gan_idea",
    "gaussian_frontier",
    "generator_pulls",
    "hidden_curves",
    "layers",
    "mae_idea",
    "mask_ratio_curves",
    "method_map",
    "panel",
    "panel_points",
    "picture_rows",
    "point_clouds",
    "position_map",
    "rate_curve",
    "rate_distortion",
    "scatter_codes",
    "score_field",
    "score_histograms",
    "search_curves",
    "step_times",
    "table",
    "task_chart",
    "trade_off",
]

"""Matplotlib pictures, one function a figure."""

from gencourse.figures.autoencoder import (
    autoencoder_idea,
    code_planes,
    conditional_mean,
    cross_entropy_floor,
    rate_distortion,
    score_field,
    score_histograms,
)
from gencourse.figures.gan import best_discriminator, gan_idea, generator_pulls, point_clouds
from gencourse.figures.method_map import method_map
from gencourse.figures.pictures import panel, picture_rows, scatter_codes
from gencourse.figures.table import Table, table

__all__ = [
    "Table",
    "autoencoder_idea",
    "best_discriminator",
    "code_planes",
    "conditional_mean",
    "cross_entropy_floor",
    "gan_idea",
    "generator_pulls",
    "method_map",
    "panel",
    "picture_rows",
    "point_clouds",
    "rate_distortion",
    "scatter_codes",
    "score_field",
    "score_histograms",
    "table",
]

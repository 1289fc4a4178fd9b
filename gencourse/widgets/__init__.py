"""Live figures that need no kernel: one import-free ES module and one anywidget class each. And controls that do."""

from gencourse.widgets.autoencoder_lab import AutoencoderLab
from gencourse.widgets.dirac_game import DiracGame
from gencourse.widgets.explorers import (
    explore_codes,
    explore_hybrid,
    explore_masks,
    explore_prior,
    explore_ring_gan,
)
from gencourse.widgets.gan_lab import GanLab
from gencourse.widgets.latent_explorer import LatentExplorer
from gencourse.widgets.latent_planes import LatentPlanes
from gencourse.widgets.masked_digit import MaskedDigit, masked_digit_model
from gencourse.widgets.measured_explorers import explore_sample_size, explore_step_time
from gencourse.widgets.panel_explorer import PanelExplorer
from gencourse.widgets.process_gain import ProcessGain
from gencourse.widgets.run_player import RunPlayer, record_run
from gencourse.widgets.trade_off import TradeOff

__all__ = [
    "AutoencoderLab",
    "DiracGame",
    "GanLab",
    "LatentExplorer",
    "LatentPlanes",
    "MaskedDigit",
    "PanelExplorer",
    "ProcessGain",
    "RunPlayer",
    "TradeOff",
    "explore_codes",
    "explore_hybrid",
    "explore_masks",
    "explore_prior",
    "explore_ring_gan",
    "explore_sample_size",
    "explore_step_time",
    "masked_digit_model",
    "record_run",
]

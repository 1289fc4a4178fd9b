"""Live figures that need no kernel: one import-free ES module and one anywidget class each."""

from gencourse.widgets.dirac_game import DiracGame
from gencourse.widgets.latent_explorer import LatentExplorer
from gencourse.widgets.run_player import RunPlayer, record_run

__all__ = ["DiracGame", "LatentExplorer", "RunPlayer", "record_run"]

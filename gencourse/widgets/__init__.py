"""Live figures that need no kernel: one import-free ES module and one anywidget class each."""

from gencourse.widgets.latent_explorer import LatentExplorer

__all__ = ["LatentExplorer"]

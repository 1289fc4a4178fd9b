"""What can be named on the command line, known without importing torch: for help and for shell completion."""

from __future__ import annotations

__all__ = ["DATA", "METHODS", "RUN_FILES", "complete_data", "complete_method", "complete_source"]

METHODS = (
    "autoencoder", "gan", "vae", "aegan", "adaptiveaegan", "samplingaegan", "vaegan",
    "restorer", "pairedaegan", "holefiller", "contextencoder",
    "aae", "wae", "labelledaae", "conditionalaae", "clusteringaae", "semisupervisedaae",
    "mae", "allpatchesmae", "maskedconvautoencoder",
)  # fmt: skip
"""Methods that `gencourse train` knows: classes of `gencourse.methods` in small letters."""

DATA = ("mnist", "fashion_mnist", "cifar10", "digits")
"""Data sets by name."""

RUN_FILES = (
    "config.json", "history.json", "history.csv", "curves.png", "pictures.png", "samples.png", "reconstructions.png",
    "index.html",
)  # fmt: skip
"""What `gencourse train` writes into a run's folder, beside its checkpoint."""


def complete_method(incomplete: str) -> list[str]:
    """Methods that start so."""
    return [name for name in METHODS if name.startswith(incomplete.lower())]


def complete_data(incomplete: str) -> list[str]:
    """Data sets that start so; the shell completes folders."""
    return [name for name in DATA if name.startswith(incomplete)]


def complete_source(incomplete: str) -> list[str]:
    """Shipped networks that start so; the shell completes run folders and files."""
    return complete_method(incomplete)

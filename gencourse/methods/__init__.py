"""One file a chapter: networks, losses, and the order of the updates."""

from gencourse.methods.autoencoder import Autoencoder

__all__ = ["Autoencoder"]

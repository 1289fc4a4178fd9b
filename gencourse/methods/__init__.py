"""One file a chapter: networks, losses, and the order of the updates."""

from gencourse.methods.autoencoder import Autoencoder
from gencourse.methods.dirac import dirac_eigenvalues, dirac_flow, dirac_path, dirac_step
from gencourse.methods.gan import GAN
from gencourse.methods.mae import MAE, Classifier, MaskedConvAutoencoder

__all__ = [
    "GAN",
    "MAE",
    "Autoencoder",
    "Classifier",
    "MaskedConvAutoencoder",
    "dirac_eigenvalues",
    "dirac_flow",
    "dirac_path",
    "dirac_step",
]

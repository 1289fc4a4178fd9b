"""One file a chapter: networks, losses, and the order of the updates."""

from gencourse.methods.ae_gan import AEGAN, ContextEncoder, PairedAEGAN, degraded
from gencourse.methods.autoencoder import Autoencoder
from gencourse.methods.dirac import dirac_eigenvalues, dirac_flow, dirac_path, dirac_step
from gencourse.methods.gan import GAN
from gencourse.methods.vae import VAE

__all__ = [
    "AEGAN",
    "GAN",
    "VAE",
    "Autoencoder",
    "ContextEncoder",
    "PairedAEGAN",
    "degraded",
    "dirac_eigenvalues",
    "dirac_flow",
    "dirac_path",
    "dirac_step",
]

"""One file a chapter: networks, losses, and the order of the updates."""

from gencourse.methods.aae import AAE, WAE
from gencourse.methods.ae_gan import AEGAN, ContextEncoder, PairedAEGAN, degraded
from gencourse.methods.autoencoder import Autoencoder
from gencourse.methods.dirac import dirac_eigenvalues, dirac_flow, dirac_path, dirac_step
from gencourse.methods.gan import GAN
from gencourse.methods.load import load
from gencourse.methods.mae import MAE, Classifier, MaskedConvAutoencoder
from gencourse.methods.priors import CategoricalPrior, GaussianPrior, MixturePrior, Prior, SwissRollPrior
from gencourse.methods.vae import VAE

__all__ = [
    "AAE",
    "AEGAN",
    "GAN",
    "MAE",
    "VAE",
    "WAE",
    "Autoencoder",
    "CategoricalPrior",
    "Classifier",
    "ContextEncoder",
    "GaussianPrior",
    "MaskedConvAutoencoder",
    "MixturePrior",
    "PairedAEGAN",
    "Prior",
    "SwissRollPrior",
    "degraded",
    "dirac_eigenvalues",
    "dirac_flow",
    "dirac_path",
    "dirac_step",
    "load",
]

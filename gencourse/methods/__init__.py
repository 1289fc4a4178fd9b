"""One class, one algorithm: networks, losses, and the order of the updates."""

from gencourse.methods.aae import AAE, WAE
from gencourse.methods.aae_labels import ClusteringAAE, ConditionalAAE, LabelledAAE, SemiSupervisedAAE
from gencourse.methods.ae_gan import AEGAN, AdaptiveAEGAN, SamplingAEGAN
from gencourse.methods.autoencoder import Autoencoder
from gencourse.methods.classifier import Classifier
from gencourse.methods.dirac import dirac_eigenvalues, dirac_flow, dirac_path, dirac_step
from gencourse.methods.gan import GAN
from gencourse.methods.load import load
from gencourse.methods.mae import MAE, AllPatchesMAE
from gencourse.methods.masked_conv import MaskedConvAutoencoder
from gencourse.methods.paired import ContextEncoder, HoleFiller, PairedAEGAN, Restorer, degraded
from gencourse.methods.priors import CategoricalPrior, GaussianPrior, MixturePrior, Prior, SwissRollPrior
from gencourse.methods.trained import load_trained, trained_facts, trained_names
from gencourse.methods.vae import VAE
from gencourse.methods.vae_gan import VAEGAN

__all__ = [
    "AAE",
    "AEGAN",
    "GAN",
    "MAE",
    "VAE",
    "VAEGAN",
    "WAE",
    "AdaptiveAEGAN",
    "AllPatchesMAE",
    "Autoencoder",
    "CategoricalPrior",
    "Classifier",
    "ClusteringAAE",
    "ConditionalAAE",
    "ContextEncoder",
    "GaussianPrior",
    "HoleFiller",
    "LabelledAAE",
    "MaskedConvAutoencoder",
    "MixturePrior",
    "PairedAEGAN",
    "Prior",
    "Restorer",
    "SamplingAEGAN",
    "SemiSupervisedAAE",
    "SwissRollPrior",
    "degraded",
    "dirac_eigenvalues",
    "dirac_flow",
    "dirac_path",
    "dirac_step",
    "load",
    "load_trained",
    "trained_facts",
    "trained_names",
]

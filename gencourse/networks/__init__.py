"""Tensors through: the building blocks that the methods are made of. There is no loss in this room."""

from gencourse.networks.augment import Augment
from gencourse.networks.conv import ConvDecoder, ConvEncoder, conv_stages, he_init
from gencourse.networks.gan import (
    Discriminator,
    Generator,
    UpsampleConv2d,
    conv_discriminator,
    conv_generator,
    dcgan_discriminator,
    dcgan_generator,
    dense_discriminator,
    dense_generator,
    has_batch_norm,
    normalise_spectrum,
)
from gencourse.networks.mlp import mlp
from gencourse.networks.noisy import GaussianEncoder, NoisyEncoder
from gencourse.networks.plan import Plan
from gencourse.networks.vit import (
    TransformerBlock,
    ViTDecoder,
    ViTEncoder,
    attention,
    block_multiplications,
    fill_and_restore,
    patchify,
    random_masking,
    sincos_positions,
    split_by_mask,
    unpatchify,
)

__all__ = [
    "Augment",
    "ConvDecoder",
    "ConvEncoder",
    "Discriminator",
    "GaussianEncoder",
    "Generator",
    "NoisyEncoder",
    "Plan",
    "TransformerBlock",
    "UpsampleConv2d",
    "ViTDecoder",
    "ViTEncoder",
    "attention",
    "block_multiplications",
    "conv_discriminator",
    "conv_generator",
    "conv_stages",
    "dcgan_discriminator",
    "dcgan_generator",
    "dense_discriminator",
    "dense_generator",
    "fill_and_restore",
    "has_batch_norm",
    "he_init",
    "mlp",
    "normalise_spectrum",
    "patchify",
    "random_masking",
    "sincos_positions",
    "split_by_mask",
    "unpatchify",
]

"""Tensors through: the building blocks that the methods are made of. There is no loss in this room."""

from gencourse.networks.conv import ConvDecoder, ConvEncoder, conv_stages, he_init
from gencourse.networks.mlp import mlp

__all__ = ["ConvDecoder", "ConvEncoder", "conv_stages", "he_init", "mlp"]

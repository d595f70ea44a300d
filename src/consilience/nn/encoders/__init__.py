"""From a part of a batch to vectors, a family of networks a kind of modality."""

from consilience.nn.encoders.attention import GatedAttention
from consilience.nn.encoders.encoder import Encoder, EncoderSettings, default_encoder, encoder_for
from consilience.nn.encoders.feature_transformer import FeatureTokens, FeatureTransformer
from consilience.nn.encoders.given import TorchModule
from consilience.nn.encoders.mlp import MLP
from consilience.nn.encoders.pooling import TransformerPooling
from consilience.nn.encoders.residual import ResidualNetwork
from consilience.nn.encoders.self_normalising import SelfNormalising

__all__ = [
    "MLP",
    "Encoder",
    "EncoderSettings",
    "FeatureTokens",
    "FeatureTransformer",
    "GatedAttention",
    "ResidualNetwork",
    "SelfNormalising",
    "TorchModule",
    "TransformerPooling",
    "default_encoder",
    "encoder_for",
]

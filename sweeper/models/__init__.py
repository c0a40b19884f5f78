"""Builders: a configuration and a few sizes in, a keras.Model out."""

from .build import Sizes, build_classifier, build_encoder_decoder, build_tagger
from .decoder import EncoderDecoder

__all__ = ["EncoderDecoder", "Sizes", "build_classifier", "build_encoder_decoder", "build_tagger"]

"""Builders: a configuration and a few sizes in, a keras.Model out."""

from .build import CharacterSizes, Sizes, build_classifier, build_encoder_decoder, build_generator, build_tagger
from .encoder_decoder import EncoderDecoder
from .generator import Generator

__all__ = [
    "CharacterSizes",
    "EncoderDecoder",
    "Generator",
    "Sizes",
    "build_classifier",
    "build_encoder_decoder",
    "build_generator",
    "build_tagger",
]

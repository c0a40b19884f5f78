"""Builders: a configuration and a few sizes in, a keras.Model out."""

from .build import Sizes, build_classifier, build_tagger

__all__ = ["Sizes", "build_classifier", "build_tagger"]

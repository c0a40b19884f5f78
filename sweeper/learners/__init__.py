"""What trains a model: a learner for labels, one for sequences that are written, and one for texts that are told."""

from .build import DECODING, as_served, build_learner, decoding, load, sizes, trained, vocabulary

__all__ = ["DECODING", "as_served", "build_learner", "decoding", "load", "sizes", "trained", "vocabulary"]

"""Encoder and decoder together: a source is read, a target is written."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from ..records import Configuration
from .beam import search
from .decoder import Decoder, Memory, Written


class EncoderDecoder(keras.Model):  # type: ignore[misc]
    """Reads a source and writes a target.

    Args:
        encoder: from ids, int32 (batch, time), 0 on padding, to a dictionary with the parts of `Memory`.
        longest: the most symbols that it writes, the `BOUNDARY` included.

    Attributes:
        beam_width, length_penalty: how `answer` searches; see `beam.search`.

    Call arguments:
        ids: int32 (batch, time).
        labels, real: the true target, as in `Decoder.call`.

    Returns:
        A dictionary: `logits` and `attention`, as in `Decoder.call`.
    """

    def __init__(self, encoder: keras.Model, decoder: Decoder, longest: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder, self.decoder, self.longest = encoder, decoder, longest
        self.beam_width, self.length_penalty = 1, 0.0
        one = tf.ones((1, 2), tf.int32)
        self(one, one, tf.cast(one, tf.bool))  # which makes every weight

    def call(self, ids: Any, labels: Any, real: Any, training: bool = False) -> dict[str, Any]:
        memory = Memory(**self.encoder(ids, training=training))
        logits, attention = self.decoder(memory, labels, real, training=training)
        return {"logits": logits, "attention": attention}

    def write(self, ids: Any) -> Written:
        """Targets for sources, int32 (batch, time), greedily."""
        return self.decoder.write(Memory(**self.encoder(ids, training=False)), self.longest)

    def answer(self, ids: Any) -> Any:
        """Targets for sources, int32 (batch, time), both; by beam search where that was found to be better."""
        if self.beam_width == 1:
            return self.write(ids).symbols
        return self.search(ids, self.beam_width, self.length_penalty)

    def search(self, ids: Any, width: Any, length_penalty: Any) -> Any:
        """As `answer`, by beam search."""
        memory = Memory(**self.encoder(ids, training=False))
        return search(self.decoder, memory, self.longest, width, length_penalty)


def forcing(configuration: Configuration, epochs: int) -> float:
    """The share of true symbols among those that training shows a decoder, after so many epochs.

    Source: Bengio et al. 2015, "Scheduled Sampling for Sequence Prediction", section 2.4, by epoch where the paper
    counts batches.
    """
    decay = configuration.get("forcing_decay", 0.0)
    match configuration.get("teacher_forcing", "always"):
        case "linear":
            return float(max(0.0, 1.0 - decay * epochs))
        case "exponential":
            return float((1.0 - decay) ** epochs)
        case "inverse_sigmoid":  # k / (k + e^(i / k)) with k = 1 / d, both divided by e^(i / k), which could overflow
            still = math.exp(-decay * epochs)
            return float(still / (still + decay))
        case _:
            return 1.0

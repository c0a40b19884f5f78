"""What `data.linear` says of a text, by stock TensorFlow ops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from ..data.linear import NONE, PAIR, Linear
from ..data.store import Prepared, open_encoded, open_linear
from ..data.tokens import TokenOptions, tokenize
from ..records import UNKNOWN, Configuration


class LinearScores(tf.Module):  # type: ignore[misc]
    """The scores of a linear classifier over n-grams.

    Args:
        linear: fitted.
        vocabulary: words by the ids that its codes are made of.
    """

    def __init__(self, linear: Linear, vocabulary: Sequence[str]) -> None:
        super().__init__()
        used = np.unique(np.concatenate([linear.codes & (2**PAIR - 1), linear.codes >> PAIR]))
        used = used[used > UNKNOWN]
        words = tf.constant([vocabulary[place] for place in used], tf.string, shape=[len(used)])
        # Words that are in no feature count as unknown, which is in none either.
        self.words = _table(words, tf.constant(used, tf.int64), UNKNOWN)
        self.features = _table(tf.constant(linear.codes), tf.range(len(linear.codes), dtype=tf.int64), NONE)
        self.values = tf.constant(linear.values)
        self.coefficients = tf.Variable(linear.coefficients, trainable=False)
        self.intercepts = tf.constant(linear.intercepts)
        self._counts = linear.weighting == "tfidf"

    @classmethod
    def of(cls, prepared: Prepared, configuration: Configuration) -> LinearScores:
        """Those that a configuration joins to its summary."""
        vocabulary = open_encoded(prepared, "words", lowercase=True).vocabulary
        return cls(open_linear(prepared, configuration["weighting"]), vocabulary)

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        """float32 (batch, labels), as `Linear.scores`.

        Args:
            text: string (batch,).
        """
        rows, features, counts = self._occurring(text)
        batch = tf.size(text, tf.int64)
        values = tf.ones_like(counts)
        if self._counts:
            values = (1 + tf.math.log(counts)) * tf.gather(self.values, features)
            values /= tf.sqrt(tf.gather(tf.math.unsorted_segment_sum(values**2, rows, batch), rows))
        weighted = values[:, None] * tf.gather(self.coefficients, features)
        return tf.math.unsorted_segment_sum(weighted, rows, batch) + self.intercepts

    def _occurring(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Text, feature and float32 count of every feature that stands in some text."""
        tokens = tokenize(text, TokenOptions("words", lowercase=True))
        ids, rows = self.words.lookup(tokens.flat_values), tokens.value_rowids()
        neighbours = rows[1:] == rows[:-1]
        pairs = tf.boolean_mask(ids[:-1] * 2**PAIR + ids[1:], neighbours)
        codes = tf.concat([ids, pairs], axis=0)
        rows = tf.concat([rows, tf.boolean_mask(rows[1:], neighbours)], axis=0)
        places = self.features.lookup(codes)
        known = places != NONE
        width = self.features.size()
        each, _, counts = tf.unique_with_counts(
            tf.boolean_mask(rows, known) * width + tf.boolean_mask(places, known), tf.int64
        )
        return each // width, each % width, tf.cast(counts, tf.float32)


def _table(keys: tf.Tensor, values: tf.Tensor, default: int) -> tf.lookup.StaticHashTable:
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)

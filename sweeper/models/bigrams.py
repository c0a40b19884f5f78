"""Tokens by themselves and the next one: where characters are read, two make a word; of words, a phrase."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from .recurrent import drop_words

BIGRAMS = "bigrams"  # name of the lookup
ROWS = 2**15  # vectors, of which every pair has one; several pairs may have the same
SPREAD = 7_919  # a prime: pairs of which one token is the same get rows far apart


def bigrams(ids: Any, *, units: int, dropout: float, seed: int) -> Any:
    """A vector for each token and the next one; the last token of a text stands alone.

    Args:
        ids: int32 (batch, time), 0 on padding.
        dropout: share of the vectors that are zeroed whole in training.

    Returns:
        float (batch, time, units); meaningless on padding.

    Source: character bigrams as Zhang and Yang 2018, section 3.1, read them; their rows are hashed (Weinberger et al.
    2009), so that pairs which training lacks need no entry.
    """
    following = ops.pad(ids[:, 1:], [[0, 0], [0, 1]])
    initializer = keras.initializers.RandomUniform(-0.05, 0.05, seed=seed)
    lookup = keras.layers.Embedding(ROWS, units, embeddings_initializer=initializer, name=BIGRAMS)
    return drop_words(lookup(ops.mod(ids * SPREAD + following, ROWS)), dropout, seed, "bigram_dropout")

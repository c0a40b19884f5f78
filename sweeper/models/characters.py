"""Words by their casing and characters."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..records import PADDING
from .recurrent import last_state, recurrent_stack

CASING, CHARACTERS = "casing", "characters"  # names of the lookups
WINDOW = 3  # characters that a filter sees
CHARACTER_UNITS, CASING_UNITS = 30, 6  # widths of their embeddings


def character_features(
    word_characters: Any,
    places: Any,
    *,
    characters: str,
    units: int,
    cell: str,
    alphabet: int,
    casings: int,
    seed: int,
    kernel: str,
) -> Any:
    """A vector for each token, from how it is written.

    Args:
        word_characters: int32 (words, 1 + characters): casing and characters of different words, 0 on padding.
        places: int32 (batch, time): which of these each token is.
        characters: "cnn" (the largest answer of each of `units` filters over `WINDOW` characters: Ma and Hovy 2016,
            section 2.1) or "rnn" (the last states of `units` in both directions: Lample et al. 2016, section 4.1).
        alphabet, casings: how many ids of each.
        kernel: see `recurrent_stack`.

    Returns:
        float (batch, time, features); meaningless on padding.
    """
    of_casing = keras.layers.Embedding(casings, CASING_UNITS, name=CASING)(word_characters[:, 0])
    ids = word_characters[:, 1:]
    real = ops.not_equal(ids, PADDING)
    initializer = keras.initializers.RandomUniform(-0.3, 0.3, seed=seed)  # of variance 3 / 100
    x = keras.layers.Embedding(alphabet, CHARACTER_UNITS, embeddings_initializer=initializer, name=CHARACTERS)(ids)
    if characters == "cnn":
        shown = ops.expand_dims(ops.cast(real, x.dtype), -1)
        filters = keras.layers.Conv1D(
            units, WINDOW, padding="same", activation="relu", kernel_initializer=_glorot(seed), name="filters"
        )
        summary = ops.max(filters(x) * shown, axis=1)  # what follows a word's last character tells that it ends
    else:
        # cuDNN reads no empty sequence, so that padding counts as one character; nobody reads what it gives.
        mask = ops.logical_or(real, ops.equal(ops.arange(ids.shape[1]), 0))
        states, _ = recurrent_stack(
            x, mask, cell=cell, direction="both", depth=1, units=units, seed=seed, kernel=kernel, name=f"{CHARACTERS}_"
        )
        summary = last_state(states, mask, "both")
    of_word = keras.layers.Concatenate(name="of_words")([of_casing, summary])
    return ops.take(of_word, places, axis=0)


def _glorot(seed: int) -> Any:
    return keras.initializers.GlorotUniform(seed=seed)

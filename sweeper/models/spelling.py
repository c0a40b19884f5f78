"""Words by their casing and characters."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..layers.grouped import Regrouped
from .recurrent import last_state, recurrent_stack

WINDOW = 3  # characters that a filter sees
CHARACTER_UNITS, CASING_UNITS = 30, 6  # widths of their embeddings


def spell(
    spellings: Any, *, characters: str, units: int, cell: str, alphabet: int, casings: int, seed: int, kernel: str
) -> Any:
    """A vector for each word, from how it is written.

    Args:
        spellings: int32 (batch, time, 1 + characters): casing and characters, 0 on padding.
        characters: "cnn" (the largest answer of each of `units` filters over `WINDOW` characters: Ma and Hovy 2016,
            section 2.1) or "rnn" (the last states of `units` in both directions: Lample et al. 2016, section 4.1).
        alphabet, casings: how many ids of each.
        kernel: see `recurrent_stack`.

    Returns:
        float (batch, time, features); casing's features, of padding too, are learned, those of its characters are zeros.
    """
    of_casing = keras.layers.Embedding(casings, CASING_UNITS, name="casing")(spellings[:, :, 0])
    flat = ops.reshape(spellings[:, :, 1:], (-1, spellings.shape[-1] - 1))
    real = ops.not_equal(flat, 0)
    initializer = keras.initializers.RandomUniform(-0.3, 0.3, seed=seed)  # of variance 3 / 100
    x = keras.layers.Embedding(alphabet, CHARACTER_UNITS, embeddings_initializer=initializer, name="characters")(flat)
    if characters == "cnn":
        shown = ops.expand_dims(ops.cast(real, x.dtype), -1)
        filters = keras.layers.Conv1D(
            units, WINDOW, padding="same", activation="relu", kernel_initializer=_glorot(seed), name="filters"
        )
        summary = ops.max(filters(x * shown) * shown, axis=1)
    else:
        states, _ = recurrent_stack(
            x, real, cell=cell, direction="both", depth=1, units=units, seed=seed, kernel=kernel, name="characters_"
        )
        summary = last_state(states, real, "both")
        some = ops.cast(ops.any(real, axis=1, keepdims=True), summary.dtype)
        summary = summary * some
    return keras.layers.Concatenate(name="spelled")([of_casing, Regrouped(name="by_word")(summary, spellings)])


def _glorot(seed: int) -> Any:
    return keras.initializers.GlorotUniform(seed=seed)

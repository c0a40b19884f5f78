"""Rows that belong to the words of texts, brought back to their places."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="sweeper")
class Regrouped(keras.layers.Layer):  # type: ignore[misc]
    """The inverse of making one long list of the words of a batch.

    Call arguments:
        rows: float (batch * time, features).
        like: any (batch, time, ...).

    Returns:
        float (batch, time, features).
    """

    def call(self, rows: Any, like: Any) -> Any:
        shape = ops.shape(like)
        return ops.reshape(rows, (shape[0], shape[1], rows.shape[-1]))

    def compute_output_shape(self, rows_shape: Any, like_shape: Any) -> Any:
        return (*like_shape[:2], rows_shape[-1])

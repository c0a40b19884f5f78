"""A stock recurrent layer whose arithmetic is done by our own kernels, for training on a CPU."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ..kernels.recurrent import DirectionKernel, Recurrence

CELLS = {keras.layers.SimpleRNN: "simple_rnn", keras.layers.GRU: "gru", keras.layers.LSTM: "lstm"}


class PackedRecurrent(keras.layers.Layer):  # type: ignore[misc]
    """Holds a stock layer and its weights, and computes what it would compute with masked input.

    Args:
        layer: SimpleRNN, GRU, LSTM with `return_sequences`, or a Bidirectional of one.
        rows: x holds rows of the layer's own input kernel; see `models.recurrent`.

    Call arguments:
        x: float32 (batch, time, features).
        mask: bool (batch, time), False on padding, which is on the right.
        firsts: for each direction the state before the first word read, float32 (batch, units), or of an LSTM
            (batch, 2 * units), its cell state beside it; None for zeros.

    Returns:
        A list. States, float32 (batch, time, units), or (batch, time, 2 * units), forward states
        first; a state stands at the step of the word that was read last. Padding has zeros, where
        the stock layer repeats a state. Then for each direction the last state, shaped as `firsts`.
    """

    def __init__(self, layer: keras.layers.Layer, *, rows: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.rows = rows
        both = isinstance(layer, keras.layers.Bidirectional)
        self._parts = [layer.forward_layer, layer.backward_layer] if both else [layer]
        self._kernel = Recurrence([DirectionKernel(CELLS[type(part)], part.go_backwards, rows) for part in self._parts])

    def build(self, x_shape: Any, mask_shape: Any = None, firsts_shape: Any = None) -> None:
        self.layer.build(x_shape)

    def compute_output_shape(self, x_shape: Any, mask_shape: Any = None, firsts_shape: Any = None) -> Any:
        states = (*x_shape[:2], sum(part.units for part in self._parts))
        return [states, *((x_shape[0], _width(part)) for part in self._parts)]

    def call(self, x: Any, mask: Any, firsts: Any = None, training: bool = False) -> Any:
        firsts = [tf.zeros((0, _width(part))) for part in self._parts] if firsts is None else firsts
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        masks = [self._dropout(part.cell, tf.shape(x)[0], training) for part in self._parts]
        weights = [tf.convert_to_tensor(w) for part in self._parts for w in _weights(part.cell)]
        kernel, given = self._kernel, [x, *firsts, *weights]
        shapes = self.compute_output_shape(x.shape)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(*given: Any) -> Any:
            x, firsts, weights = given[0], given[1 : 1 + len(masks)], given[1 + len(masks) :]
            found = tf.numpy_function(
                kernel.forward, [x, lengths, *firsts, *masks, *weights], [tf.float32] * len(shapes)
            )
            for one, shape in zip(found, shapes, strict=True):
                one.set_shape(shape)

            def gradient(*d_found: Any) -> Any:
                found = tf.numpy_function(kernel.gradient, d_found, [tf.float32] * len(given))
                for one, of in zip(found, given, strict=True):
                    one.set_shape(of.shape)
                return found

            return found, gradient

        return run(*given)

    def _dropout(self, cell: Any, batch: Any, training: bool) -> Any:
        """One mask of the state for all steps (Gal and Ghahramani 2016), float32 (batch, units), or (0, units)."""
        if not training or not cell.recurrent_dropout:
            return tf.zeros((0, cell.units))
        return keras.random.dropout(tf.ones((batch, cell.units)), cell.recurrent_dropout, seed=cell.seed_generator)


def _weights(cell: Any) -> tuple[Any, Any, Any]:
    return cell.kernel, cell.recurrent_kernel, cell.bias


def _width(part: Any) -> int:
    """Columns of what one step hands to the next."""
    return int(part.units) * (2 if isinstance(part, keras.layers.LSTM) else 1)

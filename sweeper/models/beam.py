"""Beam search: several beginnings of a target at a time."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ..records import BOUNDARY
from .decoder import IMPOSSIBLE, Decoder, Memory


def search(decoder: Decoder, memory: Memory, longest: int, width: Any, length_penalty: Any) -> Any:
    """Targets by beam search: of `width` beginnings at a time, the best by log-probability / length^penalty.

    Args:
        width: int, tensor or not, at least 1; 1 is `write`.
        length_penalty: float; 0 for the most probable target, 1 for the most probable symbols.

    Returns:
        int32 (batch, longest), `BOUNDARY` after the end.
    """
    batch = tf.shape(memory.mask)[0]
    memory = Memory(*(tf.repeat(part, width, axis=0) for part in memory))
    context, states = decoder.begin(memory)
    one = tf.one_hot(tf.zeros([batch], tf.int32), width, on_value=0.0, off_value=IMPOSSIBLE)
    nothing = tf.zeros([batch, width], tf.int32)
    rows = tf.range(batch)[:, None] * width

    def goes_on(t: Any, written: Any, length: Any, ended: Any, *_: Any) -> Any:
        return (t < longest) & ~tf.reduce_all(ended)

    def step(t: Any, written: Any, length: Any, ended: Any, score: Any, states: Any, fed: Any) -> Any:
        previous = tf.cond(t > 0, lambda: written[:, :, tf.maximum(t - 1, 0)], lambda: nothing)
        logits, _, states, fed = decoder.step(tf.reshape(previous, [-1]), states, fed, memory, context)
        each = tf.reshape(decoder.possible(tf.nn.log_softmax(logits)), [batch, width, decoder.symbols])
        only_end = tf.one_hot(BOUNDARY, decoder.symbols, on_value=0.0, off_value=IMPOSSIBLE)
        total = score[:, :, None] + tf.where(ended[:, :, None], only_end, each)
        length = length + tf.cast(~ended, tf.int32)
        ranked = total / tf.cast(length, tf.float32)[:, :, None] ** length_penalty
        best = tf.math.top_k(tf.reshape(ranked, [batch, -1]), width).indices
        source, symbol = best // decoder.symbols, best % decoder.symbols
        flat = tf.reshape(rows + source, [-1])
        written, length, ended = (tf.gather(one, source, batch_dims=1) for one in (written, length, ended))
        written = tf.where(tf.range(longest) == t, symbol[:, :, None], written)
        score = tf.gather(tf.reshape(total, [batch, -1]), best, batch_dims=1)
        states, fed = [tf.gather(state, flat) for state in states], tf.gather(fed, flat)
        return t + 1, written, length, ended | (symbol == BOUNDARY), score, states, fed

    written = tf.fill([batch, width, longest], BOUNDARY)
    begin = [tf.constant(0), written, nothing, tf.cast(nothing, tf.bool), one, states, decoder.nothing(context)]
    return tf.while_loop(goes_on, step, begin)[1][:, 0]

"""From what an encoder has read to a sequence of symbols: contexts, decoders, attention, and how they are fused.

The `BOUNDARY` stands before the first symbol, and is written after the last one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ..layers.attention import LuongAttention
from ..layers.fusion import Fusion
from ..records import BOUNDARY, UNKNOWN, Configuration
from .recurrent import recurrent_layers, run_sequence, run_step, symbol_embedding

IMPOSSIBLE = -1e9  # as a log-probability
VECTORS_BESIDE = 64  # units of the embedding of what is written, where the source is read by pretrained vectors


class Memory(NamedTuple):
    """What an encoder hands on.

    Args:
        states: float (batch, time, width).
        mask: bool (batch, time), False on padding.
        last: float (batch, width), the state after the whole source was read; an LSTM's
            (batch, 2 * width), the cell state beside it.
    """

    states: Any
    mask: Any
    last: Any


class Written(NamedTuple):
    """What a decoder wrote.

    Args:
        symbols: int32 (batch, time), `BOUNDARY` after the end.
        attention: float (batch, time, source time): row t is what step t looked at; without attention zeros.
    """

    symbols: Any
    attention: Any


class Decoder(keras.layers.Layer):  # type: ignore[misc]
    """Scores the symbols of a target, each given those before it, or writes a target of its own.

    With c the context and y the embedding of the symbol before, the input of every step is

        initial_state   nothing; the first state is c
        repeat          c
        feedback        [c; y]
        start_token     y; the first state is c

    and c is, by `context`, the encoder's last state; a transform of it, tanh(W h + b); or such a
    transform of every state, averaged. With attention, the state h of a step is fused with what it
    attends to, a: by `fusion` it becomes h + W a, or tanh(W [a; h]), or W' tanh(W [a; h] + b) + b'. With
    `input_feeding` that is part of the next step's input too.

    Args:
        configuration: see `parameters`.
        symbols: how many there are.
        width: of the encoder's states, and of the decoder's own.
        kernel: see `recurrent.recurrent_stack`.
        shared: an embedding to read symbols by, and each symbol's row in it, int32 (symbols,); None for one of its own.

    Sources: Cho et al. 2014, "Learning Phrase Representations"; Sutskever, Vinyals and Le 2014, "Sequence to
    Sequence Learning"; Luong, Pham and Manning 2015, eq. 5 and section 3.3.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        symbols: int,
        width: int,
        seed: int,
        kernel: str,
        shared: tuple[keras.layers.Embedding, np.ndarray] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.kind, self.context = configuration["decoder"], configuration["context"]
        self.symbols, self.width = symbols, width
        self.input_feeding = configuration.get("input_feeding") == "yes"
        self.starts_from_context = self.kind in ("initial_state", "start_token")  # from the context
        self.state_width = width * (2 if configuration["cell"] == "lstm" else 1)
        self.samples = configuration.get("teacher_forcing", "always") != "always"
        self.coin_seed = keras.random.SeedGenerator(seed)
        self.forcing = self.add_weight(shape=(), initializer="ones", trainable=False, autocast=False, name="forcing")
        self.forcing.not_learned = True  # set before each epoch, see `SequenceLearner.begin_epoch`
        self.reads_previous = self.kind in ("feedback", "start_token")  # the symbol before
        self.embedding = None
        if self.reads_previous and configuration["input"] != "one_hot":
            units = configuration.get("embedding_units", VECTORS_BESIDE)
            self.embedding = symbol_embedding(symbols, units, seed, "target_embedding")
        self.places = None
        if shared is not None and self.embedding is not None:
            self.embedding, self.places = shared
        self.recurrent, self.readers = recurrent_layers(configuration, width, kernel=kernel, seed=seed, name="decoder")
        self.between = [_dropout(configuration["dropout"], seed + level) for level in range(len(self.recurrent))]
        self.projection = _dense(width, seed, "context", "tanh") if self.context != "last" else keras.layers.Identity()
        self.cell_projection = (
            _dense(width, seed, "context_cell")
            if self.starts_from_context and self.context != "last" and self.state_width > width
            else None
        )
        self.attention = (
            LuongAttention(configuration["attention"], configuration.get("attention_units", 1), name="attention")
            if configuration["attention"] != "none"
            else None
        )
        self.fusion = Fusion(configuration.get("fusion", "concat"), width, seed)
        self.head = _dense(symbols, seed, "softmax", dtype="float32")

    def build(self, *shapes: Any) -> None:
        """Sublayers are built by the first call, which `EncoderDecoder` makes."""

    def compute_mask(self, *args: Any, **kwargs: Any) -> None:
        return None

    # ------------------------------------------------------------ a whole target at once

    def call(self, memory: Memory, labels: Any, real: Any, training: bool = False) -> tuple[Any, Any]:
        """Score every symbol, given those of the true target before it.

        Args:
            labels: int32 (batch, time), the target with its `BOUNDARY`, and anything on padding.
            real: bool (batch, time), False on padding, which is on the right.

        Returns:
            Logits, float32 (batch, time, symbols), and attention as in `Written`.
        """
        previous = ops.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BOUNDARY)
        if self.input_feeding or (training and self.samples):
            return self._step_by_step(memory, previous, training)
        context, firsts = self.begin(memory)
        x = self._inputs(context, previous)
        for reader, between, first in zip(self.readers, self.between, firsts, strict=True):
            x = between(run_sequence(reader, x, real, first, self.width)[0], training=training)
        fused, attention = self._look(x, memory)
        return self.head(fused), attention

    def _step_by_step(self, memory: Memory, previous: Any, training: bool) -> tuple[Any, Any]:
        """As `call`, where a step needs what the step before it attended to, or chose."""
        context, states = self.begin(memory)
        steps = tf.shape(previous)[1]
        found = [tf.TensorArray(tf.float32, steps) for _ in range(2)]
        own = tf.zeros(tf.shape(previous), tf.bool)
        if training and self.samples:
            # A symbol of the model's own before every one but the first, by chance (Bengio et al. 2015).
            chance = keras.random.uniform(tf.shape(previous), seed=self.coin_seed)
            own = (chance >= self.forcing) & (tf.range(steps) > 0)

        def step(t: Any, best: Any, states: Any, fed: Any, logits: Any, attention: Any) -> Any:
            before = tf.where(own[:, t], best, previous[:, t])
            scores, looked, states, fed = self.step(before, states, fed, memory, context, training)
            best = self.choose(scores)
            return t + 1, best, states, fed, logits.write(t, scores), attention.write(t, looked)

        *_, logits, attention = tf.while_loop(
            lambda t, *_: t < steps,
            step,
            [tf.constant(0), previous[:, 0], states, self.nothing(context), *found],
        )
        return tuple(ops.transpose(array.stack(), (1, 0, 2)) for array in (logits, attention))

    # ------------------------------------------------------------ one step

    def begin(self, memory: Memory) -> tuple[Any, list[Any]]:
        """The context, float (batch, width), and the first state of each layer, float (batch, state width)."""
        last = memory.last[:, : self.width]
        if self.context == "projected_all":
            real = ops.cast(ops.expand_dims(memory.mask, -1), last.dtype)
            context = ops.sum(self.projection(memory.states) * real, axis=1) / ops.sum(real, axis=1)
        else:
            context = self.projection(last)
        if not self.starts_from_context:
            first = ops.zeros((ops.shape(context)[0], self.state_width), context.dtype)
        elif self.cell_projection is not None:
            first = ops.concatenate([context, self.cell_projection(context)], axis=-1)
        else:
            first = memory.last if self.context == "last" else context
        return context, [first] * len(self.recurrent)

    def step(
        self, previous: Any, states: list[Any], fed: Any, memory: Memory, context: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any], Any]:
        """Score the next symbol.

        Args:
            previous: int32 (batch,), the symbol before.
            states: of each layer, as `begin` gives them.
            fed: float (batch, width), what `input_feeding` feeds.

        Returns:
            Logits, float32 (batch, symbols); attention, float (batch, source time); the next step's `states` and `fed`.
        """
        x = self._inputs(context, previous[:, None], fed)[:, 0]
        after = []
        for layer, between, state in zip(self.recurrent, self.between, states, strict=True):
            found, last = run_step(layer, x, state, self.width)
            after.append(last)
            x = between(found, training=training)
        fused, looked = self._look(x[:, None], memory)
        return self.head(fused)[:, 0], looked[:, 0], after, fused[:, 0]

    def write(self, memory: Memory, longest: int) -> Written:
        """The symbol with the highest score, step by step, until all have ended or are `longest` symbols long."""
        context, states = self.begin(memory)
        batch = tf.shape(context)[0]
        found = [tf.TensorArray(kind, 0, dynamic_size=True) for kind in (tf.int32, tf.float32)]

        def goes_on(t: Any, _: Any, ended: Any, *__: Any) -> Any:
            return (t < longest) & ~tf.reduce_all(ended)

        def step(t: Any, previous: Any, ended: Any, states: Any, fed: Any, symbols: Any, attention: Any) -> Any:
            scores, looked, states, fed = self.step(previous, states, fed, memory, context)
            best = tf.where(ended, BOUNDARY, self.choose(scores))
            ended = ended | (best == BOUNDARY)
            return t + 1, best, ended, states, fed, symbols.write(t, best), attention.write(t, looked)

        start = [tf.constant(0), tf.fill([batch], BOUNDARY), tf.fill([batch], False), states, self.nothing(context)]
        *_, symbols, attention = tf.while_loop(goes_on, step, [*start, *found])
        return Written(tf.transpose(symbols.stack()), tf.transpose(attention.stack(), (1, 0, 2)))

    def possible(self, scores: Any) -> Any:
        """Scores of symbols, float (..., symbols), where <unk> cannot be written: nobody wants to read it."""
        return scores + tf.one_hot(UNKNOWN, self.symbols, on_value=IMPOSSIBLE, off_value=0.0, dtype=scores.dtype)

    def choose(self, scores: Any) -> Any:
        """The symbol with the highest score, int32 (...)."""
        return tf.argmax(self.possible(scores), axis=-1, output_type=tf.int32)

    # ------------------------------------------------------------ parts

    def _inputs(self, context: Any, previous: Any, fed: Any = None) -> Any:
        """float (batch, time, ...); previous: int32 (batch, time)."""
        everywhere = ops.repeat(context[:, None], ops.shape(previous)[1], axis=1)
        parts = [everywhere] if self.kind in ("repeat", "feedback") else []
        if self.reads_previous:
            rows = previous if self.places is None else ops.take(self.places, previous)
            parts.append(self.embedding(rows) if self.embedding else ops.one_hot(previous, self.symbols))
        if self.input_feeding:
            parts.append(fed[:, None])
        return ops.concatenate(parts or [ops.zeros_like(everywhere[:, :, :1])], axis=-1)

    def _look(self, states: Any, memory: Memory) -> tuple[Any, Any]:
        """What symbols are scored from, float (batch, time, width), and attention."""
        if self.attention is None:
            shape = (*ops.shape(states)[:2], ops.shape(memory.states)[1])
            return states, ops.zeros(shape)
        attended, weights = self.attention(states, memory.states, mask=memory.mask)
        return self.fusion(states, attended), ops.cast(weights, "float32")

    def nothing(self, context: Any) -> Any:
        """What attention has given before the first step."""
        return tf.zeros_like(context)


def _dense(
    units: int, seed: int, name: str, activation: str | None = None, *, dtype: str | None = None
) -> keras.layers.Dense:
    kernel = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation=activation, kernel_initializer=kernel, dtype=dtype, name=name)


def _dropout(rate: float, seed: int) -> keras.layers.Dropout:
    return keras.layers.Dropout(rate, seed=seed)

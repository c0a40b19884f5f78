"""From the symbols before to the next one: texts that go on as the training texts do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from ..records import BOUNDARY, UNKNOWN, Configuration
from .recurrent import recurrent_layers, run_sequence, run_step, symbol_embedding


class Generator(keras.Model):  # type: ignore[misc]
    """Scores every symbol of a text, given those before it, or goes on with a text.

    The input of a step is the symbol before, embedded or one-hot, and beside it the text's condition: with
    `condition` "every" at every step, with "first" at the first one, zeros at the others.

    Args:
        configuration: see `parameters`.
        symbols: how many there are.
        conditions: how many labels texts may have; 0 for none.
        kernel: see `recurrent.recurrent_stack`.

    Call arguments:
        before: int32 (batch, time), the symbol before each, `BOUNDARY` before the first of a text.
        real: bool (batch, time), False on padding, which is on the right.
        conditions: int32 (batch,).
        begins: bool (), whether the first step is that of a text.
        states: for each layer the state before the first step, float (batch, width); see `begin`.

    Returns:
        A dictionary: `logits`, float32 (batch, time, symbols); `states` after each row's last real step.

    Sources: Mikolov et al. 2010, "Recurrent neural network based language model"; Graves 2013, "Generating Sequences
    With Recurrent Neural Networks"; Karpathy 2015 for the "one to many" form.
    """

    def __init__(
        self, configuration: Configuration, *, symbols: int, conditions: int, seed: int, kernel: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.symbols, self.units = symbols, configuration["units"]
        self.width = self.units * (2 if configuration["cell"] == "lstm" else 1)
        self.condition = configuration.get("condition", "none") if conditions else "none"
        self.conditions, self.residual = conditions, configuration.get("residual") == "yes"
        learned = configuration["input"] == "learned"
        self.embedding = symbol_embedding(symbols, configuration["embedding_units"], seed) if learned else None
        self.recurrent, self.readers = recurrent_layers(
            configuration, self.units, kernel=kernel, seed=seed, name="generator"
        )
        self.dropouts = [
            keras.layers.Dropout(configuration["dropout"], seed=seed + level) for level in range(len(self.recurrent))
        ]
        glorot = keras.initializers.GlorotUniform(seed=seed)
        self.head = keras.layers.Dense(symbols, kernel_initializer=glorot, dtype="float32", name="softmax")
        one = tf.ones((1, 2), tf.int32)
        self(one, one > 0, one[:, 0], tf.constant(value=True), self.begin(1))  # which makes every weight

    def begin(self, batch: Any) -> list[Any]:
        """The states before the first symbol of a text."""
        return [ops.zeros((batch, self.width)) for _ in self.recurrent]

    def call(
        self, before: Any, real: Any, conditions: Any, begins: Any, states: Sequence[Any], training: bool = False
    ) -> dict[str, Any]:
        x, after = self._read(before, real, conditions, begins, states, training)
        return {"logits": self.head(x), "states": after}

    def _read(
        self, before: Any, real: Any, conditions: Any, begins: Any, states: Sequence[Any], training: bool
    ) -> tuple[Any, list[Any]]:
        """What the head looks at, float (batch, time, units), and the states after each row's last real step."""
        x, after = self._inputs(before, conditions, begins), []
        for level, (reader, dropout, first) in enumerate(zip(self.readers, self.dropouts, states, strict=True)):
            found, last = run_sequence(reader, x, real, ops.cast(first, x.dtype), self.units)
            after.append(ops.cast(last, "float32"))
            x = dropout(x + found if self.residual and level else found, training=training)
        return x, after

    def step(self, before: Any, conditions: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Score a symbol that is not a text's first: logits, float32 (batch, symbols), and the states after it.

        Args:
            before: int32 (batch,).
        """
        x, after = self._inputs(before[:, None], conditions, tf.constant(value=False))[:, 0], []
        for level, (layer, state) in enumerate(zip(self.recurrent, states, strict=True)):
            found, last = run_step(layer, x, ops.cast(state, x.dtype), self.units)
            after.append(ops.cast(last, "float32"))
            x = x + found if self.residual and level else found
        return self.head(x), after

    def write(
        self,
        prompts: Any,
        lengths: Any,
        conditions: Any,
        *,
        temperature: Any,
        top_k: Any,
        seed: Any,
        longest: Any,
    ) -> Any:
        """Go on with texts until their `BOUNDARY`, or for `longest` symbols.

        Args:
            prompts: int32 (batch, time), how they begin, anything beyond their length.
            lengths: int32 (batch,), of the prompts, 0 or more.
            temperature: float; logits are divided by it. 0 for always the most probable symbol.
            top_k: int; only so many of the most probable symbols may be drawn. 0 for all.
            seed: int; the same one draws the same, row by row.
            longest: int.

        Returns:
            int32 (batch, time), time at most `longest`: what follows the prompts, `BOUNDARY` after its end. <unk> is
            never written.
        """
        batch = tf.shape(prompts)[0]
        before = tf.pad(prompts, [[0, 0], [1, 0]], constant_values=BOUNDARY)
        real = tf.sequence_mask(lengths + 1, tf.shape(before)[1])
        read, states = self._read(before, real, conditions, tf.constant(value=True), self.begin(batch), training=False)
        logits = self.head(tf.gather(read, lengths, batch_dims=1))

        def goes_on(t: Any, logits: Any, states: Any, ended: Any, written: Any) -> Any:
            return (t < longest) & ~tf.reduce_all(ended)

        def step(t: Any, logits: Any, states: Any, ended: Any, written: Any) -> Any:
            drawn = tf.where(ended, BOUNDARY, _drawn(logits, temperature, top_k, tf.stack([seed, t])))
            logits, states = self.step(drawn, conditions, states)
            return t + 1, logits, states, drawn == BOUNDARY, tf.concat([written, drawn[:, None]], axis=1)

        start = [tf.constant(0), logits, states, tf.fill([batch], value=False), tf.zeros([batch, 0], tf.int32)]
        shapes = tf.nest.map_structure(lambda tensor: tensor.shape, start)
        *_, written = tf.while_loop(goes_on, step, start, shape_invariants=[*shapes[:-1], tf.TensorShape([None, None])])
        return written

    def _inputs(self, before: Any, conditions: Any, begins: Any) -> Any:
        """float (batch, time, features)."""
        x = self.embedding(before) if self.embedding else ops.one_hot(before, self.symbols, dtype=self.compute_dtype)
        if self.condition == "none":
            return x
        steps = tf.shape(before)[1]
        shown = tf.ones([steps], tf.bool) if self.condition == "every" else (tf.range(steps) == 0) & begins
        label = ops.one_hot(conditions, self.conditions, dtype=x.dtype)[:, None]
        return ops.concatenate([x, label * ops.cast(shown, x.dtype)[None, :, None]], axis=-1)


def _drawn(logits: Any, temperature: Any, top_k: Any, seed: Any) -> Any:
    """A symbol of each row, int32 (batch,), by the Gumbel-max trick. Source: Gumbel 1954; Maddison et al. 2014.

    Args:
        logits: float32 (batch, symbols).
        seed: int32 (2,).
    """
    symbols = logits.shape[-1]
    logits = tf.where(tf.range(symbols) == UNKNOWN, -math.inf, logits)
    ranked = tf.sort(logits, axis=-1, direction="DESCENDING")
    least = tf.gather(ranked, tf.minimum(tf.where(top_k > 0, top_k, symbols), symbols) - 1, axis=-1)
    logits = tf.where(logits < least[:, None], -math.inf, logits)
    uniform = tf.random.stateless_uniform(tf.shape(logits), seed, minval=1e-20)
    noise = -tf.math.log(-tf.math.log(uniform))
    # Noise grows with the temperature, which is the same as dividing the logits by it, and needs no case for 0.
    return tf.argmax(logits + temperature * noise, axis=-1, output_type=tf.int32)

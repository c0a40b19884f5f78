"""What an exported model that writes runs: raw text in, text out, stock TensorFlow ops only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ..data.store import SYMBOLS, Meta
from ..data.texts import condition_labels
from ..data.tokens import TokenOptions, lookup_table, tokenize
from ..records import BOUNDARY, PADDING, UNKNOWN, Configuration
from .serving import untracked


class EncoderDecoderModule(tf.Module):  # type: ignore[misc]
    """A target for each text, and with attention what each symbol of it looked at."""

    def __init__(self, model: keras.Model, vocabulary: Sequence[str], meta: Meta, configuration: Configuration) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]
        self.table = lookup_table(vocabulary)
        self.symbols = tf.constant(list(meta.labels))
        self._model = untracked(model)
        self._options = TokenOptions(meta.source_tokens, configuration["lowercase"] == "yes")
        self._max_length = configuration["max_length"]
        self._separator = meta.separator
        self._attends = configuration["attention"] != "none"

    def answer(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """As was found best on validation data."""
        ids, unknown = self._read(text)
        return self._as_text(ids, unknown, self._model().answer(ids))

    def search(self, text: tf.Tensor, beam_width: tf.Tensor, length_penalty: tf.Tensor) -> dict[str, tf.Tensor]:
        """By a beam search of one's own."""
        with tf.control_dependencies([tf.debugging.assert_positive(beam_width, "beam_width: must be 1 or more")]):
            ids, unknown = self._read(text)
        return self._as_text(ids, unknown, self._model().search(ids, beam_width, length_penalty))

    def _read(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Ids, int32 (batch, time), 0 on padding; and how many of each text's tokens are unknown, int32 (batch,)."""
        tokens = tokenize(text, self._options)[:, : self._max_length]
        ids = tokens.with_flat_values(self.table.lookup(tokens.flat_values))
        # An empty text is read as one token, which is empty.
        strange = (ids.flat_values == UNKNOWN) & (tokens.flat_values != "")
        return ids.to_tensor(PADDING), tf.reduce_sum(ids.with_flat_values(tf.cast(strange, tf.int32)), axis=1)

    def _as_text(self, ids: tf.Tensor, unknown: tf.Tensor, written: tf.Tensor) -> dict[str, tf.Tensor]:
        symbols = tf.ragged.boolean_mask(tf.gather(self.symbols, written), written != BOUNDARY)
        output = {
            "output": tf.strings.reduce_join(symbols, axis=1, separator=self._separator),
            "unknown": unknown,
        }
        if not self._attends:
            return output
        # Written anew with the symbols that were chosen, since a search keeps no account of what it looked at.
        ends = tf.cumsum(tf.cast(written == BOUNDARY, tf.int32), axis=1, exclusive=True)
        looked = self._model()(ids, written, ends == 0, training=False)["attention"]
        return {**output, "attention": looked * tf.cast(ends == 0, tf.float32)[:, :, None]}

    def signatures(self) -> dict[str, Any]:
        text = tf.TensorSpec([None], tf.string, name="text")
        beam = tf.TensorSpec([], tf.int32, name="beam_width"), tf.TensorSpec([], tf.float32, name="length_penalty")
        return {
            "serving_default": tf.function(self.answer, input_signature=[text]),
            "beam": tf.function(self.search, input_signature=[text, *beam]),
        }


class GeneratorModule(tf.Module):  # type: ignore[misc]
    """A text that goes on as each prompt begins."""

    def __init__(self, model: keras.Model, meta: Meta, configuration: Configuration) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]
        known = list(meta.labels[: configuration["max_vocabulary"]])
        self.table = lookup_table(["", "<unk>", *known[len(SYMBOLS) :]])
        self.symbols = tf.constant(["", *known[1:]])
        self.labels = tf.constant(list(condition_labels(meta, configuration)), tf.string)
        self._model = untracked(model)
        self._options = TokenOptions(meta.written_tokens, lowercase=False)
        self._separator = meta.separator

    def answer(
        self,
        prompt: tf.Tensor,
        label: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        seed: tf.Tensor,
        length: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The prompt and what follows it, until the text ends or so many symbols are written.

        Args:
            prompt: string (batch,); characters that were never read count as <unk>.
            label: string (batch,), one of those that the training texts had; "" where they had none.
            temperature: float (), 0 or more; 0 always writes what is most probable.
            top_k: int32 (), how many of the most probable symbols may be drawn; 0 for all.
            seed: int32 ().
            length: int32 (), the most symbols that are written.
        """
        prompt, label = tf.convert_to_tensor(prompt), tf.convert_to_tensor(label)
        rules = [
            tf.debugging.assert_greater_equal(temperature, 0.0, "temperature: must be 0 or more"),
            tf.debugging.assert_greater_equal(top_k, 0, "top_k: must be 0 or more"),
            tf.debugging.assert_greater_equal(length, 0, "length: must be 0 or more"),
            *self._known(label),
        ]
        with tf.control_dependencies([rule for rule in rules if rule is not None]):
            tokens = self._tokens(prompt)
        ids = tokens.with_flat_values(self.table.lookup(tokens.flat_values)).to_tensor(PADDING)
        written = self._model().write(
            ids,
            tf.cast(tokens.row_lengths(), tf.int32),
            self._condition(label),
            temperature=temperature,
            top_k=top_k,
            seed=seed,
            longest=length,
        )
        symbols = tf.ragged.boolean_mask(tf.gather(self.symbols, written), written != BOUNDARY)
        follows = tf.strings.reduce_join(symbols, axis=1, separator=self._separator)
        apart = (prompt != "") & (follows != "") & ~tf.strings.regex_full_match(prompt, r"(?s).*\s")
        return {
            "output": tf.strings.join([prompt, tf.where(apart, self._separator, ""), follows]),
            "unknown": tf.math.count_nonzero(ids == UNKNOWN, axis=1, dtype=tf.int32),
        }

    def _tokens(self, prompt: tf.Tensor) -> tf.RaggedTensor:
        tokens = tokenize(prompt, self._options)
        return tf.ragged.boolean_mask(tokens, tokens != "")  # an empty prompt has none

    def _condition(self, label: tf.Tensor) -> tf.Tensor:
        """int32 (batch,): which of the labels; the first where there are none."""
        if not len(self.labels):
            return tf.zeros(tf.shape(label), tf.int32)
        return tf.argmax(label[:, None] == self.labels, axis=1, output_type=tf.int32)

    def _known(self, label: tf.Tensor) -> list[Any]:
        """The rule that every label is one of those that texts have."""
        if not len(self.labels):
            return [tf.debugging.Assert(tf.reduce_all(label == ""), ["label: the texts had none; give an empty one"])]
        known = tf.reduce_any(label[:, None] == self.labels, axis=1)
        said = tf.strings.reduce_join(self.labels, separator=", ")
        return [tf.debugging.Assert(tf.reduce_all(known), ["label: must be one of", said])]

    def signatures(self) -> dict[str, Any]:
        texts = [tf.TensorSpec([None], tf.string, name=name) for name in ("prompt", "label")]
        numbers = [
            tf.TensorSpec([], kind, name=name)
            for name, kind in (
                ("temperature", tf.float32),
                ("top_k", tf.int32),
                ("seed", tf.int32),
                ("length", tf.int32),
            )
        ]
        return {"serving_default": tf.function(self.answer, input_signature=[*texts, *numbers])}

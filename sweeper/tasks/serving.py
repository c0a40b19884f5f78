"""What an exported model runs: raw text in, label names out, stock TensorFlow ops only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ..data.cards import WINDOW
from ..data.store import Meta
from ..data.tokens import PADDING, TokenOptions, lookup_table, lowered, tokenize
from ..models.decoder import BOUNDARY
from ..records import Configuration


def token_options(configuration: Configuration) -> TokenOptions:
    return TokenOptions(configuration.get("tokens", "words"), configuration["lowercase"] == "yes")


class ClassifierModule(tf.Module):  # type: ignore[misc]
    """Label, score and all scores of each text."""

    def __init__(
        self, model: keras.Model, vocabulary: Sequence[str], labels: Sequence[str], configuration: Configuration
    ) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]  # tracked, so that they are saved
        self.table = lookup_table(vocabulary)
        self.labels = tf.constant(list(labels))
        self._model = _untracked(model)
        self._options = token_options(configuration)
        self._max_length = configuration["max_length"]

    def ids(self, text: tf.Tensor) -> tf.Tensor:
        """int32 (batch, time), 0 on padding."""
        tokens = tokenize(text, self._options)[:, : self._max_length]
        return tokens.with_flat_values(self.table.lookup(tokens.flat_values)).to_tensor(PADDING)

    def answer(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = tf.nn.softmax(self._model()(self.ids(text), training=False)["logits"])
        return {
            "label": tf.gather(self.labels, tf.argmax(scores, axis=1)),
            "score": tf.reduce_max(scores, axis=1),
            "scores": scores,
        }

    def signatures(self) -> dict[str, Any]:
        text = tf.TensorSpec([None], tf.string, name="text")
        return {"serving_default": tf.function(self.answer, input_signature=[text])}


class TaggerModule(tf.Module):  # type: ignore[misc]
    """Tokens and their tags, "" on padding; from raw text, or from tokens that are given."""

    def __init__(
        self, model: keras.Model, vocabulary: Sequence[str], labels: Sequence[str], configuration: Configuration
    ) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]
        self.table = lookup_table(vocabulary)
        self.labels = tf.constant(list(labels))
        self._model = _untracked(model)
        self._options = token_options(configuration)
        self._windowed = configuration["attention"] != "none"

    def of_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.of_tokens(tokenize(text, TokenOptions("words", lowercase=False)).to_tensor(""))

    def of_tokens(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        real = tokens != ""
        ids = tf.where(real, self.table.lookup(lowered(tokens, self._options)), PADDING)
        logits = self._by_window(ids) if self._windowed else self._model()(ids, training=False)["logits"]
        tags = tf.gather(self.labels, tf.argmax(logits, axis=-1))
        return {"tokens": tokens, "tags": tf.where(real, tags, "")}

    def _by_window(self, ids: tf.Tensor) -> tf.Tensor:
        """Logits (batch, time, labels) with memory that grows with the length, not with its square."""
        batch, time = tf.shape(ids)[0], tf.shape(ids)[1]
        window = tf.minimum(time, WINDOW)
        windows = -(-time // tf.maximum(window, 1))
        padded = tf.pad(ids, [[0, 0], [0, windows * window - time]], constant_values=PADDING)
        logits = self._model()(tf.reshape(padded, [batch * windows, window]), training=False)["logits"]
        return tf.reshape(logits, [batch, windows * window, len(self.labels)])[:, :time]

    def signatures(self) -> dict[str, Any]:
        text = tf.TensorSpec([None], tf.string, name="text")
        tokens = tf.TensorSpec([None, None], tf.string, name="tokens")
        return {
            "serving_default": tf.function(self.of_text, input_signature=[text]),
            "tokens": tf.function(self.of_tokens, input_signature=[tokens]),
        }


class WriterModule(tf.Module):  # type: ignore[misc]
    """A target for each text."""

    def __init__(self, model: keras.Model, vocabulary: Sequence[str], meta: Meta, configuration: Configuration) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]
        self.table = lookup_table(vocabulary)
        self.symbols = tf.constant(list(meta.labels))
        self._model = _untracked(model)
        self._options = TokenOptions(meta.source_tokens, configuration["lowercase"] == "yes")
        self._max_length = configuration["max_length"]
        self._separator = "" if meta.target_tokens == "characters" else " "

    def answer(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """As was found best on validation data."""
        return self._as_text(self._model().answer(self.ids(text)))

    def search(self, text: tf.Tensor, beam_width: tf.Tensor, length_penalty: tf.Tensor) -> dict[str, tf.Tensor]:
        """By a beam search of one's own."""
        return self._as_text(self._model().search(self.ids(text), beam_width, length_penalty))

    def ids(self, text: tf.Tensor) -> tf.Tensor:
        """int32 (batch, time), 0 on padding."""
        tokens = tokenize(text, self._options)[:, : self._max_length]
        return tokens.with_flat_values(self.table.lookup(tokens.flat_values)).to_tensor(PADDING)

    def _as_text(self, written: tf.Tensor) -> dict[str, tf.Tensor]:
        symbols = tf.ragged.boolean_mask(tf.gather(self.symbols, written), written != BOUNDARY)
        return {"target": tf.strings.reduce_join(symbols, axis=1, separator=self._separator)}

    def signatures(self) -> dict[str, Any]:
        text = tf.TensorSpec([None], tf.string, name="text")
        beam = tf.TensorSpec([], tf.int32, name="beam_width"), tf.TensorSpec([], tf.float32, name="length_penalty")
        return {
            "serving_default": tf.function(self.answer, input_signature=[text]),
            "beam": tf.function(self.search, input_signature=[text, *beam]),
        }


def _untracked(model: keras.Model) -> Any:
    """The model behind a call, so that only its weights are saved and none of Keras's own functions."""
    return lambda: model

"""What an exported model that labels runs: raw text in, label names out, stock TensorFlow ops only.

A reader gives the logits of a text, a module answers with names. Several readers are one by `EnsembleReader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import keras
import tensorflow as tf

from ..data.cards import WINDOW
from ..data.characters import character_ids
from ..data.tokens import TokenOptions, lookup_table, lowered, tokenize
from ..layers.crf import CRF
from ..models.ensembling import averaged_crf, averaged_logits
from ..records import PADDING, Configuration
from .linear_scores import LinearScores


class Reader(Protocol):
    """What a module asks."""

    def logits(self, given: tf.Tensor) -> tf.Tensor:
        """float32 (batch, labels) of texts, string (batch,); or (batch, time, labels) of tokens, string (batch, time), "" on
        padding."""

    def crf(self) -> CRF | None:
        """What weighs the labels of a text together, if anything does."""


class ClassifierModule(tf.Module):  # type: ignore[misc]
    """Label, score and all scores of each text."""

    def __init__(self, reader: Reader, labels: Sequence[str]) -> None:
        super().__init__()
        self.reader = reader
        self.labels = tf.constant(list(labels))

    def answer(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = tf.nn.softmax(self.reader.logits(text))
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

    def __init__(self, reader: Reader, labels: Sequence[str]) -> None:
        super().__init__()
        self.reader = reader
        self.labels = tf.constant(list(labels))

    def of_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.of_tokens(tokenize(text, TokenOptions("words", lowercase=False)).to_tensor(""))

    def of_tokens(self, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        none = tf.cast(tf.shape(tokens)[1] == 0, tf.int32)
        tokens = tf.pad(tokens, [[0, 0], [0, none]], constant_values="")  # what reads them reads one step at least
        real, logits, crf = tokens != "", self.reader.logits(tokens), self.reader.crf()
        best = tf.argmax(logits, axis=-1) if crf is None else crf.decode(logits, real)
        return {"tokens": tokens, "tags": tf.where(real, tf.gather(self.labels, best), "")}

    def signatures(self) -> dict[str, Any]:
        text = tf.TensorSpec([None], tf.string, name="text")
        tokens = tf.TensorSpec([None, None], tf.string, name="tokens")
        return {
            "serving_default": tf.function(self.of_text, input_signature=[text]),
            "tokens": tf.function(self.of_tokens, input_signature=[tokens]),
        }


class TextReader(tf.Module):  # type: ignore[misc]
    """A model that classifies texts.

    Args:
        alphabet: the characters of words that are read; () where none are.
        linear: what it reads beside the tokens.
    """

    def __init__(
        self,
        model: keras.Model,
        vocabulary: Sequence[str],
        configuration: Configuration,
        alphabet: Sequence[str] = (),
        linear: LinearScores | None = None,
    ) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]  # tracked, so that they are saved
        self.table = lookup_table(vocabulary)
        self.alphabet = lookup_table(alphabet) if alphabet else None
        self.linear = linear
        self.crf = untracked(None)
        self._model = untracked(model)
        self._options = _token_options(configuration)
        self._max_length = configuration["max_length"]

    def logits(self, given: tf.Tensor) -> tf.Tensor:
        """See `Reader`."""
        tokens = tokenize(given, self._options)[:, : self._max_length]
        inputs = [tokens.with_flat_values(self.table.lookup(tokens.flat_values)).to_tensor(PADDING)]
        if self.alphabet is not None:
            cased = tokenize(given, replace(self._options, lowercase=False))[:, : self._max_length]
            inputs += distinct_character_ids(cased.to_tensor(""), self.alphabet)
        if self.linear is not None:
            inputs.append(self.linear(given))
        return _logits(self._model(), inputs)


class TokenReader(tf.Module):  # type: ignore[misc]
    """A model that tags tokens.

    Args:
        alphabet: the characters of words that are read; () where none are.
    """

    def __init__(
        self,
        model: keras.Model,
        vocabulary: Sequence[str],
        configuration: Configuration,
        alphabet: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.weights = [variable.value for variable in model.variables]
        self.table = lookup_table(vocabulary)
        self.alphabet = lookup_table(alphabet) if alphabet else None
        self.crf = untracked(model.get_layer("crf") if configuration["head"] == "crf" else None)
        self._model = untracked(model)
        self._options = _token_options(configuration)
        self._windowed = configuration["attention"] != "none"

    def logits(self, given: tf.Tensor) -> tf.Tensor:
        """See `Reader`."""
        ids = tf.where(given != "", self.table.lookup(lowered(given, self._options)), PADDING)
        inputs = [ids] if self.alphabet is None else [ids, *distinct_character_ids(given, self.alphabet)]
        return self._by_window(inputs) if self._windowed else _logits(self._model(), inputs)

    def _by_window(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Logits (batch, time, labels) with memory that grows with the length, not with its square."""
        batch, time = tf.shape(inputs[0])[0], tf.shape(inputs[0])[1]
        window = tf.minimum(time, WINDOW)
        windows = -(-time // tf.maximum(window, 1))

        def cut(whole: tf.Tensor) -> tf.Tensor:
            padded = tf.pad(whole, [[0, 0], [0, windows * window - time]], constant_values=PADDING)
            return tf.reshape(padded, [batch * windows, window])

        ids, *word_characters = inputs
        logits = _logits(self._model(), [cut(ids), *word_characters[:1], *map(cut, word_characters[1:])])
        return tf.reshape(logits, [batch, windows * window, logits.shape[-1]])[:, :time]


class EnsembleReader(tf.Module):  # type: ignore[misc]
    """Several readers as one; see `models.ensembling`."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        super().__init__()
        self.readers = list(readers)
        crfs = [reader.crf() for reader in readers]
        together = averaged_crf(crfs)
        self.weights = [] if together is None else [variable.value for variable in together.variables]
        self.crf = untracked(together)

    def logits(self, given: tf.Tensor) -> tf.Tensor:
        """See `Reader`."""
        return averaged_logits([reader.logits(given) for reader in self.readers])


def as_one(readers: Iterable[Reader]) -> Reader:
    """What a module asks: the reader, or all together."""
    one, *others = readers
    return EnsembleReader([one, *others]) if others else one


def _logits(model: keras.Model, inputs: list[tf.Tensor]) -> tf.Tensor:
    return model(inputs if len(inputs) > 1 else inputs[0], training=False)["logits"]


def distinct_character_ids(tokens: tf.Tensor, alphabet: tf.lookup.StaticHashTable) -> tuple[tf.Tensor, tf.Tensor]:
    """The characters of distinct words, and which of these each token is; see `models.characters`.

    Args:
        tokens: string (batch, time), "" on padding.
        alphabet: see `character_ids`.
    """
    words, places = tf.unique(tf.reshape(tokens, [-1]))
    return character_ids(words, alphabet), tf.reshape(places, tf.shape(tokens))


def _token_options(configuration: Configuration) -> TokenOptions:
    return TokenOptions(configuration.get("tokens", "words"), configuration["lowercase"] == "yes")


def untracked(model: keras.Model | keras.layers.Layer | None) -> Any:
    """The model or layer behind a call, so that only its weights are saved and none of Keras's own functions."""
    return lambda: model

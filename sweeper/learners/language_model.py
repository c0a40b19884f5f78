"""Learning to tell how texts go on: the state is carried from window to window, the gradient is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..data.batches import Answers
from ..data.texts import Texts, Window
from ..models import Generator
from ..records import UNKNOWN
from .base import Learner, Predictions, one_graph

LATENCY_SYMBOLS = 100  # symbols that are written when the model's latency is measured


class LanguageModelLearner(Learner[Texts]):
    """Learns to tell every symbol of a text from those before it.

    Args:
        model: built.

    Source: Williams and Peng 1990, truncated back-propagation through time.
    """

    model: Generator

    def __init__(self, model: Generator, optimizer: keras.optimizers.Optimizer) -> None:
        super().__init__(model, optimizer)
        of_steps = [tf.TensorSpec([None, None], kind) for kind in (tf.int32, tf.int32, tf.float32)]
        of_texts = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.bool)]
        states = [tf.TensorSpec([None, model.width], tf.float32)] * len(model.recurrent)
        signature = [*of_steps, *of_texts, *states]
        self.step = one_graph(self._step, signature)
        self.evaluate = one_graph(self._evaluate, signature)
        prompts = [tf.TensorSpec([None, None], tf.int32), *[tf.TensorSpec([None], tf.int32)] * 2]
        sampling = [tf.TensorSpec([], kind) for kind in (tf.float32, tf.int32, tf.int32, tf.int32)]
        self.write = one_graph(self._write, [*prompts, *sampling])

    def _step(
        self, before: tf.Tensor, symbols: tf.Tensor, weights: tf.Tensor, conditions: Any, begins: Any, *states: Any
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One training step; returns the mean negative log-likelihood of a symbol, nats, and the states of the next window."""
        real = weights > 0
        with tf.GradientTape() as tape:
            found = self.model(before, real, conditions, begins, states, training=True)
            nll = tf.nn.sparse_softmax_cross_entropy_with_logits(symbols, found["logits"])
            loss = tf.reduce_sum(nll * weights)
            total = self.optimizer.scale_loss(loss)
        self.descend(tape, total)
        mean_nll = tf.reduce_sum(tf.where(real, nll, 0.0)) / tf.reduce_sum(tf.cast(real, tf.float32))
        return mean_nll, found["states"]

    def _evaluate(
        self, before: tf.Tensor, symbols: tf.Tensor, weights: tf.Tensor, conditions: Any, begins: Any, *states: Any
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Negative log-likelihood of each symbol, float32 (batch, time), nats, and the states of the next window."""
        found = self.model(before, weights > 0, conditions, begins, states, training=False)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(symbols, found["logits"]), found["states"]

    def _write(
        self, prompts: Any, lengths: Any, conditions: Any, temperature: Any, top_k: Any, seed: Any, longest: Any
    ) -> Any:
        sampling = {"temperature": temperature, "top_k": top_k, "seed": seed, "longest": longest}
        return self.model.write(prompts, lengths, conditions, **sampling)

    def train_epoch(self, split: Texts, batch_size: int, generator: np.random.Generator) -> tuple[float, int]:
        losses, counts = [], []
        for window, found in self._read(self.step, split.training(batch_size, generator)):
            losses.append(self.checked(found))
            counts.append(int(np.count_nonzero(window.weights)))
        return float(np.average(losses, weights=counts)), sum(counts)

    def predict(self, split: Texts) -> Predictions:
        """Negative log-likelihood of every symbol, nats."""
        found = [np.zeros(length, np.float32) for length in split.lengths]
        for window, nll in self._read(self.evaluate, split.evaluation()):
            for row, one, real in zip(window.rows, nll.numpy(), window.weights > 0, strict=True):
                found[row][window.start : window.start + real.sum()] = one[real]
        for nll, symbols in zip(found, split.truth().per_example(), strict=True):
            nll[symbols == UNKNOWN] += split.of_unknown
        answers = Answers.of(found)
        return Predictions(answers, float(answers.labels.mean()))

    def _read(self, function: Any, windows: Iterator[Window]) -> Iterator[tuple[Window, Any]]:
        """What a function finds in each window, with the states of the one before."""
        states: list[Any] = []
        for window in windows:
            count = len(window.rows)
            states = self.model.begin(count) if window.begins else [state[:count] for state in states]
            found, states = function(
                window.before, window.symbols, window.weights, window.conditions, window.begins, *states
            )
            yield window, found

    def latency_probe(self, split: Texts) -> Callable[[], Any]:
        """See `Learner`: writes so many symbols."""
        nothing, zero = np.zeros((1, 0), np.int32), np.zeros(1, np.int32)
        return lambda: self.write(nothing, zero, zero, 1.0, 0, 0, LATENCY_SYMBOLS).numpy()

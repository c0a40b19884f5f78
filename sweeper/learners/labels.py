"""Learning the labels of texts, or of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..data.batches import Batch, Split
from ..layers.crf import CRF
from .base import Learner, Predictions, one_graph, predict_batches


def negative_log_likelihood(
    labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, crf: CRF | None, smoothing: float = 0.0
) -> tf.Tensor:
    """Minus the logarithm of the probability of all true labels together, nats; see `Batch` and `LabelLearner`."""
    if crf is None:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if smoothing:  # Szegedy et al. 2016, section 7
            of_any = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
            each = (1 - smoothing) * each + smoothing * of_any
        return tf.reduce_sum(each * weights)
    # Every real label of a batch counts alike, and the labels of a sentence are one event.
    return tf.reduce_sum(crf.negative_log_likelihood(logits, labels, weights > 0) * weights[:, 0])


def most_probable(logits: tf.Tensor, real: tf.Tensor, crf: CRF | None) -> tf.Tensor:
    """Label ids, int32: each for itself, or with a CRF those that are most probable together."""
    return tf.argmax(logits, axis=-1, output_type=tf.int32) if crf is None else crf.decode(logits, real)


def unpad(labels: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
    """The labels of each example of a batch, int32 (batch,) or (batch, time), without padding."""
    return (np.atleast_1d(one)[:length] for one, length in zip(labels, lengths, strict=True))


class LabelLearner(Learner[Split]):
    """Learns the labels of examples.

    Args:
        model: from the inputs of a `Batch` to a dictionary with `logits`.
        sequence_labels: whether an example may have several labels; see `Split`.
        smoothing: share of a true label's probability that training spreads over all labels.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        sequence_labels: bool,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(model, optimizer)
        self.smoothing = smoothing
        self.crf = next((layer for layer in model.layers if isinstance(layer, CRF)), None)
        specs = [tf.TensorSpec(one.shape, one.dtype) for one in getattr(model, "encoder", model).inputs]
        inputs = specs if len(specs) > 1 else specs[0]
        labels = [None, None] if sequence_labels else [None]
        signature = [inputs, tf.TensorSpec(labels, tf.int32), tf.TensorSpec(labels, tf.float32)]
        # Shapes are left open: the same graph for all lengths.
        self.step = one_graph(self._step, signature)
        self.evaluate = one_graph(self._evaluate, signature)
        self.answer = one_graph(self._answer, [inputs])

    def _step(self, inputs: Any, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """One training step; returns the loss of an example, penalties left out.

        Divided by examples and not by the batch's own tokens, so that a token counts as much in a batch of long
        sentences as in one of short ones.
        """
        with tf.GradientTape() as tape:
            logits = self.logits(inputs, labels, weights, training=True)
            loss = negative_log_likelihood(labels, logits, weights, self.crf, self.smoothing)
            loss /= tf.cast(tf.shape(labels)[0], tf.float32)
            total = self.optimizer.scale_loss(tf.add_n([loss, *self.model.losses]))
        self.descend(tape, total)
        return loss

    def logits(self, inputs: Any, labels: tf.Tensor, weights: tf.Tensor, *, training: bool) -> tf.Tensor:
        """Scores of every label; the true ones are for models that may look at those before."""
        return self.model(inputs, training=training)["logits"]

    def _evaluate(self, inputs: Any, labels: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss of all true labels together, and the model's own: int32 (batch,) or (batch, time)."""
        logits = self.logits(inputs, labels, weights, training=False)
        return negative_log_likelihood(labels, logits, weights, self.crf), self._decode(inputs, logits, weights)

    def _decode(self, inputs: Any, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The model's own labels."""
        return most_probable(logits, weights > 0, self.crf)

    def _answer(self, inputs: Any) -> tf.Tensor:
        return self.model(inputs, training=False)["logits"]

    def train_epoch(self, split: Split, batch_size: int, generator: np.random.Generator) -> tuple[float, int]:
        losses, tokens = [], 0
        for batch in split.training(batch_size, generator):
            losses.append(self.checked(self.step(batch.inputs, batch.labels, batch.weights)))
            tokens += int(np.count_nonzero(batch.ids))
        return float(np.mean(losses)), tokens

    def predict(self, split: Split) -> Predictions:

        def ask(batch: Batch) -> tuple[tf.Tensor, Iterable[np.ndarray]]:
            loss, labels = self.evaluate(batch.inputs, batch.labels, batch.weights)
            return loss, self._unpad(labels.numpy(), split.label_lengths[batch.rows])

        return predict_batches(split, ask)

    def latency_probe(self, split: Split) -> Callable[[], Any]:
        batch = split.batch(np.argsort(split.lengths)[len(split) // 2 : len(split) // 2 + 1])
        if self.crf is None:
            return lambda: self.answer(batch.inputs).numpy()
        decode = tf.function(self.crf.decode, autograph=False)
        return lambda: decode(self.answer(batch.inputs), batch.weights > 0).numpy()

    def _unpad(self, labels: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """What is said of each example of a batch."""
        return unpad(labels, lengths)

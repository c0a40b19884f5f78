"""Learning to write one sequence for another: what a decoder is shown in training, and what it writes of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from ..data.batches import Answers, Batch, Split
from ..models import EncoderDecoder
from ..records import BOUNDARY
from .base import one_graph, predict_batches
from .labels import LabelLearner


class SequenceLearner(LabelLearner):
    """Learns the targets of sources.

    Args:
        model: built.
        smoothing: see `LabelLearner`.
        forcing_rate: the share of true symbols among those that training shows the decoder, after so many epochs.
    """

    model: EncoderDecoder

    def __init__(
        self,
        model: EncoderDecoder,
        optimizer: keras.optimizers.Optimizer,
        smoothing: float = 0.0,
        forcing_rate: Callable[[int], float] = lambda epochs: 1.0,
    ) -> None:
        super().__init__(model, optimizer, sequence_labels=True, smoothing=smoothing)
        self.forcing_rate = forcing_rate

    def begin_epoch(self) -> None:
        self.model.decoder.forcing.assign(self.forcing_rate(self.progress.epoch))

    def logits(self, inputs: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, *, training: bool) -> tf.Tensor:
        return self.model(inputs, labels, weights > 0, training=training)["logits"]

    def _decode(self, inputs: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return self._answer(inputs)

    def _answer(self, inputs: tf.Tensor) -> tf.Tensor:
        """The symbols that are written, int32 (batch, time)."""
        return self.model.answer(inputs)

    def searched(self, split: Split) -> Callable[[int, float], Answers]:
        """From a beam's width and length penalty to what the model then writes for every example."""
        signature = [
            tf.TensorSpec(shape, kind) for shape, kind in (([None, None], tf.int32), ([], tf.int32), ([], tf.float32))
        ]
        search = one_graph(self.model.search, signature)

        def answers(width: int, length_penalty: float) -> Answers:
            def ask(batch: Batch) -> tuple[float, Iterable[np.ndarray]]:
                written = search(batch.ids, width, length_penalty).numpy()
                return np.nan, self._unpad(written, split.label_lengths[batch.rows])

            return predict_batches(split, ask).answers

        return answers

    def _unpad(self, labels: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """The symbols before the end, of each example."""
        return (one[: np.argmax(np.append(one, BOUNDARY) == BOUNDARY)] for one in labels)

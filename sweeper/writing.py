"""Learning to write one sequence for another: what a decoder is shown in training, and what it writes of itself."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from .data.batches import Answers, Split
from .fitting import Fitting
from .models import EncoderDecoder
from .models.decoder import BOUNDARY


class Writing(Fitting):
    """Learns the targets of sources.

    Args:
        model: built.
        smoothing: see `Fitting`.
    """

    model: EncoderDecoder

    def __init__(self, model: EncoderDecoder, optimizer: keras.optimizers.Optimizer, smoothing: float = 0.0) -> None:
        super().__init__(model, optimizer, several=True, smoothing=smoothing)

    def logits(self, inputs: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, *, training: bool) -> tf.Tensor:
        return self.model(inputs, labels, weights > 0, training=training)["logits"]

    def _own(self, inputs: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return self._answer(inputs)

    def _answer(self, inputs: tf.Tensor) -> tf.Tensor:
        """The symbols that are written, int32 (batch, time)."""
        return self.model.answer(inputs)

    def searched(self, split: Split) -> Callable[[int, float], Answers]:
        """From a beam's width and length penalty to what the model then writes for every example."""
        signature = [
            tf.TensorSpec(shape, kind) for shape, kind in (([None, None], tf.int32), ([], tf.int32), ([], tf.float32))
        ]
        search = tf.function(self.model.search, input_signature=signature, autograph=False)

        def answers(width: int, length_penalty: float) -> Answers:
            found: list[np.ndarray] = [np.zeros(0, np.int32)] * len(split)
            for batch in split.evaluation():
                for row, label in zip(batch.rows, search(batch.ids, width, length_penalty).numpy(), strict=True):
                    found[row] = self._of_one(label, 0)
            return Answers.of(found)

        return answers

    def _of_one(self, label: np.ndarray, length: int) -> np.ndarray:
        """The symbols before the end, from a row of a batch."""
        return label[: np.argmax(np.append(label, BOUNDARY) == BOUNDARY)]

"""The models of one or more finished trials, which answer as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..data.batches import Batch, Split
from ..data.texts import Texts
from ..learners import load, trained, vocabulary
from ..learners.base import Predictions, predict_batches
from ..learners.labels import LabelLearner, most_probable, negative_log_likelihood, unpad
from ..models.ensembling import averaged_crf, averaged_logits
from ..records import TrialOrder
from ..tasks import TASKS, TrainedModel


class FinishedTrials:
    """Finished trials as an export has them.

    Args:
        orders: of one data; several only of a task that labels, see `models.ensembling`.
    """

    def __init__(self, orders: Sequence[TrialOrder]) -> None:
        opened = [trained(order) for order in orders]
        self.orders, self.prepared = list(orders), opened[0][0]
        self.learners = [learner for _, learner in opened]
        crfs = [learner.crf if isinstance(learner, LabelLearner) else None for learner in self.learners]
        self._crf = averaged_crf(crfs) if len(orders) > 1 else crfs[0]

    def module(self) -> Any:
        """See `Task.serving`."""
        models = [
            TrainedModel(learner.model, vocabulary(order, self.prepared), order.configuration)
            for order, learner in zip(self.orders, self.learners, strict=True)
        ]
        return TASKS[self.orders[0].task].serving(models, self.prepared)

    def splits(self, part: str) -> list[Split | Texts]:
        """A split as each of them reads it."""
        return [load(order, self.prepared, part) for order in self.orders]

    def predict(self, part: str) -> tuple[Split | Texts, Predictions]:
        """What they say of every example of a split, and the split as the first of them reads it."""
        first, *others = self.splits(part)
        if not others:
            return first, self.learners[0].predict(first)
        splits = [split for split in (first, *others) if isinstance(split, Split)]

        def ask(batch: Batch) -> tuple[tf.Tensor, Iterable[np.ndarray]]:
            logits = self.logits(splits, batch.rows)
            loss = negative_log_likelihood(batch.labels, logits, batch.weights, self._crf)
            return loss, unpad(self.decode(logits, batch.weights > 0), splits[0].label_lengths[batch.rows])

        return splits[0], predict_batches(splits[0], ask)

    def logits(self, splits: Sequence[Split], rows: np.ndarray) -> tf.Tensor:
        """Logits of a few examples, float32 (rows, labels) or (rows, time, labels); of what writes sequences the symbols,
        int32 (rows, time)."""
        each = [
            learner.answer(split.batch(rows).inputs)
            for learner, split in zip(self.learners, splits, strict=True)
            if isinstance(learner, LabelLearner)
        ]
        return averaged_logits(each) if len(each) > 1 else each[0]

    def decode(self, logits: tf.Tensor, real: np.ndarray) -> np.ndarray:
        """The labels that they give, int32; `real` is False on padding."""
        return np.asarray(most_probable(logits, real, self._crf))

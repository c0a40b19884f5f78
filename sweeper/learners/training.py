"""Training a learner: epochs, early stopping, and where it may be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..errors import TrialError
from ..records import Scores
from .base import DIVERGED, Data, Learner, Predictions, Progress


class Epoch(NamedTuple):
    """What one epoch did; scores are of the validation split."""

    number: int
    loss: float
    validation: Predictions
    scores: Scores
    seconds: float
    tokens_per_second: float
    improved: bool


def fit(
    learner: Learner[Data],
    training: Data,
    validation: Data,
    *,
    epochs: int,
    batch_size: int,
    patience: int,
    seed: int,
    objective: str,
    score: Callable[[Predictions], Scores],
    ended: Callable[[Epoch], bool],
) -> str:
    """Train until `epochs` in all, until nothing improved for `patience` epochs, or until `ended` says to stop.

    Of equal scores the one with the lower validation loss is better.

    Args:
        seed: with the epoch's number it settles the order of examples, so that a fit that
            is resumed sees what an uninterrupted one would have seen.
        objective: the score that is to rise.
        ended: called after each epoch; True stops.

    Returns:
        "done", or "stopped" where `ended` asked for it.
    """
    progress = learner.progress
    while _goes_on(progress, epochs, patience):
        started = time.perf_counter()
        learner.begin_epoch()
        loss, tokens = learner.train_epoch(training, batch_size, np.random.default_rng((seed, progress.epoch)))
        trained = time.perf_counter()
        with learner.averaged():
            predictions = learner.predict(validation)
        if not np.isfinite(predictions.loss):
            raise TrialError(f"diverged: the validation loss is {predictions.loss}; {DIVERGED}")
        scores = score(predictions)
        progress.epoch += 1
        # A score that has not moved yet, as an exact match may not for long, says less than the loss beneath it.
        improved = (scores[objective], -predictions.loss) > (progress.best, -progress.best_loss)
        if improved:
            progress.best, progress.best_loss = scores[objective], predictions.loss
            progress.best_epoch = progress.epoch
        seconds = time.perf_counter() - started
        epoch = Epoch(
            progress.epoch, loss, predictions, scores, seconds, tokens / max(trained - started, 1e-9), improved
        )
        if ended(epoch) and _goes_on(progress, epochs, patience):
            return "stopped"
    return "done"


def _goes_on(progress: Progress, epochs: int, patience: int) -> bool:
    return progress.epoch < epochs and progress.epoch - progress.best_epoch < patience

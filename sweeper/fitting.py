"""Training one Keras model: steps, epochs, early stopping, and a state that can be taken up again."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from .data.batches import Split
from .errors import TrialError
from .models import state
from .models.optimizers import summed
from .records import Scores


class Predictions(NamedTuple):
    """Args:
    labels: int32 label ids, one an example, or one a token end to end, in the split's order.
    loss: mean cross-entropy, nats.
    """

    labels: np.ndarray
    loss: float


@dataclass
class Progress:
    """Where a fit stands; saved with the weights, so that another process can go on.

    Args:
        epoch: epochs trained.
        best: the objective's best value on the validation split, reached at `best_epoch`.
    """

    epoch: int = 0
    best: float = -np.inf
    best_epoch: int = 0


class Fitting:
    """A model, its optimizer, and the compiled functions that train and run it.

    Args:
        model: from ids, int32 (batch, time), to a dictionary with `logits`.
        per_token: whether every token has a label, or every text.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, *, per_token: bool) -> None:
        self.model = model
        self.optimizer = optimizer
        self.progress = Progress()
        optimizer.build(model.trainable_variables)
        ids = tf.TensorSpec([None, None], tf.int32)
        labels, weights = ([None, None], [None, None]) if per_token else ([None], [None])
        signature = [ids, tf.TensorSpec(labels, tf.int32), tf.TensorSpec(weights, tf.float32)]
        # One trace for all lengths: shapes are left open.
        self.step = tf.function(self._step, input_signature=signature, autograph=False)
        self.logits = tf.function(
            lambda ids: model(ids, training=False)["logits"], input_signature=[ids], autograph=False
        )

    def _step(self, ids: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """One training step; returns the loss of an example, penalties left out.

        Divided by examples and not by the batch's own tokens, so that a token counts as much in a batch of long
        sentences as in one of short ones.
        """
        with tf.GradientTape() as tape:
            logits = self.model(ids, training=True)["logits"]
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(each * weights) / tf.cast(tf.shape(ids)[0], tf.float32)
            total = self.optimizer.scale_loss(tf.add_n([loss, *self.model.losses]))
        variables = self.model.trainable_variables
        self.optimizer.apply([summed(gradient) for gradient in tape.gradient(total, variables)], variables)
        return loss

    def train_epoch(self, split: Split, batch_size: int, generator: np.random.Generator) -> tuple[float, int]:
        """One pass over the training split; returns its mean loss and how many real tokens it read.

        Raises:
            TrialError: the loss is no longer a number.
        """
        losses, tokens = [], 0
        for batch in split.training(batch_size, generator):
            loss = float(self.step(batch.ids, batch.labels, batch.weights))
            if not np.isfinite(loss):
                raise TrialError(
                    f"diverged: the loss is {loss} in epoch {self.progress.epoch + 1}; a lower learning_rate or clip_norm may help"
                )
            losses.append(loss)
            tokens += int(np.count_nonzero(batch.ids))
        return float(np.mean(losses)), tokens

    def predict(self, split: Split) -> Predictions:
        """Label every example; the order of the split is kept."""
        found: list[np.ndarray] = [np.zeros(0, np.int32)] * len(split)
        loss = weight = 0.0
        for batch in split.evaluation():
            logits = self.logits(batch.ids)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(batch.labels, logits)
            loss += float(tf.reduce_sum(each * batch.weights))
            weight += float(batch.weights.sum())
            labels = tf.argmax(logits, axis=-1, output_type=tf.int32).numpy()
            for row, label in zip(batch.rows, labels, strict=True):
                found[row] = label[: split.lengths[row]] if split.per_token else label[None]
        return Predictions(np.concatenate(found), loss / weight)

    def save(self, path: Path, note: str = "") -> None:
        """Weights, optimizer and progress, and a note of the caller's."""
        progress = {"epoch": self.progress.epoch, "best": self.progress.best, "best_epoch": self.progress.best_epoch}
        arrays = {**state.values(self.model.variables, "model"), **state.values(self.optimizer.variables, "optimizer")}
        state.save_arrays(
            path, {**arrays, **{name: np.array(value) for name, value in progress.items()}, "note": np.array(note)}
        )

    def restore(self, path: Path) -> str:
        """Take up what `save` left; returns the note."""
        arrays = state.load_arrays(path)
        state.assign(self.model.variables, arrays, "model")
        state.assign(self.optimizer.variables, arrays, "optimizer")
        self.progress = Progress(int(arrays["epoch"]), float(arrays["best"]), int(arrays["best_epoch"]))
        return str(arrays["note"])


def release_memory() -> None:
    """Let go of every graph that this process has traced, and give free memory back to the system."""
    keras.backend.clear_session()
    # TensorFlow registers each custom gradient of each trace and keeps it, and its whole graph, for ever.
    registered = ops.gradient_registry._registry
    for name in [name for name in registered if name.startswith("CustomGradient-")]:
        del registered[name]
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the C library of glibc alone has it
    if trim is not None:
        trim(0)


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
    fitting: Fitting,
    training: Split,
    validation: Split,
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

    Args:
        seed: with the epoch's number it settles the order of examples, so that a fit that
            is taken up again sees what an uninterrupted one would have seen.
        objective: the score that is to rise.
        ended: called after each epoch; True stops.

    Returns:
        "done", or "stopped" where `ended` asked for it.
    """
    progress = fitting.progress
    while progress.epoch < epochs and progress.epoch - progress.best_epoch < patience:
        started = time.perf_counter()
        loss, tokens = fitting.train_epoch(training, batch_size, np.random.default_rng((seed, progress.epoch)))
        trained = time.perf_counter()
        predictions = fitting.predict(validation)
        scores = score(predictions)
        progress.epoch += 1
        improved = scores[objective] > progress.best
        if improved:
            progress.best, progress.best_epoch = scores[objective], progress.epoch
        seconds = time.perf_counter() - started
        epoch = Epoch(
            progress.epoch, loss, predictions, scores, seconds, tokens / max(trained - started, 1e-9), improved
        )
        if ended(epoch) and progress.epoch < epochs:
            return "stopped"
    return "done"


def latency_ms(fitting: Fitting, split: Split, repeats: int = 15) -> float:
    """Milliseconds for one example of middle length, batch 1: the median of some runs."""
    middle = np.argsort(split.lengths)[len(split) // 2 : len(split) // 2 + 1]
    ids = split.batch(middle).ids
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        fitting.logits(ids).numpy()
        times.append(time.perf_counter() - started)
    return 1_000 * float(np.median(times))


def parameter_count(model: Any) -> int:
    """Weights of a model, trained or frozen, without counters of random generators and the kernels of one-hot input,
    whose rows are an embedding's."""
    real = [variable for variable in model.weights if not getattr(variable, "learns_nothing", False)]
    return int(sum(np.prod(variable.shape) for variable in real))

"""A Keras model and what trains it: steps, predictions, and a state that can be taken up again."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from .data.batches import Answers, Batch, Split
from .errors import TrialError
from .layers.crf import CRF
from .models import state
from .models.optimizers import summed

Data = TypeVar("Data")
DIVERGED = "a lower learning_rate or clip_norm may help"


class Predictions(NamedTuple):
    """Args:
    answers: label ids of the split's examples, in order; of sequences without what ends them; of texts instead the
        surprisal of every true symbol, float32, nats.
    loss: mean cross-entropy of a true label, nats.
    """

    answers: Answers
    loss: float


@dataclass
class Progress:
    """Where a fit stands; saved with the weights, so that another process can go on.

    Args:
        epoch: epochs trained.
        best: the objective's best value on the validation split, reached at `best_epoch`, where the loss was `best_loss`.
    """

    epoch: int = 0
    best: float = -np.inf
    best_loss: float = np.inf
    best_epoch: int = 0


class Learner(ABC, Generic[Data]):
    """A model, its optimizer, and where its training stands.

    Args:
        model: built; see the learner's own kind.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        self.model = model
        self.optimizer = optimizer
        self.progress = Progress()
        optimizer.build(model.trainable_variables)

    def begin_epoch(self) -> None:
        """Set what changes from epoch to epoch."""

    @abstractmethod
    def train_epoch(self, split: Data, batch_size: int, generator: np.random.Generator) -> tuple[float, int]:
        """One pass over the training split; returns its mean loss and how many real tokens it read.

        Raises:
            TrialError: the loss is no longer a number.
        """

    @abstractmethod
    def predict(self, split: Data) -> Predictions:
        """What the model says of every example; the order of the split is kept."""

    @abstractmethod
    def asked(self, split: Data) -> Callable[[], Any]:
        """Asks the model about one example of middle length, or for a text of its own, batch 1, when it is called."""

    def descend(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """One step of the optimizer down a loss, which should have been through its `scale_loss`."""
        variables = self.model.trainable_variables
        self.optimizer.apply([summed(gradient) for gradient in tape.gradient(loss, variables)], variables)

    def checked(self, loss: tf.Tensor) -> float:
        """The loss of a step.

        Raises:
            TrialError: it is no longer a number.
        """
        value = float(loss)
        if not np.isfinite(value):
            raise TrialError(f"diverged: the loss is {value} in epoch {self.progress.epoch + 1}; {DIVERGED}")
        return value

    def values(self) -> dict[str, np.ndarray]:
        """The weights that are scored: the model's, or their running average where there is one."""
        with self.averaged():
            return state.of_model(self.model)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with the running average of its weights inside, and with its weights again outside."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if not optimizer.use_ema or not int(optimizer.iterations):
            yield
            return
        weights = [variable.numpy() for variable in self.model.trainable_variables]
        optimizer.finalize_variable_values(self.model.trainable_variables)
        try:
            yield
        finally:
            for variable, value in zip(self.model.trainable_variables, weights, strict=True):
                variable.assign(value)

    def save(self, path: Path, note: str = "") -> None:
        """Weights, optimizer and progress, and a note of the caller's."""
        progress = dataclasses.asdict(self.progress)
        arrays = {**state.of_model(self.model), **state.values(self.optimizer.variables, "optimizer")}
        state.save_arrays(
            path, {**arrays, **{name: np.array(value) for name, value in progress.items()}, "note": np.array(note)}
        )

    def restore(self, path: Path) -> str:
        """Take up what `save` left; returns the note."""
        arrays = state.load_arrays(path)
        state.into_model(self.model, arrays)
        state.assign(self.optimizer.variables, arrays, "optimizer")
        found = {field.name: arrays[field.name].item() for field in dataclasses.fields(Progress)}
        self.progress = Progress(**found)
        return str(arrays["note"])


def surprisal(
    labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, crf: CRF | None, smoothing: float = 0.0
) -> tf.Tensor:
    """Minus the logarithm of the probability of all true labels together, nats; see `Batch` and `Fitting`."""
    if crf is None:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if smoothing:  # Szegedy et al. 2016, section 7
            of_any = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
            each = (1 - smoothing) * each + smoothing * of_any
        return tf.reduce_sum(each * weights)
    # Every real label of a batch counts alike, and the labels of a sentence are one event.
    return tf.reduce_sum(crf.surprisal(logits, labels, weights > 0) * weights[:, 0])


def most_probable(logits: tf.Tensor, real: tf.Tensor, crf: CRF | None) -> tf.Tensor:
    """Label ids, int32: each for itself, or with a CRF those that are most probable together."""
    return tf.argmax(logits, axis=-1, output_type=tf.int32) if crf is None else crf.decode(logits, real)


def predicted(split: Split, ask: Callable[[Batch], tuple[Any, Iterable[np.ndarray]]]) -> Predictions:
    """What is said of every example; the order of the split is kept.

    Args:
        ask: gives the loss of all true labels of a batch together, and what is said of each of its examples.
    """
    found: list[np.ndarray] = [np.zeros(0, np.int32)] * len(split)
    loss = weight = 0.0
    for batch in split.evaluation():
        of_batch, answers = ask(batch)
        loss += float(of_batch)
        weight += float(batch.weights.sum())
        for row, answer in zip(batch.rows, answers, strict=True):
            found[row] = answer
    return Predictions(Answers.of(found), loss / weight)


def of_each(labels: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
    """The labels of each example of a batch, int32 (batch,) or (batch, time), without padding."""
    return (np.atleast_1d(one)[:length] for one, length in zip(labels, lengths, strict=True))


class Fitting(Learner[Split]):
    """Learns the labels of examples.

    Args:
        model: from the inputs of a `Batch` to a dictionary with `logits`.
        several: whether an example may have several labels; see `Split`.
        smoothing: share of a true label's probability that training spreads over all labels.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer, *, several: bool, smoothing: float = 0.0
    ) -> None:
        super().__init__(model, optimizer)
        self.smoothing = smoothing
        self.crf = next((layer for layer in model.layers if isinstance(layer, CRF)), None)
        specs = [tf.TensorSpec(one.shape, one.dtype) for one in getattr(model, "encoder", model).inputs]
        inputs = specs if len(specs) > 1 else specs[0]
        labels = [None, None] if several else [None]
        signature = [inputs, tf.TensorSpec(labels, tf.int32), tf.TensorSpec(labels, tf.float32)]
        # One trace for all lengths: shapes are left open.
        self.step = tf.function(self._step, input_signature=signature, autograph=False)
        self.evaluate = tf.function(self._evaluate, input_signature=signature, autograph=False)
        self.answer = tf.function(self._answer, input_signature=[inputs], autograph=False)

    def _step(self, inputs: Any, labels: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """One training step; returns the loss of an example, penalties left out.

        Divided by examples and not by the batch's own tokens, so that a token counts as much in a batch of long
        sentences as in one of short ones.
        """
        with tf.GradientTape() as tape:
            logits = self.logits(inputs, labels, weights, training=True)
            loss = surprisal(labels, logits, weights, self.crf, self.smoothing)
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
        return surprisal(labels, logits, weights, self.crf), self._own(inputs, logits, weights)

    def _own(self, inputs: Any, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
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
            return loss, self._apart(labels.numpy(), split.label_lengths[batch.rows])

        return predicted(split, ask)

    def asked(self, split: Split) -> Callable[[], Any]:
        batch = split.batch(np.argsort(split.lengths)[len(split) // 2 : len(split) // 2 + 1])
        if self.crf is None:
            return lambda: self.answer(batch.inputs).numpy()
        decode = tf.function(self.crf.decode, autograph=False)
        return lambda: decode(self.answer(batch.inputs), batch.weights > 0).numpy()

    def _apart(self, labels: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """What is said of each example of a batch."""
        return of_each(labels, lengths)


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


def latency_ms(ask: Callable[[], Any], repeats: int = 15) -> float:
    """Milliseconds that an answer takes: the median of some runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return 1_000 * float(np.median(times))


def parameter_count(model: Any) -> int:
    """Weights of a model, trained or frozen, without counters of random generators and the kernels of one-hot input,
    whose rows are an embedding's."""
    real = [variable for variable in model.weights if not getattr(variable, "learns_nothing", False)]
    return int(sum(np.prod(variable.shape) for variable in real))

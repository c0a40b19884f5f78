"""A Keras model and what trains it: steps, predictions, and a state that can be resumed."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
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

from ..data.batches import Answers, Batch, Split
from ..errors import TrialError
from ..models import state
from ..models.optimizers import summed

Data = TypeVar("Data")
DIVERGED = "a lower learning_rate or clip_norm may help"


class Predictions(NamedTuple):
    """A model's predictions of one split.

    Args:
        answers: label ids of the split's examples, in order; of sequences without what ends them; of texts instead the
            negative log-likelihood of every true symbol, float32, nats.
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
    def latency_probe(self, split: Data) -> Callable[[], Any]:
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


def one_graph(function: Callable[..., Any], signature: list[Any]) -> Callable[..., Any]:
    """A function that TensorFlow traces at its first call, once for all inputs of this signature.

    A `tf.function` looks for the trace that fits at every call, which takes 6 % of a short training step.
    """
    traced = tf.function(function, input_signature=signature, autograph=False)
    graph = functools.cache(traced.get_concrete_function)

    def call(*inputs: Any) -> Any:
        return graph()(*inputs)

    return call


def predict_batches(split: Split, ask: Callable[[Batch], tuple[Any, Iterable[np.ndarray]]]) -> Predictions:
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
    real = [variable for variable in model.weights if not getattr(variable, "not_learned", False)]
    return int(sum(np.prod(variable.shape) for variable in real))

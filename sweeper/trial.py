"""One trial: build, fit and score ONE configuration. Knows no tracker and no pool."""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
import traceback
from pathlib import Path

import numpy as np

from . import pictures
from .data.batches import Split, load_split
from .data.store import Prepared, open_encoded, open_prepared, open_vectors
from .errors import TrialError
from .fitting import Epoch, Fitting, Predictions, fit, latency_ms, parameter_count
from .journal import Journal
from .models import Sizes, kernels, state
from .models.optimizers import build_optimizer
from .records import EVENTS, EpochEvent, Scores, TrialOrder, TrialResult
from .tasks import TASKS
from .tasks.base import confusion

BEST, LAST = "best.npz", "last.npz"
"""Files of a trial's folder: weights of the best epoch; the state to go on from."""


def run_trial(order: TrialOrder) -> TrialResult:
    """Score one configuration and say how it went.

    A TrialError, and running out of memory, become a failed result, so that the sweep
    goes on. Anything else is a bug and is not caught here.
    """
    import tensorflow as tf

    started = time.perf_counter()
    try:
        return _run(order, started)
    except TrialError as error:
        reason = str(error)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        reason = "out of memory; a smaller batch_size, units or max_length needs less"
    return TrialResult(
        order.number,
        order.configuration,
        "failed",
        seconds=time.perf_counter() - started,
        error=reason,
        trace=traceback.format_exc(),
    )


def _run(order: TrialOrder, started: float) -> TrialResult:
    folder = Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    prepared = open_prepared(Path(order.prepared))
    task, configuration = TASKS[order.task], order.configuration
    training, validation = (load_split(prepared, part, configuration) for part in ("train", "validation"))
    steps = -(-len(training) * training.passes // configuration["batch_size"]) * order.epochs
    kernel = kernels.choose(configuration)
    fitting = build_fitting(order, prepared, steps, kernel)
    if order.continues:
        fitting.restore(Path(order.continues) / LAST)
        (folder / BEST).write_bytes((Path(order.continues) / BEST).read_bytes())
    best: Scores = {}
    answers = np.zeros(0, np.int32)  # of the best epoch, on the validation split
    events: list[EpochEvent] = []
    journal = Journal(folder / EVENTS)
    fit_seconds = 0.0

    def score(predictions: Predictions) -> Scores:
        return task.scores(prepared.meta, validation.true_labels(), predictions.labels, validation.lengths)

    def ended(epoch: Epoch) -> bool:
        nonlocal best, answers, fit_seconds
        fit_seconds += epoch.seconds
        if epoch.improved:
            best, answers = {**epoch.scores, "loss": epoch.validation.loss}, epoch.validation.labels
            state.save_arrays(folder / BEST, state.values(fitting.model.variables, "model"))
        events.append(_event(order.number, epoch))
        journal.append(dataclasses.asdict(events[-1]))
        return _told_to_stop(order)

    ending = fit(
        fitting,
        training,
        validation,
        epochs=order.epochs,
        batch_size=configuration["batch_size"],
        patience=configuration["patience"],
        seed=order.seed,
        objective=task.objective(prepared.meta),
        score=score,
        ended=ended,
    )
    fitting.save(folder / LAST)
    if not best:  # nothing better than what was taken up
        state.assign(fitting.model.variables, state.load_arrays(folder / BEST), "model")
        predictions = fitting.predict(validation)
        best, answers = {**score(predictions), "loss": predictions.loss}, predictions.labels
    _draw(folder, events, answers, validation, prepared, task.objective(prepared.meta))
    return TrialResult(
        order.number,
        configuration,
        ending,
        scores=best,
        best_epoch=fitting.progress.best_epoch,
        epochs=fitting.progress.epoch,
        parameters=parameter_count(fitting.model),
        latency_ms=latency_ms(_as_served(order, prepared, fitting), validation),
        kernel=kernel,
        truncated=training.truncated,
        fit_seconds=fit_seconds,
        seconds=time.perf_counter() - started,
    )


def _draw(
    folder: Path,
    events: list[EpochEvent],
    answers: np.ndarray,
    validation: Split,
    prepared: Prepared,
    objective: str,
) -> None:
    """The pictures that go with the trial."""
    labels = prepared.meta.labels
    pictures.learning_curve(events, objective, folder / "learning_curve.png")
    table = confusion(validation.true_labels(), answers, len(labels))
    pictures.confusion_picture(table, labels, folder / "confusion.png")


def build_fitting(order: TrialOrder, prepared: Prepared, steps: int, kernel: str) -> Fitting:
    """The untrained model of an order and its optimizer.

    Raises:
        TrialError: the configuration cannot be built.
    """
    try:
        model = TASKS[order.task].build(order.configuration, sizes(order, prepared, kernel))
    except ValueError as error:
        raise TrialError(f"cannot be built: {error}") from error
    return Fitting(model, build_optimizer(order.configuration, steps), per_token=prepared.meta.kind != "labels")


def sizes(order: TrialOrder, prepared: Prepared, kernel: str) -> Sizes:
    """What the data settle for this configuration's model."""
    configuration = order.configuration
    tokens, lowercase = configuration.get("tokens", "words"), configuration["lowercase"] == "yes"
    vectors = (
        open_vectors(prepared, tokens, lowercase, configuration["vectors"])
        if configuration["input"] == "pretrained"
        else None
    )
    return Sizes(len(vocabulary(order, prepared)), len(prepared.meta.labels), vectors, order.seed, kernel)


def vocabulary(order: TrialOrder, prepared: Prepared) -> list[str]:
    """The tokens that this configuration keeps, by id."""
    configuration = order.configuration
    encoded = open_encoded(prepared, configuration.get("tokens", "words"), configuration["lowercase"] == "yes")
    return encoded.vocabulary[: configuration["max_vocabulary"]]


def _as_served(order: TrialOrder, prepared: Prepared, fitting: Fitting) -> Fitting:
    """The same model as an export has it."""
    served = _to_serve(order, prepared)
    state.assign(served.model.variables, state.values(fitting.model.variables, "model"), "model")
    return served


def _to_serve(order: TrialOrder, prepared: Prepared) -> Fitting:
    """A model of stock layers in float32, not trained."""
    plain = dataclasses.replace(order, configuration={**order.configuration, "precision": "float32"})
    return build_fitting(plain, prepared, 1, kernels.STOCK)


def trained(order: TrialOrder) -> tuple[Prepared, Fitting]:
    """The model of a finished trial, as an export has it, with the weights of its best epoch."""
    prepared = open_prepared(Path(order.prepared))
    fitting = _to_serve(order, prepared)
    state.assign(fitting.model.variables, state.load_arrays(Path(order.folder) / BEST), "model")
    return prepared, fitting


def score_test(order: TrialOrder) -> Scores:
    """Scores of a finished trial on the test split: once, for the winner."""
    prepared, fitting = trained(order)
    split = load_split(prepared, "test", order.configuration)
    predictions = fitting.predict(split)
    scores = TASKS[order.task].scores(prepared.meta, split.true_labels(), predictions.labels, split.lengths)
    return {**scores, "loss": predictions.loss}


def _told_to_stop(order: TrialOrder) -> bool:
    late = order.deadline is not None and time.time() >= order.deadline
    parent = multiprocessing.parent_process()
    orphaned = parent is not None and not parent.is_alive()  # nobody is left to take the result
    return late or orphaned or (order.stop_file is not None and Path(order.stop_file).exists())


def _event(number: int, epoch: Epoch) -> EpochEvent:
    scores = {f"val_{name}": value for name, value in epoch.scores.items()}
    metrics = {
        "loss": epoch.loss,
        "val_loss": epoch.validation.loss,
        **scores,
        "seconds": epoch.seconds,
        "tokens_per_second": epoch.tokens_per_second,
    }
    return EpochEvent(number, epoch.number, metrics, time.time())

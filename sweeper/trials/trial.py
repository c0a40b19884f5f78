"""One trial: build, fit and score ONE configuration. Knows no tracker and no pool."""

from __future__ import annotations

import dataclasses
import json
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ..data.batches import Answers
from ..data.store import open_prepared
from ..errors import DataError, TrialError
from ..learners import as_served, build_learner, load
from ..learners.base import Learner, Predictions, latency_ms, parameter_count
from ..learners.training import Epoch, fit
from ..models import kernels, state
from ..records import BEST, EVENTS, LAST, EpochEvent, Scores, TrialOrder, TrialResult
from ..system.journal import Journal
from ..tasks import TASKS
from .artifacts import write_artifacts


def run_trial(order: TrialOrder) -> TrialResult:
    """Score one configuration and say how it went.

    A TrialError, and running out of memory, become a failed result, so that the sweep
    goes on. Anything else is a bug and is not caught here.
    """
    started = time.perf_counter()
    try:
        return _run(order, started)
    except (TrialError, DataError) as error:  # the latter of a file of weights that was damaged
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


@dataclass
class _Record:
    """What a trial has found so far; its checkpoints keep it.

    Args:
        scores: of the best epoch on the validation split.
        fit_seconds: in training and validation.
        seconds: in all, in the processes before this one.
        note: what a person should know of how it went.
    """

    events: list[EpochEvent] = field(default_factory=list)
    scores: Scores = field(default_factory=dict)
    fit_seconds: float = 0.0
    seconds: float = 0.0
    note: str = ""

    def as_text(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> _Record:
        kept = json.loads(text)
        return cls(**{**kept, "events": [EpochEvent(**event) for event in kept["events"]]})


@dataclass
class _Checkpoint:
    """The state to go on from, written as often as costs a twentieth of the time."""

    path: Path
    due: float = 0.0  # `time.perf_counter`

    def offer(self, learner: Learner[Any], record: _Record, *, now: bool = False) -> None:
        started = time.perf_counter()
        if now or started >= self.due:
            learner.save(self.path, record.as_text())
            ended = time.perf_counter()
            self.due = ended + 20 * (ended - started)


def _run(order: TrialOrder, started: float) -> TrialResult:
    folder = Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    prepared = open_prepared(Path(order.prepared))
    task, configuration = TASKS[order.task], order.configuration
    training, validation = (load(order, prepared, part) for part in ("train", "validation"))
    kernel = kernels.choose(configuration)
    steps = training.steps(configuration["batch_size"]) * order.epochs
    learner = build_learner(order, prepared, steps, kernel)
    record, checkpoint, journal = _resumed(order, learner), _Checkpoint(folder / LAST), Journal(folder / EVENTS)
    for event in record.events:
        journal.append(dataclasses.asdict(event))
    started -= record.seconds
    answers: Answers | None = None  # of the best epoch, on the validation split

    def score(predictions: Predictions) -> Scores:
        return task.scores(prepared.meta, validation.truth(), predictions.answers)

    def ended(epoch: Epoch) -> bool:
        nonlocal answers
        record.fit_seconds += epoch.seconds
        record.seconds = time.perf_counter() - started
        if epoch.improved:
            record.scores, answers = {**epoch.scores, "loss": epoch.validation.loss}, epoch.validation.answers
            state.save_arrays(folder / BEST, {**learner.values(), "epoch": np.array(epoch.number)})
        record.events.append(_event(order.number, epoch))
        checkpoint.offer(learner, record)
        journal.append(dataclasses.asdict(record.events[-1]))
        return _should_stop(order)

    ending = fit(
        learner,
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
    checkpoint.offer(learner, record, now=True)
    best = state.load_arrays(folder / BEST)
    state.into_model(learner.model, best)  # which is what is shown, and exported
    learner.progress.best_epoch = int(best["epoch"])
    if answers is None:  # the best epoch is one that was resumed, or one after it, which a kill has undone
        predictions = learner.predict(validation)
        record.scores, answers = {**score(predictions), "loss": predictions.loss}, predictions.answers
    write_artifacts(order, prepared, learner, record.events, answers, validation)
    return TrialResult(
        order.number,
        configuration,
        ending,
        scores=record.scores,
        best_epoch=learner.progress.best_epoch,
        epochs=learner.progress.epoch,
        parameters=parameter_count(learner.model),
        latency_ms=latency_ms(as_served(order, prepared, learner).latency_probe(validation)),
        kernel=kernel,
        truncated=training.truncated,
        note=record.note,
        fit_seconds=record.fit_seconds,
        seconds=time.perf_counter() - started,
    )


def _resumed(order: TrialOrder, learner: Learner[Any]) -> _Record:
    """Restore the trial's own checkpoint, if it was interrupted, or that of the trial with which it goes on."""
    folder, note = Path(order.folder), ""
    try:
        if (folder / LAST).exists():
            state.load_arrays(folder / BEST)  # is it whole?
            return _Record.from_text(learner.restore(folder / LAST))
    except DataError as error:
        note = _anew(error)
    try:
        if order.continues:
            before = Path(order.continues)
            state.load_arrays(before / BEST)  # is it whole?
            learner.restore(before / LAST)
            (folder / BEST).write_bytes((before / BEST).read_bytes())
    except DataError as error:
        note = _anew(error)
    return _Record(note=note)


def _anew(error: DataError) -> str:
    return f"{str(error).partition(';')[0]}; the trial began anew"


def _should_stop(order: TrialOrder) -> bool:
    late = order.deadline is not None and time.time() >= order.deadline
    return late or (order.stop_file is not None and Path(order.stop_file).exists())


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

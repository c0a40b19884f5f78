"""One trial: build, fit and score ONE configuration. Knows no tracker and no pool."""

from __future__ import annotations

import dataclasses
import json
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import pictures
from .data.batches import Answers, Split, load_split
from .data.store import Prepared, open_encoded, open_prepared, open_vectors
from .errors import TrialError
from .fitting import Epoch, Fitting, Predictions, fit, latency_ms, parameter_count
from .journal import Journal, write_atomically
from .models import EncoderDecoder, Sizes, kernels, state
from .models.decoder import forcing
from .models.optimizers import build_optimizer
from .records import BEST, EVENTS, LAST, EpochEvent, Scores, TrialOrder, TrialResult
from .tasks import TASKS
from .tasks.base import confusion

DRAWN = (0.3, 0.6, 0.9)  # whose attention is drawn: examples by their place when sorted by length
DECODING = "decoding.json"
DECODINGS = ((1, 0.0), *((width, penalty) for width in (3, 6) for penalty in (0.0, 0.5, 1.0)))
"""Beam widths and length penalties that are tried once a search is over."""

SEARCHED = 2_000  # validation examples that they are tried on


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


@dataclass
class _Record:
    """What a trial has found so far; its checkpoints keep it.

    Args:
        scores: of the best epoch on the validation split.
        fit_seconds: in training and validation.
    """

    events: list[EpochEvent] = field(default_factory=list)
    scores: Scores = field(default_factory=dict)
    fit_seconds: float = 0.0

    def as_text(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> _Record:
        kept = json.loads(text)
        return cls([EpochEvent(**event) for event in kept["events"]], kept["scores"], kept["fit_seconds"])


@dataclass
class _Checkpoint:
    """The state to go on from, written as often as costs a twentieth of the time."""

    path: Path
    due: float = 0.0  # `time.perf_counter`

    def offer(self, fitting: Fitting, record: _Record, *, now: bool = False) -> None:
        started = time.perf_counter()
        if now or started >= self.due:
            fitting.save(self.path, record.as_text())
            ended = time.perf_counter()
            self.due = ended + 20 * (ended - started)


def _run(order: TrialOrder, started: float) -> TrialResult:
    folder = Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    prepared = open_prepared(Path(order.prepared))
    task, configuration = TASKS[order.task], order.configuration
    training, validation = (load_split(prepared, part, configuration) for part in ("train", "validation"))
    steps = -(-len(training) * training.passes // configuration["batch_size"]) * order.epochs
    kernel = kernels.choose(configuration)
    fitting = build_fitting(order, prepared, steps, kernel)
    record, checkpoint, journal = _taken_up(order, fitting), _Checkpoint(folder / LAST), Journal(folder / EVENTS)
    for event in record.events:
        journal.append(dataclasses.asdict(event))
    answers: Answers | None = None  # of the best epoch, on the validation split

    def score(predictions: Predictions) -> Scores:
        return task.scores(prepared.meta, validation.truth(), predictions.answers, validation.groups)

    def ended(epoch: Epoch) -> bool:
        nonlocal answers
        record.fit_seconds += epoch.seconds
        if epoch.improved:
            record.scores, answers = {**epoch.scores, "loss": epoch.validation.loss}, epoch.validation.answers
            weights = state.values(fitting.model.variables, "model")
            state.save_arrays(folder / BEST, {**weights, "epoch": np.array(epoch.number)})
        record.events.append(_event(order.number, epoch))
        checkpoint.offer(fitting, record)
        journal.append(dataclasses.asdict(record.events[-1]))
        return _told_to_stop(order)

    def before_epoch(epochs: int) -> None:
        if isinstance(fitting.model, EncoderDecoder):
            fitting.model.decoder.forcing.assign(forcing(configuration, epochs))

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
        before_epoch=before_epoch,
    )
    checkpoint.offer(fitting, record, now=True)
    if answers is None:  # the best epoch is one that was taken up, or one after it, which a kill has undone
        best = state.load_arrays(folder / BEST)
        state.assign(fitting.model.variables, best, "model")
        fitting.progress.best_epoch = int(best["epoch"])
        predictions = fitting.predict(validation)
        record.scores, answers = {**score(predictions), "loss": predictions.loss}, predictions.answers
    _draw(folder, record.events, answers, validation, prepared, task.objective(prepared.meta))
    if isinstance(fitting.model, EncoderDecoder) and configuration["attention"] != "none":
        alignments = list(_alignments(order, prepared, fitting, validation))
        pictures.alignment_picture(alignments, folder / "attention.png")
    return TrialResult(
        order.number,
        configuration,
        ending,
        scores=record.scores,
        best_epoch=fitting.progress.best_epoch,
        epochs=fitting.progress.epoch,
        parameters=parameter_count(fitting.model),
        latency_ms=latency_ms(_as_served(order, prepared, fitting), validation),
        kernel=kernel,
        truncated=training.truncated,
        fit_seconds=record.fit_seconds,
        seconds=time.perf_counter() - started,
    )


def _taken_up(order: TrialOrder, fitting: Fitting) -> _Record:
    """Restore the trial's own checkpoint, if it was interrupted, or that of the trial with which it goes on."""
    folder = Path(order.folder)
    if (folder / LAST).exists():
        return _Record.from_text(fitting.restore(folder / LAST))
    if order.continues:
        fitting.restore(Path(order.continues) / LAST)
        (folder / BEST).write_bytes((Path(order.continues) / BEST).read_bytes())
    return _Record()


def _draw(
    folder: Path,
    events: list[EpochEvent],
    answers: Answers,
    validation: Split,
    prepared: Prepared,
    objective: str,
) -> None:
    """The pictures that go with the trial."""
    labels = prepared.meta.labels
    pictures.learning_curve(events, objective, folder / "learning_curve.png")
    if prepared.meta.kind != "sequences":
        table = confusion(validation.truth().labels, answers.labels, len(labels))
        pictures.confusion_picture(table, labels, folder / "confusion.png")


def _alignments(
    order: TrialOrder, prepared: Prepared, fitting: Fitting, validation: Split
) -> Iterator[pictures.Alignment]:
    """Attention of a few examples, from short to long, as the model stands after its last epoch."""
    names, symbols = vocabulary(order, prepared), prepared.meta.labels
    by_length = np.argsort(validation.lengths, kind="stable")
    for row in by_length[(len(by_length) * np.array(DRAWN)).astype(int)]:
        ids = validation.batch(np.array([row])).ids
        written = fitting.model.write(ids)
        wrote = written.symbols.numpy()[0]
        yield pictures.Alignment(
            [names[place] for place in ids[0]],
            [symbols[symbol] for symbol in wrote],
            written.attention.numpy()[0],
        )


def build_fitting(order: TrialOrder, prepared: Prepared, steps: int, kernel: str) -> Fitting:
    """The untrained model of an order and its optimizer.

    Raises:
        TrialError: the configuration cannot be built.
    """
    try:
        model = TASKS[order.task].build(order.configuration, sizes(order, prepared, kernel))
    except ValueError as error:
        raise TrialError(f"cannot be built: {error}") from error
    return Fitting(model, build_optimizer(order.configuration, steps), several=prepared.meta.kind != "labels")


def sizes(order: TrialOrder, prepared: Prepared, kernel: str) -> Sizes:
    """What the data settle for this configuration's model."""
    configuration = order.configuration
    tokens, lowercase = configuration.get("tokens", prepared.meta.source_tokens), configuration["lowercase"] == "yes"
    vectors = (
        open_vectors(prepared, tokens, lowercase, configuration["vectors"])
        if configuration["input"] == "pretrained"
        else None
    )
    labels = len(prepared.meta.labels)
    if prepared.meta.kind == "sequences":
        labels = min(labels, configuration["max_vocabulary"])
    return Sizes(len(vocabulary(order, prepared)), labels, vectors, order.seed, kernel, prepared.meta.longest)


def vocabulary(order: TrialOrder, prepared: Prepared) -> list[str]:
    """The tokens that this configuration keeps, by id."""
    configuration = order.configuration
    encoded = open_encoded(
        prepared, configuration.get("tokens", prepared.meta.source_tokens), configuration["lowercase"] == "yes"
    )
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
    for name, value in decoding(order).items():
        setattr(fitting.model, name, value)
    return prepared, fitting


def decoding(order: TrialOrder) -> dict[str, float]:
    """What `choose_decoding` chose: `beam_width` and `length_penalty`; {} where it was not asked."""
    chosen = Path(order.folder) / DECODING
    return dict(json.loads(chosen.read_text(encoding="utf-8"))) if chosen.exists() else {}


def choose_decoding(order: TrialOrder) -> dict[str, float]:
    """The beam search with the best validation score, of a finished trial that writes sequences; kept beside its
    weights. {} for one that does not."""
    prepared, fitting = trained(order)
    if not isinstance(fitting.model, EncoderDecoder):
        return {}
    task, split = TASKS[order.task], load_split(prepared, "validation", order.configuration)
    split = split.some(SEARCHED, np.random.default_rng(order.seed))
    answers, truth, objective = fitting.searched(split), split.truth(), task.objective(prepared.meta)
    scores = {one: task.scores(prepared.meta, truth, answers(*one), split.groups)[objective] for one in DECODINGS}
    width, penalty = max(DECODINGS, key=lambda one: scores[one])
    chosen = {"beam_width": width, "length_penalty": penalty}
    write_atomically(Path(order.folder) / DECODING, json.dumps(chosen))
    return chosen


def score_test(order: TrialOrder) -> Scores:
    """Scores of a finished trial on the test split: once, for the winner."""
    prepared, fitting = trained(order)
    split = load_split(prepared, "test", order.configuration)
    predictions = fitting.predict(split)
    scores = TASKS[order.task].scores(prepared.meta, split.truth(), predictions.answers, split.groups)
    return {**scores, "loss": predictions.loss}


def _told_to_stop(order: TrialOrder) -> bool:
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

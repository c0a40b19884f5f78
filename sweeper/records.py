"""The values that travel between floors and between processes: frozen, plain, picklable."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .system.devices import default_workers

Configuration = Mapping[str, Any]
"""Parameter names to values, complete: active parameters only, defaults filled in."""

Scores = dict[str, float]
"""Metric names, without a split's prefix, to values."""

EVENTS, BEST, LAST = "events.jsonl", "best.npz", "last.npz"
"""Files of a trial's folder: a journal of `EpochEvent`; weights of the best epoch; the state to go on from."""

TRACKED, HISTORY = "tracking.jsonl", "history.jsonl"
"""Journals in a sweep's folder: of what MLflow is to be told, and of what the search has asked and was told."""

SWEEPS = Path("sweeps")
"""The folder of all sweeps, in the working folder."""


def sweep_argument(folder: Path) -> str:
    """How a command names a sweep: by its name where it lies among the others, else by its path."""
    return shlex.quote(folder.name if folder.parent == SWEEPS else str(folder))


PADDING, UNKNOWN = 0, 1
"""Ids of every vocabulary: of what fills a batch up, and of any token that is not in it."""

BOUNDARY = 0
"""The symbol that stands before the first one of what is written, and after its last one."""

TokenKind = Literal["words", "characters", "symbols"]
"""What is read or written one at a time: words and punctuation, characters, or what stands between blanks."""


class LabelledText(NamedTuple):
    """One example of sentiment and text classification."""

    text: str
    label: str


class TaggedSentence(NamedTuple):
    """One example of tagging; `len(tokens) == len(tags) >= 1`."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]


class TextPair(NamedTuple):
    """One example of sequence to sequence."""

    source: str
    target: str


Example = LabelledText | TaggedSentence | TextPair


@dataclass(frozen=True)
class TrialOrder:
    """All that a worker needs to run one trial.

    Args:
        number: the trial's number in its sweep, from 0.
        task: a key of `tasks.TASKS`.
        configuration: complete (`parameters.complete`).
        prepared: folder of the prepared dataset.
        folder: the trial's own folder; its events, weights and pictures' data go there.
        seed: of weights, shuffling and dropout.
        epochs: train up to this many in all, those of `continues` included.
        deadline: seconds since the epoch (`time.time`); reached, the trial stops at the
            end of its running epoch and still counts. None for none.
        stop_file: once this file exists the trial stops likewise.
        continues: folder of the trial whose last weights and optimizer this one continues with.
        initial_epoch: epochs that `continues` has already trained.
        repeats: number of the trial that this one trains again with another seed.
    """

    number: int
    task: str
    configuration: Configuration
    prepared: str
    folder: str
    seed: int
    epochs: int
    deadline: float | None = None
    stop_file: str | None = None
    continues: str | None = None
    initial_epoch: int = 0
    repeats: int | None = None


@dataclass(frozen=True)
class EpochEvent:
    """What one epoch of one trial did.

    Args:
        epoch: counted from 1.
        metrics: loss, val_loss, val_SCORE for every score of the task, seconds,
            tokens_per_second.
        time: when it ended, in seconds since the epoch.
    """

    trial: int
    epoch: int
    metrics: dict[str, float]
    time: float


@dataclass(frozen=True)
class TrialResult:
    """How one trial went.

    Args:
        state: "done" (trained as long as it was meant to, or no longer improved),
            "pruned" (done, but hyperband gave it fewer epochs than others and never went
            on with it; it counts), "stopped" (ended early by budget at the end of an epoch;
            it counts), "interrupted" (ended by hand; it goes on when the sweep is
            resumed) or "failed".
        scores: of the best epoch on the validation split; empty unless it counts.
        best_epoch: counted from 1; 0 where there is none.
        epochs: epochs trained in all.
        seconds: wall-clock time of the trial, in all processes that it ran in; if it failed, in the last one.
        fit_seconds: of these in training and validation.
        parameters: number of weights, trained or not.
        latency_ms: one example of middle length through the model, or so many symbols of a text (`learners.language_model.LATENCY_SYMBOLS`), batch 1,
            milliseconds.
        truncated: training examples longer than `max_length`.
        kernel: how its recurrent layers were computed, see `models.kernels`.
        error: why it failed, for a person; `trace` for whoever mends it.
        note: what a person should know of a trial that did not fail.
    """

    number: int
    configuration: Configuration
    state: str
    scores: Scores = field(default_factory=dict)
    best_epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    fit_seconds: float = 0.0
    parameters: int = 0
    latency_ms: float = 0.0
    truncated: int = 0
    kernel: str = ""
    error: str | None = None
    trace: str | None = None
    note: str = ""

    @property
    def counts(self) -> bool:
        """Whether it can win: it has scores."""
        return self.state in ("done", "pruned", "stopped") and bool(self.scores)

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "configuration": dict(self.configuration)}


class Difference(NamedTuple):
    """An example, or a token in brackets among its neighbours, of which a model and a baseline say different things."""

    text: str
    truth: str
    model: str
    baseline: str


class Differences(NamedTuple):
    """What a model and a baseline get wrong of the same data.

    Args:
        baseline: its name.
        of: what is counted, "examples" or "tokens".
        shared: errors of both.
        repaired, made: errors of the baseline alone, and of the model alone.
        of_repaired, of_made: a few of each.
    """

    baseline: str
    of: str
    shared: int
    repaired: int
    made: int
    of_repaired: tuple[Difference, ...] = ()
    of_made: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        errors = self.shared + self.repaired
        return (
            f"on validation data it repairs {self.repaired:,} of the {self.baseline} baseline's {errors:,} errors "
            f"({self.of}), and makes {self.made:,} new ones"
        )


class Ensemble(NamedTuple):
    """Trials whose models answer as one, and their scores on both splits."""

    trials: tuple[int, ...]
    validation: Scores
    test: Scores

    @property
    def name(self) -> str:
        return f"ensemble: {', '.join(map(str, self.trials))}"


@dataclass(frozen=True)
class Settings:
    """How to search.

    Args:
        algorithm: one of `arguments.ALGORITHMS`.
        trials: the most trials; None for no limit but the budget.
        budget: wall-clock seconds from the first trial on; None for none. Trials that run
            when it ends stop at the end of their epoch and still count.
        epochs: the most epochs of one trial.
        trial_limit: the most seconds of one trial; one that takes longer hangs, and fails.
        workers: processes, one trial each.
        seed: of everything random.
        ensemble: how many trials, the best ones, are exported as one model.
        seeds: with which the best configurations are trained in all; the winner has the best mean. None for the usual
            number, see `seeds_in_all`.
    """

    algorithm: str = "random"
    trials: int | None = None
    budget: float | None = 300.0
    epochs: int = 10
    trial_limit: float = 21_600.0
    workers: int = field(default_factory=default_workers)
    seed: int = 0
    seeds: int | None = None
    ensemble: int = 1

    @property
    def seeds_in_all(self) -> int:
        """Three within a budget; one where nothing but a number of trials limits the search."""
        return self.seeds or (3 if self.budget is not None else 1)

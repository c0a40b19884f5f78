"""What is done once with the best trial of a search: its decoding is chosen, and it meets the test split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ..data.batches import Answers, Split
from ..data.store import Meta, open_prepared
from ..learners import DECODING, load, trained
from ..learners.sequences import SequenceLearner
from ..records import Scores, TrialOrder
from ..system.files import write_atomically
from ..tasks import TASKS
from .baselines import strongest_statistics
from .bootstrap import Intervals, bootstrap_intervals
from .ensembles import FinishedTrials

DECODINGS = ((1, 0.0), *((width, penalty) for width in (3, 6) for penalty in (0.0, 0.5, 1.0)))
"""Beam widths and length penalties that are tried once a search is over."""

SEARCHED = 2_000  # sources of the validation split that they are tried on


def choose_decoding(order: TrialOrder) -> dict[str, float]:
    """The beam search with the best validation score, of a finished trial that writes sequences; kept beside its
    weights. {} for one that does not."""
    if open_prepared(Path(order.prepared)).meta.kind != "sequences":
        return {}
    prepared, learner = trained(order)
    assert isinstance(learner, SequenceLearner)
    task, split = TASKS[order.task], load(order, prepared, "validation")
    assert isinstance(split, Split)
    split = split.sample(SEARCHED, np.random.default_rng(order.seed))
    answers, truth, objective = learner.searched(split), split.truth(), task.objective(prepared.meta)
    scores = {one: task.scores(prepared.meta, truth, answers(*one))[objective] for one in DECODINGS}
    width, penalty = max(DECODINGS, key=lambda one: scores[one])
    chosen = {"beam_width": width, "length_penalty": penalty}
    write_atomically(Path(order.folder) / DECODING, json.dumps(chosen))
    return chosen


def score_test(orders: Sequence[TrialOrder]) -> tuple[Scores, Intervals | None]:
    """Scores of finished trials that answer as one on the test split, once, for the winner; and what of the objective
    may be chance, where there are examples enough to say."""
    finished, task = FinishedTrials(orders), TASKS[orders[0].task]
    asked, scores = _scored(finished, "test")
    ours, theirs = task.statistics(*asked), strongest_statistics(finished.prepared.folder)
    intervals = None
    if ours is not None:
        intervals = bootstrap_intervals(
            partial(task.score_of_statistics, finished.prepared.meta), ours, theirs, orders[0].seed
        )
    return scores, intervals


def score_validation(orders: Sequence[TrialOrder]) -> Scores:
    """Scores of finished trials that answer as one on the validation split."""
    return _scored(FinishedTrials(orders), "validation")[1]


def _scored(finished: FinishedTrials, part: str) -> tuple[tuple[Meta, Answers, Answers], Scores]:
    """What a task is asked about a split (see `Task.scores`), and its scores."""
    split, predictions = finished.predict(part)
    asked = finished.prepared.meta, split.truth(), predictions.answers
    return asked, {**TASKS[finished.orders[0].task].scores(*asked), "loss": predictions.loss}

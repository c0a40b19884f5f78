"""What each part of a model gains: a known-good configuration, and the same with one thing otherwise, three seeds each.

Scores are of validation data. A gain is the mean of the differences seed by seed, with their standard deviation.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared import parameters
from sweeper.records import Settings, TrialOrder, TrialResult
from sweeper.system import devices
from sweeper.tasks import TASKS
from sweeper.workers.pool import Workers

from .rows import Row

SEEDS = int(os.environ.get("BENCH_SEEDS", "3"))
EPOCHS = 8
GLOVE = {"input": "pretrained", "vectors": "glove-6b-50d"}
Values = Mapping[str, Any]

CLASSIFIER = {
    **GLOVE, "extra": "ngrams", "weighting": "naive_bayes", "cell": "gru", "units": 64, "dropout": 0.4,
    "embedding_dropout": 0.3, "learning_rate": 0.002, "batch_size": 32,
}  # fmt: skip
CLASSIFIERS: dict[str, Values] = {
    "no n-grams": {"extra": "none"},
    "n-grams by TF-IDF": {"weighting": "tfidf"},
    "n-grams through a hidden layer (fusion = mlp)": {"fusion": "mlp"},
    "no vectors": {"input": "learned"},
    "in-domain vectors, from 25,000 other reviews too": {"vectors": "in_domain"},
    "GloVe + in-domain vectors, frozen": {"vectors": "glove-6b-50d + in_domain", "vectors_training": "frozen"},
    "frozen vectors": {"vectors_training": "frozen"},
    "LSTM": {"cell": "lstm"},
    "forward only": {"direction": "forward"},
    "last-state pooling": {"pooling": "last"},
    "all poolings": {"pooling": "all"},
    "attention": {"attention": "dot"},
    "attention and all poolings": {"attention": "dot", "beside_attention": "poolings"},
    "no dropout": {"dropout": 0.0},
    "no word dropout": {"embedding_dropout": 0.0},
    "averaged weights (EMA)": {"averaging": 0.99},
    "label smoothing": {"label_smoothing": 0.1},
    "warm-up": {"warm_up": 0.1},
    "characters (cnn)": {"characters": "cnn"},
    "characters (rnn)": {"characters": "rnn"},
    "bigrams": {"bigrams": "yes"},
}
TAGGER = {
    "cell": "lstm", "units": 64, "head": "crf", "characters": "cnn", "embedding_units": 64, "learning_rate": 0.004,
    "batch_size": 32,
}  # fmt: skip
TAGGERS: dict[str, Values] = {
    "softmax head": {"head": "softmax"},
    "no characters": {"characters": "none"},
    "characters (rnn)": {"characters": "rnn"},
    "GRU": {"cell": "gru"},
    "forward only": {"direction": "forward"},
    "two layers": {"depth": 2},
    "attention": {"attention": "dot"},
    "variational dropout": {"dropout_masks": "sequence"},
    "no word dropout": {"embedding_dropout": 0.0},
    "averaged weights (EMA)": {"averaging": 0.99},
    "in-domain vectors": {"input": "pretrained", "vectors": "in_domain"},
}
BY_CHARACTER = {
    "cell": "lstm", "units": 64, "head": "crf", "bigrams": "yes", "embedding_units": 64, "learning_rate": 0.004,
    "batch_size": 32,
}  # fmt: skip
TAGGERS_BY_CHARACTER: dict[str, Values] = {
    "softmax head": {"head": "softmax"},
    "no bigrams": {"bigrams": "no"},
    "GRU": {"cell": "gru"},
    "forward only": {"direction": "forward"},
    "two layers": {"depth": 2},
    "averaged weights (EMA)": {"averaging": 0.99},
    "in-domain vectors": {"input": "pretrained", "vectors": "in_domain"},
}


def classifiers(folder: Path) -> Iterator[Row]:
    yield from ablation("rotten-tomatoes", CLASSIFIER, CLASSIFIERS, folder)


def taggers(folder: Path) -> Iterator[Row]:
    yield from ablation("turkish-pos", TAGGER, TAGGERS, folder)


def taggers_by_character(folder: Path) -> Iterator[Row]:
    yield from ablation("peoples-daily", BY_CHARACTER, TAGGERS_BY_CHARACTER, folder)


def ablation(name: str, base: Values, others: Mapping[str, Values], folder: Path) -> Iterator[Row]:
    """The score of `base`, and what each of the others gains; the trials run in worker processes."""
    card = cards.load_card(name)
    every: list[Values] = [{**base, **change} for change in ({}, *others.values())]
    vectors = {values["vectors"] for values in every if values.get("input") == "pretrained"}
    weightings = {values["weighting"] for values in every if values.get("extra") == "ngrams"}
    characters = any(values.get("characters", "none") != "none" for values in every)
    prepared = prepare(card, [("words", True)], sorted(vectors), sorted(weightings), characters, print)
    configurations = [parameters.complete(card.task, values, prepared.meta.traits) for values in every]
    orders = [
        TrialOrder(0, card.task, configuration, str(prepared.folder), "", seed, EPOCHS)
        for configuration in configurations
        for seed in range(SEEDS)
    ]
    placed = [
        dataclasses.replace(order, number=number, folder=str(folder / str(number)))
        for number, order in enumerate(orders)
    ]
    objective = TASKS[card.task].objective(prepared.meta)
    found = _run(placed, folder)
    scores = [100 * found[order.number].scores[objective] for order in placed]
    by_variant = [scores[start : start + SEEDS] for start in range(0, len(scores), SEEDS)]
    described = ", ".join(f"{key} {value}" for key, value in base.items())
    yield Row(f"{name}: {described}: validation {objective}", _said(by_variant[0], sign=""))
    for what, its in zip(others, by_variant[1:], strict=True):
        yield Row(
            f"{name}: {what}", _said([one - usual for one, usual in zip(its, by_variant[0], strict=True)], sign="+")
        )


def _run(orders: list[TrialOrder], folder: Path) -> dict[int, TrialResult]:
    waiting, found = list(orders), {}
    with Workers(devices.default_workers(), folder / "workers.log", limit=Settings().trial_limit) as workers:
        while waiting or workers.running:
            while waiting and workers.free:
                workers.start(waiting.pop(0))
            list(workers.epochs())
            found.update({result.number: result for result in workers.results()})
            time.sleep(0.1)
    return found


def _said(values: list[float], sign: str) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{sign}.1f}{spread}"

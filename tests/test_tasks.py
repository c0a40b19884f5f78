"""Scores are the field's own, baselines are honest."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from sweeper.data import cards
from sweeper.data.batches import Answers
from sweeper.data.prepare import prepare
from sweeper.data.store import Meta
from sweeper.tasks import TASKS
from sweeper.tasks.base import accuracy, confusion, macro_f1
from sweeper.tasks.tagging import span_scores

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=50)


@given(PAIRS)
def test_accuracy_and_macro_f1_are_those_of_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    table = confusion(truth, predicted, 5)
    assert np.isclose(accuracy(table), sklearn.metrics.accuracy_score(truth, predicted))
    assert np.isclose(macro_f1(table), sklearn.metrics.f1_score(truth, predicted, average="macro", zero_division=0))


def test_a_span_counts_only_whole_and_of_its_type():
    truth = ["B-p I-p O B-q O".split(), "B-p O O".split()]
    predicted = ["B-p O O B-q O".split(), "B-q O B-p".split()]
    found = span_scores(truth, predicted)
    assert (found["precision"], found["recall"]) == (1 / 4, 1 / 3)
    assert np.isclose(found["f1"], 2 / 7)


def test_nothing_found_and_nothing_there_is_no_error():
    assert span_scores([["O"]], [["O"]])["f1"] == 0.0


def test_perfect_tags_are_perfect_spans():
    tags = ["B-p I-p B-p O B-q".split()]
    assert span_scores(tags, tags) == {"f1": 1.0, "precision": 1.0, "recall": 1.0}


def test_stars_are_also_scored_by_their_distance():
    meta = Meta("n", "sentiment", "d", ("1", "2", "5"), "labels", True, {})
    truth, predicted = (Answers.one_each(np.array(labels)) for labels in ([0, 1, 2, 2], [0, 0, 2, 0]))
    scores = TASKS["sentiment"].scores(meta, truth, predicted)
    assert scores["accuracy"] == 0.5
    assert scores["mae"] == (0 + 1 + 0 + 4) / 4


@pytest.mark.parametrize(
    ("which", "names"), [("reviews_card", ["majority", "linear"]), ("people_card", ["majority", "most frequent tag"])]
)
def test_baselines_come_weakest_first_and_learn_from_training(which, names, request):
    prepared = prepare(cards.load_card(str(request.getfixturevalue(which))))
    task = TASKS[prepared.meta.task]
    found = task.baselines(prepared)
    assert [baseline.name for baseline in found] == names
    objective = task.objective(prepared.meta)
    assert found[0].test[objective] <= 0.7
    assert found[1].test[objective] >= 0.9
    assert set(found[1].validation) == set(found[1].test)

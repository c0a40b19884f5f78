"""Several models that answer as one."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.layers.crf import CRF
from sweeper.learners import load, trained
from sweeper.models.ensembling import averaged_crf, averaged_logits
from sweeper.records import TrialOrder
from sweeper.serving import answer, exports
from sweeper.trials.ensembles import FinishedTrials
from sweeper.trials.trial import run_trial
from sweeper.trials.winner import score_validation

SMALL = {"units": 4, "embedding_units": 4, "batch_size": 16, "learning_rate": 0.02, "max_vocabulary": 60}


def finished_trials(tmp_path, card, *configurations):
    """One finished trial of each."""
    prepared = prepare(
        cards.load_card(str(card)),
        [("words", True), ("words", False), ("characters", True)],
        weightings=["tfidf"] if any("extra" in values for values in configurations) else [],
        characters=any("characters" in values for values in configurations),
    )
    orders = []
    for number, values in enumerate(configurations):
        configuration = complete(prepared.meta.task, {**SMALL, **values}, prepared.meta.traits)
        assert values.items() <= configuration.items()
        place = str(tmp_path / f"trial-{number}")
        order = TrialOrder(number, prepared.meta.task, configuration, str(prepared.folder), place, number, 2)
        result = run_trial(order)
        assert result.counts, result.error
        orders.append(order)
    return orders


TEXTS = (
    {"attention": "concat"},
    {"tokens": "characters", "max_length": 12},
    {"input": "one_hot", "cell": "gru", "extra": "ngrams"},
    {"characters": "cnn", "bigrams": "yes", "lowercase": "no"},
)
TAGS = ({"head": "crf", "characters": "cnn"}, {"head": "softmax", "lowercase": "no"}, {"head": "crf", "cell": "gru"})


def test_classifiers_that_read_differently_answer_with_the_geometric_mean_of_their_probabilities(
    tmp_path, reviews_card
):
    orders = finished_trials(tmp_path, reviews_card, *TEXTS)
    folder = exports.export_trials(orders, str(tmp_path / "out"), {"sweep": "s"})  # compares real rows itself
    texts = ["a fine and moving film", "", "🎬", "dull"]
    product = np.ones((4, 2))
    for order in orders:
        alone = FinishedTrials([order]).module().answer(tf.constant(texts))["scores"].numpy()
        product *= alone ** (1 / len(orders))
    found = list(answer.load(folder)(texts))
    assert np.allclose([one["scores"] for one in found], product / product.sum(1, keepdims=True), atol=1e-5)
    card = (tmp_path / "out" / "model_card.md").read_text()
    assert "Recurrent models, the trials 0, 1, 2, 3 of the sweep `s`, which answer as one." in card
    assert "## Configuration of trial 3" in card


def test_taggers_with_and_without_a_crf_answer_as_one(tmp_path, people_card):
    orders = finished_trials(tmp_path, people_card, *TAGS)
    answers = answer.load(exports.export_trials(orders, str(tmp_path / "out"), {}))
    from_text, empty = answers(["yesterday Anna met us, OK?", ""])
    assert len(from_text["tags"]) == 7
    assert empty == {"tokens": [], "tags": []}


@pytest.mark.parametrize(("card", "values"), [("reviews_card", TEXTS[1]), ("people_card", TAGS[0])])
def test_a_model_agrees_with_itself(tmp_path, request, card, values):
    [order] = finished_trials(tmp_path, request.getfixturevalue(card), values)
    alone, thrice = score_validation([order]), score_validation([order] * 3)
    assert alone == pytest.approx(thrice, rel=1e-4, abs=1e-6)
    again = dataclasses.replace(order)
    prepared, learner = trained(again)
    assert alone["loss"] == pytest.approx(learner.predict(load(again, prepared, "validation")).loss, rel=1e-4, abs=1e-6)


def test_the_mean_of_crfs_is_the_geometric_mean_of_their_distributions(rng):
    labels, time = 3, 4
    forbidden = np.zeros((labels + 1, labels), bool)
    forbidden[0, 2] = True
    crfs = [CRF(labels, forbidden), None, CRF(labels, forbidden)]
    for crf in filter(None, crfs):
        crf.build(None)
        for weight in crf.weights:
            weight.assign(rng.normal(size=weight.shape))
    logits = [tf.constant(rng.normal(size=(1, time, labels)).astype(np.float32)) for _ in crfs]
    real = np.ones((1, time), bool)

    paths = np.array(list(itertools.product(range(labels), repeat=time)), np.int32)
    allowed = ~((paths[:, :-1] == 0) & (paths[:, 1:] == 2)).any(1)
    each = []
    for one, crf in zip(logits, crfs, strict=True):
        if crf is None:
            each.append(np.take_along_axis(tf.nn.log_softmax(one)[0].numpy(), paths.T, axis=1).sum(0))
        else:
            many = tf.repeat(one, len(paths), axis=0)
            each.append(-crf.negative_log_likelihood(many, paths, np.repeat(real, len(paths), 0)).numpy())
    mean = np.mean(each, axis=0)[allowed]
    together = averaged_crf(crfs)
    many = tf.repeat(averaged_logits(logits), len(paths), axis=0)
    found = -together.negative_log_likelihood(many, paths, np.repeat(real, len(paths), 0)).numpy()[allowed]
    assert np.allclose(found, mean - np.log(np.exp(mean).sum()), atol=1e-4)
    assert averaged_crf([None, None]) is None

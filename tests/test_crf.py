"""A conditional random field's sums are exact, its answers the best ones, and what a scheme forbids never happens."""

from __future__ import annotations

import itertools

import numpy as np
import pycrfsuite
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.adapters.schemes import never_follows
from sweeper.layers.crf import CRF, IMPOSSIBLE


def a_crf(labels, rng, forbidden=None):
    layer = CRF(labels, forbidden)
    layer.build((None, None, labels))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def score(layer, logits, path):
    """Of one sequence of labels, by the definition."""
    transitions, starts, ends = (np.asarray(weight, np.float64) for weight in layer.weights)
    if any(layer.forbidden[before][label] for before, label in itertools.pairwise((-1, *path))):
        return -np.inf
    along = sum(transitions[one, other] for one, other in itertools.pairwise(path))
    return starts[path[0]] + ends[path[-1]] + along + sum(logits[t, label] for t, label in enumerate(path))


def every_score(layer, logits):
    paths = itertools.product(range(layer.labels), repeat=len(logits))
    return np.array([score(layer, logits, path) for path in paths])


SIZES = st.tuples(st.integers(1, 4), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**32 - 1))


def a_batch(labels, lengths, rng):
    """Potentials of every size, labels, and which steps are real; padding holds what it likes."""
    shape = len(lengths), max(lengths)
    real = np.arange(shape[1]) < np.array(lengths)[:, None]
    logits = (rng.normal(size=(*shape, labels)) * rng.choice([1, 30])).astype(np.float32)
    return logits, rng.integers(0, labels, shape).astype(np.int32), real


def drawn(sizes, forbidden):
    """A layer that forbids such a share of what may follow what, but never the first label; and a batch for it."""
    labels, lengths, seed = sizes
    rng = np.random.default_rng(seed)
    never = rng.random((labels + 1, labels)) < forbidden
    never[:, 0] = False
    layer = a_crf(labels, rng, never)
    return rng, layer, a_batch(labels, lengths, rng)


@settings(max_examples=30)
@given(SIZES)
def test_losses_and_answers_are_those_of_writing_all_sequences_down(sizes):
    _, layer, (logits, truth, real) = drawn(sizes, forbidden=0.2)
    losses, found = layer.negative_log_likelihood(logits, truth, real).numpy(), layer.decode(logits, real).numpy()
    for row, length in enumerate(real.sum(axis=1)):
        scores = every_score(layer, logits[row, :length])
        own = score(layer, logits[row, :length], truth[row, :length])
        wanted = np.logaddexp.reduce(scores) - own if np.isfinite(own) else 0.0
        assert losses[row] == pytest.approx(wanted, abs=1e-4 + 1e-5 * np.abs(scores[np.isfinite(scores)]).max())
        best = score(layer, logits[row, :length], found[row, :length])
        assert best == pytest.approx(scores.max(), abs=1e-3)


def allowed(truth, forbidden):
    """The same labels, and the first one, after which all may come, wherever they are forbidden."""
    truth = truth.copy()
    for row in truth:
        for t, label in enumerate(row):
            if forbidden[row[t - 1] if t else -1, label]:
                row[t] = 0
    return truth


@settings(max_examples=30)
@given(SIZES)
def test_gradients_are_those_of_the_definition(sizes):
    rng, layer, (logits, truth, real) = drawn(sizes, forbidden=0.2)
    truth = allowed(truth, layer.forbidden)
    given_logits, weights = tf.constant(logits), rng.normal(size=len(real)).astype(np.float32)

    def by_definition():
        transitions, starts, ends = (weight.value for weight in layer.weights)
        transitions = tf.where(layer.forbidden[:-1], IMPOSSIBLE, transitions)
        starts = tf.where(layer.forbidden[-1], IMPOSSIBLE, starts)
        total = 0.0
        for row, length in enumerate(real.sum(axis=1)):
            paths = np.array(list(itertools.product(range(layer.labels), repeat=length)))
            some = tf.gather(starts, paths[:, 0]) + tf.gather(ends, paths[:, -1])
            for t in range(length):
                some += tf.gather(given_logits[row, t], paths[:, t])
                if t:
                    some += tf.gather_nd(transitions, paths[:, t - 1 : t + 1])
            own = int(np.flatnonzero((paths == truth[row, :length]).all(1))[0])
            total += weights[row] * (tf.reduce_logsumexp(some) - some[own])
        return total

    variables = [given_logits, *(weight.value for weight in layer.weights)]
    found = []
    for loss in (
        lambda: tf.reduce_sum(weights * layer.negative_log_likelihood(given_logits, truth, real)),
        by_definition,
    ):
        with tf.GradientTape() as tape:
            tape.watch(given_logits)
            value = loss()
        found.append(
            [tf.convert_to_tensor(one) for one in tape.gradient(value, variables, unconnected_gradients="zero")]
        )
    for ours, theirs in zip(*found, strict=True):
        assert np.allclose(ours, theirs, atol=2e-4)


@settings(max_examples=30)
@given(SIZES, st.sampled_from([300, 800, 3_000, 20_000]))
def test_however_far_scores_are_apart_losses_and_gradients_are_numbers(sizes, spread):
    rng, layer, (logits, truth, real) = drawn(sizes, forbidden=0.4)
    logits = tf.constant(rng.uniform(0, spread, logits.shape).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = layer.negative_log_likelihood(logits, allowed(truth, layer.forbidden), real)
    found = tape.gradient(losses, [logits, *(weight.value for weight in layer.weights)])
    assert losses.numpy().min() > -1e-4 * spread
    assert all(np.isfinite(one).all() for one in found)
    assert max(np.abs(one).max() for one in found) <= real.sum()


@pytest.mark.parametrize("lead", [200, 800, 20_000])
def test_a_label_that_is_forbidden_may_lead_by_any_distance(lead):
    """All that is possible is the first label, whose loss is then 0; beyond 300 it is a bound."""
    layer = CRF(2, np.array([[False, True]] * 3))
    layer.build(None)
    logits, real = tf.constant([[[0.0, float(lead)]] * 4]), tf.ones((1, 4), tf.bool)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = layer.negative_log_likelihood(logits, tf.zeros((1, 4), tf.int32), real)
    found = tape.gradient(loss, [logits, *(weight.value for weight in layer.weights)])
    assert float(loss[0]) == pytest.approx(4 * max(0, lead - 300), abs=1e-3)
    assert all(np.isfinite(one).all() for one in found)


def test_a_maintained_package_finds_the_same_probabilities_and_answers(tmp_path, rng):
    """CRFsuite, trained on random labels, then asked with its own weights."""
    trainer, names = pycrfsuite.Trainer(verbose=False), ["a", "b", "c"]
    trainer.set_params({"max_iterations": 20, "feature.possible_transitions": True, "feature.possible_states": True})
    sentences = [[[f"word{rng.integers(6)}"] for _ in range(rng.integers(1, 8))] for _ in range(30)]
    for sentence in sentences:
        trainer.append(sentence, [str(rng.choice(names)) for _ in sentence])
    trainer.train(str(tmp_path / "model"))
    theirs = pycrfsuite.Tagger()
    theirs.open(str(tmp_path / "model"))
    weights = theirs.info()
    layer = a_crf(3, rng)
    layer.transitions.assign([[weights.transitions.get((one, other), 0.0) for other in names] for one in names])
    layer.starts.assign(np.zeros(3))
    layer.ends.assign(np.zeros(3))
    for sentence in sentences:
        logits = np.array([[[weights.state_features.get((word[0], name), 0.0) for name in names] for word in sentence]])
        real, truth = np.ones(logits.shape[:2], bool), rng.integers(0, 3, logits.shape[:2])
        theirs.set(sentence)
        negative_log_likelihood = layer.negative_log_likelihood(tf.constant(logits, tf.float32), truth, real).numpy()[0]
        assert np.exp(-negative_log_likelihood) == pytest.approx(
            theirs.probability([names[label] for label in truth[0]]), rel=1e-3
        )
        found = layer.decode(tf.constant(logits, tf.float32), real).numpy()[0]
        assert theirs.probability([names[label] for label in found]) == pytest.approx(
            theirs.probability(theirs.tag()), rel=1e-3
        )


def test_an_inside_tag_only_goes_on_with_its_own_span():
    tags = ["O", "B-p", "B-q", "I-p", "I-q", "B", "I"]
    follows = never_follows(tags)
    allowed = {tag: [before for before, row in zip((*tags, "first"), follows, strict=True) if not row[place]] for place, tag in enumerate(tags)}  # fmt: skip
    assert allowed["I-p"] == ["B-p", "I-p"]
    assert allowed["I-q"] == ["B-q", "I-q"]
    assert allowed["I"] == ["B", "I"]
    assert all(len(allowed[tag]) == 8 for tag in ("O", "B-p", "B-q", "B"))


def test_forbidden_tags_are_never_answered_however_sure_the_logits_are():
    tags = ["O", "B-p", "I-p"]
    layer = CRF(3, never_follows(tags))
    layer.build((None, None, 3))
    logits = np.zeros((1, 4, 3), np.float32)
    logits[..., 2] = 1e4  # inside, everywhere
    assert layer.decode(logits, np.ones((1, 4), bool)).numpy()[0].tolist() == [1, 2, 2, 2]


def test_an_inside_tag_that_nothing_can_begin_is_free():
    follows = never_follows(["O", "I-p", "B-q", "I-q"])
    assert not any(row[1] for row in follows)
    assert follows[0][3]


def test_what_diverged_is_no_number_and_forbidden_truth_teaches_nothing():
    layer = CRF(3, never_follows(["O", "B-p", "I-p"]))
    layer.build((None, None, 3))
    real = np.ones((2, 2), bool)
    truth = np.array([[1, 2], [0, 2]], np.int32)  # the second begins nothing and goes on
    assert np.isnan(layer.negative_log_likelihood(np.full((2, 2, 3), np.nan, np.float32), truth, real).numpy()[0])
    found = layer.negative_log_likelihood(np.zeros((2, 2, 3), np.float32), truth, real).numpy()
    assert found[0] > 0
    assert found[1] == 0

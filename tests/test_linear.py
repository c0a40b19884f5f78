"""A linear classifier over n-grams: as scikit-learn's, honest about training texts, and the same inside a graph."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from sweeper.data import cards, linear
from sweeper.data.linear import PAIR, STRENGTHS, Linear, TokenIds, _codes, _most_frequent, fit, held_out_scores
from sweeper.data.prepare import prepare
from sweeper.data.store import open_encoded, open_linear, open_linear_scores, read_texts
from sweeper.tasks.linear_scores import LinearScores

WORDS = ["good", "bad", "dull", "fine", "very", "not", "plot", "it"]


def texts_of(*lines):
    """Lines as ids; word w of `WORDS` has the id w + 2."""
    apart = [[WORDS.index(word) + 2 for word in line.split()] or [1] for line in lines]
    return as_texts(apart)


def as_texts(apart):
    return TokenIds(np.array([*itertools.chain(*apart)], np.int32), np.cumsum([0, *map(len, apart)]))


def some_texts(rng, count=60):
    """Lines of random words, and whether "good" stands in them more often than "bad"."""
    lines = [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(count)]
    return lines, np.array([line.count("good") > line.count("bad") for line in lines], np.int32)


def test_tfidf_gives_the_log_odds_that_scikit_learn_gives(rng):
    lines, labels = some_texts(rng)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    weighted = vectorizer.fit_transform(lines)
    theirs = LogisticRegression(C=STRENGTHS["tfidf"], solver="liblinear", dual=True, max_iter=1_000, random_state=0)
    odds = theirs.fit(weighted, labels == 0).decision_function(vectorizer.transform(lines))
    scores = fit("tfidf", texts_of(*lines), labels, 2).scores(texts_of(*lines))
    assert np.allclose(scores[:, 0] - scores[:, 1], odds, atol=0.05)  # their solver ends where it ends
    assert ((scores[:, 0] > scores[:, 1]) == (odds > 0)).mean() > 0.98


def test_a_naive_bayes_feature_counts_by_its_log_ratio():
    linear = fit("naive_bayes", texts_of("good", "good", "bad", "it", "it"), np.array([1, 1, 0, 0, 1], np.int32), 2)
    odds = {int(code): linear.coefficients[place, 1] * 2 for place, code in enumerate(linear.codes)}
    good, bad, it = (odds[WORDS.index(word) + 2] for word in ("good", "bad", "it"))
    assert good > 0 > bad
    assert abs(it) < min(good, -bad), "it stands in both"


@pytest.mark.parametrize("weighting", sorted(STRENGTHS))
def test_what_is_said_of_a_training_text_does_not_depend_on_its_own_label(weighting, rng):
    lines, labels = some_texts(rng)
    lines += [lines[0]] * 3  # equal texts know each other's label
    labels = np.append(labels, [labels[0]] * 3).astype(np.int32)
    texts, same = texts_of(*lines), np.array([line == lines[0] for line in lines])
    turned = np.where(same, 1 - labels, labels).astype(np.int32)
    one, other = (held_out_scores(fit(weighting, texts, each, 2), texts, each, seed=3) for each in (labels, turned))
    assert np.allclose(one[same], other[same])
    assert not np.allclose(one[~same], other[~same])


def test_a_label_that_a_part_of_the_texts_lacks_is_improbable_there(rng):
    lines, labels = some_texts(rng)
    labels[7] = 2
    texts = texts_of(*lines)
    scores = held_out_scores(fit("tfidf", texts, labels, 4), texts, labels, seed=0)
    assert np.isfinite(scores).all()
    assert scores[7].argmax() != 2
    assert (scores[:, 3] < -3).all(), "no text at all has it"


def test_pairs_stand_within_one_text_only():
    linear = fit("tfidf", texts_of("good plot", "bad plot"), np.array([1, 0], np.int32), 2)
    pairs = {(int(code >> PAIR), int(code & (2**PAIR - 1))) for code in linear.codes if code >> PAIR}
    names = {(WORDS[one - 2], WORDS[other - 2]) for one, other in pairs}
    assert names == {("good", "plot"), ("bad", "plot")}


def test_many_labels_leave_room_for_fewer_features(rng, monkeypatch):
    words = 2_000
    ids = rng.permutation(words) + 2
    texts = TokenIds(np.concatenate([ids, ids[:600]]).astype(np.int32), np.array([0, words, words + 600]))
    assert set(_most_frequent(texts, 500).tolist()) <= set(_codes(texts)[0].tolist())
    monkeypatch.setattr(linear, "WEIGHTS", 3 * 70)
    assert len(fit("tfidf", texts, np.array([0, 2], np.int32), 3).codes) == 70


def test_texts_without_words_get_the_intercepts():
    linear = fit("tfidf", texts_of("", ""), np.array([1, 0], np.int32), 2)
    assert (linear.scores(texts_of("", "good")) == linear.intercepts).all()


@pytest.mark.parametrize("weighting", sorted(STRENGTHS))
def test_rows_of_a_prepared_dataset_get_the_same_scores_from_raw_text(weighting, reviews_card):
    prepared = prepare(cards.load_card(str(reviews_card)), weightings=[weighting], say=lambda line: None)
    linear = open_linear(prepared, weighting)
    inside = LinearScores(linear, open_encoded(prepared, "words", lowercase=True).vocabulary)
    test = prepared.examples("test")["text"].tolist()
    found = inside(tf.constant(test)).numpy()
    assert np.allclose(found, open_linear_scores(prepared, weighting)[prepared.rows("test")], atol=1e-5)
    assert np.allclose(found, linear.scores(read_texts(prepared, "test")), atol=1e-5)
    assert (found.argmax(1) == prepared.labels()[prepared.rows("test")]).mean() > 0.9


@given(st.lists(st.lists(st.sampled_from([*WORDS, "never", "seen"]), max_size=9), min_size=1, max_size=5))
def test_any_text_gets_the_same_scores_inside_a_graph(lines):
    rng = np.random.default_rng(0)
    known, labels = some_texts(rng)
    linear = _FITTED.setdefault("one", fit("tfidf", texts_of(*known), labels, 2))
    inside = _FITTED.setdefault("graph", LinearScores(linear, ["", "<unk>", *WORDS]))
    ids = [[WORDS.index(word) + 2 if word in WORDS else 1 for word in line] or [1] for line in lines]
    texts = as_texts(ids)
    assert np.allclose(inside(tf.constant([" ".join(line) for line in lines])).numpy(), linear.scores(texts), atol=1e-5)


_FITTED: dict[str, Linear | LinearScores] = {}

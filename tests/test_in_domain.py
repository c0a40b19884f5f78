"""Vectors from the training texts: words in the same company are alike, and nothing but training texts is read."""

from __future__ import annotations

import numpy as np

from sweeper.data import cards, in_domain
from sweeper.data.in_domain import SPREAD, learned_vectors
from sweeper.data.linear import Texts
from sweeper.data.prepare import prepare
from sweeper.data.store import open_encoded, open_vectors

TOPICS = 4


def some_texts(rng, words=40, count=300):
    """Texts of one topic each; word w belongs to the topic w % TOPICS. Ids begin at 2."""
    lines = [rng.choice(np.arange(topic, words, TOPICS), 12) + 2 for topic in rng.integers(0, TOPICS, count)]
    return Texts(np.concatenate(lines).astype(np.int32), np.cumsum([0, *map(len, lines)]))


def test_words_of_one_topic_are_more_alike_than_words_of_two(rng):
    vectors = learned_vectors(some_texts(rng), 42, width=6)[2:]
    alike = np.corrcoef(vectors)
    same = np.equal.outer(np.arange(40) % TOPICS, np.arange(40) % TOPICS)
    assert alike[same].min() > alike[~same].max()
    assert np.isclose(vectors.std(), SPREAD, rtol=0.01)


def test_words_in_no_company_have_no_vector(rng):
    texts = some_texts(rng)
    alone = Texts(np.append(texts.ids, [42]).astype(np.int32), np.append(texts.offsets, len(texts.ids) + 1))
    vectors = learned_vectors(alone, 50, width=6)
    assert np.isnan(vectors[[0, 1, 42, 49]]).all()
    assert np.isfinite(vectors[2:42]).all()


def test_neighbours_in_different_texts_are_no_company():
    texts = Texts(np.array([2, 3, 4, 5], np.int32), np.array([0, 2, 4]))
    counts = in_domain._company(texts, 6).toarray()
    assert sorted(zip(*np.nonzero(counts), strict=True)) == [(2, 3), (3, 2), (4, 5), (5, 4)]


def test_few_words_give_no_vectors_rather_than_an_error():
    assert np.isnan(learned_vectors(Texts(np.array([2, 3], np.int32), np.array([0, 2])), 4)).all()


def test_a_sweep_finds_them_beside_its_vocabulary_made_of_training_texts_alone(reviews_card):
    prepared = prepare(cards.load_card(str(reviews_card)), vectors=["in_domain"], say=lambda line: None)
    vectors = np.asarray(open_vectors(prepared, "words", lowercase=True, vectors="in_domain"))
    vocabulary = open_encoded(prepared, "words", lowercase=True).vocabulary
    assert vectors.shape == (len(vocabulary), in_domain.WIDTH)
    trained = set(" ".join(prepared.examples("train")["text"]).lower().split())
    assert {word for word, row in zip(vocabulary, vectors, strict=True) if np.isfinite(row).all()} <= trained
    assert np.isfinite(vectors).all(axis=1).sum() > 20

"""Word vectors from the training texts themselves: words that stand in the same company get vectors alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..records import UNKNOWN
from .linear import TokenIds

WIDTH = 100
WORDS = 30_000  # the most frequent words, which have vectors
REACH = 5  # words on either side that are company, a word at distance d counting 1 / d
SMOOTHING = 0.75  # exponent of how frequent company is, so that rare words do not look telling
NOWHERE = -1  # instead of the place of a word that is too rare
SPREAD = 0.3  # standard deviation of all numbers, about that of GloVe's


def learned_vectors(texts: TokenIds, vocabulary: int, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """float32 (vocabulary, width), a row of NaN for a word that is too rare to tell; of few words narrower than `width`.

    The positive pointwise mutual information of words and their company, cut to its largest singular values, each
    by its square root. Source: Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned
    from Word Embeddings", sections 2 and 3.
    """
    from sklearn.utils.extmath import randomized_svd

    frequent = _most_frequent(texts, vocabulary)
    places = np.full(vocabulary, NOWHERE)
    places[frequent] = np.arange(len(frequent))
    information = _ppmi(_cooccurrences(TokenIds(places[texts.ids], texts.offsets), len(frequent)))
    known = np.flatnonzero(np.diff(information.indptr))
    width = max(1, min(width, len(known) - 1))
    vectors = np.full((vocabulary, width), np.nan, np.float32)
    if len(known) <= width:
        return vectors
    words, strengths, _ = randomized_svd(information[known], n_components=width, random_state=seed)
    found = words * np.sqrt(strengths)
    vectors[frequent[known]] = found * (SPREAD / found.std())
    return vectors


def _most_frequent(texts: TokenIds, vocabulary: int) -> np.ndarray:
    """The ids of up to `WORDS` words, the most frequent first."""
    often = np.bincount(texts.ids, minlength=vocabulary)
    often[: UNKNOWN + 1] = 0
    return np.argsort(-often, kind="stable")[: min(WORDS, np.count_nonzero(often))]


def _cooccurrences(texts: TokenIds, words: int) -> Any:
    """How often which words, int from 0 or `NOWHERE`, stand near each other, sparse float32 (words, words)."""
    from scipy.sparse import csr_matrix

    ids, rows = np.asarray(texts.ids), np.repeat(np.arange(len(texts.offsets) - 1), np.diff(texts.offsets))
    known = ids != NOWHERE
    counts = csr_matrix((words, words), dtype=np.float32)
    for distance in range(1, REACH + 1):
        both = known[:-distance] & known[distance:] & (rows[:-distance] == rows[distance:])
        pairs = ids[:-distance][both], ids[distance:][both]
        counts += csr_matrix((np.full(len(pairs[0]), 1 / distance, np.float32), pairs), shape=(words, words))
    return (counts + counts.T).tocsr()


def _ppmi(counts: Any) -> Any:
    """Positive pointwise mutual information, sparse float32 (words, words)."""
    often = np.asarray(counts.sum(axis=1))[:, 0].astype(np.float64)
    company = often**SMOOTHING / max((often**SMOOTHING).sum(), 1e-9)
    information = counts.tocoo()
    expected = often[information.row] * company[information.col]
    information.data = np.maximum(np.log(information.data / expected), 0).astype(np.float32)
    found = information.tocsr()
    found.eliminate_zeros()
    return found

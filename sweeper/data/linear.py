"""A linear classifier over single words and pairs of neighbours: the baseline, and extra information for a recurrent one.

Every n-gram is one number, its code: of a word its id, of a pair both ids, one in the high half. A feature's value
depends on the weighting:

    tfidf         (1 + ln count) idf, rows of norm 1; idf = 1 + ln((1 + texts) / (1 + texts with it))
    naive_bayes   1 where it occurs (Wang and Manning 2012), times its log-count ratio for the label, by which the
                  coefficients are multiplied, so that a feature's value is the same for all labels

A recurrent model that is trained beside the classifier's scores would believe them too much, since the classifier has
seen the training texts; so theirs come from classifiers that were fitted without them (stacking, Wolpert 1992).
Texts that are equal are left out together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..records import UNKNOWN

if TYPE_CHECKING:
    import scipy.sparse

FEATURES = 200_000  # the most frequent n-grams
WEIGHTS = 20_000_000  # of all labels together, 80 MB; with many labels there are fewer features
STRENGTHS = {"tfidf": 30.0, "naive_bayes": 0.3}  # inverse regularisation; TF-IDF rows are short, and 1.0 underfits them
FOLDS = 5
NONE = -1  # no n-gram's code
PAIR = 32  # bits of the second id of a pair


class TokenIds(NamedTuple):
    """Tokenised texts.

    Args:
        ids: int32, all tokens of some texts end to end.
        offsets: int64 (texts + 1,).
    """

    ids: np.ndarray
    offsets: np.ndarray


class Linear(NamedTuple):
    """A fitted linear classifier of texts.

    Args:
        weighting: a key of `STRENGTHS`.
        codes: int64 (features,), ascending.
        values: float32 (features,): what a feature's count is weighted with.
        coefficients: float32 (features, labels).
        intercepts: float32 (labels,).
    """

    weighting: str
    codes: np.ndarray
    values: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray

    def scores(self, texts: TokenIds) -> np.ndarray:
        """float32 (texts, labels): log odds of each label against the rest; of two labels half of them, so that the
        softmax of both is what the classifier believes."""
        weighted = _weighted(self.weighting, _counted(texts, self.codes), self.values)
        return np.asarray(weighted @ self.coefficients + self.intercepts, np.float32)


def fit(weighting: str, texts: TokenIds, labels: np.ndarray, label_count: int) -> Linear:
    """The classifier of some texts.

    Args:
        labels: int32 (texts,).
    """
    codes = _most_frequent(texts, min(FEATURES, WEIGHTS // label_count))
    counts = _counted(texts, codes)
    values = _values(weighting, counts)
    return Linear(
        weighting, codes, values, *_solved(weighting, _weighted(weighting, counts, values), labels, label_count)
    )


def held_out_scores(linear: Linear, texts: TokenIds, labels: np.ndarray, seed: int) -> np.ndarray:
    """As `Linear.scores` of the texts that it was fitted to, but of each by a classifier that was fitted without it."""
    label_count = len(linear.intercepts)
    weighted = _weighted(linear.weighting, _counted(texts, linear.codes), linear.values)
    same = _equal_texts(texts)
    folds = (np.random.default_rng(seed).permutation(same.max(initial=0) + 1) % FOLDS)[same]
    found = np.empty((len(labels), label_count), np.float32)
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        coefficients, intercepts = _solved(linear.weighting, weighted[inside], labels[inside], label_count)
        found[outside] = weighted[outside] @ coefficients + intercepts
    return found


def _equal_texts(texts: TokenIds) -> np.ndarray:
    """int64 (texts,): a number for each text, the same for those that are equal."""
    numbers: dict[bytes, int] = {}
    parts = np.split(np.asarray(texts.ids), texts.offsets[1:-1])
    return np.array([numbers.setdefault(part.tobytes(), len(numbers)) for part in parts], np.int64)


def _codes(texts: TokenIds) -> tuple[np.ndarray, np.ndarray]:
    """Every n-gram's code, and the text that it stands in."""
    ids, lengths = np.asarray(texts.ids, np.int64), np.diff(texts.offsets)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    neighbours = rows[1:] == rows[:-1]
    pairs = (ids[:-1] << PAIR | ids[1:])[neighbours]
    return np.concatenate([ids, pairs]), np.concatenate([rows, rows[1:][neighbours]])


def _most_frequent(texts: TokenIds, most: int) -> np.ndarray:
    codes = _codes(texts)[0]
    codes, counts = np.unique(codes[codes > UNKNOWN], return_counts=True)
    return np.sort(codes[np.argsort(-counts, kind="stable")[:most]])


def _counted(texts: TokenIds, codes: np.ndarray) -> scipy.sparse.csr_matrix:
    """float32 (texts, features): how often each stands in each."""
    from scipy.sparse import csr_matrix

    found, rows = _codes(texts)
    columns = np.searchsorted(codes, found)
    known = np.append(codes, NONE)[columns] == found
    ones = np.ones(int(known.sum()), np.float32)
    counts = csr_matrix((ones, (rows[known], columns[known])), shape=(len(texts.offsets) - 1, len(codes)))
    counts.sum_duplicates()
    return counts


def _values(weighting: str, counts: scipy.sparse.csr_matrix) -> np.ndarray:
    texts, features = counts.shape
    if weighting == "naive_bayes":
        return np.ones(features, np.float32)
    texts_with_it = np.bincount(counts.indices, minlength=features)
    return np.asarray(1 + np.log((1 + texts) / (1 + texts_with_it)), np.float32)


def _weighted(weighting: str, counts: scipy.sparse.csr_matrix, values: np.ndarray) -> scipy.sparse.csr_matrix:
    from sklearn.preprocessing import normalize

    weighted = counts.copy()
    if weighting == "naive_bayes":
        weighted.data[:] = 1
        return weighted
    weighted.data = (1 + np.log(weighted.data)) * values[weighted.indices]
    return normalize(weighted, copy=False) if weighted.nnz else weighted


def _solved(weighting: str, weighted: Any, labels: np.ndarray, label_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and intercepts by logistic regression of each label against the rest.

    One label against the rest: as good as the multinomial form on every dataset shipped, and ten times as fast on 52.
    """
    coefficients = np.zeros((weighted.shape[1], label_count), np.float32)
    intercepts = np.empty(label_count, np.float32)
    for label in range(label_count):
        coefficients[:, label], intercepts[label] = _one_solved(weighting, weighted, labels == label)
        if label_count == 2:
            halves = coefficients[:, 0] / 2, intercepts[0] / 2
            return np.stack([halves[0], -halves[0]], axis=1), np.array([halves[1], -halves[1]], np.float32)
    return coefficients, intercepts


def _one_solved(weighting: str, weighted: Any, is_it: np.ndarray) -> tuple[np.ndarray, float]:
    """Of one label against the rest; of one that never or always occurs the odds of rare things."""
    from sklearn.linear_model import LogisticRegression

    odds = np.log((is_it.sum() + 0.5) / ((~is_it).sum() + 0.5))
    if is_it.all() or not is_it.any() or not weighted.nnz:
        return np.zeros(weighted.shape[1], np.float32), float(odds)
    ratios = _log_count_ratios(weighted, is_it) if weighting == "naive_bayes" else None
    scaled = weighted if ratios is None else weighted.multiply(ratios).tocsr()
    model = LogisticRegression(C=STRENGTHS[weighting], solver="liblinear", dual=True, max_iter=1_000, random_state=0)
    model.fit(scaled, is_it)
    found = model.coef_[0] if ratios is None else model.coef_[0] * ratios
    return found.astype(np.float32), float(model.intercept_[0])


def _log_count_ratios(occurs: Any, is_it: np.ndarray) -> np.ndarray:
    """float32 (features,). Source: Wang and Manning 2012, section 2, with alpha = 1."""
    those, others = (1 + np.asarray(occurs[np.flatnonzero(chosen)].sum(0))[0] for chosen in (is_it, ~is_it))
    ratios: np.ndarray = np.log((those / those.sum()) / (others / others.sum())).astype(np.float32)
    return ratios

"""The tokens that a configuration reads, and by which ids."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..records import UNKNOWN, Configuration
from .store import Encoded, Prepared, open_encoded
from .vectors import open_vectors


class Vocabulary(NamedTuple):
    """The tokens that a configuration reads, and all rows in their ids.

    Args:
        words: by id: reserved ones, training tokens, the most frequent first, and then words that only vectors know.
        learned: how many come before those; what is known of the others is their vector, which is never trained.
        ids: int32: all tokens of all rows end to end; from `len(words)` on they are unknown.
        offsets: int64 (rows + 1,): row i has the ids from place [i] to place [i + 1].
        vectors: float32 (words, width), where the configuration wants some; a row of NaN for a word without one.
    """

    words: list[str]
    learned: int
    ids: np.ndarray
    offsets: np.ndarray
    vectors: np.ndarray | None = None


def read_vocabulary(prepared: Prepared, configuration: Configuration) -> Vocabulary:
    """The vocabulary of one configuration.

    Training texts are small beside what vectors were learned from: a word that training lacks, or has too seldom for
    `max_vocabulary`, is read by its vector where there is one, in the export too.
    """
    tokens, lowercase = configuration.get("tokens", prepared.meta.source_tokens), configuration["lowercase"] == "yes"
    encoded = open_encoded(prepared, tokens, lowercase)
    learned = min(configuration["max_vocabulary"], len(encoded.vocabulary))
    words = encoded.vocabulary[:learned]
    if configuration["input"] != "pretrained":
        return Vocabulary(words, learned, encoded.ids, encoded.offsets)
    vectors, others = open_vectors(prepared, tokens, lowercase, configuration["vectors"])
    if configuration.get("target_embedding") == "shared":  # whose rows are the symbols that are written
        return Vocabulary(words, learned, encoded.ids, encoded.offsets, vectors[:learned])
    known = learned + np.flatnonzero(~np.isnan(vectors[learned:]).any(axis=1))
    names = [*encoded.vocabulary, *others]
    words += [names[place] for place in known]
    vectors = vectors[np.concatenate([np.arange(learned), known])]
    return Vocabulary(words, learned, _as_read(encoded, words, learned), encoded.offsets, vectors)


def _as_read(encoded: Encoded, words: list[str], learned: int) -> np.ndarray:
    """The ids of all tokens, by their place in `words`."""
    places = {word: place for place, word in enumerate(words[learned:], learned)}
    reads = np.arange(len(encoded.vocabulary), dtype=np.int32)
    reads[learned:] = [places.get(word, UNKNOWN) for word in encoded.vocabulary[learned:]]
    ids: np.ndarray = reads[encoded.ids]
    tokens, which = encoded.unseen.T
    ids[tokens] = np.array([places.get(word, UNKNOWN) for word in encoded.unseen_words], np.int32)[which]
    return ids

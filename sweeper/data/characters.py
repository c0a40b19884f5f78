"""How words are written: their casing and their characters, so that a word that training did not have is not just unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import tensorflow as tf

from ..records import PADDING
from .tokens import ranked

FIRST, LAST = 12, 12  # characters of a word that are read; a longer one loses its middle
WIDTH = 1 + FIRST + LAST  # casing, and characters
CASINGS = (
    r"[\p{N}.,:/+-]*\p{N}[\p{N}.,:/+-]*",  # a number
    r"[^\p{Lu}\p{Lt}\p{Ll}]*",  # nothing that has a case
    r"[^\p{Lu}\p{Lt}]*",  # small
    r"[\p{Lu}\p{Lt}][^\p{Lu}\p{Lt}]*",  # capitalised
    r"[^\p{Ll}]*",  # capitals
)
KINDS = len(CASINGS) + 2  # of casing, with mixed ones and padding
RARE = 1  # occurrences of a character in the training words up to which it is read as <unk>


def alphabet(words: Iterable[bytes], counts: Iterable[int]) -> list[str]:
    """The characters of words that occur so often, UTF-8, the most frequent first."""
    found: Counter[str] = Counter()
    for word, count in zip(words, counts, strict=True):
        for character in word.decode():
            found[character] += count
    return ranked({character.encode(): count for character, count in found.items() if count > RARE})


def character_ids(words: tf.Tensor, table: tf.lookup.StaticHashTable) -> tf.Tensor:
    """Casing and characters of words.

    Args:
        words: string (words,).
        table: from a character to its id, 1 for one that it lacks.

    Returns:
        int32 (words, WIDTH): the casing, then ids of characters, 0 on padding and for "".
    """
    words = tf.strings.unicode_transcode(words, "UTF-8", "UTF-8")
    characters = tf.strings.unicode_split(words, "UTF-8")
    shown = tf.concat([characters[:, :FIRST], characters[:, FIRST:][:, -LAST:]], axis=1)
    ids = shown.with_flat_values(table.lookup(shown.flat_values)).to_tensor(PADDING, shape=[None, FIRST + LAST])
    return tf.concat([casing(words)[:, None], ids], axis=1)


def casing(words: tf.Tensor) -> tf.Tensor:
    """int32 (words,): the place, from 1 on, of the first of `CASINGS` that fits; 0 for "". Words are UTF-8."""
    found = tf.fill(tf.shape(words), len(CASINGS) + 1)
    for place in range(len(CASINGS), 0, -1):
        found = tf.where(tf.strings.regex_full_match(words, CASINGS[place - 1]), place, found)
    return tf.where(words == "", 0, found)

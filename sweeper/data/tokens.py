"""One tokeniser for every language, as TensorFlow string ops, so that training and serving cannot drift.

Imports TensorFlow: only what encodes or exports imports this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from ..records import UNKNOWN

RESERVED = ("", "<unk>")
"""Vocabulary entries of the ids `PADDING` and `UNKNOWN`."""

# Scripts written without blanks between words are read one character at a time.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
NUMBER = r"\p{N}+(?:[.,]\p{N}+)+"
WORD = r"[\p{L}\p{M}\p{N}_]+(?:['’][\p{L}\p{M}]+)*"
BLANK = r"[\s\p{Z}\p{C}]"


@dataclass(frozen=True)
class TokenOptions:
    """What a token is.

    Args:
        tokens: "words" (words, numbers, single punctuation marks and emoji, single
            characters of scripts without blanks), "characters" (of the text with its
            runs of blanks made one blank), "verbatim" (all characters as they stand), or
            "symbols" (what stands between blanks).
        lowercase: lower-case first, in all scripts.
    """

    tokens: str = "words"
    lowercase: bool = True


def lowered(texts: tf.Tensor, options: TokenOptions) -> tf.Tensor:
    """`texts`, string of any shape, lower-cased if the options say so."""
    return tf.strings.lower(texts, encoding="utf-8") if options.lowercase else texts


def tokenize(texts: tf.Tensor, options: TokenOptions) -> tf.RaggedTensor:
    """Cut texts into tokens.

    Args:
        texts: string (batch,), UTF-8; bytes that are not become U+FFFD.

    Returns:
        string (batch, ragged time); a text without any token has the one token "".
    """
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
    texts = lowered(texts, options)
    if options.tokens == "characters":
        flat = tf.strings.strip(tf.strings.regex_replace(texts, f"{BLANK}+", " "))
        tokens = tf.strings.unicode_split(flat, "UTF-8")
    elif options.tokens == "verbatim":
        tokens = tf.strings.unicode_split(texts, "UTF-8")
    elif options.tokens == "symbols":
        tokens = tf.strings.split(tf.strings.regex_replace(texts, f"{BLANK}+", " "))
    else:
        # \0, the whole match, needs no group, and without groups RE2 is five times as fast.
        apart = tf.strings.regex_replace(texts, UNSPACED, r" \0 ")
        apart = tf.strings.regex_replace(apart, rf"{NUMBER}|{WORD}|[^\s\p{{Z}}\p{{C}}]", r" \0 ")
        tokens = tf.strings.split(tf.strings.regex_replace(apart, f"{BLANK}+", " "))
    empty = tf.fill([tf.size(texts), 1], "")
    lengths = tf.where(tokens.row_lengths() == 0, tf.constant(1, tf.int64), 0)
    return tf.concat([tokens, tf.RaggedTensor.from_tensor(empty, lengths=lengths)], axis=1)


def ranked(frequencies: Mapping[bytes, int]) -> list[str]:
    """Words, the most frequent first, of equals in the order of their bytes; no empty one."""
    found = sorted(frequencies, key=lambda word: (-frequencies[word], word))
    return [word.decode("utf-8") for word in found if word]


def lookup_table(vocabulary: Sequence[str]) -> tf.lookup.StaticHashTable:
    """Token to id: its place in `vocabulary`, `UNKNOWN` for any other token.

    Args:
        vocabulary: begins with `RESERVED`, whose entries no token maps to.
    """
    words = tf.constant(list(vocabulary[len(RESERVED) :]), tf.string, shape=[len(vocabulary) - len(RESERVED)])
    ids = tf.range(len(RESERVED), len(vocabulary))
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(words, ids), UNKNOWN)

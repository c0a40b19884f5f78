"""The tokeniser: one for every language, total over any text."""

from __future__ import annotations

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.data.tokens import RESERVED, TokenOptions, lookup_table, tokenize
from sweeper.records import UNKNOWN


def cut(text: str, **options) -> list[str]:
    return [token.decode("utf-8") for token in tokenize(tf.constant([text]), TokenOptions(**options)).to_list()[0]]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't panic, it's GREAT!!", ["don't", "panic", ",", "it's", "great", "!", "!"]),
        ("3.14 or 1,000 stars", ["3.14", "or", "1,000", "stars"]),
        ("浦东开发ABC，好", ["浦", "东", "开", "发", "abc", "，", "好"]),
        ("ありがとう", ["あ", "り", "が", "と", "う"]),
        ("a\u3000b\u00a0c\nd", ["a", "b", "c", "d"]),
        ("re\u0301sume\u0301 naïve", ["re\u0301sume\u0301", "naïve"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("🎬👍 wow", ["🎬", "👍", "wow"]),
        ("<br />", ["<", "br", "/", ">"]),
        ("", [""]),
        (" \t\n", [""]),
    ],
)
def test_words(text, tokens):
    assert cut(text) == tokens


def test_characters_keep_one_blank_between_words():
    assert cut(" Ab\n\tc ", tokens="characters") == ["a", "b", " ", "c"]


def test_case_is_kept_if_asked():
    assert cut("Ab ÇA", lowercase=False) == ["Ab", "ÇA"]


def test_bytes_that_are_no_text_become_the_replacement_character():
    assert tokenize(tf.constant([b"ok \xff"]), TokenOptions()).to_list()[0] == [b"ok", "\ufffd".encode()]


@settings(max_examples=60)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5), st.sampled_from(["words", "characters"]), st.booleans())
def test_any_text_has_tokens_and_its_neighbours_do_not_change_them(texts, tokens, lowercase):
    texts = [text.replace("\0", "").encode("utf-8", "replace").decode() for text in texts]
    options = TokenOptions(tokens, lowercase)
    together = tokenize(tf.constant(texts), options).to_list()
    assert together == [tokenize(tf.constant([text]), options).to_list()[0] for text in texts]
    assert all(together)
    if tokens == "words":
        assert all(len(token.split()) <= 1 for row in together for token in row)


def test_an_unknown_word_and_the_reserved_entries_are_unknown():
    table = lookup_table([*RESERVED, "film", "a"])
    assert table.lookup(tf.constant(["a", "film", "opera", "", "<unk>"])).numpy().tolist() == [
        3,
        2,
        UNKNOWN,
        UNKNOWN,
        UNKNOWN,
    ]

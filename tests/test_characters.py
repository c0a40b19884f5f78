"""How words are written reaches the model: their casing and characters, in training as in an export."""

from __future__ import annotations

import itertools
import sys
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.data import cards
from sweeper.data.batches import load_split
from sweeper.data.characters import CASINGS, FIRST, KINDS, LAST, RARE, WIDTH, alphabet, casing, character_ids
from sweeper.data.prepare import prepare
from sweeper.data.store import open_characters
from sweeper.data.tokens import RESERVED, TokenOptions, lookup_table, tokenize
from sweeper.declared.parameters import DataTraits, complete
from sweeper.models import CharacterSizes, Sizes, build_classifier, build_tagger
from sweeper.records import UNKNOWN

from .conftest import card_text, write

LETTERS = [*RESERVED, *"abcdefghijklmnopqrstuvwxyzABC"]


def spell_out(*words):
    return character_ids(tf.constant(words), lookup_table(LETTERS)).numpy()


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["12", "3.14", "1/2", "-5", "٣"], 1),
        (["北", ",", "...", "🎬"], 2),
        (["of", "1st", "é", "x-1", "o'clock"], 3),
        (["A", "Berlin", "É", "D'accord", "B-52"], 4),
        (["NATO", "U.S.", "ÉÈ"], 5),
        (["McDonald", "iPhone", "TVs"], len(CASINGS) + 1),
        ([""], 0),
    ],
)
def test_casings(words, place):
    assert casing(tf.constant(words)).numpy().tolist() == [place] * len(words)


def test_a_long_word_keeps_its_beginning_and_its_end():
    word = "a" * FIRST + "z" * 50 + "b" * LAST
    shown = spell_out(word)[0, 1:]
    assert [LETTERS[place] for place in shown] == ["a"] * FIRST + ["b"] * LAST
    short = spell_out("cab", "")
    assert [LETTERS[place] for place in short[0, 1:4]] == ["c", "a", "b"]
    assert (short[0, 4:] == 0).all()
    assert (short[1] == 0).all()


def test_rare_characters_teach_what_an_unknown_one_is_like():
    assert alphabet([b"ab", b"aq", b"b"], [1, 1, 2]) == ["b", "a"]
    assert RARE == 1
    assert spell_out("aß")[0, 2] == UNKNOWN


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_anything_can_be_spelled(words):
    found = character_ids(tf.constant(words), lookup_table(LETTERS)).numpy()
    assert found.shape == (len(words), WIDTH)
    assert ((found[:, 0] >= 0) & (found[:, 0] < KINDS)).all()
    assert ((found[:, 1:] >= 0) & (found[:, 1:] < len(LETTERS))).all()


def test_batches_hold_the_characters_of_their_own_words(people_card):
    prepared = prepare(cards.load_card(str(people_card)), characters=True, say=lambda line: None)
    configuration = complete("tagging", {"characters": "cnn"}, prepared.meta.traits)
    letters = open_characters(prepared).alphabet
    for part in ("train", "test"):
        split, examples = load_split(prepared, part, configuration), prepared.examples(part)
        rows = np.array([5, 0, 3])
        batch = split.batch(rows)
        words, places = batch.extra_inputs
        assert len(np.unique(places)) == len(words), "each word once"
        for row, shown in zip(rows, words[places], strict=True):
            tokens = list(examples["tokens"].iloc[row])
            wanted = character_ids(tf.constant(tokens), lookup_table(letters)).numpy()
            assert (shown[: len(tokens)] == wanted).all()
            assert (shown[len(tokens) :] == 0).all()


@pytest.mark.parametrize("lowercase", ["yes", "no"])
def test_batches_of_texts_hold_the_characters_of_their_words_as_they_were_written(tmp_path, lowercase):
    texts = [f"{'ÅSA İS' if row % 3 else 'åsa'} No{row}, 3.5 Σ.Α. and  “{chr(97 + row % 9)}”?!" for row in range(60)]
    texts += ["Åsa", "İs!"]
    rows = "".join(f"{text}\t{'xy'[row % 2]}\n" for row, text in enumerate(texts))
    write(tmp_path / "texts.tsv", f"review\tverdict\n{rows}")
    prepared = prepare(
        cards.load_card(str(write(tmp_path / "texts.toml", card_text("texts.tsv")))),
        [("words", lowercase == "yes")],
        characters=True,
    )
    configuration = complete(
        "text", {"characters": "rnn", "max_length": 5, "lowercase": lowercase}, prepared.meta.traits
    )
    split, examples = load_split(prepared, "train", configuration), prepared.examples("train")
    words, places = split.batch(np.arange(len(split))).extra_inputs
    table = lookup_table(open_characters(prepared).alphabet)
    for text, shown in zip(examples["text"], words[places], strict=True):
        tokens = tokenize(tf.constant([text]), TokenOptions(lowercase=False))[0, :5]
        assert (shown[: len(tokens)] == character_ids(tokens, table).numpy()).all()
        assert (shown[len(tokens) :] == 0).all()


def test_a_text_has_as_many_words_in_small_letters():
    """Words are looked up as lower-case ones and spelled as they are written; each must be the same word of its text."""
    cased = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).lower() != chr(code)]
    texts = tf.constant([f"a{one}b {one}’{one} 1{one}.{one}2" for one in cased])
    small, written = (tokenize(texts, TokenOptions(lowercase=lower)) for lower in (True, False))
    assert len(cased) > 1_000
    assert (small.row_lengths() == written.row_lengths()).numpy().all()


@pytest.mark.parametrize(
    ("texts", "has_words"),
    [(["good films, each one"], True), (["很好的电影 OK"], False), (["a film"] * 2 + ["电影"], True)],
)
def test_words_are_spelled_where_most_have_several_characters(tmp_path, texts, has_words):
    ordered = sorted(texts[row % len(texts)] for row in range(60))[::-1]  # the Chinese ones first
    rows = "".join(f"{text} {row}\t{'xy'[row % 2]}\n" for row, text in enumerate(ordered))
    write(tmp_path / "texts.tsv", f"review\tverdict\n{rows}")
    prepared = prepare(cards.load_card(str(write(tmp_path / "texts.toml", card_text("texts.tsv")))), characters=True)
    assert prepared.meta.traits.has_words == has_words
    configuration = complete("text", {"characters": "cnn"}, prepared.meta.traits)
    assert ("characters" in configuration) == has_words


def test_the_alphabet_is_that_of_the_training_texts(tmp_path):
    card = card_text("train.tsv").replace('file = "train.tsv"', 'file = { train = "train.tsv", test = "test.tsv" }')
    for part, letter in (("train", "a"), ("test", "q")):
        rows = "".join(f"{letter * 3} film {row}\t{'xy'[row % 2]}\n" for row in range(60))
        write(tmp_path / f"{part}.tsv", f"review\tverdict\n{rows}")
    prepared = prepare(cards.load_card(str(write(tmp_path / "texts.toml", card))), characters=True)
    assert {"a", "f"} <= set(open_characters(prepared).alphabet)
    assert "q" not in open_characters(prepared).alphabet


# ---------------------------------------------------------------- in a model


def built(task, kind, kernel="keras"):
    small = {"character_units": 5, "units": 4, "embedding_units": 3}
    configuration = complete(task, {"characters": kind, "direction": "forward", **small}, DataTraits(has_words=True))
    sizes = Sizes(9, 3, seed=4, kernel=kernel, characters=CharacterSizes(WIDTH, len(LETTERS), KINDS))
    return build_tagger(configuration, sizes) if task == "tagging" else build_classifier(configuration, sizes)


tagger = partial(built, "tagging")


def answers(model, ids, words):
    places = np.arange(np.size(ids), dtype=np.int32).reshape(np.shape(ids))
    return model([np.array(ids, np.int32), spell_out(*itertools.chain(*words)), places], training=False)[
        "logits"
    ].numpy()


@pytest.mark.parametrize("kind", ["cnn", "rnn"])
@pytest.mark.parametrize("task", ["tagging", "text"])
def test_two_unknown_words_are_told_apart_by_their_letters_and_their_casing(kind, task):
    model, ids = built(task, kind), [[1], [1], [1], [1]]
    one, other, letters, case = answers(model, ids, [["abc"], ["abc"], ["abd"], ["Abc"]])
    assert np.allclose(one, other)
    assert np.abs(one - letters).max() > 1e-4
    assert np.abs(one - case).max() > 1e-4


@pytest.mark.parametrize("kind", ["cnn", "rnn"])
@pytest.mark.parametrize("kernel", ["keras", "packed"])
@pytest.mark.parametrize("task", ["tagging", "text"])
def test_neither_other_words_nor_padding_change_how_a_word_is_read(kind, kernel, task):
    model = built(task, kind, kernel)
    alone = answers(model, [[2, 3]], [["a", "bcd"]])
    beside = answers(model, [[2, 3, 0], [4, 5, 6]], [["a", "bcd", ""], ["abcdefghijklm", "z", "q"]])
    assert np.allclose(alone[0], beside[0][:2] if task == "tagging" else beside[0], atol=1e-5)


def test_no_word_is_an_empty_sequence_which_cudnn_does_not_read():
    model = tagger("rnn")
    shown, places = spell_out("ab", ""), np.array([[0, 1]], np.int32)
    joined = next(operation for operation in model.operations if operation.name.startswith("logical_or"))
    mask = keras.Model(model.inputs, joined.output)([np.array([[2, 0]]), shown, places])
    assert np.asarray(mask)[:, 0].all()


@pytest.mark.parametrize("kind", ["cnn", "rnn"])
def test_both_kernels_spell_alike(kind):
    ids, words = [[2, 3, 0], [4, 5, 6]], [["a", "bcd", ""], ["abcdefghijklm", "z", "q"]]
    one, other = (answers(tagger(kind, kernel), ids, words) for kernel in ("keras", "packed"))
    real = np.array(ids) > 0
    assert np.allclose(one[real], other[real], atol=1e-5)

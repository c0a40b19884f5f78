"""Splits: seeded, stratified, and no example in two of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.data.cards import Split
from sweeper.data.splits import _filling, divide

TEXTS = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xyz")), min_size=1, max_size=60)


def table(rows, part="all"):
    return pd.DataFrame(rows, columns=["text", "label"]).assign(split=part)


def cut(examples, **split):
    return divide(examples, Split(**split), examples["label"], examples["text"])


@given(TEXTS)
def test_no_example_is_in_two_splits_and_none_is_lost(rows):
    examples = table(rows)
    divided = cut(examples)
    assert (divided.examples.groupby("text")["split"].nunique() == 1).all()
    assert len(divided.examples) == len(examples)
    assert (divided.different, divided.dropped) == (examples["text"].nunique(), 0)


@pytest.mark.parametrize("seed", range(12))
def test_a_text_that_is_most_of_the_data_is_trained_on_and_fills_no_other_split(seed):
    examples = table([*[("ok", "a")] * 600, *((f"t{n}", "ab"[n % 2]) for n in range(400))])
    sizes = cut(examples, seed=seed).examples["split"].value_counts()
    assert (sizes - pd.Series({"train": 800, "validation": 100, "test": 100})).abs().max() <= 2
    pairs = table([(f"p{n // 15}", "ab"[n // 150]) for n in range(300)])
    assert set(cut(pairs, seed=seed).examples["split"].value_counts()) == {240, 30}


def test_equal_rows_fill_a_split_if_it_comes_nearer_to_its_share_with_them_than_without():
    assert _filling(np.array([15, 15]), 10, 29).tolist() == [True, False]
    assert _filling(np.array([30, 5, 5, 5]), 10, 44).tolist() == [False, True, True, False]
    assert not _filling(np.array([1, 1]), 0, 1).any()


def test_repeated_texts_make_no_split_small():
    examples = table([(f"canned answer {n % 60}", "xyz"[n % 3]) for n in range(600)])
    assert cut(examples).examples["split"].value_counts().to_dict() == {"train": 480, "validation": 60, "test": 60}


@given(TEXTS, st.integers(0, 5))
def test_the_same_seed_gives_the_same_split(rows, seed):
    pd.testing.assert_frame_equal(cut(table(rows), seed=seed).examples, cut(table(rows), seed=seed).examples)


def test_every_label_has_its_share_of_every_split_and_another_seed_another_split():
    examples = table(
        [(f"{label}{number}", label) for label, count in (("x", 700), ("y", 250), ("z", 50)) for number in range(count)]
    )
    divided = cut(examples, validation=0.2, test=0.1).examples
    shares = divided.groupby("label")["split"].value_counts(normalize=True).unstack()
    assert ((shares["validation"] - 0.2).abs() < 0.02).all()
    assert ((shares["test"] - 0.1).abs() < 0.02).all()
    assert list(divided["text"]) != list(cut(examples, validation=0.2, test=0.1, seed=1).examples["text"])


@pytest.mark.parametrize("seed", range(12))
def test_of_every_label_something_is_trained_on_though_its_texts_repeat(seed):
    examples = table([(f"{label}{n % 2}", str(label)) for label in range(30) for n in range(4)])
    divided = cut(examples, seed=seed).examples
    assert divided[divided["split"] == "train"]["label"].nunique() == 30


def test_a_label_with_one_example_is_trained_on():
    examples = table([("only", "rare"), *((f"t{number}", "common") for number in range(40))])
    assert cut(examples).examples.set_index("text").loc["only", "split"] == "train"


def test_a_given_test_part_is_kept_and_validation_is_taken_from_training():
    examples = pd.concat(
        [table([(f"a{n}", "x") for n in range(50)], "train"), table([("a0", "x"), ("b", "x")], "test")],
        ignore_index=True,
    )
    divided = cut(examples, validation=0.2)
    assert sorted(divided.examples.query("split == 'test'")["text"]) == ["a0", "b"]
    assert divided.dropped == 1, "a0 was in training too"
    assert 8 <= (divided.examples["split"] == "validation").sum() <= 11


def test_rows_come_training_first_then_validation_then_test():
    divided = cut(table([(f"t{n}", "x") for n in range(60)])).examples["split"]
    assert list(divided) == sorted(divided, key=["train", "validation", "test"].index)


def test_rows_with_one_key_stay_together_and_none_is_lost_also_where_a_test_part_is_given():
    training = table([(f"s{n % 200}", "x") for n in range(1_000)], "train")
    test = table([(f"t{n}", "x") for n in range(50)], "test")
    for examples in (pd.concat([training, test], ignore_index=True), training.assign(split="all")):
        divided = divide(examples, Split(), None, examples["text"])
        assert divided.dropped == 0
        parts = divided.examples.groupby("text")["split"]
        assert (parts.nunique() == 1).all()
        assert parts.first().eq("validation").sum() in range(18, 23)

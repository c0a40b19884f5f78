"""Batches: like lengths together, every example once, padding worth nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sweeper.data import cards
from sweeper.data.batches import load_split
from sweeper.data.prepare import prepare
from sweeper.data.store import open_encoded
from sweeper.declared.parameters import complete
from sweeper.records import UNKNOWN

from .conftest import card_text, write


@pytest.fixture
def prepared(tmp_path, rng):
    rows = [
        f'"{" ".join(rng.choice(list("abcdefgh"), rng.integers(1, 40)))} n{number}",{"xy"[number % 2]}'
        for number in range(300)
    ]
    write(tmp_path / "t.csv", "review,verdict\n" + "\n".join(rows) + "\n")
    return prepare(cards.load_card(str(write(tmp_path / "t.toml", card_text("t.csv")))))


def split(prepared, part="train", **values):
    return load_split(prepared, part, complete(prepared.meta.task, values))


def test_an_epoch_holds_every_example_once_and_batches_are_of_like_length(prepared):
    training = split(prepared)
    batches = list(training.training(16, np.random.default_rng(0)))
    rows = np.concatenate([batch.rows for batch in batches])
    assert sorted(rows) == sorted(list(range(len(training))) * training.passes())
    padding = 1 - sum(np.count_nonzero(batch.ids) for batch in batches) / sum(batch.ids.size for batch in batches)
    assert padding < 0.1
    lengths = [batch.ids.shape[1] for batch in batches]
    assert lengths != sorted(lengths), "the order of batches is random"


def test_a_small_split_is_gone_over_several_times_an_epoch_and_a_large_one_once(prepared):
    training = split(prepared)
    assert 2_000 <= training.passes() * len(training) < 2_000 + len(training)
    large = dataclasses.replace(training, starts=np.zeros(5_000, int), lengths=np.ones(5_000, int))
    assert large.passes() == 1


def test_the_order_depends_on_the_seed_alone(prepared):
    training = split(prepared)

    def order(seed):
        return [batch.rows.tolist() for batch in training.training(16, np.random.default_rng(seed))]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_evaluation_holds_every_example_once(prepared):
    validation = split(prepared, "validation")
    assert sorted(np.concatenate([batch.rows for batch in validation.evaluation()])) == list(range(len(validation)))


def test_evaluation_makes_room_for_the_symbols_of_long_targets(prepared, monkeypatch):
    validation = dataclasses.replace(split(prepared, "validation"), symbols=1_000)
    monkeypatch.setattr("sweeper.data.batches.EVALUATED_LOGITS", 5_000)
    batches = list(validation.evaluation())
    assert {len(batch.rows) for batch in batches[:-1]} == {5}, "of one label each"
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(len(validation)))


def test_ids_are_those_of_the_text_with_rare_words_unknown(prepared):
    training = split(prepared, max_vocabulary=12)
    vocabulary = open_encoded(prepared, "words", True).vocabulary
    text = prepared.examples("train")["text"][7].split()
    wanted = [vocabulary.index(word) if word in vocabulary[:12] else UNKNOWN for word in text]
    assert training.batch(np.array([7])).ids[0].tolist() == wanted


def test_long_texts_are_cut_to_their_first_tokens_and_counted(prepared):
    whole, cut = split(prepared), split(prepared, max_length=10)
    assert (whole.truncated, cut.truncated) == (0, int((whole.lengths > 10).sum()))
    longest = int(whole.lengths.argmax())
    assert cut.batch(np.array([longest])).ids[0].tolist() == whole.batch(np.array([longest])).ids[0, :10].tolist()


def test_padding_has_no_weight_and_tags_stand_at_their_tokens(people_card):
    found = prepare(cards.load_card(str(people_card)))
    training = split(found)
    rows = np.array([int(training.lengths.argmin()), int(training.lengths.argmax())])
    batch = training.batch(rows)
    assert ((batch.weights > 0) == (batch.ids != 0)).all()
    assert np.count_nonzero(batch.weights[0]) == training.lengths[rows[0]] < batch.ids.shape[1]
    names = np.array(found.meta.labels)
    examples = found.examples("train")
    for place, row in enumerate(rows):
        assert names[batch.labels[place, : training.lengths[row]]].tolist() == list(examples["tags"][row])
    assert training.truth().labels.tolist() == [
        found.meta.labels.index(tag) for tags in examples["tags"] for tag in tags
    ]


def test_a_token_counts_alike_in_short_and_in_long_sentences(people_card):
    training = split(prepare(cards.load_card(str(people_card))))
    batches = list(training.training(4, np.random.default_rng(0)))
    weights = np.concatenate([batch.weights[batch.weights > 0] for batch in batches])
    assert len({batch.ids.shape[1] for batch in batches}) > 1
    assert (weights == weights[0]).all()
    assert weights.sum() == pytest.approx(training.passes() * len(training), rel=1e-4)


def test_some_sources_come_with_all_their_targets(prepared):
    training = split(prepared)
    grouped = dataclasses.replace(training, groups=np.arange(len(training)) // 3)
    some = grouped.sample(20, np.random.default_rng(0))
    assert (np.unique(some.groups, return_counts=True)[1] == 3).all()
    assert len(some) == 60
    assert len(training.sample(20, np.random.default_rng(0))) == 20


def test_evaluation_takes_fewer_at_a_time_where_attention_makes_much_of_each_pair(prepared):
    training = split(prepared)
    looking = dataclasses.replace(training, attention_size=2_000_000)
    batches = list(looking.evaluation())
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(len(training)))
    assert len(batches) > 2 * len(list(training.evaluation()))
    assert split(prepared, attention="concat", attention_units=64).attention_size == 0, "a classifier looks once"


def test_a_tagger_with_attention_by_concat_looks_from_each_token_at_each(people_card):
    prepared = prepare(cards.load_card(str(people_card)))
    assert split(prepared, attention="concat", attention_units=48).attention_size == 48
    assert split(prepared, attention="dot").attention_size == 0

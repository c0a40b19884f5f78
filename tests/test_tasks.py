"""Scores are the field's own, baselines are honest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from sweeper.data import cards, linear
from sweeper.data.batches import Answers, load_split
from sweeper.data.prepare import prepare
from sweeper.data.store import Meta
from sweeper.declared.parameters import complete
from sweeper.errors import TrialError
from sweeper.learners import build_learner
from sweeper.records import UNKNOWN, TrialOrder
from sweeper.tasks import TASKS
from sweeper.tasks.base import accuracy, confusion, macro_f1
from sweeper.tasks.seq2seq import _of_the_nearest, edit_scores
from sweeper.tasks.tagging import span_scores
from sweeper.trials.baselines import baselines_of

from .conftest import card_text, write

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=50)


@given(PAIRS)
def test_accuracy_and_macro_f1_are_those_of_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    table = confusion(truth, predicted, 5)
    assert np.isclose(accuracy(table), sklearn.metrics.accuracy_score(truth, predicted))
    assert np.isclose(macro_f1(table), sklearn.metrics.f1_score(truth, predicted, average="macro", zero_division=0))


def test_a_span_counts_only_whole_and_of_its_type():
    truth = ["B-p I-p O B-q O".split(), "B-p O O".split()]
    predicted = ["B-p O O B-q O".split(), "B-q O B-p".split()]
    found = span_scores(truth, predicted)
    assert (found["precision"], found["recall"]) == (1 / 4, 1 / 3)
    assert np.isclose(found["f1"], 2 / 7)


def test_nothing_found_and_nothing_there_is_no_error():
    assert span_scores([["O"]], [["O"]])["f1"] == 0.0


def test_perfect_tags_are_perfect_spans():
    tags = ["B-p I-p B-p O B-q".split()]
    assert span_scores(tags, tags) == {"f1": 1.0, "precision": 1.0, "recall": 1.0}


def test_stars_are_also_scored_by_their_distance():
    meta = Meta("n", "sentiment", "d", ("1", "2", "5"), "labels", True, {})
    truth, predicted = (Answers.one_each(np.array(labels)) for labels in ([0, 1, 2, 2], [0, 0, 2, 0]))
    scores = TASKS["sentiment"].scores(meta, truth, predicted)
    assert scores["accuracy"] == 0.5
    assert scores["mae"] == (0 + 1 + 0 + 4) / 4


@pytest.mark.parametrize(
    ("which", "names"),
    [
        ("reviews_card", ["majority", "linear"]),
        ("people_card", ["majority", "most frequent tag"]),
    ],
)
def test_baselines_come_weakest_first_and_learn_from_training(which, names, request):
    prepared = prepare(cards.load_card(str(request.getfixturevalue(which))))
    task = TASKS[prepared.meta.task]
    found = task.baselines(prepared)
    assert [baseline.name for baseline in found] == names
    objective = task.objective(prepared.meta)
    assert found[0].test[objective] <= 0.7
    assert found[1].test[objective] >= 0.9
    assert set(found[1].validation) == set(found[1].test)


def test_the_linear_baseline_is_the_classifier_that_models_join_where_there_is_one(reviews_card, monkeypatch):
    card = cards.load_card(str(reviews_card))
    alone = TASKS["sentiment"].baselines(prepare(card))
    prepared = prepare(card, weightings=["tfidf"], say=lambda line: None)
    monkeypatch.setattr(linear, "fit", None)
    joined = TASKS["sentiment"].baselines(prepared)
    for one, other in zip(alone, joined, strict=True):
        assert (one.validation, one.test) == (other.validation, other.test)
        assert np.array_equal(one.answers, other.answers)


def test_a_target_is_right_if_it_is_any_of_its_sources_and_the_nearest_is_edited():
    found = edit_scores([[(2, 3), (2, 4, 4)], [(5,)], [(6, 7)]], [(2, 4, 4), (5, 5), ()])
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert found["sequence_error_rate"] == pytest.approx(2 / 3)
    assert found["symbol_error_rate"] == (0 + 1 + 2) / (3 + 1 + 2)


def test_rows_of_one_source_are_scored_as_one_source():
    meta = Meta("n", "seq2seq", "d", ("<stop>", "<unk>", "A", "B"), "sequences", False, {}, target_tokens="symbols")
    truth = Answers.of([np.array(row) for row in ([2, 0], [3, 0], [2, 3, 0])])
    written = Answers.of([np.array(row) for row in ([3], [3], [2, 2])])
    found = TASKS["seq2seq"].scores(meta, truth._replace(groups=np.array([0, 0, 1])), written)
    assert found == {"exact_match": 0.5, "sequence_error_rate": 0.5, "symbol_error_rate": 1 / 3}


def test_what_is_unknown_is_never_right_even_where_the_target_is_unknown_too():
    labels = ("<stop>", "<unk>", "the", "cat")
    meta = Meta("n", "seq2seq", "d", labels, "sequences", False, {}, target_tokens="words")
    truth = Answers.of([np.array([2, 1, 0]), np.array([2, 3, 0])])
    found = TASKS["seq2seq"].scores(meta, truth, truth)
    assert (found["exact_match"], found["symbol_error_rate"]) == (0.5, 1 / 4)
    assert found["chrf"] < 0.95
    symbols = dataclasses.replace(meta, target_tokens="symbols")
    assert TASKS["seq2seq"].statistics(symbols, truth, truth)[:, 0].tolist() == [0, 1]


def test_written_words_are_also_scored_as_translations():
    labels = ("<stop>", "<unk>", "the", "cat", "sat", "here", "now", "there")
    meta = Meta("n", "seq2seq", "d", labels, "sequences", False, {}, target_tokens="words")
    sentences = Answers.of([np.array([2, 3, 4, 5, 6, 0]), np.array([2, 3, 4, 7, 6, 0])])
    assert TASKS["seq2seq"].scores(meta, sentences, sentences)["bleu"] == pytest.approx(1)
    other = Answers.of([np.array([2, 3, 4, 5, 6]), np.array([2, 3, 4, 5, 6])])
    found = TASKS["seq2seq"].scores(meta, sentences, other)
    assert 0 < found["bleu"] < 1
    assert 0 < found["chrf"] < 1
    assert TASKS["seq2seq"].objective(meta) == "chrf"


def test_written_characters_are_scored_as_translations_cut_into_characters():
    labels = ("<stop>", "<unk>", "我", "喜", "欢", "你", "爱")
    meta = Meta("n", "seq2seq", "d", labels, "sequences", False, {}, target_tokens="characters")
    truth, other = Answers.of([np.array([2, 3, 4, 5, 0])]), Answers.of([np.array([2, 3, 4, 6, 0])])
    assert TASKS["seq2seq"].scores(meta, truth, truth)["bleu"] == pytest.approx(1)
    found = TASKS["seq2seq"].scores(meta, truth, other)
    assert found["bleu"] == pytest.approx((3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** (1 / 4), abs=1e-6), "the last is smoothed"
    assert 0 < found["chrf"] < 1
    symbols = dataclasses.replace(meta, target_tokens="symbols")
    assert "bleu" not in TASKS["seq2seq"].scores(symbols, truth, other)


def test_the_baselines_of_sequences_are_the_source_and_the_target_of_the_nearest(tmp_path):
    lines = [f"{colour}{number}\t{' '.join(colour)}" for number in range(40) for colour in ("red", "blue")]
    lines += [f"{number % 4}{number // 4}\t{number % 4}{number // 4}" for number in range(20)]
    write(tmp_path / "p.tsv", "\n".join(lines).replace("r e d", "red").replace("b l u e", "blue") + "\n")
    adapter = 'format = "pairs"\nsource_tokens = "characters"\ntarget_tokens = "characters"'
    card = write(tmp_path / "p.toml", card_text("p.tsv", task="seq2seq", adapter=adapter))
    prepared = prepare(cards.load_card(str(card)), [("characters", True)])
    copy, nearest = TASKS["seq2seq"].baselines(prepared)
    numbers = prepared.examples("test")["source"].str.isdigit().mean()
    assert copy.test["exact_match"] == pytest.approx(numbers)
    assert nearest.test["exact_match"] >= 1 - numbers


def test_of_several_targets_the_nearest_source_gives_its_most_frequent_one(tmp_path):
    lines = [f"red{n}\t{target}" for n in range(40) for target in ("rare", "often", "often")]
    write(tmp_path / "p.tsv", "\n".join(lines) + "\n")
    adapter = 'format = "pairs"\nsource_tokens = "characters"\ntarget_tokens = "characters"'
    card = write(tmp_path / "p.toml", card_text("p.tsv", task="seq2seq", adapter=adapter))
    prepared = prepare(cards.load_card(str(card)), [("characters", True)])
    found = _of_the_nearest(prepared)["test"].per_example()
    assert {prepared.meta.written(one) for one in found} == {"often"}


def test_what_is_written_is_compared_with_what_targets_are_also_where_training_had_no_such_word(tmp_path):
    write(tmp_path / "p.tsv", "".join(f"name{n} stays\tname{n} stays\n" for n in range(60)))
    card = write(tmp_path / "p.toml", card_text("p.tsv", task="seq2seq", adapter='format = "pairs"'))
    prepared = prepare(cards.load_card(str(card)), [("words", True)])
    assert len(prepared.meta.unseen) == sum(prepared.meta.counts[part] for part in ("validation", "test"))
    copy = next(one for one in TASKS["seq2seq"].baselines(prepared) if one.name == "copy")
    assert (copy.test["exact_match"], copy.test["chrf"]) == (1, 1)
    split = load_split(prepared, "validation", complete("seq2seq", {}))
    assert split.batch(np.arange(3)).labels[:, 0].tolist() == [UNKNOWN] * 3, "which a model is not asked to know"


@pytest.mark.parametrize(("targets", "order"), [("same", ["nearest", "copy"]), ("other", ["copy", "nearest"])])
def test_the_baseline_that_does_best_on_validation_data_comes_last(tmp_path, targets, order):
    words = [f"{first}{second}x" for first in "ABCDEFGHIJ" for second in "abcdefghij"]
    written = words if targets == "same" else ["yes" if word[0] < "F" else "no" for word in words]
    write(tmp_path / "p.tsv", "".join(f"{word}\t{target}\n" for word, target in zip(words, written, strict=True)))
    adapter = 'format = "pairs"\nsource_tokens = "characters"\ntarget_tokens = "characters"'
    card = write(tmp_path / "p.toml", card_text("p.tsv", task="seq2seq", adapter=adapter))
    prepared = prepare(cards.load_card(str(card)), [("characters", True)])
    found = baselines_of(str(prepared.folder))
    assert [baseline.name for baseline in found] == order
    if targets == "same":
        assert found[-1].test["exact_match"] == 1, "a copy keeps capitals"


def test_an_embedding_that_is_shared_with_what_is_written_is_not_frozen():
    values = {"input": "pretrained", "vectors": "in_domain", "vectors_training": "frozen", "target_embedding": "shared"}
    order = TrialOrder(0, "seq2seq", complete("seq2seq", values), "", "", 0, 1)
    with pytest.raises(TrialError, match='target_embedding = "separate"'):
        build_learner(order, None, 1, "keras")

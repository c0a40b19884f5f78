"""Exports: raw text in, label names out, with plain TensorFlow; and the same answers as the model that was trained."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeper.cli.command_line import main
from sweeper.data import cards
from sweeper.data.batches import load_split
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.errors import ExportError, UsageError
from sweeper.learners import as_served, build_learner, trained
from sweeper.learners.labels import LabelLearner
from sweeper.learners.sequences import SequenceLearner
from sweeper.models import kernels
from sweeper.records import TrialOrder
from sweeper.serving import answer, exports
from sweeper.system.files import check_free
from sweeper.tasks import TASKS, TrainedModel
from sweeper.trials import ensembles, winner
from sweeper.trials.ensembles import FinishedTrials
from sweeper.trials.trial import run_trial
from sweeper.trials.winner import score_test

from .conftest import card_text, reviews, write

SMALL = {"units": 4, "embedding_units": 4, "batch_size": 16, "learning_rate": 0.02, "max_vocabulary": 60}


def run(tmp_path, card, cut="words", **values):
    """A finished trial."""
    weightings = [values.get("weighting", "tfidf")] if "extra" in values else []
    prepared = prepare(
        cards.load_card(str(card)),
        [("words", True), (values.get("tokens", cut), values.get("lowercase", "yes") == "yes")],
        vectors=[values["vectors"]] if "vectors" in values else [],
        weightings=weightings,
        characters="characters" in values,
    )
    configuration = complete(prepared.meta.task, {**SMALL, **values}, prepared.meta.traits)
    assert values.items() <= configuration.items()
    order = TrialOrder(0, prepared.meta.task, configuration, str(prepared.folder), str(tmp_path / "trial"), 3, 2)
    result = run_trial(order)
    assert result.counts, result.error
    return order, result


@pytest.mark.parametrize(
    "values",
    [
        {"attention": "concat"},
        {"tokens": "characters", "max_length": 12, "extra": "ngrams", "weighting": "naive_bayes"},
        {"input": "one_hot", "cell": "gru", "extra": "ngrams", "fusion": "mlp"},
        {"characters": "cnn", "extra": "ngrams", "max_length": 4},
        {"characters": "rnn", "bigrams": "yes", "attention": "dot"},
    ],
    ids=str,
)
def test_a_classifier_exports_and_answers_in_a_fresh_process(tmp_path, reviews_card, values):
    order, _ = run(tmp_path, reviews_card, **values)
    folder = exports.export_trials(
        [order],
        str(tmp_path / "out"),
        {"about": "x", "scores": {"accuracy": 1.0}, "baselines": {"linear": {"accuracy": 0.9}}},
    )
    texts = ["a fine and moving film", "", "🎬", "very long " * 900]
    asked = subprocess.run(
        [sys.executable, answer.__file__, folder],
        input="".join(json.dumps(t) + "\n" for t in texts),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in asked.stdout.splitlines()]
    assert {one["label"] for one in answers} <= {"good", "bad"}
    assert all(abs(sum(one["scores"]) - 1) < 1e-5 and one["score"] == max(one["scores"]) for one in answers)
    assert json.loads((tmp_path / "out" / "labels.json").read_text()) == ["bad", "good"]
    model_card = (tmp_path / "out" / "model_card.md").read_text()
    assert "| baseline: linear | 0.9000 |" in model_card
    assert f"- cell: {order.configuration['cell']}" in model_card


@pytest.mark.parametrize("lowercase", ["yes", "no"])
def test_an_export_reads_words_as_they_are_written(tmp_path, reviews_card, lowercase):
    written = (
        reviews().replace("a fine", "A Fine").replace("a dull", "a DULL").replace("bold", "İNCE ΣΟΦΟΣ").splitlines()
    )
    write(reviews_card.parent / "reviews.csv", "\n".join(written) + "\n")
    order, _ = run(tmp_path, reviews_card, characters="cnn", lowercase=lowercase, max_length=3)
    answers = answer.load(
        exports.export_trials([order], str(tmp_path / "out"), {})
    )  # compares texts of the data itself
    small, capital, cut = (one["scores"][0] for one in answers(["a fine bore", "A Fine bore", "A Fine bore indeed"]))
    assert abs(small - capital) > 1e-6
    assert abs(capital - cut) < 1e-6


def test_words_of_texts_without_labels_are_known_to_the_export_and_its_card_names_them(tmp_path, reviews_card):
    vectors = write(tmp_path / "some.txt", "film 1 2 3\nunicorn 4 5 6\n")
    write(reviews_card.parent / "more.txt", "a moving zebra\n" * 40)
    text = f'{reviews_card.read_text()}\n[unlabelled]\nfile = "more.txt"\n'
    card = write(reviews_card.parent / "more.toml", text)
    order, _ = run(tmp_path, card, input="pretrained", vectors=f"{vectors} + in_domain")
    folder = exports.export_trials([order], str(tmp_path / "out"), {})
    said = "- vectors were also learned from: the lines that more names (licence: not stated)"
    assert said in (tmp_path / "out" / "model_card.md").read_text()
    served = tf.saved_model.load(folder).signatures["serving_default"]
    zebra, unicorn, gnu, unknown = served(tf.constant([f"a {word}" for word in "zebra unicorn gnu wyvern".split()]))[
        "scores"
    ].numpy()
    assert np.allclose(gnu, unknown)
    assert not any(np.allclose(known, unknown) for known in (zebra, unicorn))


@pytest.mark.parametrize(
    "values", [{"head": "crf", "characters": "cnn"}, {"attention": "general", "characters": "rnn"}], ids=str
)
def test_a_tagger_exports_with_both_signatures(tmp_path, people_card, values):
    order, _ = run(tmp_path, people_card, **values)
    folder = exports.export_trials([order], str(tmp_path / "out"), {})
    answers = answer.load(folder)
    from_text, empty = answers(["yesterday Anna met us, OK?", ""])
    assert from_text["tokens"] == ["yesterday", "Anna", "met", "us", ",", "OK", "?"]
    assert len(from_text["tags"]) == 7
    assert empty == {"tokens": [], "tags": []}
    first, second = answers([["yesterday", "Anna"], ["us"]])
    assert [len(one["tags"]) for one in (first, second)] == [2, 1]
    assert next(answers([["us"]]))["tags"] == second["tags"]
    assert list(answers([[], []])) == [empty, empty]


@pytest.mark.parametrize(
    "values",
    [{}, {"attention": "none", "decoder": "repeat"}, {"input_feeding": "yes", "target_embedding": "shared"}],
    ids=str,
)
def test_a_writer_exports_and_searches(tmp_path, spelled_card, values):
    order, _ = run(tmp_path, spelled_card, cut="characters", **values)
    chosen = winner.choose_decoding(order)
    assert (chosen["beam_width"], chosen["length_penalty"]) in winner.DECODINGS
    folder = exports.export_trials([order], str(tmp_path / "out"), {"about": "x", "scores": {"exact_match": 1.0}})
    texts = ["abce", "", "🎬", "abc" * 300]
    found = list(answer.load(folder)(texts))
    assert [one["unknown"] for one in found] == [0, 0, 1, 0]
    beam = tf.saved_model.load(folder).signatures["beam"]
    again = beam(text=tf.constant(texts), beam_width=chosen["beam_width"], length_penalty=chosen["length_penalty"])
    assert [one["output"] for one in found] == [one.decode() for one in again["output"].numpy()]
    assert ("attention" in again) == (values.get("attention") != "none")
    if "attention" in again:
        sums = again["attention"].numpy().sum(-1)
        lengths = [len(one["output"].split()) + 1 for one in found]
        assert [row.sum().round() for row in sums] == [min(length, sums.shape[1]) for length in lengths]
    assert set(" ".join(one["output"] for one in found).split()) <= {"A", "B", "C", "E", "S"}
    prepared, learner = trained(order)
    rows = np.arange(8)
    ids = load_split(prepared, "validation", order.configuration).batch(rows).ids
    sources = tf.constant(prepared.examples("validation")["source"].tolist()[:8])
    for width, penalty in ((1, 0.0), (3, 0.5), (5, 1.0)):
        served = beam(text=sources, beam_width=tf.constant(width), length_penalty=tf.constant(penalty))
        wanted = learner.model.search(ids, width, penalty).numpy()
        ended = [one[: np.argmax(np.append(one, 0) == 0)] for one in wanted]
        assert [one.decode() for one in served["output"].numpy()] == [prepared.meta.written(one) for one in ended]
        asked = answer.load(folder, beam_width=width, length_penalty=penalty)(sources.numpy().astype(str).tolist())
        assert [one["output"] for one in asked] == [prepared.meta.written(one) for one in ended]
        if width == 1 and "attention" in served:
            looked, steps = learner.model.write(ids).attention.numpy(), served["attention"].numpy()
            for row, one in enumerate(ended):
                assert np.abs(looked[row, : len(one)] - steps[row, : len(one)]).max() < 1e-5
    assert json.loads((tmp_path / "out" / "decoding.json").read_text()) == chosen
    with pytest.raises(tf.errors.InvalidArgumentError, match="beam_width: must be 1 or more"):
        beam(text=sources, beam_width=tf.constant(0), length_penalty=tf.constant(0.0))
    assert (tmp_path / "trial" / "attention.png").exists() == (values.get("attention") != "none")


def test_a_tagger_of_characters_exports_with_its_bigrams(tmp_path):
    names = ["王明", "李小红", "张伟", "陈静"]
    lines = [
        "".join(
            f"{c} {tag}\n" for c, tag in zip(name + end, ["B-PER", *["I-PER"] * (len(name) - 1), *"OOO"], strict=True)
        )
        for name in names
        for end in ("来了。", "走了！", "在吗？")
    ]
    write(tmp_path / "names.conll", "\n".join(lines))
    card = write(tmp_path / "names.toml", card_text("names.conll", task="tagging", adapter='format = "columns"'))
    order, _ = run(tmp_path, card, bigrams="yes", bigram_units=3)
    assert order.configuration["bigrams"] == "yes"
    folder = exports.export_trials(
        [order], str(tmp_path / "out"), {}
    )  # compared with the trial's model as it is written
    (found,) = answer.load(folder)(["王小明来了。"])
    assert found["tokens"] == list("王小明来了。")
    assert set(found["tags"]) <= {"O", "B-PER", "I-PER"}


def test_a_tagger_with_attention_reads_a_long_text_in_windows(tmp_path, people_card):
    order, _ = run(tmp_path, people_card, attention="dot")
    prepared, fitting = trained(order)
    served = TASKS["tagging"].serving([TrainedModel(fitting.model, ["", "<unk>", "us"], order.configuration)], prepared)
    tags = served.of_text(tf.constant(["us " * 1_300]))["tags"].numpy()[0]
    assert len(tags) == 1_300
    window = served.of_text(tf.constant(["us " * 512]))["tags"].numpy()[0]
    assert (tags[:512] == window).all()
    assert (tags[512:1_024] == window).all()


@pytest.mark.parametrize(
    "damaged", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_an_export_that_was_cut_is_named(tmp_path, reviews_card, capfd, damaged):
    order, _ = run(tmp_path, reviews_card)
    folder = exports.export_trials([order], str(tmp_path / "out"), {})
    path = tmp_path / "out" / damaged
    path.write_bytes(path.read_bytes()[:100])
    capfd.readouterr()
    assert main(["predict", folder, "a film"]) == 2
    assert f"{folder}: is no model that sweeper has exported, or was damaged since" in capfd.readouterr().err


def test_what_comes_from_data_is_escaped_in_the_model_card(tmp_path, people_card):
    order, _ = run(tmp_path, people_card)
    prepared, _ = trained(order)
    meta = dataclasses.replace(prepared.meta, labels=("<script>alert(1)</script>", "a\n# b"), name="<i>")
    text = exports.model_card([order], meta, {"about": "<b>"})
    assert not re.search(r"<\w", text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;, a # b" in text


def test_the_decoding_that_writes_most_of_the_validation_data_right_is_chosen(tmp_path, spelled_card, monkeypatch):
    order, _ = run(tmp_path, spelled_card, cut="characters")

    def searched(writing, split):
        truth = split.truth()
        wrong = truth._replace(labels=truth.labels[::-1].copy())
        return lambda width, penalty: truth if (width, penalty) == (3, 0.5) else wrong

    monkeypatch.setattr(SequenceLearner, "searched", searched)
    assert winner.choose_decoding(order) == {"beam_width": 3, "length_penalty": 0.5}


def test_a_difference_is_an_error_and_nothing_is_left(tmp_path, reviews_card, monkeypatch):
    order, _ = run(tmp_path, reviews_card)
    monkeypatch.setattr(ensembles, "vocabulary", lambda *_: ["", "<unk>", *(f"other{n}" for n in range(58))])
    with pytest.raises(ExportError, match="the exported model answers .* the trained one"):
        exports.export_trials([order], str(tmp_path / "out"), {})
    assert not list(tmp_path.glob("*out*"))


def test_an_export_never_overwrites(tmp_path):
    (tmp_path / "out").mkdir()
    check_free(tmp_path / "out")
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UsageError, match="exists already"):
        exports.export_trials([], str(tmp_path / "out"), {})


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_an_export_runs_where_there_is_no_gpu(tmp_path, spelled_card, cell):
    prepared = prepare(cards.load_card(str(spelled_card)), [("characters", True)])
    configuration = complete("seq2seq", {**SMALL, "cell": cell}, prepared.meta.traits)
    order = TrialOrder(0, "seq2seq", configuration, str(prepared.folder), "", 3, 2)
    learner = as_served(order, prepared, build_learner(order, prepared, 1, kernels.STOCK))
    asked = [layer.use_cudnn for layer in learner.model._flatten_layers() if hasattr(layer, "use_cudnn")]
    assert asked.count(False) == len(asked) > 1


def test_the_winner_is_scored_with_the_weights_of_its_best_epoch(tmp_path, reviews_card, monkeypatch):
    train = LabelLearner.train_epoch

    def spoiled_in_the_end(fitting, *how):
        found = train(fitting, *how)
        if fitting.progress.epoch:
            for variable in fitting.model.trainable_variables:
                variable.assign(-2.0 * variable)
        return found

    monkeypatch.setattr(LabelLearner, "train_epoch", spoiled_in_the_end)
    order, result = run(tmp_path, reviews_card)
    assert (result.best_epoch, result.epochs) == (1, 2)
    prepared, fitting = trained(order)
    validation = load_split(prepared, "validation", order.configuration)
    predicted = fitting.predict(validation).answers.labels
    assert np.mean(predicted == validation.truth().labels) == result.scores["accuracy"]
    assert set(score_test([order])[0]) == set(result.scores)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """One exported classifier beside the model it came from."""
    import os

    folder = tmp_path_factory.mktemp("both")
    os.environ["SWEEPER_CACHE"] = str(folder / "cache")
    write(folder / "r.csv", reviews())
    order, _ = run(folder, write(folder / "r.toml", card_text("r.csv", task="sentiment")))
    served = FinishedTrials([order]).module()
    tf.saved_model.save(served, str(folder / "out"), signatures=served.signatures())
    return served, answer.load(str(folder / "out"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), min_size=1, max_size=4)
)
def test_any_text_gets_the_same_answer_from_the_savedmodel(both, texts):
    served, answers = both
    wanted = served.answer(tf.constant(texts))["scores"].numpy()
    assert np.allclose([one["scores"] for one in answers(texts)], wanted, atol=1e-5)


ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
ANY_WORD = ANY_TEXT.map(lambda text: "".join(text.split()).lstrip("#") or "x")
LABELS = st.lists(ANY_TEXT.map(str.strip).filter(bool), min_size=2, max_size=3, unique=True)


def same_from_keras_and_the_savedmodel(folder, card, **values):
    """The prepared arrays in the trained model, and raw text in the exported one, give one answer."""
    order, _ = run(folder, card, **values)
    finished = FinishedTrials([order])
    module = finished.module()
    tf.saved_model.save(module, str(folder / "out"), signatures=module.signatures())
    inputs, expected = exports._expected(finished, module)
    return all(map(exports._equal, answer.load(str(folder / "out"))(inputs), expected))


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ANY_TEXT, min_size=12, max_size=30), labels=LABELS, cut=st.sampled_from(["words", "characters"]))
def test_any_table_of_texts_round_trips(tmp_path_factory, texts, labels, cut):
    folder = tmp_path_factory.mktemp("table")
    rows = ({"review": f"{text} {n}", "verdict": labels[n % len(labels)]} for n, text in enumerate(texts))
    write(folder / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    card = write(folder / "t.toml", card_text("t.jsonl"))
    assert same_from_keras_and_the_savedmodel(folder, card, tokens=cut, max_length=50)


@pytest.mark.slow
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.lists(ANY_WORD, min_size=1, max_size=8), min_size=12, max_size=30))
def test_any_table_of_tagged_words_round_trips(tmp_path_factory, words):
    folder = tmp_path_factory.mktemp("words")
    sentences = ([*sentence, str(n)] for n, sentence in enumerate(words))
    text = "\n".join("".join(f"{word}\t{'NV'[len(word) % 2]}\n" for word in sentence) for sentence in sentences)
    write(folder / "w.conll", text)
    card = write(folder / "w.toml", card_text("w.conll", task="tagging", adapter='format = "columns"'))
    assert same_from_keras_and_the_savedmodel(folder, card)


def test_a_process_that_was_to_be_asked_loads_nothing_and_ends_where_nothing_is_exported(tmp_path):
    with pytest.raises(OSError, match="full"), exports._fresh_process(tmp_path, {}) as fresh:
        raise OSError("full")
    assert fresh.returncode == 0

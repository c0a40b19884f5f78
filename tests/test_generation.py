"""Texts told symbol by symbol: windows lose nothing, states are carried, and what is drawn is what was learnt."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import sweeper
from sweeper.cli.command_line import main
from sweeper.cli.predicting import _say_which_label
from sweeper.data import cards
from sweeper.data.batches import Answers
from sweeper.data.prepare import prepare
from sweeper.data.store import Meta
from sweeper.data.texts import Texts
from sweeper.declared.parameters import DataTraits, complete
from sweeper.errors import DataError
from sweeper.learners import build_learner, load
from sweeper.learners.language_model import LanguageModelLearner
from sweeper.models import Generator
from sweeper.models.optimizers import build_optimizer
from sweeper.records import BOUNDARY, UNKNOWN, TrialOrder
from sweeper.serving import answer, exports
from sweeper.tasks import TASKS
from sweeper.tasks.ngrams import NGrams
from sweeper.tasks.serving_writers import GeneratorModule
from sweeper.track.connection import store
from sweeper.trials.trial import run_trial

from .conftest import NAMES, card_text, write

SMALL = {"units": 8, "embedding_units": 5, "batch_size": 4, "window": 6, "dropout": 0.0}
SYMBOLS, CONDITIONS = 9, 3


@pytest.fixture(autouse=True, scope="module")
def _short_epochs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sweeper.data.texts.SMALLEST_EPOCH", 20)
        yield


def configuration(**values):
    return complete("generation", {**SMALL, **values}, DataTraits(labelled=True))


def generator(kernel="keras", **values):
    keras.utils.set_random_seed(1)
    return Generator(configuration(**values), symbols=SYMBOLS, conditions=CONDITIONS, seed=1, kernel=kernel)


def texts_of(lengths, window, seed=0):
    """A split of random texts of these lengths, their ends included."""
    drawn = np.random.default_rng(seed)
    parts = [np.append(drawn.integers(2, SYMBOLS, length - 1), BOUNDARY) for length in lengths]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    conditions = drawn.integers(0, CONDITIONS, len(lengths)).astype(np.int32)
    return Texts(
        np.concatenate(parts).astype(np.int32), starts, np.array(lengths, np.int64), conditions, SYMBOLS, window
    )


# ---------------------------------------------------------------- windows


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.integers(2, 12), st.integers(1, 4))
def test_windows_hold_every_symbol_of_every_text_once_after_the_one_before(lengths, window, batch_size):
    split = texts_of(lengths, window)
    told = [np.full(length, -1) for length in lengths]
    passes = []
    for one in split.training(batch_size, np.random.default_rng(3)):
        assert one.begins == (one.start == 0)
        assert (one.conditions == split.conditions[one.rows]).all()
        for row, before, symbols, weights in zip(one.rows, one.before, one.symbols, one.weights, strict=True):
            count = np.count_nonzero(weights)
            assert 0 < count <= window
            whole = split.symbols[split.starts[row] : split.starts[row] + lengths[row]]
            assert (symbols[:count] == whole[one.start : one.start + count]).all()
            expected = whole[one.start - 1 : one.start + count - 1] if one.start else [BOUNDARY, *whole[: count - 1]]
            assert (before[:count] == expected).all()
            told[row][one.start : one.start + count] = symbols[:count]
            passes.append(count)
    assert all((one >= 0).all() for one in told)
    assert sum(passes) == sum(lengths) * split.passes(batch_size)


def test_an_epoch_of_few_texts_goes_over_them_several_times_and_one_of_many_once():
    few, many = texts_of([5] * 4, 6), texts_of([5] * 400, 6)
    assert (few.passes(4), few.steps(4)) == (20, 20)
    assert (many.passes(4), many.steps(4)) == (1, 100)


def test_rare_symbols_are_read_and_told_as_unknown():
    split = Texts(np.array([2, 8, 0], np.int32), np.array([0]), np.array([3]), np.zeros(1, np.int32), 5, 10)
    [window] = split.evaluation()
    assert window.symbols.tolist() == [[2, UNKNOWN, BOUNDARY]]
    assert split.truth().labels.tolist() == [2, UNKNOWN, BOUNDARY]


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize("cell", ["simple_rnn", "gru", "lstm"])
@pytest.mark.parametrize(
    "values", [{}, {"depth": 2, "residual": "yes"}, {"input": "one_hot", "condition": "first"}], ids=str
)
def test_states_that_are_carried_tell_a_text_as_if_it_were_read_whole(cell, values, monkeypatch):
    split = texts_of([23, 5, 17, 1], 6)
    surprisals = []
    for kernel, window in (("keras", 256), ("keras", 4), ("packed", 7)):
        monkeypatch.setattr("sweeper.data.texts.EVALUATED_WINDOW", window)
        model = generator(kernel, cell=cell, **values)
        surprisals.append(
            LanguageModelLearner(model, build_optimizer(configuration(), 1)).predict(split).answers.labels
        )
    for other in surprisals[1:]:
        assert np.allclose(surprisals[0], other, atol=1e-5)


def test_no_symbol_is_told_from_itself_or_a_later_one():
    model, before = generator(), np.arange(8, dtype=np.int32)[None] % SYMBOLS
    other = before.copy()
    other[0, 5:] = 8

    def logits(ids):
        given = tf.ones(ids.shape, tf.bool), tf.zeros(1, tf.int32), tf.constant(value=True), model.begin(1)
        return model(tf.constant(ids), *given)["logits"].numpy()[0]

    assert np.allclose(logits(before)[:5], logits(other)[:5])
    assert not np.allclose(logits(before)[5:], logits(other)[5:])


@pytest.mark.parametrize(("condition", "shown"), [("none", []), ("first", [0]), ("every", [0, 1, 2])])
def test_a_label_enters_where_the_configuration_says(condition, shown):
    model, before = generator(condition=condition), tf.fill([2, 3], 4)
    inputs = model._inputs(before, tf.constant([0, 2]), tf.constant(value=True)).numpy()
    assert [step for step in range(3) if not np.allclose(inputs[0, step], inputs[1, step])] == shown
    later = model._inputs(before, tf.constant([0, 2]), tf.constant(value=False)).numpy()
    assert np.allclose(later[0], later[1]) == (condition != "every")


def test_a_step_of_training_hands_its_last_states_to_the_next_window():
    learner = LanguageModelLearner(generator(), build_optimizer(configuration(learning_rate=1e-6), 10))
    states = learner.model.begin(4)
    for window in itertools.islice(texts_of([23] * 4, 6).training(4, np.random.default_rng(0)), 3):
        given = window[:5]
        nll, wanted = learner.evaluate(*given, *states)
        loss, states = learner.step(*given, *states)
        assert float(loss) == pytest.approx(float(tf.reduce_mean(nll)), abs=1e-4), "from the states that it was given"
        assert np.abs(states[0] - wanted[0]).max() < 1e-4
        assert np.abs(states[0]).max() > 1e-3


def test_what_follows_from_what_is_learnt():
    cycle = np.tile([2, 3, 4, 5], 10)
    symbols = np.concatenate([np.append(cycle, BOUNDARY)] * 3).astype(np.int32)
    split = Texts(symbols, np.arange(3) * 41, np.full(3, 41), np.zeros(3, np.int32), SYMBOLS, 8)
    chosen = configuration(units=16, learning_rate=0.02)
    model = Generator(chosen, symbols=SYMBOLS, conditions=0, seed=1, kernel="packed")
    learner = LanguageModelLearner(model, build_optimizer(chosen, 500))
    before = learner.predict(split).loss
    for epoch in range(8):
        learner.train_epoch(split, 3, np.random.default_rng(epoch))
    assert learner.predict(split).loss < before / 10
    drawn = learner.write(np.array([[2, 3]], np.int32), np.array([2]), np.array([0]), 0.0, 0, 0, 6).numpy()
    assert drawn.tolist() == [[4, 5, 2, 3, 4, 5]]


# ---------------------------------------------------------------- drawing


def drawn(model, prompts=((),), **values):
    """What a model writes after prompts."""
    longest = max(map(len, prompts))
    ids = np.array([[*prompt, *[7] * (longest - len(prompt))] for prompt in prompts], np.int32).reshape(
        len(prompts), -1
    )
    asked = {"temperature": 1.0, "top_k": 0, "seed": 0, "longest": 6, **values}
    lengths = np.array([len(prompt) for prompt in prompts], np.int32)
    found = model.write(ids, lengths, np.zeros(len(prompts), np.int32), **asked).numpy()
    return np.pad(found, [(0, 0), (0, asked["longest"] - found.shape[1])])


def next_scores(model, symbols):
    """Logits of what follows some symbols, as the model learns to tell it."""
    before = tf.constant([[BOUNDARY, *symbols]])
    found = model(before, before >= 0, tf.constant([0]), tf.constant(value=True), model.begin(1))
    return found["logits"].numpy()[0, -1]


def tuned(**values):
    """A model whose symbols differ in probability."""
    model = generator(**values)
    weights = model.head.kernel
    weights.assign(np.random.default_rng(0).normal(0, 2, weights.shape))
    return model


def test_temperature_zero_writes_the_most_probable_symbols_and_so_does_one_choice():
    model, written = tuned(), set()
    for weights in model.trainable_variables:  # else the state hardly depends on what was read
        weights.assign(np.random.default_rng(1).normal(0, 2, weights.shape))
    for prompt in ([3, 5], [2], [4, 4, 6], [6]):
        found = []
        for _ in range(6):
            best = np.argsort(-next_scores(model, [*prompt, *found]))
            found.append(int(next(symbol for symbol in best if symbol != UNKNOWN)))
            if found[-1] == BOUNDARY:
                break
        assert drawn(model, [prompt], temperature=0.0)[0].tolist() == found
        assert drawn(model, [prompt], top_k=1)[0].tolist() == found
        written.add(tuple(found))
    assert len(written) > 1, "what follows depends on the prompt"


def test_the_same_seed_draws_the_same_and_a_row_does_not_depend_on_later_ones():
    model = tuned()
    one = drawn(model, [[2], [3, 4]], seed=5)
    assert (one == drawn(model, [[2], [3, 4]], seed=5)).all()
    assert (one != drawn(model, [[2], [3, 4]], seed=6)).any()
    assert (drawn(model, [[2]], seed=5) == one[:1]).all()


def test_symbols_are_drawn_as_often_as_they_are_probable_and_never_an_unknown_one():
    model, many = tuned(), 4_000
    for temperature, top_k in ((1.0, 0), (0.5, 0), (1.0, 3)):
        found = drawn(model, [()] * many, temperature=temperature, top_k=top_k, longest=1)[:, 0]
        logits = next_scores(model, [])
        logits[UNKNOWN] = -np.inf
        if top_k:
            logits[np.argsort(-logits)[top_k:]] = -np.inf
        wanted = np.exp(logits / temperature - (logits / temperature).max())
        wanted /= wanted.sum()
        shares = np.bincount(found, minlength=SYMBOLS) / many
        assert (np.abs(shares - wanted) <= 4 * np.sqrt(wanted / many) + 1e-9).all()


def test_whatever_the_temperature_nothing_else_is_drawn_than_may_be():
    model = tuned()
    assert (drawn(model, top_k=1, temperature=1e12) == drawn(model, temperature=0.0)).all()
    assert UNKNOWN not in drawn(model, [()] * 50, temperature=1e12)


def test_nothing_is_written_after_the_end_or_beyond_the_length():
    model = tuned()
    found = drawn(model, [()] * 50, longest=12, temperature=2.0)
    ended = np.cumsum(found == BOUNDARY, axis=1) > 0
    assert ended.any()
    assert (found[ended] == BOUNDARY).all()
    assert drawn(model, [[2], []], longest=0).shape == (2, 0)


# ---------------------------------------------------------------- scores and baselines


def test_a_model_of_fewer_symbols_gains_nothing_by_telling_rare_ones_together(lines_card, tmp_path):
    surprisals = []
    for kept in (12, 1_000):
        order, prepared = trial(lines_card, tmp_path, max_vocabulary=kept)
        learner, split = build_learner(order, prepared, 1, "keras"), load(order, prepared, "validation")
        for variable in learner.model.trainable_variables:
            variable.assign(np.zeros(variable.shape))  # every symbol that it knows is as probable as any other
        rare = split.truth().labels == UNKNOWN
        surprisals.append(learner.predict(split).answers.labels)
        assert np.allclose(surprisals[-1][~rare], np.log(min(kept, len(prepared.meta.labels))), atol=1e-5)
        several = len(prepared.meta.labels) - min(kept, len(prepared.meta.labels)) + 1
        assert np.allclose(surprisals[-1][rare], np.log(several * min(kept, len(prepared.meta.labels))), atol=1e-5)
    assert surprisals[0].mean() > np.log(12), "telling them apart costs what it costs"


def test_an_export_of_fewer_symbols_goes_on_with_any_prompt(lines_card, tmp_path):
    order, _ = trial(lines_card, tmp_path, max_vocabulary=10)
    result = run_trial(order)
    assert result.counts, result.error
    folder = exports.export_trials([order], str(tmp_path / "out"), {"scores": result.scores})
    assert next(answer.load(folder, length=3)(["zebra"]))["output"].startswith("zebra")


def test_ngrams_are_a_distribution_and_learn_what_repeats():
    texts = [np.array([2, 3, 2, 3, 2, 4, 0]), np.array([2, 3, 0])]
    known = NGrams(texts, 3, 6)
    for context in ((2, 3), (0, 2), (5, 5), (4, 2)):
        assert sum(known._probability(context, symbol) for symbol in range(6)) == pytest.approx(1)
    # After 2: 3 three times and 4 once; of all, 2 four times, 3 three, 0 two, 4 one.
    below = (3 + 4 * (1 / 6)) / (10 + 4)
    one_back = (3 + 2 * below) / (4 + 2)
    assert NGrams(texts, 2, 6)._probability((2,), 3) == pytest.approx(one_back)
    again = known.negative_log_likelihood(np.array([2, 3, 2]))
    assert again.sum() < known.negative_log_likelihood(np.array([4, 4, 4])).sum()


def test_scores_are_bits_of_a_character_or_the_perplexity_of_words(lines_card):
    meta = prepare(cards.load_card(str(lines_card))).meta
    told = Answers(np.full(8, np.log(4.0), np.float32), np.array([5, 3]))
    scores = TASKS["generation"].scores(meta, told, told)
    assert scores == pytest.approx({"probability": 0.25, "bits_per_character": 2.0})
    scores = TASKS["generation"].scores(dataclasses.replace(meta, target_tokens="words"), told, told)
    assert scores == pytest.approx({"probability": 0.25, "perplexity": 4.0})


def test_lines_of_chinese_are_told_and_gone_on_with_by_character(tmp_path):
    write(
        tmp_path / "data" / "p.txt", "".join(f"{'春夏秋冬'[n % 4]}风吹{'山水'[n % 2]}又{n % 7}年\n" for n in range(80))
    )
    card = write(tmp_path / "data" / "p.toml", card_text("p.txt", task="generation", adapter='format = "lines"'))
    order, prepared = trial(card, tmp_path, learning_rate=0.02)
    assert {"春", "风", "年"} <= set(prepared.meta.labels)
    result = run_trial(order)
    assert "bits_per_character" in result.scores
    assert "风" in (tmp_path / "trial" / "samples.txt").read_text(encoding="utf-8")
    folder = exports.export_trials([order], str(tmp_path / "out"), {"scores": result.scores})
    known, unknown = answer.load(folder, length=6)(["春风", "雪"])
    assert (known["unknown"], unknown["unknown"]) == (0, 1)
    assert known["output"].startswith("春风")
    assert set(known["output"]) <= set(prepared.meta.labels)


# ---------------------------------------------------------------- end to end


@pytest.fixture
def poems_card(tmp_path):
    rows = "".join(f'"  sun {n}\nmoon",day\n"rain {n}",night\n' for n in range(30))
    write(tmp_path / "data" / "poems.csv", f"poem,kind\n{rows}")
    adapter = 'format = "labelled"\ntext = "poem"\nlabel = "kind"'
    return write(tmp_path / "data" / "poems.toml", card_text("poems.csv", task="generation", adapter=adapter))


def test_texts_keep_their_blanks_and_line_ends(poems_card):
    prepared = prepare(cards.load_card(str(poems_card)), encodings=())
    assert prepared.meta.conditions == ("day", "night")
    offsets, symbols = prepared.label_offsets(), prepared.labels()
    back = [prepared.meta.written(symbols[a:b]) for a, b in itertools.pairwise(offsets)]
    assert back[:48] == prepared.examples()["text"].tolist()[:48]
    assert any(text.startswith("  sun") and "\nmoon" in text for text in back)
    labels = prepared.examples()["label"].tolist()
    assert [prepared.meta.conditions[one] for one in prepared.conditions()] == labels


def trial(card, tmp_path, **values):
    prepared = prepare(cards.load_card(str(card)), encodings=())
    chosen = complete("generation", {**SMALL, **values}, prepared.meta.traits)
    order = TrialOrder(0, "generation", chosen, str(prepared.folder), str(tmp_path / "trial"), 3, 1)
    return order, prepared


@pytest.mark.parametrize("card", ["lines_card", "poems_card"])
def test_a_trial_shows_samples_and_its_export_goes_on_with_prompts(card, request, tmp_path, capfd):
    order, prepared = trial(request.getfixturevalue(card), tmp_path)
    result = run_trial(order)
    assert result.counts, result.error
    samples = (tmp_path / "trial" / "samples.txt").read_text()
    each = 2 * max(1, len(prepared.meta.conditions))
    assert [samples.count(f"--- temperature {t}") for t in (0.3, 0.7, 1.0)] == [each] * 3
    folder = exports.export_trials([order], str(tmp_path / "out"), {"scores": result.scores})
    go_on = answer.load(folder, length=5, temperature=1, **({"label": "night"} if prepared.meta.conditions else {}))
    for prompt, one in zip(["", "an", "🎬"], go_on(["", "an", "🎬"]), strict=True):
        assert one["output"].startswith(prompt)
        assert len(one["output"]) <= len(prompt) + 5
        assert "<unk>" not in one["output"]
    ask = tf.saved_model.load(folder).signatures["serving_default"]
    asked = {"label": tf.constant(["night" if prepared.meta.conditions else ""]), "prompt": tf.constant([""])}
    numbers = {"top_k": tf.constant(0), "seed": tf.constant(0), "length": tf.constant(3)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="temperature: must be 0 or more"):
        ask(**asked, **numbers, temperature=tf.constant(-1.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="label: "):
        ask(**{**asked, "label": tf.constant(["dusk"])}, **numbers, temperature=tf.constant(1.0))
    capfd.readouterr()
    assert main(["predict", folder, "an", "--temperature", "-0.5"]) == 2
    assert "--temperature: must be from 0 to 1,000, found -0.5" in capfd.readouterr().err
    assert main(["predict", folder, "an", "--temperature", "nan"]) == 2
    assert main(["predict", folder, "an", "--seed", "99999999999"]) == 2
    assert "--seed: must be from 0 to 2,147,483,647" in capfd.readouterr().err
    assert main(["predict", folder, "an", "--label", "dusk"]) == 2
    assert "--label: " in capfd.readouterr().err
    assert main(["predict", folder, "an", "--temperature", "0", "--length", "4", "--json"]) == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])["answers"][0]["output"]
    assert said.startswith("an")
    assert main(["predict", folder, "anζ€", "--length", "4"]) == 0
    said = capfd.readouterr()
    assert said.out.startswith("anζ€"), "what was given is never altered"
    assert "'anζ€': 2 of its symbols unknown to the model, read as <unk>" in said.err
    for name in ("sampling.json", "labels.json"):
        kept = (Path(folder) / name).read_text()
        for worse in ("{", "3", "", "{}" if name == "sampling.json" else "null"):
            (Path(folder) / name).write_text(worse)
            assert main(["predict", folder, "an"]) == 2
            assert f"{name}: was damaged since it was exported" in capfd.readouterr().err
        (Path(folder) / name).write_text(kept)
    page = (Path(folder) / "model_card.md").read_text()
    assert "goes on with it" in page
    assert ("- labels: day, night" in page) == bool(prepared.meta.conditions)
    assert "- symbols: &lt;stop&gt;, &lt;unk&gt;, " in page


def test_words_that_occur_once_are_what_an_unknown_word_is_like(tmp_path):
    write(
        tmp_path / "data" / "w.txt", "".join(f"the {'sun moon sea'.split()[n % 3]} and once{n} ,\n" for n in range(60))
    )
    adapter = 'format = "lines"\ntarget_tokens = "words"'
    card = write(tmp_path / "data" / "w.toml", card_text("w.txt", task="generation", adapter=adapter))
    order, prepared = trial(card, tmp_path)
    assert set(prepared.meta.labels) == {"<stop>", "<unk>", "the", "sun", "moon", "sea", "and", ","}
    result = run_trial(order)
    assert result.scores["perplexity"] == pytest.approx(1 / result.scores["probability"])
    folder = exports.export_trials([order], str(tmp_path / "out"), {"scores": result.scores})
    [one] = answer.load(folder, length=4)(["the sun"])
    assert one["output"].split()[:2] == ["the", "sun"]


def test_words_of_which_none_occurs_twice_are_refused(tmp_path):
    write(tmp_path / "data" / "w.txt", "".join(f"once{n}\n" for n in range(60)))
    adapter = 'format = "lines"\ntarget_tokens = "words"'
    card = write(tmp_path / "data" / "w.toml", card_text("w.txt", task="generation", adapter=adapter))
    with pytest.raises(DataError, match="no words of the training texts occur twice"):
        prepare(cards.load_card(str(card)), encodings=())


def test_a_label_for_each_text_still_leaves_texts_to_test(tmp_path):
    rows = "".join(f"text {n},author {n}\n" for n in range(20))
    write(tmp_path / "data" / "a.csv", f"text,label\n{rows}")
    card = write(tmp_path / "data" / "a.toml", card_text("a.csv", task="generation", adapter='format = "labelled"'))
    assert prepare(cards.load_card(str(card)), encodings=()).meta.counts == {"train": 16, "validation": 2, "test": 2}


def test_a_model_that_is_told_no_label_asks_for_none(poems_card, tmp_path):
    order, _ = trial(poems_card, tmp_path, condition="none")
    assert run_trial(order).counts
    assert (tmp_path / "trial" / "samples.txt").read_text().count("--- temperature 1.0\n") == 2
    folder = exports.export_trials([order], str(tmp_path / "out"), {})
    assert json.loads((Path(folder) / "labels.json").read_text()) == []
    assert next(answer.load(folder, length=3)([""]))["output"] is not None


def test_a_label_enters_what_is_written_as_it_entered_what_was_learnt():
    for condition, enters in (("first", True), ("every", True), ("none", False)):
        model = tuned(condition=condition)
        for layer in model.recurrent:  # the label's rows of the first kernel are made to matter
            layer.cell.kernel.assign(np.random.default_rng(1).normal(0, 2, layer.cell.kernel.shape))
        asked = {"temperature": 0.0, "top_k": 0, "seed": 0, "longest": 6}
        found = model.write(
            np.zeros((3, 0), np.int32), np.zeros(3, np.int32), np.arange(3, dtype=np.int32), **asked
        ).numpy()
        assert (len({tuple(row) for row in found}) > 1) == enters


def test_options_of_going_on_are_refused_for_other_models(tmp_path, capfd):
    write(tmp_path / "work" / "m" / "saved_model.pb", "x")
    assert main(["predict", "m", "text", "--temperature", "1"]) == 2
    assert "--temperature: is for models that go on with a prompt, and m holds another" in capfd.readouterr().err
    assert main(["predict", "m", "text", "--beam-width", "2"]) == 2
    assert "--beam-width: is for models that write a target for each text" in capfd.readouterr().err
    assert main(["predict", "m"]) == 2
    assert "give texts, or --file F" in capfd.readouterr().err
    for worse in ("{", "3", "{}", '{"beam_width": "2", "length_penalty": 0.5}'):
        write(tmp_path / "work" / "m" / "decoding.json", worse)
        assert main(["predict", "m", "text"]) == 2
        assert "decoding.json: was damaged since it was exported" in capfd.readouterr().err


@pytest.mark.parametrize(("labels", "said"), [(["a", "b\x1b[2J"], r"--label names another: a, b\x1b[2J"), (["a"], "")])
def test_a_label_that_nobody_has_named_is_said(tmp_path, capfd, labels, said):
    write(tmp_path / "labels.json", json.dumps(labels))
    _say_which_label(str(tmp_path), labels[0])
    assert capfd.readouterr().err == (f"sweeper: goes on as 'a' would; {said}\n" if said else "")


@pytest.mark.filterwarnings("ignore")  # to import mlflow.pyfunc, as whoever serves a model does, warns of its own types
@pytest.mark.slow
def test_a_sweep_of_ones_own_lines_beats_how_frequent_characters_are(tmp_path):
    write(Path("names.txt"), "".join(f"{NAMES[n % 5]} {n}\n" for n in range(300)))
    space = write(
        tmp_path / "s.toml",
        'about = "x"\ntask = "generation"\n[parameters.cell]\nchoice = ["gru", "lstm"]\n[parameters.units]\nfixed = 24\n'
        '[parameters.condition]\nchoice = ["first", "every"]\n',
    )
    settings = {"algorithm": "grid", "epochs": 1, "workers": 2, "seeds": 1}
    outcome = sweeper.sweep("generation", data="names.txt", space=str(space), **settings)
    assert (outcome.ended, len(outcome.leaderboard)) == ("exhausted", 2 + 2), "without labels no condition"
    assert outcome.best.scores["bits_per_character"] < outcome.baselines[0].validation["bits_per_character"]
    assert main(["predict", str(outcome.export), "--length", "9"]) == 0

    client = mlflow.MlflowClient(store())
    [experiment] = client.search_experiments(filter_string="name LIKE 'generation/%'")
    [run] = client.search_runs([experiment.experiment_id], f"tags.`sweeper.trial` = '{outcome.best.number}'")
    pictures = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "plots")}
    assert pictures == {"learning_curve.png", "samples.txt"}
    [model] = client.search_registered_models()
    served, texts = mlflow.pyfunc.load_model(f"models:/{model.name}/1"), pd.DataFrame({"text": ["a", "be"]})
    sampling = {"length": 5, "seed": 3, "temperature": 0.5, "top_k": 4}
    wanted = [one["output"] for one in answer.load(str(outcome.export), **sampling)(["a", "be"])]
    assert served.predict(texts, params=sampling)["output"].tolist() == wanted


@pytest.mark.parametrize(
    ("file", "content", "options", "said"),
    [
        ("p.txt", "sun\nmoon\n", {}, "p.txt: lines, without labels, by character; task: generation, as you said"),
        (
            "p.csv",
            "poem,kind\nsun,day\nmoon,night\n",
            {"text": "poem"},
            "p.csv: labelled, without labels, by character",
        ),
        (
            "p.csv",
            "poem,kind\nsun,day\nmoon,night\n",
            {"text": "poem", "label": "kind"},
            "p.csv: labelled, 2 labels (day, night), by character",
        ),
    ],
)
def test_a_file_of_ones_own_is_told_by_character(tmp_path, file, content, options, said):
    from sweeper.data.infer import infer_card

    card, found = infer_card(str(write(tmp_path / file, content)), task="generation", **options)
    assert found.startswith(said)
    assert card.task == "generation"


def test_a_learner_is_built_for_every_parameter(lines_card, tmp_path):
    for values in ({"precision": "mixed"}, {"input": "one_hot"}, {"depth": 3, "residual": "yes"}, {"optimizer": "sgd"}):
        order, prepared = trial(lines_card, tmp_path, **values)
        learner = build_learner(order, prepared, 10, "keras")
        training = load(order, prepared, "train")
        assert isinstance(training, Texts)
        window = next(training.training(4, np.random.default_rng(0)))
        loss, states = learner.step(*window[:5], *learner.model.begin(4))
        assert np.isfinite(loss)
        assert [state.shape for state in states] == [(4, 16)] * order.configuration["depth"]
        nothing, zero = np.zeros((1, 0), np.int32), np.zeros(1, np.int32)
        assert learner.write(nothing, zero, zero, 1.0, 0, 0, 3).shape[1] <= 3


@pytest.mark.parametrize(("prompt", "wanted"), [("once upon", "once upon time"), ("once ", "once time"), ("", "time")])
def test_one_blank_stands_between_a_prompt_of_words_and_what_follows(prompt, wanted):
    meta = Meta("n", "generation", "d", ("<stop>", "<unk>", "time"), "texts", False, {}, target_tokens="words")
    model = SimpleNamespace(variables=[], write=lambda *_, **__: tf.constant([[2, 0]]))
    module = GeneratorModule(model, meta, {"max_vocabulary": 9, "condition": "none"})
    found = module.answer(tf.constant([prompt]), tf.constant([""]), 0.0, 0, 0, 2)
    assert found["output"].numpy()[0].decode() == wanted

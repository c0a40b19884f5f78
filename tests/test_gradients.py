"""How far gradients reach: as far as the recurrence lets them, by the factor that it has."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import mlflow
import numpy as np
import pytest

import sweeper
from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.errors import TrialError
from sweeper.learners import build_learner, load
from sweeper.records import TrialOrder
from sweeper.track.store import store
from sweeper.trials import gradients
from sweeper.trials.gradients import UNCLIPPED, _of_examples, _of_texts, _plain, draw_gradients, reach
from sweeper.trials.trial import run_trial

from .conftest import card_text, write

SMALL = {"units": 4, "embedding_units": 4, "batch_size": 16, "pooling": "last", "direction": "forward"}


def order_of(card, tmp_path, **values):
    prepared = prepare(cards.load_card(str(card)))
    configuration = complete(prepared.meta.task, {**SMALL, **values}, prepared.meta.traits)
    folder = str(tmp_path / "trials" / "000")
    return TrialOrder(0, prepared.meta.task, configuration, str(prepared.folder), folder, 0, 1), prepared


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.5])
def test_a_gradient_shrinks_or_grows_by_the_factor_of_its_recurrence(reviews_card, tmp_path, factor, monkeypatch):
    order, prepared = order_of(reviews_card, tmp_path, cell="simple_rnn")
    learner = build_learner(order, prepared, 1, "keras")
    [cell] = [layer.cell for layer in learner.model.layers if hasattr(layer, "cell")]
    cell.recurrent_kernel.assign(factor * np.eye(4))
    cell.kernel.assign(1e-3 * cell.kernel.numpy())  # states stay small, where tanh is a line
    norms, lengths = _of_examples(learner, load(order, prepared, "validation"))
    for row, length in zip(norms, lengths, strict=True):
        back = row[:length][::-1]
        assert back[0] > 0
        assert np.allclose(back[1:4], back[0] * factor ** np.arange(1, 4), rtol=1e-2)
        assert not row[length:].any(), "padding has no gradient"
    monkeypatch.setattr(gradients, "trained", lambda _: (prepared, learner))
    back = reach(order)
    assert np.allclose(back[1:4], back[0] * factor ** np.arange(1, 4), rtol=1e-2), "counted from the end"


def test_what_two_tokens_say_together_is_left_out_of_what_each_one_does(tmp_path):
    texts = ["".join(one) for one in itertools.product("abc", repeat=4)]
    sentences = ("\n".join(f"{one} {one.upper()}" for one in text[: 3 + (text[0] == "a")]) for text in texts)
    card = card_text("c.conll", task="tagging", adapter='format = "columns"\nscheme = "none"')
    write(tmp_path / "c.conll", "\n\n".join(sentences) + "\n")
    prepared = prepare(cards.load_card(str(write(tmp_path / "c.toml", card))))
    values = {"units": 4, "embedding_units": 5, "bigrams": "yes", "bigram_units": 3}
    configuration = complete("tagging", values, prepared.meta.traits)
    assert configuration["bigrams"] == "yes"
    order = TrialOrder(0, "tagging", configuration, str(prepared.folder), str(tmp_path / "000"), 0, 1)
    norms, lengths = _of_examples(build_learner(order, prepared, 1, "keras"), load(order, prepared, "validation"))
    assert norms.shape == (len(lengths), lengths.max())
    assert (norms[np.arange(norms.shape[1]) < lengths[:, None]] > 0).all()


@pytest.mark.parametrize(
    ("card", "values"),
    [
        ("reviews_card", {"input": "one_hot"}),
        ("spelled_card", {"input": "one_hot"}),
        ("spelled_card", {"target_embedding": "shared"}),
        ("lines_card", {"input": "one_hot"}),
    ],
    ids=str,
)
def test_a_gradient_reaches_whatever_reads_the_tokens(card, values, request, tmp_path):
    """The state begins nowhere but in them: of what is read every place has a gradient, and padding has none."""
    declared = cards.load_card(str(request.getfixturevalue(card)))
    tokens = {"generation": [], "seq2seq": [("characters", True)]}.get(declared.task, [("words", True)])
    prepared = prepare(declared, tokens)
    small = {"units": 4, "embedding_units": 5, "cell": "gru"}
    configuration = complete(declared.task, {**small, **values}, prepared.meta.traits)
    order = TrialOrder(0, declared.task, configuration, str(prepared.folder), str(tmp_path / "t"), 0, 1)
    split, learner = load(order, prepared, "validation"), build_learner(order, prepared, 1, "keras")
    norms, lengths = (_of_texts if declared.task == "generation" else _of_examples)(learner, split)
    real = np.arange(norms.shape[1]) < lengths[:, None]
    assert (norms[real] > 0).all()
    assert not norms[~real].any()


def test_the_plain_network_is_a_simple_one_and_the_rest_is_the_best_ones(reviews_card, tmp_path):
    order, _ = order_of(reviews_card, tmp_path, cell="gru", attention="concat", direction="both", units=7)
    plain = _plain(order, "elsewhere").configuration
    wanted = {"cell": "simple_rnn", "direction": "forward", "attention": "none", "pooling": "last", "units": 7}
    assert {name: plain[name] for name in wanted} == wanted
    assert "attention_units" not in plain


def test_the_plain_network_keeps_what_depends_on_a_value_that_is_no_default(reviews_card, tmp_path):
    values = {"extra": "ngrams", "weighting": "naive_bayes", "input": "pretrained", "vectors": "in_domain"}
    order, _ = order_of(reviews_card, tmp_path, **values)
    plain = _plain(order, "elsewhere").configuration
    assert {name: plain[name] for name in values} == values


@pytest.mark.parametrize(
    ("clip_norm", "fails", "names"),
    [
        (
            0.01,
            "",
            [
                "trial 0: gru forward last",
                "plain simple_rnn forward last",
                "plain simple_rnn forward last, not clipped",
            ],
        ),
        (UNCLIPPED, "", ["trial 0: gru forward last", "plain simple_rnn forward last"]),
        (0.01, "diverged: the loss is nan", [..., ..., "plain simple_rnn forward last, not clipped: diverged"]),
        (0.01, "out of memory", []),
    ],
)
def test_the_plain_network_is_trained_with_and_without_clipping(
    clip_norm, fails, names, reviews_card, tmp_path, monkeypatch
):
    order, _ = order_of(reviews_card, tmp_path, cell="gru", clip_norm=clip_norm, learning_rate=0.1)
    assert run_trial(order).counts
    drawn, trained_with = [], []

    def trial(order):
        trained_with.append(order.configuration["clip_norm"])
        result = run_trial(order)
        return dataclasses.replace(result, state="failed", error=fails) if fails and len(trained_with) == 2 else result

    monkeypatch.setattr(gradients, "run_trial", trial)
    monkeypatch.setattr("sweeper.trials.plots.gradient_plot", lambda lines, path: drawn.append(lines) or path)
    if not names:
        with pytest.raises(TrialError, match="out of memory"):
            draw_gradients(order, str(tmp_path / "gradients"))
        return
    draw_gradients(order, str(tmp_path / "gradients"))
    [lines] = drawn
    assert [found if name is not ... else ... for found, name in zip(lines, names, strict=True)] == names
    assert trained_with == [clip_norm, UNCLIPPED][: len(names) - 1]
    if len(names) == 3:
        _, plain, unclipped = lines.values()
        assert len(unclipped) == (0 if fails else len(plain))
        assert not np.array_equal(plain, unclipped), "another network"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("card", "kept"), [("people_card", ()), ("spelled_card", ()), ("lines_card", ()), ("reviews_card", ("pooling",))]
)
def test_every_task_has_its_picture(card, kept, request, tmp_path):
    values = {name: value for name, value in SMALL.items() if name in ("units", "embedding_units", *kept)}
    card = cards.load_card(str(request.getfixturevalue(card)))
    prepared = prepare(card, [] if card.task == "generation" else [("words", True), ("characters", True)])
    configuration = complete(prepared.meta.task, values, prepared.meta.traits)
    order = TrialOrder(0, prepared.meta.task, configuration, str(prepared.folder), str(tmp_path / "t"), 0, 1)
    assert run_trial(order).counts
    picture = Path(draw_gradients(order, str(tmp_path / "gradients")))
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert not list((tmp_path / "gradients").rglob("*.npz"))


@pytest.mark.slow
def test_a_sweep_logs_its_picture(reviews_card, tiny_space):
    sweeper.sweep(
        dataset=str(reviews_card), space=str(tiny_space), workers=1, trials=1, epochs=1, name="s", gradients=True
    )
    client = mlflow.MlflowClient(store())
    experiment = client.get_experiment_by_name("sentiment/reviews").experiment_id
    [run] = client.search_runs([experiment], "tags.`sweeper.kind` = 'sweep'")
    assert "gradients.png" in {file.path for file in client.list_artifacts(run.info.run_id)}

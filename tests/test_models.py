"""What the models do, not what shape they have."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from sweeper.declared.parameters import DataTraits, complete
from sweeper.layers.attention import LuongAttention
from sweeper.layers.ordinal import OrdinalHead
from sweeper.models import Sizes, build_classifier, build_tagger, kernels
from sweeper.models.optimizers import build_optimizer, summed
from sweeper.models.recurrent import drop, last_state, one_hot_width, pool, recurrent_stack
from sweeper.tasks import TASKS

VOCABULARY, LABELS = 13, 3
SMALL = {"units": 4, "embedding_units": 5, "attention_units": 7, "embedding_dropout": 0.0, "dropout": 0.0}
BUILD = {"sentiment": build_classifier, "tagging": build_tagger}


def model(task, **values):
    chosen = {**{name: value for name, value in SMALL.items() if name not in values}, **values}
    return BUILD[task](complete(task, chosen, DataTraits(ordered="head" in values)), Sizes(VOCABULARY, LABELS, seed=3))


def logits(a_model, ids):
    return a_model(np.asarray(ids, np.int32), training=False)["logits"].numpy()


ARCHITECTURES = [
    *(
        {"cell": cell, "direction": direction}
        for cell in ("simple_rnn", "gru", "lstm")
        for direction in ("forward", "backward", "both")
    ),
    *(
        {"attention": score, "direction": direction}
        for score in ("dot", "general", "concat")
        for direction in ("forward", "both")
    ),
    {"depth": 3, "residual": "yes"},
    {"depth": 2, "direction": "backward"},
    {"input": "one_hot", "cell": "gru"},
]
POOLINGS = [
    {"pooling": name, "direction": direction}
    for name in ("last", "max", "mean")
    for direction in ("forward", "backward", "both")
]


@pytest.mark.parametrize(
    ("task", "values"),
    [
        *(("sentiment", v) for v in (*ARCHITECTURES, *POOLINGS, {"bigrams": "yes"})),
        *(("tagging", v) for v in (*ARCHITECTURES, {"bigrams": "yes"})),
        ("sentiment", {"head": "ordinal"}),
    ],
    ids=str,
)
def test_padding_never_changes_an_answer(task, values):
    a_model = model(task, **values)
    alone = logits(a_model, [[5, 2, 9]])
    padded = logits(a_model, [[5, 2, 9, 0, 0, 0], [4, 4, 4, 4, 4, 4]])
    found = padded[0, :3] if task == "tagging" else padded[0]
    assert np.allclose(found, alone[0], atol=1e-6)


@pytest.mark.parametrize("values", [{"attention": "none"}, {"attention": "dot"}], ids=str)
def test_the_order_of_a_batch_does_not_matter(values, rng):
    a_model = model("sentiment", **values)
    ids = rng.integers(1, VOCABULARY, (5, 7))
    order = rng.permutation(5)
    assert np.allclose(logits(a_model, ids)[order], logits(a_model, ids[order]), atol=1e-6)


@pytest.mark.parametrize(
    ("direction", "first_sees_last", "last_sees_first"),
    [("forward", False, True), ("backward", True, False), ("both", True, True)],
)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_token_reads_only_in_its_direction(direction, first_sees_last, last_sees_first, depth):
    a_model = model("tagging", direction=direction, depth=depth)
    before = logits(a_model, [[5, 2, 9, 3]])[0]
    last_changed = logits(a_model, [[5, 2, 9, 7]])[0]
    first_changed = logits(a_model, [[7, 2, 9, 3]])[0]
    assert np.allclose(before[0], last_changed[0]) != first_sees_last
    assert np.allclose(before[-1], first_changed[-1]) != last_sees_first


def test_with_bigrams_a_token_reads_the_next_one_and_no_further():
    for bigrams in ("no", "yes"):
        a_model = model("tagging", direction="forward", bigrams=bigrams)
        before, changed = (logits(a_model, [[5, 2, last, 3]])[0] for last in (9, 7))
        assert np.allclose(before[0], changed[0])
        assert np.allclose(before[1], changed[1]) == (bigrams == "no")


def test_every_pair_of_tokens_has_a_bigram_however_large_the_vocabulary():
    last = 2**31 - 1
    a_model = model("tagging", bigrams="yes")
    pairs = keras.Model(a_model.input, a_model.get_layer("bigrams").output)
    found = pairs(np.array([[5, 2, 9], [5, 9, 2], [1_000_000, last, last]], np.int32)).numpy()
    assert np.isfinite(found).all()
    assert not np.allclose(found[0, 0], found[1, 0])  # (5, 2) is not (5, 9)
    assert not np.allclose(found[0, 1], found[1, 1])  # (2, 9) is not (9, 2)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_the_last_state_has_read_the_whole_text(direction):
    a_model = model("sentiment", direction=direction, pooling="last")
    before = logits(a_model, [[5, 2, 9, 3, 0, 0]])
    assert not np.allclose(before, logits(a_model, [[7, 2, 9, 3, 0, 0]]))
    assert not np.allclose(before, logits(a_model, [[5, 2, 9, 7, 0, 0]]))


@pytest.mark.parametrize("cell", ["simple_rnn", "gru", "lstm"])
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_one_hot_input_equals_a_matrix_of_zeros_and_ones(cell, direction, rng):
    """The looked-up row is what the stock layer computes from a one-hot vector."""
    units = 3
    options = {"cell": cell, "direction": direction, "depth": 1, "units": units}
    rows = rng.normal(size=(VOCABULARY, one_hot_width(cell=cell, direction=direction, units=units))).astype("float32")
    ids = rng.integers(1, VOCABULARY, (2, 5))
    mask = np.ones((2, 5), bool)

    x = keras.Input((None, rows.shape[1]))
    m = keras.Input((None,), dtype="bool")
    looked_up = keras.Model([x, m], recurrent_stack(x, m, **options, one_hot=True, seed=1)[0])
    z = keras.Input((None, VOCABULARY))
    stock = keras.Model([z, m], recurrent_stack(z, m, **options, seed=1)[0])
    kernels = [v for v in stock.weights if v.path.endswith("/kernel")]
    for kernel, part in zip(kernels, np.split(rows, len(kernels), axis=1), strict=True):
        kernel.assign(part)
    for ours, theirs in zip(looked_up.weights, stock.weights, strict=True):
        if not ours.path.endswith("/kernel"):
            ours.assign(theirs)

    assert np.allclose(looked_up([rows[ids], mask]), stock([np.eye(VOCABULARY, dtype="float32")[ids], mask]), atol=1e-5)
    assert not [v for v in looked_up.trainable_variables if v.path.endswith("/kernel")]


def test_pooling_by_hand():
    states = np.array([[[1.0, -1.0], [3.0, -5.0], [9.0, 9.0]]])
    mask = np.array([[True, True, False]])
    found = {
        name: np.asarray(pool(states, ops.convert_to_tensor(mask), pooling=name, direction="forward")).tolist()
        for name in ("last", "max", "mean")
    }
    assert found == {"last": [[3.0, -5.0]], "max": [[3.0, -1.0]], "mean": [[2.0, -3.0]]}


def test_the_last_state_of_both_directions_is_the_end_of_one_and_the_start_of_the_other():
    states = np.array([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])
    found = last_state(states, ops.convert_to_tensor([[True, True, False]]), "both")
    assert np.asarray(found).tolist() == [[2.0, 10.0]]


def test_residual_layers_add_their_input():
    plain, residual = (model("tagging", depth=2, residual=word) for word in ("no", "yes"))
    residual.set_weights(plain.get_weights())
    first = keras.Model(plain.input, plain.get_layer("both_0").output[0])
    second = keras.Model(plain.input, plain.get_layer("both_1").output[0])
    added = keras.Model(residual.input, residual.get_layer("residual_1").output)
    ids = np.array([[5, 2, 9]])
    assert np.allclose(added(ids), first(ids) + second(ids), atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [{"dropout": 0.5}, {"embedding_dropout": 0.5}, {"input_dropout": 0.5}, {"recurrent_dropout": 0.5}],
    ids=str,
)
def test_dropout_acts_in_training_only(values):
    a_model = model("sentiment", **values)
    ids = np.array([[5, 2, 9, 3, 7, 8]], np.int32)
    assert np.allclose(logits(a_model, ids), logits(a_model, ids))
    runs = [a_model(ids, training=True)["logits"].numpy() for _ in range(4)]
    assert any(not np.allclose(runs[0], run) for run in runs[1:])


def test_no_two_layers_drop_the_same_features():
    a_model = model(
        "tagging", depth=2, units=3, embedding_units=6, input_dropout=0.5, dropout=0.5, dropout_masks="sequence"
    )
    layers = [layer for layer in a_model.layers if isinstance(layer, keras.layers.Dropout)]
    ones = np.ones((20, 1, 6), np.float32)
    masks = [np.asarray(layer(ones, training=True)) > 0 for layer in layers]
    assert len(masks) == 3
    agree = [(one == other).mean() for one, other in itertools.combinations(masks, 2)]
    assert max(agree) < 0.75


def test_the_two_directions_drop_units_of_their_own():
    a_model = model("tagging", direction="both", units=8, recurrent_dropout=0.5)
    [both] = [layer for layer in a_model.layers if isinstance(layer, keras.layers.Bidirectional)]
    cells = [layer.cell for layer in (both.forward_layer, both.backward_layer)]
    masks = [np.asarray(cell.get_recurrent_dropout_mask(np.ones((20, 8), np.float32))) > 0 for cell in cells]
    assert (masks[0] == masks[1]).mean() < 0.75


@pytest.mark.parametrize(("kernel", "may"), [(kernels.PORTABLE, False), (kernels.STOCK, "auto")])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("task", ["sentiment", "tagging", "seq2seq", "generation"])
def test_what_runs_on_any_machine_has_no_operation_of_a_gpu(task, cell, kernel, may):
    sizes = Sizes(VOCABULARY, LABELS, seed=3, kernel=kernel, longest=7)
    a_model = TASKS[task].build(complete(task, {"cell": cell, "units": 4, "embedding_units": 4}, DataTraits()), sizes)
    layers = [layer for layer in a_model._flatten_layers() if isinstance(layer, (keras.layers.GRU, keras.layers.LSTM))]
    assert layers
    assert {layer.use_cudnn for layer in layers} == {may}


def test_our_own_kernel_is_for_a_cpu_in_full_precision(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert kernels.choose({"precision": "float32"}) == kernels.PACKED
    assert kernels.choose({"precision": "mixed"}) == kernels.STOCK
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert kernels.choose({"precision": "float32"}) == kernels.STOCK


def test_word_dropout_drops_whole_words():
    a_model = model("sentiment", embedding_dropout=0.5)
    dropped = keras.Model(a_model.input, a_model.get_layer("word_dropout").output)(
        np.arange(1, 13)[None], training=True
    ).numpy()[0]
    zeros = (dropped == 0).all(axis=1)
    assert 0 < zeros.sum() < 12
    assert (dropped[~zeros] != 0).all()


@pytest.mark.parametrize("masks", ["steps", "sequence"])
def test_features_are_dropped_anew_at_each_step_or_once_for_a_sequence(masks):
    a_model = model("tagging", input_dropout=0.5, dropout_masks=masks)
    ids = np.arange(1, 13)[None]
    dropped = keras.Model(a_model.input, a_model.get_layer("input_dropout").output)(ids, training=True).numpy()[0] == 0
    assert 0 < dropped.sum() < dropped.size
    assert (dropped == dropped[0]).all() == (masks == "sequence")


SCORES = np.array([[0.3, -2.0, 5.0], [1.0, 0.0, -1.0]], np.float32)[:, :LABELS]


@pytest.mark.parametrize("fusion", ["add", "concat", "mlp"])
@pytest.mark.parametrize("head", ["softmax", "ordinal"])
def test_extra_scores_and_the_text_both_count(fusion, head):
    a_model = model("sentiment", extra="ngrams", fusion=fusion, head=head)
    ids = np.array([[5, 2, 9], [5, 2, 9]], np.int32)
    same, other = a_model([ids, SCORES * 0])["logits"].numpy(), a_model([ids, SCORES])["logits"].numpy()
    assert np.allclose(same[0], same[1], atol=1e-6)
    assert (np.abs(other - same).max(axis=1) > 1e-3).all()
    assert np.abs(a_model([ids[:, ::-1], SCORES])["logits"].numpy() - other).max() > 1e-6


def test_added_scores_alone_are_the_logits_before_training():
    a_model = model("sentiment", extra="ngrams")
    head = a_model.get_layer("softmax")
    head.set_weights([np.zeros_like(weight) for weight in head.get_weights()])
    assert np.allclose(a_model([np.array([[5, 2], [7, 0]], np.int32), SCORES])["logits"], SCORES)


def test_the_learning_rate_warms_up_and_then_follows_its_schedule():
    warm = build_optimizer(complete("sentiment", {"schedule": "linear", "learning_rate": 0.1, "warm_up": 0.2}), 100)
    rates = []
    for step in (0, 9, 19, 20, 60, 100):
        warm.iterations.assign(step)
        rates.append(float(warm.learning_rate))
    assert np.allclose(rates, [0.005, 0.05, 0.1, 0.1, 0.05, 0])


@pytest.mark.parametrize(("masks", "alike"), [("steps", False), ("sequence", True)])
def test_dropout_is_drawn_for_each_step_or_once_for_a_sequence(masks, alike):
    x = keras.Input((None, 40))
    dropping, ones = keras.Model(x, drop(x, 0.5, 0, "d", masks=masks)), np.ones((2, 5, 40), "float32")
    assert (np.asarray(dropping(ones)) == 1).all(), "outside training nothing is dropped"
    dropped = np.asarray(dropping(ones, training=True)) == 0
    assert (dropped == dropped[:, :1]).all() == alike
    assert 0.3 < dropped.mean() < 0.7
    assert (dropped[0] != dropped[1]).any()


def test_all_poolings_stand_side_by_side(rng):
    states, mask = rng.normal(size=(2, 4, 6)).astype("float32"), np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
    each = [np.asarray(pool(states, mask, pooling=one, direction="both")) for one in ("last", "max", "mean")]
    together = np.asarray(pool(states, mask, pooling="all", direction="both"))
    assert np.allclose(together, np.concatenate(each, axis=1))


def test_poolings_stand_beside_what_attends(rng):
    ids = np.array([[2, 3, 4, 0], [5, 2, 0, 0]], np.int32)
    alone, beside = (
        model("sentiment", attention="dot", direction="both", beside_attention=what) for what in ("nothing", "poolings")
    )
    width = alone.get_layer("softmax").kernel.shape[0]
    assert beside.get_layer("softmax").kernel.shape[0] == 4 * width
    inner = keras.Model(beside.input, beside.get_layer("summaries").output)
    longer = np.pad(ids, [(0, 0), (0, 2)])
    assert np.allclose(inner(ids), inner(longer), atol=1e-6), "padding is in none of them"
    kernel = beside.get_layer("softmax").kernel
    before = np.asarray(beside(ids)["logits"])
    kernel.assign(np.where(np.arange(4 * width)[:, None] < width, kernel, 0))
    assert not np.allclose(before, beside(ids)["logits"]), "the poolings have a say"


def test_l2_penalises_weights():
    assert not model("sentiment").losses
    assert float(ops.sum(ops.stack(model("sentiment", l2=0.1).losses))) > 0


def test_pretrained_vectors_are_kept_frozen_or_tuned_and_missing_ones_are_drawn():
    vectors = np.full((VOCABULARY, 6), np.nan, np.float32)
    vectors[4] = np.arange(6)
    for word, trainable in (("frozen", False), ("tuned", True)):
        configuration = complete("sentiment", {"input": "pretrained", "vectors_training": word, "units": 4})
        embedding = build_classifier(configuration, Sizes(VOCABULARY, LABELS, vectors)).get_layer("embedding")
        table = embedding.embeddings.numpy()
        assert table[4].tolist() == list(range(6))
        assert np.isfinite(table).all()
        assert bool(embedding.trainable_variables) == trainable


def test_the_same_seed_gives_the_same_weights():
    for ours, theirs in zip(model("tagging").get_weights(), model("tagging").get_weights(), strict=True):
        assert (ours == theirs).all()


# ---------------------------------------------------------------- attention


def attend(score, query, states, mask):
    layer = LuongAttention(score, units=4)
    context, weights = layer(query, states, mask=ops.convert_to_tensor(mask))
    return layer, np.asarray(context), np.asarray(weights)


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_attention_computes_the_formula_of_the_paper(score, rng):
    query, states = (rng.normal(size=shape).astype("float32") for shape in ((2, 3, 5), (2, 6, 5)))
    mask = np.array([[True] * 6, [True] * 4 + [False] * 2])
    layer, context, weights = attend(score, query, states, mask)
    for (
        batch,
        q,
    ) in np.ndindex(2, 3):
        real = int(mask[batch].sum())
        scores = np.array([by_hand(score, layer, query[batch, q], states[batch, t]) for t in range(real)])
        expected = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        assert np.allclose(weights[batch, q, :real], expected, atol=1e-5)
        assert (weights[batch, q, real:] == 0).all(), "padding has weight exactly zero"
        assert np.allclose(context[batch, q], expected @ states[batch, :real], atol=1e-5)


def by_hand(score, layer, q, h):
    if score == "dot":
        return q @ h
    if score == "general":
        return q @ np.asarray(layer.general).T @ h
    return np.asarray(layer.v) @ np.tanh(q @ np.asarray(layer.of_query) + h @ np.asarray(layer.of_state))


def test_attention_weights_come_with_the_answer_and_sum_to_one():
    answer = model("sentiment", attention="general")(np.array([[5, 2, 9, 0]], np.int32))
    weights = answer["attention"].numpy()[0]
    assert weights[3] == 0
    assert np.isclose(weights.sum(), 1)


def test_an_unknown_score_function_is_refused():
    with pytest.raises(ValueError, match="dot, general or concat"):
        LuongAttention("cosine")


# ---------------------------------------------------------------- ordinal head


def test_ordered_classes_are_a_distribution_that_moves_up_with_the_score():
    head = OrdinalHead(5)
    head.build((None, 1))
    head.kernel.assign([[1.0]])
    log_probabilities = np.asarray(head(np.linspace(-6, 6, 9, dtype="float32")[:, None]))
    probabilities = np.exp(log_probabilities)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    expected = probabilities @ np.arange(5)
    assert (np.diff(expected) > 0).all()
    assert probabilities[0].argmax() == 0
    assert probabilities[-1].argmax() == 4


def test_a_score_that_is_far_from_right_still_has_a_gradient():
    head = OrdinalHead(5)
    head.build((None, 1))
    head.kernel.assign([[1.0]])
    for label, score in ((0, 60.0), (2, 60.0), (2, -60.0), (4, -60.0)):
        with tf.GradientTape() as tape:
            loss = -head(tf.constant([[score]]))[0, label]
        (gradient,) = tape.gradient(loss, [head.kernel.value])
        assert abs(float(gradient[0, 0])) == pytest.approx(60.0, rel=1e-3), (
            "a step of the score changes the loss by one"
        )
        assert 50 < float(loss) < 70


def test_thresholds_stay_in_order_whatever_is_learned():
    head = OrdinalHead(5)
    head.build((None, 1))
    head.steps.assign([-9.0, -9.0, 5.0])
    assert np.isfinite(np.asarray(head(np.array([[3.0]], "float32")))).all()
    assert (np.exp(np.asarray(head(np.array([[3.0]], "float32")))) > 0).all()


# ---------------------------------------------------------------- optimizers


KERAS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": lambda **options: keras.optimizers.SGD(momentum=0.9, nesterov=True, **options),
}


@pytest.mark.parametrize("name", KERAS)
def test_every_optimizer_does_what_kerass_does(name, rng):
    configuration = complete("sentiment", {"optimizer": name, "clip_norm": 0.5, "learning_rate": 0.1})
    decay = {"weight_decay": configuration["weight_decay"]} if name == "adamw" else {}
    found = []
    # In some steps a word is absent; its momentum goes on.
    gradients = [(rng.normal(size=(4, 3)), rng.normal(size=2), words) for words in ([0, 2, 2, 4], [1, 2, 2, 1]) * 3]
    for optimizer, as_given in (
        (build_optimizer(configuration, 10), summed),
        # Whole, as Keras takes the norm of a sparse gradient before it sums what belongs to one row.
        (KERAS[name](learning_rate=0.1, global_clipnorm=0.5, **decay), tf.convert_to_tensor),
    ):
        table, bias = (keras.Variable(np.ones(shape, np.float32)) for shape in ((5, 3), (2,)))
        optimizer.build([table, bias])
        for of_rows, of_bias, words in gradients:
            rows = tf.IndexedSlices(tf.constant(of_rows, tf.float32), tf.constant(words), tf.constant([5, 3]))
            optimizer.apply([as_given(rows), tf.constant(of_bias, tf.float32)], [table, bias])
        found.append([table.numpy(), bias.numpy()])
    for ours, theirs in zip(*found, strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
        assert not np.allclose(ours, 1, atol=0.05)


@pytest.mark.parametrize(
    ("name", "at_end"), [("constant", 1.0), ("linear", 0.0), ("cosine", 0.0), ("exponential", 0.1)]
)
def test_schedules_begin_at_the_rate_and_end_where_they_say(name, at_end):
    optimizer = build_optimizer(complete("sentiment", {"schedule": name, "learning_rate": 0.5}), 100)
    rate = optimizer._learning_rate
    at = rate if callable(rate) else lambda step: optimizer.learning_rate
    assert np.isclose(float(at(0)), 0.5)
    assert np.isclose(float(at(100)), 0.5 * at_end, atol=1e-6)

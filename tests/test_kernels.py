"""Our own arithmetic of recurrent layers: Keras's results, padding never read, dropout of the state as it is defined."""

from __future__ import annotations

from unittest import mock

import keras
import numba
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.kernels import recurrent
from sweeper.kernels.blas import add_outer, multiply, pad_rows
from sweeper.kernels.numerics import compiled, sigmoid, tanh
from sweeper.kernels.packing import pack
from sweeper.kernels.recurrent import DirectionKernel, Recurrence
from sweeper.layers.packed import PackedRecurrent
from sweeper.models.recurrent import one_hot_width, recurrent_stack

CELLS = ("simple_rnn", "gru", "lstm")
DIRECTIONS = ("forward", "backward", "both")
FEATURES, UNITS, TIME = 3, 5, 7
LENGTHS = st.lists(st.integers(0, TIME), min_size=1, max_size=6).filter(any)


@compiled
def _everywhere(x, t, s):
    for k in range(len(x)):
        t[k], s[k] = tanh(x[k]), sigmoid(x[k])


def test_tanh_and_sigmoid_are_those_of_the_c_library_to_float32():
    x = np.concatenate([np.linspace(-30, 30, 200_001), [0.0, 1e-30, -1e30, 1e30]]).astype(np.float32)
    t, s = np.empty_like(x), np.empty_like(x)
    _everywhere(x, t, s)
    exact = x.astype(np.float64)
    assert np.abs(t - np.tanh(exact)).max() < 5e-7
    assert np.abs(s - 1 / (1 + np.exp(-np.clip(exact, -60, 60)))).max() < 5e-7
    assert np.abs(t).max() <= 1
    assert ((s >= 0) & (s <= 1)).all()


@settings(max_examples=60)
@given(
    st.integers(0, 120),
    st.integers(1, 6),
    st.integers(1, 6),
    st.booleans(),
    st.sampled_from([1, 500, 900, 2**62]),  # never cut as pieces would be too short, cut at some shapes, never
)
def test_products_are_those_of_numpy_however_they_are_cut(rows, inner, columns, add, most):
    generator = np.random.default_rng(rows)
    a, b, outer = (
        generator.normal(size=shape).astype(np.float32) for shape in ((rows, inner), (inner, columns), (rows, columns))
    )
    out = np.full(rows * columns, 2.0, np.float32)
    multiply(a.reshape(-1), pad_rows(b), columns, out, add, most)
    assert np.abs(out.reshape(rows, columns) - (a @ b + 2.0 * add)).max(initial=0) < 1e-5
    total = np.full(inner * columns, 2.0, np.float32)
    add_outer(a.reshape(-1), outer.reshape(-1), inner, total, most)
    assert np.abs(total.reshape(inner, columns) - (a.T @ outer + 2.0)).max() < 1e-4


def test_functions_compile_where_there_is_no_place_to_keep_them(monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    with pytest.raises(RuntimeError, match="no locator"):
        numba.njit(cache=True)(lambda x: x + 1)
    assert compiled(lambda x: x + 1)(2) == 3


@given(LENGTHS)
def test_a_packing_holds_every_real_token_once_and_each_step_is_one_block(lengths):
    packing = pack(np.array(lengths), TIME)
    real = sorted(row * TIME + t for row, length in enumerate(lengths) for t in range(length))
    assert sorted(packing.forward) == sorted(packing.backward) == real
    for t, (start, count) in enumerate(zip(packing.starts, packing.counts, strict=True)):
        rows = packing.order[:count]
        assert (packing.forward[start : start + count] == rows * TIME + t).all()
        assert (packing.backward[start : start + count] == rows * TIME + np.array(lengths)[rows] - 1 - t).all()


def stack(kernel, cell, direction, depth, one_hot):
    """A model of recurrent layers only, from x and mask to states."""
    width = one_hot_width(cell=cell, direction=direction, units=UNITS) if one_hot else FEATURES
    x, mask = keras.Input((None, width)), keras.Input((None,), dtype="bool")
    states, _ = recurrent_stack(
        x, mask, cell=cell, direction=direction, depth=depth, units=UNITS, one_hot=one_hot, kernel=kernel
    )
    return keras.Model([x, mask], states), width


@pytest.fixture(scope="module")
def pairs():
    """Each architecture with stock layers and with ours, sharing their weights."""
    built = {}

    def pair(*architecture):
        if architecture not in built:
            (stock, width), (ours, _) = stack("keras", *architecture), stack("packed", *architecture)
            built[architecture] = stock, ours, width
        stock, ours, width = built[architecture]
        generator = np.random.default_rng(1)
        for one, other in zip(stock.variables, ours.variables, strict=True):
            if one.trainable:
                one.assign(generator.normal(0, 0.4, one.shape))
            other.assign(one)
        return stock, ours, width

    return pair


def states_and_gradients(model, x, mask, d_states):
    """States on real tokens, and gradients of x and of all weights."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        states = model([x, mask], training=True)
        total = tf.reduce_sum(states * d_states)
    found = tape.gradient(total, [x, *(variable.value for variable in model.trainable_variables)])
    return [states * tf.cast(mask, tf.float32)[:, :, None], *found]


@settings(max_examples=40)
@given(
    LENGTHS,
    st.sampled_from(CELLS),
    st.sampled_from(DIRECTIONS),
    st.sampled_from([(1, False), (2, False), (1, True), (2, True)]),
    st.integers(0, 9),
    # Gradients of the gates leave the cache each step, now and then, once; x W is made for each step, for some, for all.
    st.sampled_from([0, 100, recurrent.CACHE_NUMBERS]),
    st.sampled_from([0, 40, recurrent.PROJECTED_AHEAD]),
)
def test_states_and_gradients_are_those_of_keras(pairs, lengths, cell, direction, depth_and_input, seed, cached, ahead):
    depth, one_hot = depth_and_input
    stock, ours, width = pairs(cell, direction, depth, one_hot)
    generator = np.random.default_rng(seed)
    mask = np.arange(TIME) < np.array(lengths)[:, None]
    x = generator.normal(size=(len(lengths), TIME, width)).astype(np.float32)
    d_states = generator.normal(size=(len(lengths), TIME, stock.output.shape[-1])).astype(np.float32) * mask[:, :, None]
    given_ = (tf.constant(x), tf.constant(mask), tf.constant(d_states))
    with mock.patch.multiple(recurrent, CACHE_NUMBERS=cached, PROJECTED_AHEAD=ahead):
        ours_found = states_and_gradients(ours, *given_)
    for found, wanted in zip(ours_found, states_and_gradients(stock, *given_), strict=True):
        assert np.abs(found - wanted).max() < 1e-5


def test_products_that_are_cut_change_no_state_and_no_gradient(pairs, rng):
    for cell in CELLS:
        _, ours, width = pairs(cell, "both", 1, False)
        mask = np.arange(TIME) < rng.integers(1, TIME + 1, 40)[:, None]
        given_ = [tf.constant(rng.normal(size=(40, TIME, size)), tf.float32) for size in (width, 2 * UNITS)]
        given_.insert(1, tf.constant(mask))
        whole = states_and_gradients(ours, *given_)
        with mock.patch.object(recurrent, "largest", return_value=24 * UNITS * UNITS):
            cut = states_and_gradients(ours, *given_)
        for one, other in zip(whole, cut, strict=True):
            assert np.abs(one - other).max() < 1e-4


@settings(max_examples=20)
@given(LENGTHS, st.sampled_from(CELLS), st.booleans(), st.integers(0, 9))
def test_first_and_last_states_and_their_gradients_are_those_of_keras(lengths, cell, both, seed):
    generator, batch = np.random.default_rng(seed), len(lengths)
    kind = {"simple_rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    stock = kind(UNITS, return_sequences=True, return_state=True)
    stock = keras.layers.Bidirectional(stock) if both else stock
    ours, mask = PackedRecurrent(stock), tf.constant(np.arange(TIME) < np.array(lengths)[:, None])
    x = tf.constant(generator.normal(size=(batch, TIME, FEATURES)), tf.float32)
    parts = (2 if both else 1) * (2 if cell == "lstm" else 1)
    firsts = [tf.constant(generator.normal(size=(batch, UNITS)), tf.float32) for _ in range(parts)]

    def beside(states):  # as ours takes and returns them: one array for each direction
        return (
            [tf.concat(pair, 1) for pair in zip(states[::2], states[1::2], strict=True)] if cell == "lstm" else states
        )

    def found(run):
        with tf.GradientTape() as tape:
            tape.watch([x, *firsts])
            states, lasts = run()
            weights = np.random.default_rng(0).normal(size=(TIME, states.shape[-1])).astype(np.float32)
            total = tf.reduce_sum(tf.where(mask[:, :, None], states, 0.0) * weights)
            total += sum(tf.reduce_sum(last * (place + 0.5)) for place, last in enumerate(lasts))
        return [*lasts, *tape.gradient(total, [x, *firsts, *(v.value for v in stock.trainable_variables)])]

    def of_keras():
        states, *lasts = stock(x, mask=mask, initial_state=firsts)
        return states, beside(lasts)

    def of_ours():
        states, *lasts = ours(x, mask, beside(firsts))
        return states, lasts

    wanted = found(of_keras)
    for one, other in zip(found(of_ours), wanted, strict=True):
        assert np.abs(tf.convert_to_tensor(one) - tf.convert_to_tensor(other)).max() < 1e-5


def reference(cell, x, mask, kernel, recurrent, bias):
    """The cells' equations, one sequence, as the literature writes them, with a mask on the state."""
    h = c = tf.zeros(UNITS)
    states = []
    for step in tf.unstack(x):
        of_x, of_h = step[None] @ kernel + bias[0], (h * mask)[None] @ recurrent
        if cell == "simple_rnn":
            h = tf.tanh(of_x + of_h)[0]
        elif cell == "lstm":
            i, f, g, o = tf.split((of_x + of_h)[0], 4)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
        else:
            (xz, xr, xc), (hz, hr, hc) = tf.split(of_x[0], 3), tf.split((of_h + bias[1])[0], 3)
            z, r = tf.sigmoid(xz + hz), tf.sigmoid(xr + hr)
            h = z * h + (1 - z) * tf.tanh(xc + r * hc)
        states.append(h)
    return tf.stack(states)


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_of_the_state_is_one_mask_for_all_steps_on_its_way_into_the_recurrent_kernel(cell, rng):
    gates = {"simple_rnn": 1, "gru": 3, "lstm": 4}[cell]
    shapes = [(FEATURES, gates * UNITS), (UNITS, gates * UNITS), (2 if cell == "gru" else 1, gates * UNITS)]
    x, *weights = (rng.normal(0, 0.5, shape).astype(np.float32) for shape in [(2, TIME, FEATURES), *shapes])
    mask = np.array([[0, 2, 2, 0, 2], [2, 0, 0, 2, 0]], np.float32)
    lengths = (3, TIME)  # each keeps its own mask when the longer one is read first
    kernel = Recurrence([DirectionKernel(cell, backward=False, rows=False)])
    width = UNITS * (2 if cell == "lstm" else 1)
    found, _ = kernel.forward(x, np.array(lengths), np.zeros((0, width), np.float32), mask, *weights)
    variables = [tf.Variable(one) for one in (x, *weights)]
    with tf.GradientTape() as tape:
        wanted = tf.stack(
            [
                tf.pad(
                    reference(cell, variables[0][row, :length], mask[row], *variables[1:]), [[0, TIME - length], [0, 0]]
                )
                for row, length in enumerate(lengths)
            ]
        )
    d_states = rng.normal(size=wanted.shape).astype(np.float32)
    assert np.abs(found - wanted).max() < 1e-5
    d_x, _, *d_weights = kernel.gradient(d_states, np.zeros((2, width), np.float32))
    for ours, theirs in zip(
        [d_x, *d_weights], tape.gradient(wanted, variables, output_gradients=tf.constant(d_states)), strict=True
    ):
        assert np.abs(ours - theirs).max() < 1e-5


def test_a_second_gradient_of_one_layer_is_refused_since_it_keeps_one_batch():
    layer = PackedRecurrent(keras.layers.GRU(UNITS, return_sequences=True))
    x, mask = tf.ones((2, TIME, FEATURES)), tf.ones((2, TIME), tf.bool)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x, mask)[0]) + tf.reduce_sum(layer(2 * x, mask)[0])
    with pytest.raises(RuntimeError, match="call it once in a tape"):
        tape.gradient(total, [variable.value for variable in layer.trainable_variables])


def test_a_batch_without_a_token_is_refused():
    with pytest.raises(ValueError, match="must hold a token"):
        pack(np.zeros(3, np.int32), TIME)


@pytest.mark.parametrize("cell", CELLS)
def test_long_texts_and_usual_sizes_in_a_graph_are_those_of_keras(cell, rng):
    """300 tokens, 64 units: as a trial has them, in float32 of both."""
    units, time, lengths = 64, 300, np.array([300, 299, 120, 7, 1])
    stock, ours = (
        keras.Model(
            [x, mask], recurrent_stack(x, mask, cell=cell, direction="both", depth=1, units=units, kernel=kernel)[0]
        )
        for kernel in ("keras", "packed")
        for x, mask in [(keras.Input((None, 16)), keras.Input((None,), dtype="bool"))]
    )
    for one, other in zip(stock.variables, ours.variables, strict=True):
        other.assign(one)
    mask = tf.constant(np.arange(time) < lengths[:, None])
    x = tf.constant(rng.normal(size=(len(lengths), time, 16)), tf.float32)
    d_states = tf.constant(rng.normal(size=(len(lengths), time, 2 * units)), tf.float32)
    d_states *= tf.cast(mask, tf.float32)[:, :, None]
    given_ = (x, mask, d_states)
    graph = tf.function(lambda *of: states_and_gradients(ours, *of), autograph=False)
    for found, wanted in zip(graph(*given_), states_and_gradients(stock, *given_), strict=True):
        assert np.abs(found - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())


def test_dropout_of_the_state_is_for_training_only():
    layer = PackedRecurrent(keras.layers.LSTM(UNITS, return_sequences=True, recurrent_dropout=0.5, seed=1))
    x, mask = tf.ones((2, TIME, FEATURES)), tf.ones((2, TIME), tf.bool)
    assert np.array_equal(layer(x, mask)[0], layer(x, mask)[0])
    assert not np.allclose(layer(x, mask, training=True)[0], layer(x, mask)[0])


def test_a_smaller_batch_after_a_larger_one_reads_nothing_of_it(rng):
    layer = PackedRecurrent(keras.layers.GRU(UNITS, return_sequences=True))
    x = tf.constant(rng.normal(size=(6, TIME, FEATURES)), tf.float32)
    mask = tf.ones((6, TIME), tf.bool)

    def read(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = layer(x, mask)[0]
            total = tf.reduce_sum(states**2)
        return [states, *tape.gradient(total, [x, *(v.value for v in layer.trainable_variables)])]

    alone = read(x[:2, :3], mask[:2, :3])
    read(x, mask)
    for one, other in zip(read(x[:2, :3], mask[:2, :3]), alone, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("cell", CELLS)
def test_one_feature_and_one_unit_are_enough(cell, rng):
    kind = {"simple_rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    stock = kind(1, return_sequences=True)
    x, mask = tf.constant(rng.normal(size=(3, TIME, 1)), tf.float32), tf.ones((3, TIME), tf.bool)
    wanted = stock(x)
    assert np.abs(PackedRecurrent(stock)(x, mask)[0] - wanted).max() < 1e-5

"""The recurrences: for each cell one loop forward and one backward over the blocks of a packing.

Names follow the equations of Keras's cells: x the input, h the state, z what a gate or a candidate
is computed from, W and R the kernel and the recurrent kernel, b the bias. What there is of
each token is float32 and flat: token after token, as packed, `units` numbers each (x: features). A
step's block is then one stretch of each array, and what is done to it are loops over stretches, which
the compiler vectorises; a loop touches few arrays, so that it can check that they do not overlap. Of
what there is one of for each gate, each is a row, a plane.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .blas import add_outer, multiply
from .numerics import F, compiled, sigmoid, tanh


class ForwardInputs(NamedTuple):
    """What a loop reads.

    Args:
        x: (tokens, features), flat; empty where x W has been looked up, and stands in the planes.
        W, R: (gates, features, units) and (gates, units, units), rows apart, see `blas`; backward: each transposed.
        b: (planes of gradients, batch * units): what is added to a plane, once for each sequence.
        mask: (batch * units,): what the state is multiplied with before R, in training; empty for nothing.
        first: (1, batch * units): the state before the first step; lstm: and its cell state, (2, batch * units).
        counts, starts: see `Packing`.
        most: multiplications of one product, see `blas`.
        ahead: numbers of a plane for which x W is made at once, so that they stay in the cache.
    """

    x: np.ndarray
    W: np.ndarray
    R: np.ndarray
    b: np.ndarray
    mask: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    starts: np.ndarray
    most: int
    ahead: int


class Activations(NamedTuple):
    """What a loop forward fills, and the loop backward reads.

    Args:
        before: (tokens * units,): the masked state that R saw.
        planes: (planes, tokens * units): gates and candidates, see the cells.
        states: (tokens * units,).
    """

    before: np.ndarray
    planes: np.ndarray
    states: np.ndarray


class Gradients(NamedTuple):
    """What a loop backward reads and fills.

    Args:
        states: read.
        first: of the last state beyond `states`; becomes that of `first`.
        x: (1, tokens * features), or that of x W where it was looked up, (gates, tokens * units); filled.
        W, R, b: (gates, features * units), (gates, units * units) and (planes, batch * units); added to.
        workspace: (planes, some tokens * units): gradients of the planes, of a few steps at a time, as many as stay in the
            cache: W's and R's follow from them in one product for many steps.
    """

    states: np.ndarray
    first: np.ndarray
    x: np.ndarray
    W: np.ndarray
    R: np.ndarray
    b: np.ndarray
    workspace: np.ndarray


@compiled
def block(t, inputs):  # type: ignore[no-untyped-def]
    """The place of the first number of step t's block, and how many it has."""
    units = inputs.R.shape[1]
    return inputs.starts[t] * units, inputs.counts[t] * units


@compiled
def previous_state(t, inputs, numbers, first):  # type: ignore[no-untyped-def]
    """What the sequences of step t hand to it, in their order: they were the first ones of the step before."""
    a, n = block(t, inputs)
    if t:
        a, _ = block(t - 1, inputs)
        return numbers[a : a + n]
    return first[:n]


@compiled
def of_tokens(x, a, end, inputs, kept):  # type: ignore[no-untyped-def]
    """The part of x, (tokens, features), of the tokens whose units are at [a, end)."""
    tokens = len(kept.before) // inputs.R.shape[1]
    features = len(x) // tokens
    return x[a // inputs.R.shape[1] * features : end // inputs.R.shape[1] * features]


@compiled
def project_inputs(t, ready, of_x, of_h, inputs, kept):  # type: ignore[no-untyped-def]
    """Fill step t's block of `before`, and of the planes: with x W and before R, of which gate g goes to the planes
    of_x[g] and of_h[g], and adds up where these are one. x W is made for some steps at once, up to the place `ready`, which is
    returned."""
    a, n = block(t, inputs)
    h, before, units = (
        previous_state(t, inputs, kept.states, inputs.first[0]),
        kept.before[a : a + n],
        inputs.R.shape[1],
    )
    if len(inputs.mask):
        for k in range(n):
            before[k] = h[k] * inputs.mask[k]
    else:
        before[:] = h
    if len(inputs.x) and ready < a + n:
        end = min(max(a + n, ready + inputs.ahead // units * units), len(kept.before))
        x = of_tokens(inputs.x, ready, end, inputs, kept)
        for g in range(len(of_x)):
            multiply(x, inputs.W[g], units, kept.planes[of_x[g], ready:end], False, inputs.most)
        ready = end
    for g in range(len(of_h)):
        multiply(before, inputs.R[g], units, kept.planes[of_h[g], a : a + n], of_h[g] == of_x[g], inputs.most)
    return ready


@compiled
def backpropagate_state(at, of_h, inputs, back, d):  # type: ignore[no-untyped-def]
    """From the gradients of a step's planes, at `at` of the workspace, add to those of b, and to those of the carried states
    what comes back through R, by way of `back`, whatever it holds."""
    n, d_h = len(back), d.first[0]
    for p in range(len(d.workspace)):
        add_to(d.b[p], d.workspace[p, at : at + n])
    for g in range(len(of_h)):
        multiply(d.workspace[of_h[g], at : at + n], inputs.R[g], inputs.R.shape[1], back, g > 0, inputs.most)
    if len(inputs.mask):
        for k in range(n):
            d_h[k] += back[k] * inputs.mask[k]
    else:
        add_to(d_h, back)


@compiled
def flush(t, at, end, of_x, of_h, inputs, kept, d):  # type: ignore[no-untyped-def]
    """Where the workspace cannot hold the step before t as well, or there is none: from what it holds, of the tokens from
    step t on to the place `end`, fill the gradients of x, and add to those of W and R. Returns `at` and `end` for the
    step before."""
    a, units = block(t, inputs)[0], inputs.R.shape[1]
    if t and at >= block(t - 1, inputs)[1]:
        return at, end
    x = of_tokens(inputs.x, a, end, inputs, kept)
    for g in range(len(of_x)):
        d_z = d.workspace[of_x[g], at:]
        if len(x):
            features = len(d.W[g]) // units
            multiply(d_z, inputs.W[g], features, of_tokens(d.x[0], a, end, inputs, kept), g > 0, inputs.most)
            add_outer(x, d_z, features, d.W[g], inputs.most)
        else:
            d.x[g, a:end] = d_z
        add_outer(kept.before[a:end], d.workspace[of_h[g], at:], units, d.R[g], inputs.most)
    return d.workspace.shape[1], a


@compiled
def add_to(target, source):  # type: ignore[no-untyped-def]
    """Add to the first numbers of `target`."""
    for k in range(len(source)):
        target[k] += source[k]


@compiled
def add_and_tanh(z, b):  # type: ignore[no-untyped-def]
    for k in range(len(z)):
        z[k] = tanh(z[k] + b[k])


@compiled
def add_and_sigmoid(z, b):  # type: ignore[no-untyped-def]
    for k in range(len(z)):
        z[k] = sigmoid(z[k] + b[k])


# ---------------------------------------------------------------- simple_rnn: h' = tanh(x W + h R + b)

SIMPLE_RNN = (0,)


@compiled
def simple_rnn_forward(inputs, kept):  # type: ignore[no-untyped-def]
    """planes: the state."""
    ready = 0
    for t in range(len(inputs.counts)):
        ready = project_inputs(t, ready, SIMPLE_RNN, SIMPLE_RNN, inputs, kept)
        a, n = block(t, inputs)
        z = kept.planes[0, a : a + n]
        add_and_tanh(z, inputs.b[0])
        kept.states[a : a + n] = z


@compiled
def simple_rnn_backward(inputs, kept, d):  # type: ignore[no-untyped-def]
    d_h, back = d.first[0], np.empty(block(0, inputs)[1], F)
    at, end = d.workspace.shape[1], len(kept.states)
    for t in range(len(inputs.counts) - 1, -1, -1):
        a, n = block(t, inputs)
        at -= n
        h, dz = kept.states[a : a + n], d.workspace[0, at : at + n]
        add_to(d_h, d.states[a : a + n])
        for k in range(n):
            dz[k] = d_h[k] * (F(1) - h[k] * h[k])
        d_h[:n] = F(0)
        backpropagate_state(at, SIMPLE_RNN, inputs, back[:n], d)
        at, end = flush(t, at, end, SIMPLE_RNN, SIMPLE_RNN, inputs, kept, d)


# ---------------------------------------------------------------- lstm: gates i, f, candidate c, output o

LSTM = (0, 1, 2, 3)


@compiled
def lstm_forward(inputs, kept):  # type: ignore[no-untyped-def]
    """planes: i, f, c, o and the cell state."""
    ready = 0
    for t in range(len(inputs.counts)):
        ready = project_inputs(t, ready, LSTM, LSTM, inputs, kept)
        a, n = block(t, inputs)
        i, f, c = kept.planes[0, a : a + n], kept.planes[1, a : a + n], kept.planes[2, a : a + n]
        o, cell = kept.planes[3, a : a + n], kept.planes[4, a : a + n]
        add_and_sigmoid(i, inputs.b[0])
        add_and_sigmoid(f, inputs.b[1])
        add_and_tanh(c, inputs.b[2])
        add_and_sigmoid(o, inputs.b[3])
        cell_before, h = previous_state(t, inputs, kept.planes[4], inputs.first[1]), kept.states[a : a + n]
        for k in range(n):
            cell[k] = f[k] * cell_before[k] + i[k] * c[k]
        for k in range(n):
            h[k] = o[k] * tanh(cell[k])


@compiled
def lstm_backward(inputs, kept, d):  # type: ignore[no-untyped-def]
    (d_h, d_c), most = (d.first[0], d.first[1]), block(0, inputs)[1]
    back, squashed = np.empty(most, F), np.empty(most, F)
    at, end = d.workspace.shape[1], len(kept.states)
    for t in range(len(inputs.counts) - 1, -1, -1):
        a, n = block(t, inputs)
        at -= n
        i, f, c = kept.planes[0, a : a + n], kept.planes[1, a : a + n], kept.planes[2, a : a + n]
        o, cell = kept.planes[3, a : a + n], kept.planes[4, a : a + n]
        di, df = d.workspace[0, at : at + n], d.workspace[1, at : at + n]
        dg, do = d.workspace[2, at : at + n], d.workspace[3, at : at + n]
        cell_before = previous_state(t, inputs, kept.planes[4], inputs.first[1])
        add_to(d_h, d.states[a : a + n])
        for k in range(n):
            squashed[k] = tanh(cell[k])  # cheaper than to have kept it
        for k in range(n):
            d_c[k] += d_h[k] * o[k] * (F(1) - squashed[k] * squashed[k])
        for k in range(n):
            do[k] = d_h[k] * squashed[k] * o[k] * (F(1) - o[k])
        for k in range(n):
            di[k] = d_c[k] * c[k] * i[k] * (F(1) - i[k])
        for k in range(n):
            dg[k] = d_c[k] * i[k] * (F(1) - c[k] * c[k])
        for k in range(n):
            df[k] = d_c[k] * cell_before[k] * f[k] * (F(1) - f[k])
        for k in range(n):
            d_c[k] *= f[k]
        d_h[:n] = F(0)
        backpropagate_state(at, LSTM, inputs, back[:n], d)
        at, end = flush(t, at, end, LSTM, LSTM, inputs, kept, d)


# ---------------------------------------------------------------- gru: gates z, r, candidate c; reset after R

GRU, GRU_OF_STATE = (0, 1, 2), (0, 1, 3)


@compiled
def gru_forward(inputs, kept):  # type: ignore[no-untyped-def]
    """planes: z, r, c, and the candidate's part of h R + b[1]."""
    ready = 0
    for t in range(len(inputs.counts)):
        ready = project_inputs(t, ready, GRU, GRU_OF_STATE, inputs, kept)
        a, n = block(t, inputs)
        z, r = kept.planes[0, a : a + n], kept.planes[1, a : a + n]
        c, inner = kept.planes[2, a : a + n], kept.planes[3, a : a + n]
        add_and_sigmoid(z, inputs.b[0])
        add_and_sigmoid(r, inputs.b[1])
        add_to(inner, inputs.b[3][:n])
        for k in range(n):
            c[k] += r[k] * inner[k]
        add_and_tanh(c, inputs.b[2])
        h_before, h = previous_state(t, inputs, kept.states, inputs.first[0]), kept.states[a : a + n]
        for k in range(n):
            h[k] = z[k] * h_before[k] + (F(1) - z[k]) * c[k]


@compiled
def gru_backward(inputs, kept, d):  # type: ignore[no-untyped-def]
    d_h, back = d.first[0], np.empty(block(0, inputs)[1], F)
    at, end = d.workspace.shape[1], len(kept.states)
    for t in range(len(inputs.counts) - 1, -1, -1):
        a, n = block(t, inputs)
        at -= n
        z, r = kept.planes[0, a : a + n], kept.planes[1, a : a + n]
        c, inner = kept.planes[2, a : a + n], kept.planes[3, a : a + n]
        dz, dr = d.workspace[0, at : at + n], d.workspace[1, at : at + n]
        dc, d_inner = d.workspace[2, at : at + n], d.workspace[3, at : at + n]
        h_before = previous_state(t, inputs, kept.states, inputs.first[0])
        add_to(d_h, d.states[a : a + n])
        for k in range(n):
            dz[k] = d_h[k] * (h_before[k] - c[k]) * z[k] * (F(1) - z[k])
        for k in range(n):
            dc[k] = d_h[k] * (F(1) - z[k]) * (F(1) - c[k] * c[k])
        for k in range(n):
            dr[k] = dc[k] * inner[k] * r[k] * (F(1) - r[k])
        for k in range(n):
            d_inner[k] = dc[k] * r[k]
        for k in range(n):
            d_h[k] *= z[k]
        backpropagate_state(at, GRU_OF_STATE, inputs, back[:n], d)
        at, end = flush(t, at, end, GRU, GRU_OF_STATE, inputs, kept, d)

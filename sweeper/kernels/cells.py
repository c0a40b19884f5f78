"""The recurrences: for each cell one loop forward and one backward over the blocks of a packing.

Names follow the equations of Keras's cells: x the input, h the state, z what a gate or a candidate
is computed from, W and R the kernel and the recurrent kernel, b the bias. All arrays are float32;
packed ones have one row a token. So that the compiler vectorises, a loop touches few arrays, which it
can prove apart, and counts from 0, which it can prove inside them: parts of a row are views.

Forward loops take
    x         (tokens, features), or with `rows` (tokens, gates * units): x W, already looked up
    mask      (batch, units): what the state is multiplied with before R, in training; 0 rows for none
    first     (batch, units): the state before the first step; lstm: and its cell state beside it, (batch, 2 * units)
and fill
    before    (tokens, units): the masked state that R saw
    saved     (tokens, ...): what the gradient needs
    states    (tokens, units).
Backward loops take the gradient of the states, `d_states`, and in `d_state` that of the last state beyond it, shaped
as `first`, which they turn into the gradient of `first`; they fill that of x, `d_x`, and add to those of W, R and b. The
gradient of the gates, from which W's and R's follow in one product each, is kept for a few steps
at a time, in `room`, as many as stay in the cache: the whole of it would be written and read three times.
"""

from __future__ import annotations

import numpy as np

from .numerics import F, compiled, multiply, multiply_transposed, sigmoid, tanh


@compiled
def enter_step(t, x, W, R, rows, counts, starts, mask, first, states, before, zx, zh, together):  # type: ignore[no-untyped-def]
    """Fill step t's block of `before` with the masked states of step t - 1, `zx` with x W, and `zh` with before R;
    or, `together`, `zx` with their sum."""
    a, n = starts[t], counts[t]
    block = before[a : a + n]
    for r in range(n):
        h, target = states[starts[t - 1] + r] if t else first[r], block[r]
        if len(mask):
            m = mask[r]
            for k in range(len(target)):
                target[k] = h[k] * m[k]
        else:
            for k in range(len(target)):
                target[k] = h[k]
    if rows:
        zx[:] = x[a : a + n]
    else:
        multiply(x[a : a + n], W, zx, False)
    multiply(block, R, zx if together else zh, together)


@compiled
def leave_step(t, d_zx, d_zh, WT, RT, rows, mask, d_x, d_before, d_h):  # type: ignore[no-untyped-def]
    """Fill `d_x`, and add to `d_h`, the gradient of the states of step t - 1, what comes back through R."""
    if rows:
        d_x[:] = d_zx
    else:
        multiply(d_zx, WT, d_x, False)
    if not len(mask):
        multiply(d_zh, RT, d_h[: len(d_zh)], True)
        return
    multiply(d_zh, RT, d_before, False)
    for r in range(len(d_before)):
        d, source, m = d_h[r], d_before[r], mask[r]
        for k in range(len(d)):
            d[k] += source[k] * m[k]


@compiled
def add_products(x, before, d_z, rows, d_W, d_R):  # type: ignore[no-untyped-def]
    """Add to the gradients of W and R what some steps give."""
    width = d_R.shape[1]
    if not rows:
        multiply_transposed(x, d_z[:, :width], d_W)
    multiply_transposed(before, d_z[:, d_z.shape[1] - width :], d_R)


# ---------------------------------------------------------------- simple_rnn: h' = tanh(x W + h R + b)


@compiled
def simple_rnn_forward(x, W, R, b, rows, counts, starts, mask, first, before, saved, states):  # type: ignore[no-untyped-def]
    units = R.shape[0]
    for t in range(len(counts)):
        a, n = starts[t], counts[t]
        z = states[a : a + n, :units]
        enter_step(t, x, W, R, rows, counts, starts, mask, first, states, before, z, z, True)
        for r in range(n):
            h, bias = states[a + r], b[0]
            for k in range(units):
                h[k] = tanh(h[k] + bias[k])


@compiled
def simple_rnn_backward(  # type: ignore[no-untyped-def]
    d_states, d_state, x, WT, RT, rows, counts, starts, mask, first, before, saved, states, room, d_x, d_W, d_R, d_b
):
    units = RT.shape[1]
    d_h, d_before = d_state, np.empty((counts[0], units), F)
    at, end = len(room), len(x)
    for t in range(len(counts) - 1, -1, -1):
        a, n = starts[t], counts[t]
        at -= n
        for r in range(n):
            dh, g, h, dz, db = d_h[r], d_states[a + r], states[a + r], room[at + r], d_b[0]
            for k in range(units):
                dz[k] = (dh[k] + g[k]) * (F(1) - h[k] * h[k])
            for k in range(units):
                dh[k] = F(0)
            for k in range(units):
                db[k] += dz[k]
        d_z = room[at : at + n]
        leave_step(t, d_z, d_z, WT, RT, rows, mask, d_x[a : a + n], d_before[:n], d_h)
        if t == 0 or at < counts[t - 1]:
            add_products(x[a:end], before[a:end], room[at:], rows, d_W, d_R)
            at, end = len(room), a


# ---------------------------------------------------------------- lstm: gates i, f, candidate c, output o


@compiled
def lstm_forward(x, W, R, b, rows, counts, starts, mask, first, before, saved, states):  # type: ignore[no-untyped-def]
    """saved: i, f, c, o and the cell state, each of width units."""
    u = R.shape[0]
    for t in range(len(counts)):
        a, n = starts[t], counts[t]
        z = saved[a : a + n, : 4 * u]
        enter_step(t, x, W, R, rows, counts, starts, mask, first, states, before, z, z, True)
        for r in range(n):
            carried = saved[starts[t - 1] + r, 4 * u :] if t else first[r, u:]
            _lstm_step(b[0], carried, saved[a + r], states[a + r])


@compiled
def _lstm_step(b, carried, s, h):  # type: ignore[no-untyped-def]
    """s: what the gates and the candidate are computed from, in their places."""
    u = len(h)
    i_f, i, f = s[: 2 * u], s[:u], s[u : 2 * u]
    c, o, cell = s[2 * u : 3 * u], s[3 * u : 4 * u], s[4 * u :]
    b_c, b_o = b[2 * u : 3 * u], b[3 * u :]
    for k in range(2 * u):
        i_f[k] = sigmoid(i_f[k] + b[k])
    for k in range(u):
        c[k] = tanh(c[k] + b_c[k])
    for k in range(u):
        o[k] = sigmoid(o[k] + b_o[k])
    for k in range(u):
        cell[k] = f[k] * carried[k] + i[k] * c[k]
    for k in range(u):
        h[k] = o[k] * tanh(cell[k])


@compiled
def lstm_backward(  # type: ignore[no-untyped-def]
    d_states, d_state, x, WT, RT, rows, counts, starts, mask, first, before, saved, states, room, d_x, d_W, d_R, d_b
):
    u = RT.shape[1]
    d_h, d_c = np.ascontiguousarray(d_state[:, :u]), np.ascontiguousarray(d_state[:, u:])
    d_before, squashed = np.empty((counts[0], u), F), np.empty(u, F)
    at, end = len(room), len(x)
    for t in range(len(counts) - 1, -1, -1):
        a, n = starts[t], counts[t]
        at -= n
        for r in range(n):
            dh, g = d_h[r], d_states[a + r]
            for k in range(u):
                dh[k] += g[k]
            carried = saved[starts[t - 1] + r, 4 * u :] if t else first[r, u:]
            dz, db = room[at + r], d_b[0]
            _lstm_step_back(saved[a + r], carried, squashed, dh, d_c[r], dz)
            for k in range(4 * u):
                db[k] += dz[k]
        d_z = room[at : at + n]
        leave_step(t, d_z, d_z, WT, RT, rows, mask, d_x[a : a + n], d_before[:n], d_h)
        if t == 0 or at < counts[t - 1]:
            add_products(x[a:end], before[a:end], room[at:], rows, d_W, d_R)
            at, end = len(room), a
    d_state[:, :u] = d_h
    d_state[:, u:] = d_c


@compiled
def _lstm_step_back(s, carried, squashed, dh, dc, dz):  # type: ignore[no-untyped-def]
    """Turn `dh` into zeros and `dc` into the gradient of the carried cell state; `squashed` is a scratch row."""
    u = len(dh)
    i, f, c, o, cell = s[:u], s[u : 2 * u], s[2 * u : 3 * u], s[3 * u : 4 * u], s[4 * u :]
    di, df, dg, do = dz[:u], dz[u : 2 * u], dz[2 * u : 3 * u], dz[3 * u :]
    for k in range(u):
        squashed[k] = tanh(cell[k])  # cheaper than to have kept it
    for k in range(u):
        dc[k] += dh[k] * o[k] * (F(1) - squashed[k] * squashed[k])
    for k in range(u):
        do[k] = dh[k] * squashed[k] * o[k] * (F(1) - o[k])
    for k in range(u):
        di[k] = dc[k] * c[k] * i[k] * (F(1) - i[k])
    for k in range(u):
        dg[k] = dc[k] * i[k] * (F(1) - c[k] * c[k])
    for k in range(u):
        df[k] = dc[k] * carried[k] * f[k] * (F(1) - f[k])
    for k in range(u):
        dc[k] *= f[k]
        dh[k] = F(0)


# ---------------------------------------------------------------- gru: gates z, r, candidate c; reset after R


@compiled
def gru_forward(x, W, R, b, rows, counts, starts, mask, first, before, saved, states):  # type: ignore[no-untyped-def]
    """saved: z, r, c, and the candidate's part of h R + b[1], each of width units."""
    u = R.shape[0]
    zh = np.empty((counts[0], 3 * u), F)
    for t in range(len(counts)):
        a, n = starts[t], counts[t]
        zx = saved[a : a + n, : 3 * u]
        enter_step(t, x, W, R, rows, counts, starts, mask, first, states, before, zx, zh[:n], False)
        for r in range(n):
            _gru_step(zh[r], b, states[starts[t - 1] + r] if t else first[r], saved[a + r], states[a + r])


@compiled
def _gru_step(q, b, carried, s, h):  # type: ignore[no-untyped-def]
    """s: x W in the places of the gates and the candidate; q: before R."""
    u = len(h)
    bx, bh, gates = b[0], b[1], s[: 2 * u]
    for k in range(2 * u):
        gates[k] = sigmoid(gates[k] + q[k] + (bx[k] + bh[k]))
    z, reset, c, inner = s[:u], s[u : 2 * u], s[2 * u : 3 * u], s[3 * u :]
    y, bx, bh = q[2 * u :], bx[2 * u :], bh[2 * u :]
    for k in range(u):
        inner[k] = y[k] + bh[k]
    for k in range(u):
        c[k] = tanh(c[k] + bx[k] + reset[k] * inner[k])
    for k in range(u):
        h[k] = z[k] * carried[k] + (F(1) - z[k]) * c[k]


@compiled
def gru_backward(  # type: ignore[no-untyped-def]
    d_states, d_state, x, WT, RT, rows, counts, starts, mask, first, before, saved, states, room, d_x, d_W, d_R, d_b
):
    """room: gradients of what W and of what R gave, each of width 3 units; they differ in the candidate."""
    u = RT.shape[1]
    d_h, d_before = d_state, np.empty((counts[0], u), F)
    at, end = len(room), len(x)
    for t in range(len(counts) - 1, -1, -1):
        a, n = starts[t], counts[t]
        at -= n
        for r in range(n):
            dh, g = d_h[r], d_states[a + r]
            for k in range(u):
                dh[k] += g[k]
            of_x, of_h, dbx, dbh = room[at + r, : 3 * u], room[at + r, 3 * u :], d_b[0], d_b[1]
            _gru_step_back(saved[a + r], states[starts[t - 1] + r] if t else first[r], dh, of_x, of_h)
            for k in range(3 * u):
                dbx[k] += of_x[k]
            for k in range(3 * u):
                dbh[k] += of_h[k]
        d_z = room[at : at + n]
        leave_step(t, d_z[:, : 3 * u], d_z[:, 3 * u :], WT, RT, rows, mask, d_x[a : a + n], d_before[:n], d_h)
        if t == 0 or at < counts[t - 1]:
            add_products(x[a:end], before[a:end], room[at:], rows, d_W, d_R)
            at, end = len(room), a


@compiled
def _gru_step_back(s, carried, dh, of_x, of_h):  # type: ignore[no-untyped-def]
    """Turn `dh` into the gradient of the carried state past R."""
    u = len(dh)
    z, reset, c, inner = s[:u], s[u : 2 * u], s[2 * u : 3 * u], s[3 * u :]
    dz, dr, dc = of_x[:u], of_x[u : 2 * u], of_x[2 * u :]
    through = of_h[2 * u :]
    for k in range(u):
        dz[k] = dh[k] * (carried[k] - c[k]) * z[k] * (F(1) - z[k])
    for k in range(u):
        dc[k] = dh[k] * (F(1) - z[k]) * (F(1) - c[k] * c[k])
    for k in range(u):
        dr[k] = dc[k] * inner[k] * reset[k] * (F(1) - reset[k])
    for k in range(u):
        through[k] = dc[k] * reset[k]
    for k in range(2 * u):
        of_h[k] = of_x[k]
    for k in range(u):
        dh[k] *= z[k]

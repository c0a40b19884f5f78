"""The recurrences: for each cell one loop forward and one backward over the blocks of a packing.

Names follow the equations of Keras's cells: x the input, h the state, z what a gate or a candidate
is computed from, W and R the kernel and the recurrent kernel, b the bias. All arrays are float32;
packed ones have one row a token. So that the compiler vectorises, a loop touches few arrays, which it
can prove apart, and counts from 0, which it can prove inside them: parts of a row are views.

Forward loops take
    x         (tokens, features), or with `rows` (tokens, gates * units): x W, already looked up
    mask      (batch, units): what the state is multiplied with before R, in training; 0 rows for none
and fill
    before    (tokens, units): the masked state that R saw
    saved     (tokens, ...): what the gradient needs
    states    (tokens, units).
Backward loops take the gradient of the states, `d_states`, and fill that of x, `d_x`, and of the
gates, `d_z`, from which W's, R's and b's follow in one product each.
"""

from __future__ import annotations

import numpy as np

from .numerics import F, compiled, sigmoid, tanh


@compiled
def enter_step(t, x, W, R, rows, counts, starts, mask, states, before, zx, zh):  # type: ignore[no-untyped-def]
    """Fill step t's block of `before` with the masked states of step t - 1, `zx` with x W, and `zh` with before R."""
    a, n = starts[t], counts[t]
    block = before[a : a + n]
    if t == 0:
        block[:] = F(0)
    else:
        previous = states[starts[t - 1] : starts[t - 1] + n]
        for r in range(n):
            if len(mask):
                h, m, target = previous[r], mask[r], block[r]
                for k in range(len(h)):
                    target[k] = h[k] * m[k]
            else:
                block[r] = previous[r]
    product(x[a : a + n], W, zx[:n], rows)
    np.dot(block, R, zh[:n])


@compiled
def leave_step(t, d_zx, d_zh, WT, RT, rows, mask, d_x, d_before, d_h):  # type: ignore[no-untyped-def]
    """Fill `d_x`, and add to `d_h`, the gradient of the states of step t - 1, what comes back through R."""
    product(d_zx, WT, d_x, rows)
    if t == 0:
        return
    np.dot(d_zh, RT, d_before)
    for r in range(len(d_before)):
        d, source = d_h[r], d_before[r]
        if len(mask):
            m = mask[r]
            for k in range(len(d)):
                d[k] += source[k] * m[k]
        else:
            for k in range(len(d)):
                d[k] += source[k]


@compiled
def product(a, b, out, rows):  # type: ignore[no-untyped-def]
    """out = a @ b; `rows` says that a is the product already."""
    if rows:
        out[:] = a
    else:
        np.dot(a, b, out)


# ---------------------------------------------------------------- simple_rnn: h' = tanh(x W + h R + b)


@compiled
def simple_rnn_forward(x, W, R, b, rows, counts, starts, mask, before, saved, states):  # type: ignore[no-untyped-def]
    units = R.shape[0]
    zx, zh = np.empty((counts[0], units), F), np.empty((counts[0], units), F)
    for t in range(len(counts)):
        a, n = starts[t], counts[t]
        enter_step(t, x, W, R, rows, counts, starts, mask, states, before, zx, zh)
        for r in range(n):
            h, p, q, bias = states[a + r], zx[r], zh[r], b[0]
            for k in range(units):
                h[k] = p[k] + q[k] + bias[k]
            for k in range(units):
                h[k] = tanh(h[k])


@compiled
def simple_rnn_backward(d_states, WT, RT, rows, counts, starts, mask, before, saved, states, d_x, d_z, d_b):  # type: ignore[no-untyped-def]
    units = RT.shape[1]
    d_h, d_before = np.zeros((counts[0], units), F), np.empty((counts[0], units), F)
    for t in range(len(counts) - 1, -1, -1):
        a, n = starts[t], counts[t]
        for r in range(n):
            dh, g, h, dz, db = d_h[r], d_states[a + r], states[a + r], d_z[a + r], d_b[0]
            for k in range(units):
                dz[k] = (dh[k] + g[k]) * (F(1) - h[k] * h[k])
            for k in range(units):
                dh[k] = F(0)
            for k in range(units):
                db[k] += dz[k]
        leave_step(t, d_z[a : a + n], d_z[a : a + n], WT, RT, rows, mask, d_x[a : a + n], d_before[:n], d_h)


# ---------------------------------------------------------------- lstm: gates i, f, candidate c, output o


@compiled
def lstm_forward(x, W, R, b, rows, counts, starts, mask, before, saved, states):  # type: ignore[no-untyped-def]
    """saved: i, f, c, o and the cell state, each of width units."""
    u = R.shape[0]
    zx, zh = np.empty((counts[0], 4 * u), F), np.empty((counts[0], 4 * u), F)
    nothing = np.zeros(u, F)
    for t in range(len(counts)):
        a, n = starts[t], counts[t]
        enter_step(t, x, W, R, rows, counts, starts, mask, states, before, zx, zh)
        for r in range(n):
            carried = saved[starts[t - 1] + r, 4 * u :] if t else nothing
            _lstm_step(zx[r], zh[r], b[0], carried, saved[a + r], states[a + r])


@compiled
def _lstm_step(p, q, b, carried, s, h):  # type: ignore[no-untyped-def]
    u = len(h)
    for k in range(4 * u):
        s[k] = p[k] + q[k] + b[k]
    i_f, i, f = s[: 2 * u], s[:u], s[u : 2 * u]
    c, o, cell = s[2 * u : 3 * u], s[3 * u : 4 * u], s[4 * u :]
    for k in range(2 * u):
        i_f[k] = sigmoid(i_f[k])
    for k in range(u):
        c[k] = tanh(c[k])
    for k in range(u):
        o[k] = sigmoid(o[k])
    for k in range(u):
        cell[k] = f[k] * carried[k] + i[k] * c[k]
    for k in range(u):
        h[k] = o[k] * tanh(cell[k])


@compiled
def lstm_backward(d_states, WT, RT, rows, counts, starts, mask, before, saved, states, d_x, d_z, d_b):  # type: ignore[no-untyped-def]
    u = RT.shape[1]
    d_h, d_c = np.zeros((counts[0], u), F), np.zeros((counts[0], u), F)
    d_before, nothing, squashed = np.empty((counts[0], u), F), np.zeros(u, F), np.empty(u, F)
    for t in range(len(counts) - 1, -1, -1):
        a, n = starts[t], counts[t]
        for r in range(n):
            dh, g = d_h[r], d_states[a + r]
            for k in range(u):
                dh[k] += g[k]
            carried = saved[starts[t - 1] + r, 4 * u :] if t else nothing
            dz, db = d_z[a + r], d_b[0]
            _lstm_step_back(saved[a + r], carried, squashed, dh, d_c[r], dz)
            for k in range(4 * u):
                db[k] += dz[k]
        leave_step(t, d_z[a : a + n], d_z[a : a + n], WT, RT, rows, mask, d_x[a : a + n], d_before[:n], d_h)


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
def gru_forward(x, W, R, b, rows, counts, starts, mask, before, saved, states):  # type: ignore[no-untyped-def]
    """saved: z, r, c, and the candidate's part of h R + b[1], each of width units."""
    u = R.shape[0]
    zx, zh = np.empty((counts[0], 3 * u), F), np.empty((counts[0], 3 * u), F)
    nothing = np.zeros(u, F)
    for t in range(len(counts)):
        a, n = starts[t], counts[t]
        enter_step(t, x, W, R, rows, counts, starts, mask, states, before, zx, zh)
        for r in range(n):
            _gru_step(zx[r], zh[r], b, states[starts[t - 1] + r] if t else nothing, saved[a + r], states[a + r])


@compiled
def _gru_step(p, q, b, carried, s, h):  # type: ignore[no-untyped-def]
    u = len(h)
    bx, bh = b[0], b[1]
    for k in range(2 * u):
        s[k] = p[k] + q[k] + (bx[k] + bh[k])
    for k in range(2 * u):
        s[k] = sigmoid(s[k])
    z, reset, c, inner = s[:u], s[u : 2 * u], s[2 * u : 3 * u], s[3 * u :]
    x, y, bx, bh = p[2 * u :], q[2 * u :], bx[2 * u :], bh[2 * u :]
    for k in range(u):
        inner[k] = y[k] + bh[k]
    for k in range(u):
        c[k] = x[k] + bx[k] + reset[k] * inner[k]
    for k in range(u):
        c[k] = tanh(c[k])
    for k in range(u):
        h[k] = z[k] * carried[k] + (F(1) - z[k]) * c[k]


@compiled
def gru_backward(d_states, WT, RT, rows, counts, starts, mask, before, saved, states, d_x, d_z, d_b):  # type: ignore[no-untyped-def]
    """d_z: gradients of what W and of what R gave, each of width 3 units; they differ in the candidate."""
    u = RT.shape[1]
    d_h, d_before = np.zeros((counts[0], u), F), np.empty((counts[0], u), F)
    of_x, of_h = np.empty((counts[0], 3 * u), F), np.empty((counts[0], 3 * u), F)
    nothing = np.zeros(u, F)
    for t in range(len(counts) - 1, -1, -1):
        a, n = starts[t], counts[t]
        for r in range(n):
            dh, g = d_h[r], d_states[a + r]
            for k in range(u):
                dh[k] += g[k]
            _gru_step_back(saved[a + r], states[starts[t - 1] + r] if t else nothing, dh, of_x[r], of_h[r])
            _keep(of_x[r], d_z[a + r, : 3 * u], d_b[0])
            _keep(of_h[r], d_z[a + r, 3 * u :], d_b[1])
        leave_step(t, of_x[:n], of_h[:n], WT, RT, rows, mask, d_x[a : a + n], d_before[:n], d_h)


@compiled
def _keep(dz, target, db):  # type: ignore[no-untyped-def]
    for k in range(len(dz)):
        target[k] = dz[k]
    for k in range(len(dz)):
        db[k] += dz[k]


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

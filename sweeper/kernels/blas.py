"""Products of small matrices, by the BLAS that Numba's own `np.dot` calls: OpenBLAS, as SciPy brings it."""

from __future__ import annotations

import functools

import numba
import numpy as np
import threadpoolctl
from numba.np import linalg

from .numerics import F, compiled

# Multiplications up to which OpenBLAS has kernels that need no packing, by what it calls processors with AVX-512.
SMALL = dict.fromkeys(("SkylakeX", "Cooperlake", "SapphireRapids"), 1_000_000)
MIN_ROWS = 24  # a product is not cut where a piece could not have as many rows
ROW_PADDING = 16
"""Numbers between rows: rows that begin at multiples of 512 B would fight for the same lines of the cache."""

ZERO_ONE = np.array([0, 1], F)
KIND, AS_IT_IS, TRANSPOSED = ord("s"), ord("n"), ord("t")
gemm = linalg._BLAS().numba_xxgemm(numba.float32)  # type: ignore[no-untyped-call]


def pad_rows(matrices: np.ndarray) -> np.ndarray:
    """A copy of matrices (..., rows, columns), `ROW_PADDING` numbers beside each row."""
    *others, columns = matrices.shape
    workspace = np.zeros((*others, columns + ROW_PADDING), F)
    workspace[..., :columns] = matrices
    return workspace


@functools.cache
def largest() -> int:
    """How many multiplications a product should have at most; larger ones had better be cut. `linalg` has loaded BLAS."""
    found = {one.get("architecture") for one in threadpoolctl.threadpool_info()}
    return next((size for name, size in SMALL.items() if name in found), 2**62)


@compiled
def piece(rows, each, most):  # type: ignore[no-untyped-def]
    """How many rows at once, of a product of `rows` rows that take `each` multiplications, `most` of them at once."""
    fitting = most // each
    if rows <= fitting or fitting < MIN_ROWS:
        return max(rows, 1)
    pieces = (rows + fitting - 1) // fitting
    return (rows + pieces - 1) // pieces


@compiled
def multiply(a, b, columns, out, add, most):  # type: ignore[no-untyped-def]
    """out = a @ b, or with `add` out += a @ b; a and out flat, b (inner, columns and what lies between rows)."""
    inner, stride = b.shape
    rows = len(a) // inner
    some = piece(rows, inner * columns, most)
    for r in range(0, rows, some):
        # BLAS counts by columns, so that it sees every matrix transposed: out' = b' a'.
        gemm(
            KIND,
            AS_IT_IS,
            AS_IT_IS,
            columns,
            min(some, rows - r),
            inner,
            ZERO_ONE[1:].ctypes,
            b.ctypes,
            stride,
            a[r * inner :].ctypes,
            inner,
            ZERO_ONE[int(add) :].ctypes,
            out[r * columns :].ctypes,
            columns,
        )


@compiled
def add_outer(a, b, rows, out, most):  # type: ignore[no-untyped-def]
    """out += a' @ b, all flat: a (tokens, rows), b (tokens, columns), out (rows, columns)."""
    columns, tokens = len(out) // rows, len(a) // rows
    some = piece(tokens, len(out), most)
    for p in range(0, tokens, some):
        gemm(
            KIND,
            AS_IT_IS,
            TRANSPOSED,
            columns,
            rows,
            min(some, tokens - p),
            ZERO_ONE[1:].ctypes,
            b[p * columns :].ctypes,
            columns,
            a[p * rows :].ctypes,
            rows,
            ZERO_ONE[1:].ctypes,
            out.ctypes,
            columns,
        )

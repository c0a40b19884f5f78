"""Where the real tokens of a right-padded batch go when it is packed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .numerics import compiled


class Packing(NamedTuple):
    """The order in which a batch is read.

    Step t is the block of `counts[t]` rows from `starts[t]` on; row r of every block belongs to
    the same sequence, the r-th longest.

    Args:
        order: int64 (batch,): sequences, the longest first.
        counts, starts: int64 (steps,).
        forward, backward: int64 (tokens,): for each packed row the place of its token in the
            flat batch, (batch * time,), reading from the start or from the end.
        last: int64 (sequences that are not empty,): for each, in this order, the packed row of the token read last.
    """

    order: np.ndarray
    counts: np.ndarray
    starts: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    last: np.ndarray


def pack(lengths: np.ndarray, time: int) -> Packing:
    """The packing of sequences of `lengths`, int (batch,), each padded to `time` steps; one at least is not empty."""
    if not np.any(lengths):
        raise ValueError("a batch must hold a token")  # what is compiled would not notice
    return Packing(*_pack(lengths.astype(np.int64), time))


@compiled
def _pack(lengths, time):  # type: ignore[no-untyped-def]
    order = np.argsort(-lengths, kind="mergesort")
    counts = np.zeros(lengths.max(), np.int64)
    for length in lengths:
        for t in range(length):
            counts[t] += 1
    starts = np.cumsum(counts) - counts
    forward = np.empty(lengths.sum(), np.int64)
    backward = np.empty(lengths.sum(), np.int64)
    last = np.empty(counts[0], np.int64)
    for r in range(len(order)):
        row, length = order[r], lengths[order[r]]
        if length:
            last[r] = starts[length - 1] + r
        for t in range(length):
            forward[starts[t] + r] = row * time + t
            backward[starts[t] + r] = row * time + length - 1 - t
    return order, counts, starts, forward, backward, last


# These loops count without signs: a number with one could count from the end, and the compiler had to ask each time.


@compiled
def gather(flat, column, places, width, packed):  # type: ignore[no-untyped-def]
    """packed = flat[places, column : column + width], one row after another."""
    numbers, columns, width = flat.reshape(-1), np.uint64(flat.shape[1]), np.uint64(width)
    for p in range(np.uint64(len(places))):
        source, target = np.uint64(places[p]) * columns + np.uint64(column), p * width
        for k in range(width):
            packed[target + k] = numbers[source + k]


@compiled
def scatter(packed, places, width, flat, column):  # type: ignore[no-untyped-def]
    """flat[places, column : column + width] = packed, one row after another; no place is named twice."""
    numbers, columns, width = flat.reshape(-1), np.uint64(flat.shape[1]), np.uint64(width)
    for p in range(np.uint64(len(places))):
        source, target = p * width, np.uint64(places[p]) * columns + np.uint64(column)
        for k in range(width):
            numbers[target + k] = packed[source + k]


@compiled
def scatter_add(packed, places, width, flat, column):  # type: ignore[no-untyped-def]
    """flat[places, column : column + width] += packed, one row after another; no place is named twice."""
    numbers, columns, width = flat.reshape(-1), np.uint64(flat.shape[1]), np.uint64(width)
    for p in range(np.uint64(len(places))):
        source, target = p * width, np.uint64(places[p]) * columns + np.uint64(column)
        for k in range(width):
            numbers[target + k] += packed[source + k]

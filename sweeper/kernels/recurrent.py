"""A recurrent layer over a batch: forward, and the gradient of what it used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import cells
from .packing import Packing, gather, pack, scatter, scatter_add

F = np.float32
CACHED = 2**18  # numbers that stay in the cache beside what else a step needs


class Cell(NamedTuple):
    """Args:
    forward, backward: the loops, see `cells`.
    gates: columns of W and R, in units.
    saved: columns of `saved`, in units.
    state: columns of what one step hands to the next, in units: the state, and lstm's cell state beside it.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    gates: int
    saved: int
    state: int = 1
    separate: bool = False  # whether what W gives and what R gives have gradients of their own


CELLS = {
    "simple_rnn": Cell(cells.simple_rnn_forward, cells.simple_rnn_backward, gates=1, saved=0),
    "gru": Cell(cells.gru_forward, cells.gru_backward, gates=3, saved=4, separate=True),
    "lstm": Cell(cells.lstm_forward, cells.lstm_backward, gates=4, saved=5, state=2),
}


class Weights(NamedTuple):
    """As Keras's layers have them, float32.

    Args:
        kernel: (features, gates * units); (0, 0) where x holds its rows already.
        recurrent: (units, gates * units).
        bias: (1, gates * units), or (2, gates * units) for gru.
    """

    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray


@dataclass
class Reader:
    """Reads batches in one direction, and keeps the last one until its gradient is asked for.

    Its arrays are used again for the next batch: fresh memory of this size costs as much as the
    arithmetic.

    Args:
        cell: a key of `CELLS`.
        backward: read each sequence from its end.
        rows: x holds rows of the kernel already, so that x W is x.
    """

    cell: str
    backward: bool
    rows: bool
    _arrays: dict[str, np.ndarray] = field(default_factory=dict)
    _kept: tuple[Any, ...] = ()

    def forward(
        self,
        x: np.ndarray,
        packing: Packing,
        weights: Weights,
        first: np.ndarray,
        mask: np.ndarray,
        states: np.ndarray,
    ) -> np.ndarray:
        """Fill `states`; returns the last ones, shaped as `first`.

        Args:
            x: (batch * time, features).
            first: (batch, state): the state before the first token read, and lstm's cell state beside it; (0, state)
                for zeros.
            mask: (batch, units): what the state is multiplied with on its way into the
                recurrent kernel; (0, units) for nothing.
            states: (batch * time, units), zeros; padding stays zero.
        """
        cell, tokens, units = CELLS[self.cell], len(packing.forward), weights.recurrent.shape[0]
        packed_x = self._array("x", tokens, x.shape[1])
        gather(x, self._places(packing), packed_x)
        before, saved, packed = (
            self._array(name, tokens, width)
            for name, width in (("before", units), ("saved", cell.saved * units), ("states", units))
        )
        first = first[packing.order] if len(first) else np.zeros((len(packing.order), cell.state * units), F)
        steps = (packing.counts, packing.starts, mask[packing.order] if len(mask) else mask, first)
        spaced = _spaced(weights.kernel), _spaced(weights.recurrent), weights.bias
        cell.forward(packed_x, *spaced, self.rows, *steps, before, saved, packed)
        scatter(packed, self._places(packing), states)
        self._kept = (packing, weights, steps, packed_x, before, saved, packed)
        last, ends = first.copy(), packing.last  # an empty sequence hands on what it was given
        last[: len(ends), :units] = packed[ends]
        if cell.state == 2:
            last[: len(ends), units:] = saved[ends, -units:]
        return _unsorted(last, packing)

    def gradient(self, d_states: np.ndarray, d_last: np.ndarray, d_x: np.ndarray) -> tuple[np.ndarray, Weights]:
        """Add to `d_x` the gradient of the x of the last batch; returns that of `first` and of its weights.

        Args:
            d_states: (batch * time, units); what stands on padding does not count.
            d_last: (batch, state).
            d_x: (batch * time, features).
        """
        packing, weights, steps, packed_x, before, saved, packed = self._kept
        cell, (tokens, units) = CELLS[self.cell], packed.shape
        packed_d = self._array("d_states", tokens, units)
        gather(d_states, self._places(packing), packed_d)
        width = (2 if cell.separate else 1) * cell.gates * units
        room = self._array("room", CACHED // width + len(packing.order), width)
        packed_d_x, found = self._array("d_x", tokens, packed_x.shape[1]), Weights(*map(np.zeros_like, weights))
        transposed, d_state = (_spaced(weights.kernel.T), _spaced(weights.recurrent.T)), d_last[packing.order]
        cell.backward(
            packed_d, d_state, packed_x, *transposed, self.rows, *steps, before, saved, packed, room, packed_d_x, *found
        )
        scatter_add(packed_d_x, self._places(packing), d_x)
        return _unsorted(d_state, packing), found

    def _places(self, packing: Packing) -> np.ndarray:
        return packing.backward if self.backward else packing.forward

    def _array(self, name: str, rows: int, columns: int) -> np.ndarray:
        """Memory of this name, at least as much as asked for, what it holds is left."""
        kept = self._arrays.get(name)
        if kept is None or kept.size < rows * columns:
            kept = self._arrays[name] = np.empty(rows * columns * 5 // 4, F)
        return kept[: rows * columns].reshape(rows, columns)


@dataclass
class Recurrence:
    """One layer: a reader for each direction. Its two methods are what TensorFlow calls.

    Args:
        readers: forward before backward.
    """

    readers: list[Reader]
    _shapes: list[tuple[int, ...]] = field(default_factory=list)  # of the last x and weights

    def forward(self, x: np.ndarray, lengths: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
        """States, float32 (batch, time, directions * units), zeros on padding; and for each direction the last ones.

        Args:
            x: float32 (batch, time, features).
            lengths: int (batch,): real tokens, which stand on the left.
            others: for each direction its first states, then for each a mask (both as in `Reader.forward`), then for
                each its kernel, recurrent kernel and bias.
        """
        count = len(self.readers)
        firsts, masks, weights = others[:count], others[count : 2 * count], others[2 * count :]
        batch, time, features = x.shape
        self._shapes = [one.shape for one in (x, *firsts, *weights)]
        units = weights[1].shape[0]
        states = np.zeros((batch * time, count * units), F)
        packing, flat = pack(lengths, time), x.reshape(batch * time, features)
        lasts = []
        for place, reader in enumerate(self.readers):
            kernel, recurrent, bias = weights[3 * place : 3 * place + 3]
            own, into = Weights(kernel, recurrent, np.atleast_2d(bias)), _columns(states, place, count)
            lasts.append(reader.forward(self._own(flat, place), packing, own, firsts[place], masks[place], into))
        return [states.reshape(batch, time, count * units), *lasts]

    def gradient(self, d_states: np.ndarray, *d_lasts: np.ndarray) -> list[np.ndarray]:
        """Gradients of the last x, of its first states and of its weights, in their order."""
        count = len(self.readers)
        batch, time, features = self._shapes[0]
        d_x, flat = np.zeros((batch * time, features), F), d_states.reshape(batch * time, -1)
        d_firsts: list[np.ndarray] = []
        d_weights: list[np.ndarray] = []
        for place, reader in enumerate(self.readers):
            d_first, found = reader.gradient(_columns(flat, place, count), d_lasts[place], self._own(d_x, place))
            d_firsts.append(d_first)
            d_weights += found
        # Where no first state was given its gradient is not wanted either.
        d_firsts = [one[: shape[0]] for one, shape in zip(d_firsts, self._shapes[1 : 1 + count], strict=True)]
        return [one.reshape(shape) for one, shape in zip([d_x, *d_firsts, *d_weights], self._shapes, strict=True)]

    def _own(self, flat: np.ndarray, place: int) -> np.ndarray:
        """The columns of x that one direction reads: all of them, or the rows of its own kernel."""
        return _columns(flat, place, len(self.readers)) if self.readers[place].rows else flat


def _spaced(matrix: np.ndarray) -> np.ndarray:
    """A copy whose rows lie apart: rows that begin at multiples of 1 KiB would fight for the same lines of the cache."""
    rows, columns = matrix.shape
    room = np.empty((rows, columns + 16), F)[:, :columns]
    room[:] = matrix
    return room


def _unsorted(rows: np.ndarray, packing: Packing) -> np.ndarray:
    """Rows in the order of the batch, from that of the packing."""
    found = np.empty_like(rows)
    found[packing.order] = rows
    return found


def _columns(flat: np.ndarray, place: int, count: int) -> np.ndarray:
    width = flat.shape[1] // count
    return flat[:, place * width : (place + 1) * width]

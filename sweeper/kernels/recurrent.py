"""A recurrent layer over a batch: forward, and the gradient of what it used."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import cells
from .blas import largest, pad_rows
from .cells import Activations, ForwardInputs, Gradients
from .numerics import F
from .packing import Packing, gather, pack, scatter, scatter_add

CACHE_NUMBERS = 2**18  # numbers that stay in the cache beside what else a step needs
PROJECTED_AHEAD = 2**15  # numbers of each plane that x W fills at once, so that they stay in the cache


class Cell(NamedTuple):
    """How one kind of cell is computed.

    Args:
        forward, backward: the loops, see `cells`.
        of_x, of_h: for each gate the plane of what W, and of what R makes of it.
        planes: how many are kept.
        state: how many numbers for each unit one step hands to the next: the state, and lstm's cell state beside it.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    of_x: tuple[int, ...]
    of_h: tuple[int, ...]
    planes: int
    state: int = 1


CELLS = {
    "simple_rnn": Cell(cells.simple_rnn_forward, cells.simple_rnn_backward, cells.SIMPLE_RNN, cells.SIMPLE_RNN, 1),
    "gru": Cell(cells.gru_forward, cells.gru_backward, cells.GRU, cells.GRU_OF_STATE, 4),
    "lstm": Cell(cells.lstm_forward, cells.lstm_backward, cells.LSTM, cells.LSTM, 5, state=2),
}


class Weights(NamedTuple):
    """As Keras's layers have them, float32.

    Args:
        kernel: (features, gates * units); not read where x holds its rows already.
        recurrent: (units, gates * units).
        bias: (1, gates * units), or (2, gates * units) for gru, of what W and of what R makes.
    """

    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray


@dataclass
class DirectionKernel:
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
    _last: tuple[Any, ...] = ()

    def forward(
        self,
        x: np.ndarray,
        column: int,
        packing: Packing,
        weights: Weights,
        first: np.ndarray,
        mask: np.ndarray,
        states: np.ndarray,
        place: int,
    ) -> np.ndarray:
        """Fill `states`; returns the last ones, (batch, state).

        Args:
            x: (batch * time, columns); read from `column` on.
            first: (batch, state): the state before the first token read, and lstm's cell state beside it; (0, state)
                for zeros.
            mask: (batch, units): what the state is multiplied with on its way into the
                recurrent kernel; (0, units) for nothing.
            states: (batch * time, columns), zeros; filled from `place` on, padding stays zero.
        """
        cell, units = CELLS[self.cell], weights.recurrent.shape[0]
        packed_x, kept = self._packed(x, column, packing, weights)
        first = first[packing.order] if len(first) else np.zeros((len(packing.order), cell.state * units), F)
        kernel, recurrent = self._by_gate(weights)
        given = ForwardInputs(
            packed_x,
            pad_rows(kernel),
            pad_rows(recurrent),
            np.tile(self._biases(weights.bias, units), len(packing.order)),
            (mask[packing.order] if len(mask) else mask).reshape(-1),
            _planes(first, cell.state).reshape(cell.state, -1),
            packing.counts,
            packing.starts,
            largest(),
            PROJECTED_AHEAD,
        )
        cell.forward(given, kept)
        scatter(kept.states, self._places(packing), units, states, place)
        self._last = (packing, weights, given, kept)
        last, ends = first.copy(), packing.last  # an empty sequence hands on what it was given
        last[: len(ends), :units] = kept.states.reshape(-1, units)[ends]
        if cell.state == 2:
            last[: len(ends), units:] = kept.planes[-1].reshape(-1, units)[ends]
        return _unsorted(last, packing)

    def _packed(self, x: np.ndarray, column: int, packing: Packing, weights: Weights) -> tuple[np.ndarray, Activations]:
        """x as the loops read it, and where they keep what they find, with x W in it where x holds that."""
        cell, places = CELLS[self.cell], self._places(packing)
        features, (units, _) = len(weights.kernel), weights.recurrent.shape
        numbers = len(places) * units
        before, planes, states = (
            self._array("before", numbers),
            self._array("planes", cell.planes, numbers),
            self._array("states", numbers),
        )
        if not self.rows:
            packed_x = self._array("x", len(places) * features)
            gather(x, column, places, features, packed_x)
            return packed_x, Activations(before, planes, states)
        for gate, plane in enumerate(cell.of_x):
            gather(x, column + gate * units, places, units, planes[plane])
        return np.empty(0, F), Activations(before, planes, states)

    def _biases(self, bias: np.ndarray, units: int) -> np.ndarray:
        """What is added to each plane, (planes, units)."""
        cell = CELLS[self.cell]
        found = np.zeros((max(cell.of_x + cell.of_h) + 1, units), F)
        for part, of in zip(bias, (cell.of_x, cell.of_h), strict=False):
            found[list(of)] += part.reshape(-1, units)
        return found

    def gradient(
        self, d_states: np.ndarray, place: int, d_last: np.ndarray, d_x: np.ndarray, column: int
    ) -> tuple[np.ndarray, Weights]:
        """Add to `d_x` the gradient of the x of the last batch; returns that of `first` and of its weights.

        Args:
            d_states: (batch * time, columns), from `place` on; what stands on padding does not count.
            d_last: (batch, state).
            d_x: (batch * time, columns), from `column` on.
        """
        if not self._last:
            raise RuntimeError("a layer keeps one batch until its gradient: call it once in a tape")
        packing, weights, given, kept = self._last
        self._last = ()
        places, units = self._places(packing), weights.recurrent.shape[0]
        d = self._gradients(packing, weights, given, d_last)
        gather(d_states, place, places, units, d.states)
        W, R = (pad_rows(one.transpose(0, 2, 1)) for one in self._by_gate(weights))
        cell = CELLS[self.cell]
        cell.backward(given._replace(W=W, R=R), kept, d)
        width = units if self.rows else len(weights.kernel)
        for part, own in enumerate(d.x):
            scatter_add(own, places, width, d_x, column + part * width)
        d_first = _side_by_side(d.first.reshape(cell.state, -1, units))
        return _unsorted(d_first, packing), self._of_weights(d, weights)

    def _gradients(self, packing: Packing, weights: Weights, given: ForwardInputs, d_last: np.ndarray) -> Gradients:
        """Where the loop backward finds and leaves gradients; that of the states is still to be filled in."""
        cell, (planes, numbers), units = CELLS[self.cell], given.b.shape, weights.recurrent.shape[0]
        gates, features, tokens = len(cell.of_x), len(weights.kernel), len(packing.forward)
        return Gradients(
            self._array("d_states", tokens * units),
            _planes(d_last[packing.order], cell.state).reshape(cell.state, -1),
            self._array("d_x", *((gates, tokens * units) if self.rows else (1, tokens * features))),
            np.zeros((gates, 0 if self.rows else features * units), F),
            np.zeros((gates, units * units), F),
            np.zeros_like(given.b),
            self._array("workspace", planes, CACHE_NUMBERS // planes + numbers),
        )

    def _of_weights(self, d: Gradients, weights: Weights) -> Weights:
        """What the loop backward found, as Keras has it."""
        cell, units = CELLS[self.cell], weights.recurrent.shape[0]
        d_kernel, d_recurrent = (_side_by_side(one.reshape(len(one), -1, units)) for one in (d.W, d.R))
        d_biases = d.b.reshape(len(d.b), -1, units).sum(axis=1)
        d_bias = np.stack([d_biases[list(of)].reshape(-1) for of in (cell.of_x, cell.of_h)[: len(weights.bias)]])
        return Weights(np.zeros_like(weights.kernel) if self.rows else d_kernel, d_recurrent, d_bias)

    def _by_gate(self, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        """The kernels as (gates, features or units, units); without features where x holds the kernel's rows."""
        gates, kernel = len(CELLS[self.cell].of_x), weights.kernel[:0] if self.rows else weights.kernel
        return _planes(kernel, gates), _planes(weights.recurrent, gates)

    def _places(self, packing: Packing) -> np.ndarray:
        return packing.backward if self.backward else packing.forward

    def _array(self, name: str, *shape: int) -> np.ndarray:
        """Memory of this name, at least as much as asked for; what it holds is left."""
        kept, size = self._arrays.get(name), math.prod(shape)
        if kept is None or kept.size < size:
            kept = self._arrays[name] = np.empty(size * 5 // 4, F)
        return kept[:size].reshape(shape)


@dataclass
class Recurrence:
    """One layer: a reader for each direction. Its two methods are what TensorFlow calls.

    Args:
        readers: forward before backward.
    """

    readers: list[DirectionKernel]
    _shapes: list[tuple[int, ...]] = field(default_factory=list)  # of the last x and weights

    def forward(self, x: np.ndarray, lengths: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
        """States, float32 (batch, time, directions * units), zeros on padding; and for each direction the last ones.

        Args:
            x: float32 (batch, time, features).
            lengths: int (batch,): real tokens, which stand on the left.
            others: for each direction its first states, then for each a mask (both as in `DirectionKernel.forward`), then for
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
            own = Weights(kernel, recurrent, np.atleast_2d(bias))
            lasts.append(
                reader.forward(
                    flat, self._column(place), packing, own, firsts[place], masks[place], states, place * units
                )
            )
        return [states.reshape(batch, time, count * units), *lasts]

    def gradient(self, d_states: np.ndarray, *d_lasts: np.ndarray) -> list[np.ndarray]:
        """Gradients of the last x, of its first states and of its weights, in their order."""
        count = len(self.readers)
        batch, time, features = self._shapes[0]
        d_x, flat = np.zeros((batch * time, features), F), d_states.reshape(batch * time, -1)
        d_firsts: list[np.ndarray] = []
        d_weights: list[np.ndarray] = []
        for place, reader in enumerate(self.readers):
            own = place * flat.shape[1] // count
            d_first, found = reader.gradient(flat, own, d_lasts[place], d_x, self._column(place))
            d_firsts.append(d_first)
            d_weights += found
        # Where no first state was given its gradient is not wanted either.
        d_firsts = [one[: shape[0]] for one, shape in zip(d_firsts, self._shapes[1 : 1 + count], strict=True)]
        return [one.reshape(shape) for one, shape in zip([d_x, *d_firsts, *d_weights], self._shapes, strict=True)]

    def _column(self, place: int) -> int:
        """Where the columns of x begin that one direction reads: all of them, or the rows of its own kernel."""
        return place * self._shapes[0][-1] // len(self.readers) if self.readers[place].rows else 0


def _planes(matrix: np.ndarray, count: int) -> np.ndarray:
    """(rows, count * columns) as (count, rows, columns)."""
    rows, columns = matrix.shape
    return np.ascontiguousarray(matrix.reshape(rows, count, columns // count).transpose(1, 0, 2))


def _side_by_side(planes: np.ndarray) -> np.ndarray:
    """(count, rows, columns) as (rows, count * columns)."""
    return np.concatenate(list(planes), axis=1)


def _unsorted(rows: np.ndarray, packing: Packing) -> np.ndarray:
    """Rows in the order of the batch, from that of the packing."""
    found = np.empty_like(rows)
    found[packing.order] = rows
    return found

"""How tokens enter, and the recurrent stack that reads them."""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from ..records import UNKNOWN, Configuration
from .kernels import PACKED, PORTABLE, STOCK

CELLS = {"simple_rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}
CUDNN = ("gru", "lstm")  # cells that have it
LOWEST = -6e4  # as low as float16 goes
DIRECTIONS = {"forward": 1, "backward": 1, "both": 2}
PRETRAINED_ONLY = "further"
"""The layer of words that only pretrained vectors know. It follows from the data, and is not kept with a trial."""


def embed(
    ids: Any, *, vocabulary: int, units: int, dropout: float, vectors: np.ndarray | None, frozen: bool, seed: int
) -> Any:
    """Look up a vector for each token, and in training drop whole words.

    Args:
        ids: int32 (batch, time).
        vectors: float32 (rows, width) to start from, a row of NaN where there is none; such rows, like missing
            ones and all rows without `vectors`, are drawn at random, but that of <unk> is zero, as a dropped word's
            is. Ids from `vocabulary` on are words that the vectors alone know: their rows stay as they are.
        frozen: leave all vectors as they are.

    Returns:
        float (batch, time, units), or (batch, time, width) with `vectors`.
    """
    initializer: Any = keras.initializers.RandomUniform(-0.05, 0.05, seed=seed)
    further = None
    if vectors is not None:
        units, further = vectors.shape[1], vectors[vocabulary:]
        initializer = keras.initializers.Constant(_filled(vectors[:vocabulary], vocabulary, seed))
    lookup = keras.layers.Embedding(
        vocabulary, units, embeddings_initializer=initializer, trainable=not frozen, name="embedding"
    )
    if further is None or not len(further):
        return drop_words(lookup(ids), dropout, seed)
    only_known = keras.layers.Embedding(
        len(further),
        units,
        embeddings_initializer=keras.initializers.Constant(further),
        trainable=False,
        name=PRETRAINED_ONLY,
    )
    x = ops.where(
        ops.expand_dims(ids < vocabulary, -1),
        lookup(ops.minimum(ids, vocabulary - 1)),
        only_known(ops.maximum(ids - vocabulary, 0)),
    )
    return drop_words(x, dropout, seed)


def symbol_embedding(symbols: int, units: int, seed: int, name: str = "embedding") -> keras.layers.Embedding:
    """From symbols that were written, int32 (batch, time), to float (batch, time, units)."""
    initializer = keras.initializers.RandomUniform(-0.05, 0.05, seed=seed)
    return keras.layers.Embedding(symbols, units, embeddings_initializer=initializer, name=name)


def drop_words(x: Any, rate: float, seed: int, name: str = "word_dropout") -> Any:
    """In training, zero the whole vector of a share `rate` of the words. x: float (batch, time, features)."""
    if not rate:
        return x
    return keras.layers.Dropout(rate, noise_shape=(None, None, 1), seed=seed_of(name, seed), name=name)(x)


def seed_of(layer: str, seed: int) -> int:
    """A seed of a layer's own: two layers that draw from the same one would drop the same features."""
    return zlib.crc32(f"{layer} {seed}".encode()) >> 1


def _filled(vectors: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Random rows, as spread as the known ones, where a word has no vector."""
    missing_rows = np.full((rows - len(vectors), vectors.shape[1]), np.nan, np.float32)
    whole = np.concatenate([np.asarray(vectors, np.float32), missing_rows])
    missing = np.isnan(whole).any(axis=1)
    std = float(whole[~missing].std()) if (~missing).any() else 0.05
    whole[missing] = np.random.default_rng(seed).normal(0.0, std, (int(missing.sum()), whole.shape[1]))
    whole[UNKNOWN] = 0.0
    return whole


def one_hot_width(*, cell: str, direction: str, units: int) -> int:
    """Width of the rows that `recurrent_stack(..., one_hot=True)` reads."""
    return GATES[cell] * units * DIRECTIONS[direction]


def recurrent_stack(
    x: Any,
    mask: Any,
    *,
    cell: str,
    direction: str,
    depth: int,
    units: int,
    residual: bool = False,
    dropout: float = 0.0,
    dropout_masks: str = "steps",
    recurrent_dropout: float = 0.0,
    l2: float = 0.0,
    one_hot: bool = False,
    seed: int = 0,
    kernel: str = STOCK,
    name: str = "",
) -> tuple[Any, Any]:
    """Read a sequence `depth` times over, one recurrent layer on top of another.

    Args:
        x: float (batch, time, features).
        mask: bool (batch, time), False on padding; padding is never read.
        cell: a key of `CELLS`.
        direction: "forward", "backward" (right to left), or "both".
        depth: number of layers, at least 1.
        units: width of one direction of one layer.
        residual: add each layer's input to its output, from the second layer on.
        dropout: share of features dropped between two layers, in training; `dropout_masks` as in `drop`.
        recurrent_dropout: share of the state dropped at each step, in training.
        l2: penalty on the kernels.
        one_hot: `x` holds rows of the first layer's own input kernel, of
            `one_hot_width`. A one-hot vector times a kernel is a row of the kernel, so the
            row is looked up and the matrix of zeros never exists.
        kernel: see `kernels`.
        name: what the names of the layers begin with.

    Returns:
        States, float (batch, time, units), or (batch, time, 2 * units) for "both": forward
        states first; step t of a backward state has read from the end down to t. And the last
        state of the last layer, when all was read, float (batch, units) or (batch, 2 * units);
        for lstm its cell state beside it, twice as wide.
    """
    for level in range(depth):
        first = level == 0
        reads = partial(
            recurrent_layer,
            cell,
            units,
            kernel=kernel,
            recurrent_dropout=recurrent_dropout,
            kernel_regularizer=keras.regularizers.L2(l2) if l2 and not (one_hot and first) else None,
            recurrent_regularizer=keras.regularizers.L2(l2) if l2 else None,
        )
        layer = reads(go_backwards=direction == "backward", seed=seed + level, name=f"{name}{cell}_{level}")
        wrapped = layer
        if direction == "both":
            backward = f"backward_{layer.name}"
            # Left to itself Keras gives both the same seed, and they drop the same units.
            other = reads(go_backwards=True, seed=seed_of(backward, seed), name=backward)
            wrapped = keras.layers.Bidirectional(layer, backward_layer=other, name=f"{name}both_{level}")
        if kernel == PACKED:
            states, *last = packed_layer(wrapped, rows=one_hot and first)(x, mask)
            last = [part for one in last for part in split_state(one, units)]
        else:
            states, *last = wrapped(x, mask=mask)
            if direction == "backward":
                states = ops.flip(states, axis=1)  # the last step read is the first one of the text
        if one_hot and first:
            _fix_identity_kernel(wrapped, direction)
        if residual and not first:
            states = keras.layers.Add(name=f"{name}residual_{level}")([x, states])
        if level == depth - 1:
            x = states
        else:
            x = drop(states, dropout, seed + level, f"{name}dropout_{level}", masks=dropout_masks)
    return x, ops.concatenate(last[::2] + last[1::2] if cell == "lstm" else last, axis=-1)


def drop(x: Any, rate: float, seed: int, name: str, *, masks: str = "steps") -> Any:
    """In training, zero a share `rate` of the features.

    Args:
        x: float (batch, features) or (batch, time, features).
        masks: of the latter, "steps" to choose anew at each step, "sequence" once for all (Gal and Ghahramani 2016).
    """
    shape = (None, 1, None) if masks == "sequence" and len(x.shape) == 3 else None
    return keras.layers.Dropout(rate, noise_shape=shape, seed=seed_of(name, seed), name=name)(x) if rate else x


def recurrent_layer(cell: str, units: int, *, kernel: str, **options: Any) -> keras.layers.Layer:
    """A stock layer that gives all its states, and its last one; see `kernels` and, for `options`, Keras."""
    if cell in CUDNN:
        options["use_cudnn"] = False if kernel == PORTABLE else "auto"
    return CELLS[cell](units, return_sequences=True, return_state=True, **options)


def recurrent_layers(
    configuration: Configuration, units: int, *, kernel: str, seed: int, name: str
) -> tuple[list[keras.layers.Layer], list[keras.layers.Layer]]:
    """Stock layers, one on top of the other, whose cells take single steps; and for each what reads whole sequences."""
    layers = [
        recurrent_layer(configuration["cell"], units, kernel=kernel, seed=seed + level, name=f"{name}_{level}")
        for level in range(configuration["depth"])
    ]
    return layers, [packed_layer(layer) if kernel == PACKED else layer for layer in layers]


def packed_layer(layer: keras.layers.Layer, *, rows: bool = False) -> keras.layers.Layer:
    """The same layer by way of our own arithmetic."""
    from ..layers.packed import PackedRecurrent  # brings a compiler along, which serving does not need

    return PackedRecurrent(layer, rows=rows, name=f"packed_{layer.name}")


def run_sequence(reader: keras.layers.Layer, x: Any, real: Any, state: Any, units: int) -> tuple[Any, Any]:
    """Read a whole sequence from a state on.

    Args:
        reader: one of those that `recurrent_layers` gives.
        x: float (batch, time, features).
        real: bool (batch, time), False on padding, which is on the right.
        state: float (batch, units), or (batch, 2 * units) for lstm, with its cell state beside it.

    Returns:
        States, float (batch, time, units), and the last one, as `state`.
    """
    stock = isinstance(reader, tuple(CELLS.values()))
    found, *last = reader(x, mask=real, initial_state=split_state(state, units)) if stock else reader(x, real, [state])
    return found, ops.concatenate(last, axis=-1)


def run_step(layer: keras.layers.Layer, x: Any, state: Any, units: int) -> tuple[Any, Any]:
    """As `run_sequence`, one step, x float (batch, features), by a stock layer's cell."""
    found, last = layer.cell(x, split_state(state, units))
    return found, ops.concatenate(last, axis=-1) if isinstance(last, list | tuple) else last


def split_state(state: Any, units: int) -> list[Any]:
    """A state, and an LSTM's cell state beside it, as Keras wants them: one or two of (batch, units)."""
    return [state[:, start : start + units] for start in range(0, state.shape[-1], units)]


def _fix_identity_kernel(layer: Any, direction: str) -> None:
    """Fix the input kernel to the identity on the rows' part for each direction."""
    cells = [layer.forward_layer.cell, layer.backward_layer.cell] if direction == "both" else [layer.cell]
    for place, cell in enumerate(cells):
        height, width = cell.kernel.shape
        cell.kernel.assign(np.eye(height, width, -place * width, dtype=np.float32))
        cell.kernel.trainable = False
        cell.kernel.not_learned = True  # and is not counted: see `learners.base.parameter_count`


def last_state(states: Any, mask: Any, direction: str) -> Any:
    """The state after the whole text was read.

    Args:
        states: float (batch, time, features), as `recurrent_stack` returns them.
        mask: bool (batch, time), False on padding, which is on the right.

    Returns:
        float (batch, features): of forward states the one at the last real step, of
        backward states the one at the first step.
    """
    features = states.shape[-1]
    forward = {"forward": features, "backward": 0, "both": features // 2}[direction]
    length = ops.sum(ops.cast(mask, "int32"), axis=1)
    index = ops.maximum(length - 1, 0)[:, None, None]
    at_end = ops.squeeze(ops.take_along_axis(states[:, :, :forward], index, axis=1), axis=1) if forward else None
    at_start = states[:, 0, forward:] if forward < features else None
    parts = [part for part in (at_end, at_start) if part is not None]
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)


def pool(states: Any, mask: Any, *, pooling: str, direction: str) -> Any:
    """Summarise states without attention.

    Args:
        states: float (batch, time, features).
        mask: bool (batch, time), False on padding; padding never counts.
        pooling: "last", "max", "mean", or "all" for the three side by side.

    Returns:
        float (batch, features), or (batch, 3 * features) for "all".
    """
    if pooling == "all":
        each = [pool(states, mask, pooling=one, direction=direction) for one in ("last", "max", "mean")]
        return ops.concatenate(each, axis=-1)
    if pooling == "last":
        return last_state(states, mask, direction)
    real = ops.expand_dims(mask, -1)
    if pooling == "max":
        return ops.max(ops.where(real, states, LOWEST), axis=1)
    count = ops.maximum(ops.sum(ops.cast(real, states.dtype), axis=1), 1.0)
    return ops.sum(ops.where(real, states, 0.0), axis=1) / count

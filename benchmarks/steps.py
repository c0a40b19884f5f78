"""A recurrent layer's training step (forward, and from the gradient of its states that of input and weights) over its floor.

The floor is the time that the layer's matrix products alone would take, on real tokens, at the rate
that this machine multiplies large matrices (1,024 squared, float32, one thread), measured beside
every step, and said: the faster a machine multiplies, the more of a step is everything else. What the
same products take at a step's size, all gates at once, is given as well ("products"). Lengths are those
of real texts, sorted into batches as in training. It is the layer alone, on one batch again and again; the rows of seq2seq are whole
steps, with embeddings, loss and optimizer. Steps follow one another, as in training: of two rows of
`IN_A_ROW` the better counts, as it does for the floor. One thread each, as in a worker; so this is a program of
its own, which prints one JSON object per line.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .rows import Row, at_most, spread

GRID = ((64, 50, 64), (64, 200, 64), (16, 200, 64), (64, 200, 128))  # batch, longest text, units
GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}
TARGETS = {64: 1.5, 128: 1.3}  # of gru and lstm, by units
DECODER = 1.6
CRF = 1.3  # of a tagger's step with a softmax
GATED = ("gru", "lstm")
REPEATS = 9
IN_A_ROW = 5  # steps


def steps(folder: Path) -> Iterator[Row]:
    for found in _measured("layers"):
        others = [f"{name} {spread(values, 'x')}" for name, values in found["ratios"].items()]
        target = DECODER if found["cell"] == "decoder" else TARGETS[found["units"]] if found["cell"] in GATED else None
        good = target is None or statistics.median(found["ratios"]["sweeper"]) <= target
        yield Row(
            found["what"], f"floor {found['floor_ms']:.3g} ms at {found['gflops']:.0f} GFLOP/s; {'; '.join(others)}",
            f"at most {target} x" if target else "", good,
        )  # fmt: skip


def heads(folder: Path) -> Iterator[Row]:
    """What a CRF adds to the step of a tagger."""
    for found in _measured("heads"):
        yield at_most(found["what"], found["ratios"], "x", CRF)


def _measured(what: str) -> Iterator[dict[str, Any]]:
    """What this program prints, with one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.steps", what],
        env={**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield from map(json.loads, done.stdout.splitlines())


def measure(cell: str, direction: str, batch: int, longest: int, units: int) -> dict[str, Any]:
    lengths = real_lengths(batch, longest)
    candidates = {
        "sweeper": keras_step(cell, direction, units, lengths, "packed"),
        "keras": keras_step(cell, direction, units, lengths, "keras"),
        **torch_step(cell, direction, units, lengths),
    }
    directions = 2 if direction == "both" else 1
    products = 3 * 2 * int(lengths.sum()) * directions * 2 * units * GATES[cell] * units
    floors: list[float] = []
    ratios: dict[str, list[float]] = {}

    def floor() -> float:
        floors.append(products / multiplications_a_second(1_024, 1_024, 1_024))
        return floors[-1]

    # Each by itself, as in a worker: what one leaves in the cache is not what the next one needs.
    for name, step in candidates.items():
        ratios[name] = [seconds(step, IN_A_ROW) / floor() for _ in range(REPEATS)]
    ratios["products"] = [
        products / multiplications_a_second(batch, units, GATES[cell] * units) / floor() for _ in range(REPEATS)
    ]
    what = f"{cell} {direction}, {units} units, batch {batch}, {int(lengths.max())} tokens at most"
    return {"what": what, "cell": cell, "units": units, **_said(products, floors), "ratios": ratios}


def _said(products: int, floors: list[float]) -> dict[str, float]:
    """The floor of so many operations, and the rate behind it."""
    floor = statistics.median(floors)
    return {"floor_ms": 1e3 * floor, "gflops": products / floor / 1e9}


def training(card: str, values: dict[str, Any]) -> tuple[Any, Any]:
    """The learner of a configuration, and one of its batches."""
    from sweeper.data import cards
    from sweeper.data.prepare import prepare
    from sweeper.declared import parameters
    from sweeper.learners import build_learner, load
    from sweeper.models import kernels
    from sweeper.records import TrialOrder

    declared = cards.load_card(card)
    prepared = prepare(declared, [("characters", True)] if declared.task == "seq2seq" else [("words", True)])
    configuration = parameters.complete(declared.task, values, prepared.meta.traits)
    order = TrialOrder(0, declared.task, configuration, str(prepared.folder), "", seed=0, epochs=1)
    learner = build_learner(order, prepared, 1_000, kernels.choose(configuration))
    some = next(load(order, prepared, "train").training(values["batch_size"], np.random.default_rng(0)))
    return learner, some


def crf_over_softmax(card: str, batch: int) -> dict[str, Any]:
    """The whole training step of a tagger with a CRF, over that with a softmax, in turn."""
    both = []
    for head in ("crf", "softmax"):
        learner, some = training(card, {"cell": "lstm", "units": 64, "head": head, "batch_size": batch})
        both.append(lambda one=learner, of=some: one.step(of.inputs, of.labels, of.weights).numpy())
    for step in both * 3:
        step()
    ratios = [seconds(both[0], IN_A_ROW) / seconds(both[1], IN_A_ROW) for _ in range(REPEATS)]
    what = f"{card}, LSTM of 64 units, batch {batch}, {some.ids.shape[1]} tokens: step with CRF over softmax"
    return {"what": what, "ratios": ratios}


def writing(batch: int, units: int) -> dict[str, Any]:
    """The whole training step of an encoder with attention and a decoder, its optimizer and loss included."""
    learner, some = training("cmudict", {"units": units, "embedding_units": units, "batch_size": batch})
    sources, targets = (np.count_nonzero(one, axis=1) for one in (some.ids, some.weights))
    # Every matrix is multiplied with each source symbol or with each target symbol; and attention looks from each target
    # symbol at each source symbol, once to score it and once to sum.
    weights = {
        part: sum(
            int(np.prod(one.shape)) for one in part.weights if len(one.shape) == 2 and "embedding" not in one.path
        )
        for part in (learner.model.encoder, learner.model.decoder)
    }
    looked = 2 * 2 * units * int((sources * targets).sum())
    products = sum(weights[part] * int(n.sum()) for part, n in zip(weights, (sources, targets), strict=True)) + looked
    operations = 3 * 2 * products
    floors, ratios = [], []
    for _ in range(REPEATS + 1):
        floors.append(operations / multiplications_a_second(1_024, 1_024, 1_024))
        took = seconds(lambda: learner.step(some.inputs, some.labels, some.weights).numpy(), IN_A_ROW)
        ratios.append(took / floors[-1])
    what = (
        f"seq2seq with attention, {units} units, batch {batch}, {some.ids.shape[1]} to {some.labels.shape[1]} symbols"
    )
    said = _said(operations, floors[1:])
    return {"what": what, "cell": "decoder", "units": units, **said, "ratios": {"sweeper": ratios[1:]}}


def seconds(step: Callable[[], Any], in_a_row: int) -> float:
    """How long one step takes of so many in a row, in the better of two rows."""
    return min(timeit.repeat(step, number=in_a_row, repeat=2)) / in_a_row


def multiplications_a_second(rows: int, inner: int, columns: int) -> float:
    """Floating-point operations of products of one size, the better of two runs."""
    a, b = np.ones((rows, inner), np.float32), np.ones((inner, columns), np.float32)
    out, work = np.empty((rows, columns), np.float32), 2 * rows * inner * columns
    return work / seconds(lambda: np.matmul(a, b, out=out), max(1, 10**9 // work))


def real_lengths(batch: int, longest: int) -> np.ndarray:
    """Lengths of a batch of reviews that are cut at `longest`, sorted as in training: the middle batch of the shorter ones, or,
    where these are few, one that is all cut."""
    from sweeper.data import cards
    from sweeper.data.batches import BATCHES_PER_BUCKETING
    from sweeper.data.prepare import prepare
    from sweeper.data.store import open_encoded

    prepared = prepare(cards.load_card("imdb"))
    whole = np.diff(open_encoded(prepared, "words", lowercase=True).offsets)[: BATCHES_PER_BUCKETING * batch]
    ordered = np.sort(np.minimum(whole, longest))
    ordered = ordered[ordered < longest] if (ordered < longest).sum() > 4 * batch else ordered
    middle = len(ordered) // 2
    return ordered[middle : middle + batch].astype(np.int32)


def keras_step(cell: str, direction: str, units: int, lengths: np.ndarray, kernel: str) -> Callable[[], Any]:
    import keras
    import tensorflow as tf

    from sweeper.learners.base import one_graph
    from sweeper.models.recurrent import recurrent_stack

    x, mask = keras.Input((None, units)), keras.Input((None,), dtype="bool")
    states, _ = recurrent_stack(x, mask, cell=cell, direction=direction, depth=1, units=units, kernel=kernel)
    model = keras.Model([x, mask], states)
    variables = [variable.value for variable in model.trainable_variables]

    def gradients(x: Any, mask: Any, d_states: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = model([x, mask], training=True)
        return tape.gradient(states, [x, *variables], output_gradients=d_states)

    time_steps = int(lengths.max())
    some = tf.constant(np.random.default_rng(0).normal(size=(len(lengths), time_steps, units)).astype(np.float32))
    real = tf.constant(np.arange(time_steps) < lengths[:, None])
    upstream = tf.ones((len(lengths), time_steps, states.shape[-1]))
    step = one_graph(
        gradients, [tf.TensorSpec((None, None, *one.shape[2:]), one.dtype) for one in (some, real, upstream)]
    )

    def whole() -> Any:
        return step(some, real, upstream)[-1].numpy()  # asked for, so that it is done when the clock is read

    whole()
    return whole


def torch_step(cell: str, direction: str, units: int, lengths: np.ndarray) -> dict[str, Callable[[], Any]]:
    """PyTorch's layer where it is installed (the extra `benchmarks`): on packed sequences, and on padded ones, which it reads
    faster but, backward, from their padding on."""
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    kinds = {"simple_rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    layer = kinds[cell](units, units, batch_first=True, bidirectional=direction == "both")
    x = torch.randn(len(lengths), int(lengths.max()), units, requires_grad=True)

    def padded() -> None:
        states = layer(x)[0]
        states.backward(torch.ones_like(states))

    def step() -> None:
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            x, torch.from_numpy(lengths.astype(np.int64)), batch_first=True, enforce_sorted=False
        )
        states, _ = torch.nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
        states.backward(torch.ones_like(states))

    step()
    padded()
    return {"torch": step, "torch padded": padded}


def main() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if sys.argv[1:] == ["heads"]:
        for card, batch in itertools.product(("peoples-daily", "turkish-pos"), (16, 32, 64)):
            print(json.dumps(crf_over_softmax(card, batch)), flush=True)
        return
    for units in TARGETS:
        print(json.dumps(writing(128, units)), flush=True)
    for cell, direction, sizes in itertools.product(GATES, ("forward", "both"), GRID):
        print(json.dumps(measure(cell, direction, *sizes)), flush=True)
    for cell in GATED:
        print(json.dumps(measure(cell, "backward", *GRID[1])), flush=True)


if __name__ == "__main__":
    main()

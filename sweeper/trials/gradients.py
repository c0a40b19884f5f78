"""How far a gradient reaches back: the picture of vanishing and exploding gradients, and of what gates do about them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..data.batches import Split
from ..data.store import open_prepared
from ..data.texts import Texts
from ..declared.parameters import complete
from ..errors import TrialError
from ..learners import load, trained
from ..learners.base import Learner
from ..learners.labels import LabelLearner
from ..learners.sequences import SequenceLearner
from ..models import EncoderDecoder, Generator
from ..models.bigrams import BIGRAMS
from ..models.characters import CASING, CHARACTERS
from ..records import BEST, LAST, TrialOrder
from . import plots
from .trial import run_trial

EXAMPLES = 64  # over which the median is taken
MAX_STEPS = 200  # steps back; longer examples are left out, or of texts only the beginning is read
MIN_EXAMPLES = 8  # examples that must be so long for a step to be drawn

PLAIN = {"cell": "simple_rnn", "direction": "forward", "depth": 1, "attention": "none", "pooling": "last"}
"""What the plain network beside the best one has of its own; the rest is the best one's."""

UNCLIPPED = 1_000.0
"""`clip_norm` of the same network trained without clipping: the largest that may be declared."""


def draw_gradients(order: TrialOrder, folder: str) -> str:
    """Draw how far the gradients of a finished trial reach, and those of a plain network that is trained beside it, once with
    the trial's `clip_norm` and once without clipping.

    Args:
        order: its `epochs` are those that the trial was trained for, and the plain network is trained for no more.
        folder: for the plain networks, and the picture.

    Returns:
        The picture's path.

    Raises:
        TrialError: the plain network cannot be trained.
    """
    plain = _plain(order, f"{folder}/plain")
    name = f"plain {_named(plain)}"
    lines = {f"trial {order.number}: {_named(order)}": reach(order), name: _reach_once_trained(plain)}
    if plain.configuration["clip_norm"] < UNCLIPPED:
        configuration = {**plain.configuration, "clip_norm": UNCLIPPED}
        unclipped = dataclasses.replace(plain, configuration=configuration, folder=f"{folder}/unclipped")
        try:
            lines[f"{name}, not clipped"] = _reach_once_trained(unclipped)
        except TrialError as error:
            if "diverged" not in str(error):
                raise
            lines[f"{name}, not clipped: diverged"] = np.zeros(0)
    return str(plots.gradient_plot(lines, Path(folder) / "gradients.png"))


def _reach_once_trained(order: TrialOrder) -> np.ndarray:
    """As `reach`, of a network that is yet to be trained, and is not kept."""
    result = run_trial(order)
    if not result.counts:
        raise TrialError(f"gradients: the plain network beside the best one failed: {result.error}")
    found = reach(order)
    for name in (BEST, LAST):
        (Path(order.folder) / name).unlink(missing_ok=True)
    return found


def _plain(order: TrialOrder, folder: str) -> TrialOrder:
    """The order of the plain network."""
    facts = open_prepared(Path(order.prepared)).meta.traits
    kept = {name: value for name, value in order.configuration.items() if name not in PLAIN}
    possible = complete(order.task, {}, facts)
    own = {name: value for name, value in PLAIN.items() if name in possible}
    configuration = complete(order.task, {**kept, **own}, facts)
    return dataclasses.replace(
        order, configuration=configuration, folder=folder, continues=None, deadline=None, stop_file=None
    )


def _named(order: TrialOrder) -> str:
    words = (order.configuration.get(name) for name in ("cell", "direction", "attention", "pooling"))
    return " ".join(str(word) for word in words if word not in (None, "none"))


def reach(order: TrialOrder) -> np.ndarray:
    """The norm of the gradient of an example's loss with respect to its input so many places before the last one.

    The loss is that of the label; of tags and texts that of the last one, by its own logits, also where a head weighs
    all tags together; of a target that of all its symbols.

    Returns:
        float (steps,), medians over validation examples.
    """
    prepared, learner = trained(order)
    split = load(order, prepared, "validation")
    if isinstance(split, Texts):
        norms, lengths = _of_texts(learner, split)
    else:
        norms, lengths = _of_examples(learner, split)
    back = [norms[lengths > step, lengths[lengths > step] - 1 - step] for step in range(lengths.max())]
    return np.array([np.median(some) for some in back if len(some) >= min(MIN_EXAMPLES, len(lengths))])


def _of_examples(learner: Learner[Any], split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Norms, float (examples, time), and lengths, of the longest examples that are not too long."""
    assert isinstance(learner, LabelLearner)
    fitting = np.flatnonzero(split.lengths <= MAX_STEPS)
    rows = fitting if len(fitting) else np.argsort(split.lengths)[:EXAMPLES]
    rows = rows[np.argsort(-split.lengths[rows], kind="stable")][:EXAMPLES]
    batch, lengths = split.batch(rows), split.lengths[rows]
    weights = (batch.weights > 0).astype(np.float32)
    if split.sequence_labels and not isinstance(learner, SequenceLearner):
        weights *= np.arange(weights.shape[1]) == lengths[:, None] - 1

    def logits() -> Any:
        return learner.logits(batch.inputs, batch.labels, weights, training=False)

    return _norms(learner.model, logits, batch.labels, weights, batch.ids.shape), lengths


def _of_texts(learner: Learner[Any], split: Texts) -> tuple[np.ndarray, np.ndarray]:
    """As `_of_examples`, of the beginnings of texts."""
    rows = np.argsort(-split.lengths, kind="stable")[:EXAMPLES]
    window = next(split.windows(rows, MAX_STEPS))
    lengths = np.minimum(split.lengths[rows], MAX_STEPS)
    weights = (np.arange(window.symbols.shape[1]) == lengths[:, None] - 1).astype(np.float32)
    begins = tf.constant(value=True)

    def logits() -> Any:
        states = learner.model.begin(len(rows))
        return learner.model(window.before, window.weights > 0, window.conditions, begins, states)["logits"]

    return _norms(learner.model, logits, window.symbols, weights, window.before.shape), lengths


def _norms(model: Any, logits: Any, labels: np.ndarray, weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """float (batch, time): of the gradient with respect to what enters at each step."""
    with tf.GradientTape() as tape:
        entered = [_watched(tape, *place) for place in _entrances(model)]
        negative_log_likelihood = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits())
        loss = tf.reduce_sum(negative_log_likelihood * weights)
    found = tape.gradient(loss, [offset for offsets in entered for offset in offsets])
    norms: np.ndarray = np.linalg.norm(
        sum(one.numpy() for one in found), axis=-1
    )  # one reads each token, others give 0
    return norms.reshape(shape)


def _watched(tape: tf.GradientTape, owner: Any, name: str) -> list[tf.Tensor]:
    """Zeros that are added to what a method returns first, float (batch, time, features), whose gradient is its own.

    A decoder that shares the encoder's embedding asks it second.
    """
    method, offsets = getattr(owner, name), list[tf.Tensor]()

    def with_offset(*given: Any) -> Any:
        found = method(*given)
        if offsets:
            return found
        offsets.append(tf.zeros_like(found))
        tape.watch(offsets[0])
        return found + offsets[0]

    setattr(owner, name, with_offset)
    return offsets


def _entrances(model: Any) -> list[tuple[Any, str]]:
    """Where tokens enter: the lookups of an encoder, its own and that of words that only vectors know, or what makes a
    generator's input; each with the method's name."""
    if isinstance(model, Generator):
        return [(model, "_inputs")]
    layers = (model.encoder if isinstance(model, EncoderDecoder) else model).layers
    others = (CASING, CHARACTERS, BIGRAMS)
    return [
        (layer, "call") for layer in layers if isinstance(layer, keras.layers.Embedding) and layer.name not in others
    ]

"""A head for sequences of labels that depend on each other."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

IMPOSSIBLE = -1e9  # a score of what is forbidden; its exponential is 0, and sums of a few of them are still finite
SMALLEST, LARGEST = 1e-300, 1e250  # of scaled probabilities, and of what they are multiplied with
LOWEST = -300.0  # of logits below the highest of their step


class CRF(keras.layers.Layer):  # type: ignore[misc]
    """A linear-chain conditional random field.

    The score of labels y of a text is starts[y_1] + sum_t logits[t, y_t] + sum_t transitions[y_t-1, y_t] + ends[y_T];
    their probability is its exponential over the sum of those of all sequences of labels. The logits pass through this
    layer as they are: it holds the weights, and asks and answers by its methods.

    Args:
        labels: how many.
        forbidden: bool (labels + 1, labels), which label never follows which; the last row is of those that never come first.

    Source: Lafferty, McCallum and Pereira 2001, "Conditional Random Fields"; sums by the forward-backward algorithm,
    scaled (Rabiner 1989, III.A and V.A).
    """

    def __init__(self, labels: int, forbidden: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.labels = labels
        self.forbidden = np.zeros((labels + 1, labels), bool) if forbidden is None else np.asarray(forbidden, bool)

    def build(self, shape: Any) -> None:
        self.transitions = self.add_weight(shape=(self.labels, self.labels), initializer="zeros", name="transitions")
        self.starts = self.add_weight(shape=(self.labels,), initializer="zeros", name="starts")
        self.ends = self.add_weight(shape=(self.labels,), initializer="zeros", name="ends")

    def call(self, logits: Any) -> Any:
        return logits

    def negative_log_likelihood(self, logits: tf.Tensor, labels: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
        """Minus the logarithm of the probability of some labels, nats, float32 (batch,); 0 where they are forbidden, since
        nothing could learn them.

        Args:
            logits: float32 (batch, time, labels).
            labels: int32 (batch, time); those of padding do not matter.
            real: bool (batch, time), False on padding, which is on the right.
        """
        transitions, starts = self._allowed()
        steps = tf.stack([labels[:, :-1], labels[:, 1:]], axis=-1)
        taken = tf.where(real[:, 1:], tf.gather_nd(transitions, steps), 0.0)
        seen = tf.where(real, tf.gather(logits, labels, batch_dims=2), 0.0)
        last = tf.reduce_sum(tf.cast(real, tf.int32), axis=1) - 1
        edges = tf.gather(starts, labels[:, 0]) + tf.gather(self.ends.value, tf.gather(labels, last, batch_dims=1))
        score = tf.reduce_sum(seen, axis=1) + tf.reduce_sum(taken, axis=1) + edges
        everything = _log_sum(logits, real, transitions, starts, tf.convert_to_tensor(self.ends))
        never = tf.gather_nd(self.forbidden[:-1], steps) & real[:, 1:]
        never = tf.reduce_any(never, axis=1) | tf.gather(self.forbidden[-1], labels[:, 0])
        return tf.where(never, 0.0, everything - score)

    def decode(self, logits: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
        """The most probable labels, int32 (batch, time), by the Viterbi algorithm; meaningless on padding."""
        transitions, starts = self._allowed()
        emissions, steps = _by_time(logits, real)
        stay = tf.zeros_like(emissions[0], tf.int32) + tf.range(self.labels)

        def forward(before: Any, step: Any) -> Any:
            emission, is_real = step
            scores = before[0][:, :, None] + transitions
            best = tf.reduce_max(scores, axis=1) + emission
            came_from = tf.argmax(scores, axis=1, output_type=tf.int32)
            return tf.where(is_real, best, before[0]), tf.where(is_real, came_from, stay)

        scores, origins = tf.scan(forward, (emissions[1:], steps[1:]), (starts + emissions[0], stay))
        last = tf.argmax(scores[-1] + self.ends, axis=1, output_type=tf.int32)
        path = tf.scan(lambda label, origin: tf.gather(origin, label, batch_dims=1), origins, last, reverse=True)
        return tf.transpose(path)

    def _allowed(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Transitions and starts, with the forbidden ones impossible."""
        return (
            tf.where(self.forbidden[:-1], IMPOSSIBLE, self.transitions.value),
            tf.where(self.forbidden[-1], IMPOSSIBLE, self.starts.value),
        )


def _by_time(logits: tf.Tensor, real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits (time + 1, batch, labels) and bool (time + 1, batch, 1); a step of padding more, so that steps are never none."""
    emissions = tf.pad(tf.transpose(logits, [1, 0, 2]), [[0, 1], [0, 0], [0, 0]])
    return emissions, tf.pad(tf.transpose(real), [[0, 1], [0, 0]])[:, :, None]


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _log_sum(logits: tf.Tensor, real: tf.Tensor, transitions: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor) -> Any:
    """The logarithm of the sum of the exponential scores of all label sequences, float32 (batch,).

    The forward-backward algorithm with probabilities that are scaled to sum to 1 at each step: a product of matrices for
    each step, where sums of logarithms take three times as many operations. In float64, and exact as long as the logits
    of a step are no more than `-LOWEST` apart; one that is further below the highest counts as so far below. The gradient
    is how probable each label and transition is, which the pass backward finds; left to TensorFlow the gradient of the
    loop would take several times as long.
    """
    emissions, steps = _by_time(logits, real)
    highest = tf.reduce_max(emissions, axis=2, keepdims=True)
    emitted = tf.exp(tf.cast(tf.maximum(emissions - highest, LOWEST), tf.float64))
    follows, first, end = (tf.exp(tf.cast(one, tf.float64)) for one in (transitions, starts, ends))

    def forward(before: tf.Tensor, emission: tf.Tensor) -> tf.Tensor:
        return tf.matmul(before / _sum(before), follows) * emission

    begin = first * emitted[0]
    # Padding is read as well; its steps come last, and are left out of what is summed.
    unscaled = tf.concat([begin[None], tf.scan(forward, emitted[1:], begin)], axis=0)
    scale = _sum(unscaled)
    alphas = unscaled / scale
    last = tf.reduce_sum(tf.cast(real, tf.int32), axis=1) - 1
    ending = tf.gather(tf.transpose(alphas, [1, 0, 2]), last, batch_dims=1) * end
    whole = _sum(ending)
    each = tf.where(steps, tf.math.log(scale) + tf.cast(highest, tf.float64), 0.0)
    total = tf.reduce_sum(each, axis=0) + tf.math.log(whole)

    def gradient(d_total: tf.Tensor) -> Any:
        at_end = tf.zeros_like(begin) + end

        def backward(after: tf.Tensor, step: Any) -> tf.Tensor:
            weight, is_real = step
            before = tf.matmul(tf.minimum(weight * after, LARGEST), follows, transpose_b=True)
            return tf.where(is_real, tf.minimum(before, LARGEST), at_end)

        weights = emitted[1:] / scale[1:]
        betas = tf.scan(backward, (weights, steps[1:]), at_end, reverse=True)
        share = tf.cast(d_total, tf.float64)[:, None] / whole
        probable = tf.where(steps[:-1], alphas[:-1], 0.0)
        seen = probable * betas * share
        onward = tf.minimum(weights * tf.concat([betas[1:], at_end[None]], axis=0), LARGEST)
        taken = follows * tf.einsum("tbi,tbj->ij", probable * share, tf.where(steps[1:], onward, 0.0))
        found = tf.transpose(seen, [1, 0, 2]), taken, tf.reduce_sum(seen[0], 0), tf.reduce_sum(ending * share, 0)
        d_logits, *d_weights = (tf.cast(one, tf.float32) for one in found)
        return d_logits, None, *d_weights

    return tf.cast(total[:, 0], tf.float32), gradient


def _sum(probabilities: tf.Tensor) -> tf.Tensor:
    """Over the labels, which are last; never 0, so that one may divide by it."""
    return tf.maximum(tf.reduce_sum(probabilities, axis=-1, keepdims=True), SMALLEST)

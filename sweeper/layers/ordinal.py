"""A head for labels in an order."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

TINY = 1e-7  # keeps the logarithm of a class between two equal thresholds finite


class OrdinalHead(keras.layers.Layer):  # type: ignore[misc]
    """Log-probabilities of ordered classes from one score and ordered thresholds.

    P(y > k) = sigmoid(w . x - b_k) with b_0 < b_1 < ...; a class's probability is the
    difference of its two neighbours, so that one number moves the whole distribution up
    or down the order. The log-probabilities serve as logits: their softmax is the
    distribution itself.

    Args:
        classes: how many, at least 2.

    Call arguments:
        x: float (batch, features).

    Returns:
        float (batch, classes).

    Source: McCullagh 1980, "Regression Models for Ordinal Data", eq. 2 (proportional odds).
    """

    def __init__(self, classes: int, kernel_regularizer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 1), name="kernel", regularizer=self.kernel_regularizer)
        # Steps between thresholds pass through softplus, which keeps the thresholds in order; 0.54 is softplus^-1(1).
        self.lowest = self.add_weight(
            shape=(1,), name="lowest", initializer=keras.initializers.Constant(1 - self.classes / 2)
        )
        self.steps = self.add_weight(
            shape=(self.classes - 2,), name="steps", initializer=keras.initializers.Constant(0.54)
        )

    def call(self, x: Any) -> Any:
        steps = ops.maximum(ops.softplus(self.steps), TINY)
        thresholds = ops.cumsum(ops.concatenate([self.lowest, steps]))
        score = ops.matmul(x, self.kernel) - thresholds  # (batch, classes - 1)
        above, not_above = ops.log_sigmoid(score), ops.log_sigmoid(-score)
        # sigmoid(a) - sigmoid(b) is sigmoid(a) sigmoid(-b) (1 - e^(b - a)), which stays exact where both are near 0 or 1.
        between = above[:, :-1] + not_above[:, 1:] + ops.log(-ops.expm1(-steps))
        return ops.concatenate([not_above[:, :1], between, above[:, -1:]], axis=1)

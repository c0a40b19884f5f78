"""Global attention with the three score functions of Luong et al."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops


class LuongAttention(keras.layers.Layer):  # type: ignore[misc]
    """Weigh the states of a sequence by how well they answer a query.

    score(q, h) is q . h for "dot", q . W h for "general", and v . tanh(W [q; h]) for
    "concat". Weights are the softmax of the scores over the unmasked steps: padding has
    weight exactly 0, and the weights of one query sum to 1. A sequence that is all
    padding gets equal weights.

    Args:
        score: "dot", "general" or "concat". "dot" needs queries as wide as the states.
        units: rows of W for "concat"; unused otherwise.

    Call arguments:
        query: float (batch, queries, features).
        states: float (batch, time, features).
        mask: bool (batch, time), False on padding.

    Returns:
        Contexts, float (batch, queries, features), and weights, float (batch, queries, time).

    Source: Luong, Pham and Manning 2015, "Effective Approaches to Attention-based Neural
    Machine Translation", eq. 7 and 8.
    """

    def __init__(self, score: str, units: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if score not in ("dot", "general", "concat"):
            raise ValueError(f"score must be dot, general or concat, found {score!r}")
        self.score = score
        self.units = units
        self.supports_masking = True

    def build(self, query_shape: Any, states_shape: Any, mask_shape: Any = None) -> None:
        if self.score == "general":
            self.general = self.add_weight(shape=(states_shape[-1], query_shape[-1]), name="general")
        if self.score == "concat":
            self.of_query = self.add_weight(shape=(query_shape[-1], self.units), name="of_query")
            self.of_state = self.add_weight(shape=(states_shape[-1], self.units), name="of_state")
            self.v = self.add_weight(
                shape=(self.units,), name="v", initializer=keras.initializers.RandomNormal(stddev=self.units**-0.5)
            )

    def scores(self, query: Any, states: Any) -> Any:
        """float (batch, queries, time), before masking."""
        if self.score == "dot":
            return ops.einsum("bqf,btf->bqt", query, states)
        if self.score == "general":
            return ops.einsum("bqf,btf->bqt", query, ops.matmul(states, self.general))
        # W [q; h] = W_q q + W_h h, computed once a query and once a state.
        hidden = ops.expand_dims(ops.matmul(query, self.of_query), 2) + ops.expand_dims(
            ops.matmul(states, self.of_state), 1
        )
        return ops.einsum("bqtu,u->bqt", ops.tanh(hidden), self.v)

    def call(self, query: Any, states: Any, mask: Any) -> tuple[Any, Any]:
        scores = self.scores(query, states)
        # The lowest number there is: beside any score that is higher, a masked step's weight is exactly 0.
        scores = ops.where(ops.expand_dims(mask, 1), scores, tf.as_dtype(scores.dtype).min)
        weights = ops.softmax(scores, axis=-1)
        return ops.einsum("bqt,btf->bqf", weights, states), weights

    def compute_mask(self, *args: Any, **kwargs: Any) -> tuple[None, None]:
        return None, None  # what comes out has no padding of its own

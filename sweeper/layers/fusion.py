"""How what was attended to is joined to the state that asked for it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Fusion(keras.layers.Layer):  # type: ignore[misc]
    """With h the state and a what it attended to: h + W a for "add", tanh(W [a; h]) for "concat", W' tanh(W [a; h] + b) + b'
    for "mlp".

    Args:
        kind: "add", "concat" or "mlp".
        width: of states, and of what comes out.

    Call arguments:
        states, attended: float (..., width) and (..., features).

    Returns:
        float (..., width).

    Source: Luong, Pham and Manning 2015, eq. 5, of "concat".
    """

    def __init__(self, kind: str, width: int, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.supports_masking = kind, True

        def dense(name: str, **options: Any) -> keras.layers.Dense:
            kernel = keras.initializers.GlorotUniform(seed=seed)
            return keras.layers.Dense(width, kernel_initializer=kernel, name=name, **options)

        self.inner = dense("fused", activation=None if kind == "add" else "tanh", use_bias=kind == "mlp")
        self.outer = dense("fused_again") if kind == "mlp" else None

    def build(self, *shapes: Any) -> None:
        """Sublayers are built by the first call."""

    def call(self, states: Any, attended: Any) -> Any:
        if self.kind == "add":
            return states + self.inner(attended)
        fused = self.inner(ops.concatenate([attended, states], axis=-1))
        return self.outer(fused) if self.outer else fused

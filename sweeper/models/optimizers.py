"""From a configuration to a Keras optimizer with its learning-rate schedule."""

from __future__ import annotations

from typing import Any

import keras

from ..records import Configuration

MOMENTUM = 0.9


def build_optimizer(configuration: Configuration, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer for `steps` training steps in all."""
    rate = _schedule(configuration["schedule"], configuration["learning_rate"], max(steps, 1))
    common = {"learning_rate": rate, "global_clipnorm": configuration["clip_norm"]}
    match configuration["optimizer"]:
        case "adamw":
            return keras.optimizers.AdamW(weight_decay=configuration["weight_decay"], **common)
        case "nadam":
            return keras.optimizers.Nadam(**common)
        case "rmsprop":
            return keras.optimizers.RMSprop(**common)
        case "sgd":
            return keras.optimizers.SGD(momentum=MOMENTUM, nesterov=True, **common)
        case _:
            return keras.optimizers.Adam(**common)


def _schedule(name: str, rate: float, steps: int) -> Any:
    match name:
        case "linear":
            return keras.optimizers.schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0)
        case "cosine":
            return keras.optimizers.schedules.CosineDecay(rate, steps)
        case "exponential":
            return keras.optimizers.schedules.ExponentialDecay(rate, steps, 0.1)
        case _:
            return rate

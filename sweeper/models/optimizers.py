"""From a configuration to a Keras optimizer with its learning-rate schedule."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from ..records import Configuration

MOMENTUM = 0.9


def build_optimizer(configuration: Configuration, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer for `steps` training steps in all; with mixed precision it scales the loss, and gradients back."""
    optimizer = _optimizer(configuration, steps)
    return keras.optimizers.LossScaleOptimizer(optimizer) if configuration["precision"] == "mixed" else optimizer


def _optimizer(configuration: Configuration, steps: int) -> keras.optimizers.Optimizer:
    rises = configuration["warm_up"] * max(steps, 1)
    rate = _schedule(configuration["schedule"], configuration["learning_rate"], max(steps - rises, 1))
    if rises:
        rate = WarmUp(rate, rises)
    common = {"learning_rate": rate, "global_clipnorm": configuration["clip_norm"]}
    if configuration["averaging"]:
        common |= {"use_ema": True, "ema_momentum": configuration["averaging"]}
    match configuration["optimizer"]:
        case "adamw":
            return FusedAdam(weight_decay=configuration["weight_decay"], **common)
        case "nadam":
            return Nadam(**common)
        case "rmsprop":
            return RMSprop(**common)
        case "sgd":
            return SGD(momentum=MOMENTUM, nesterov=True, **common)
        case _:
            return FusedAdam(**common)


def summed(gradient: Any) -> Any:
    """A sparse gradient with one row for each token, however often the batch holds it; others as they are.

    Else its norm, by which gradients are clipped, would be that of its pieces.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(tf.reshape(gradient.indices, [-1]))
    values = tf.reshape(gradient.values, [-1, gradient.values.shape[-1]])
    return tf.IndexedSlices(tf.math.unsorted_segment_sum(values, places, tf.size(rows)), rows, gradient.dense_shape)


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


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate that rises over so many steps, or to a schedule of one that begins after them."""

    def __init__(self, rate: Any, steps: float) -> None:
        self.rate = rate
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        whole = self.rate(ops.maximum(step - self.steps, 0)) if callable(self.rate) else self.rate
        return whole * ops.minimum(1.0, (ops.cast(step, "float32") + 1) / self.steps)


class _Averaging:
    """A running average of weights that forgets the first steps.

    Keras's begins with the weights after the first step and gives them `ema_momentum` to the power of all steps, which
    of a short training is most of it. Here a step t weighs at least 9 / (t + 9), so that the average goes over the last
    ninth of the steps or so until the momentum is reached; as TensorFlow's ExponentialMovingAverage has it for `num_updates`.
    """

    def _update_model_variables_moving_average(self: Any, trainable_variables: Any) -> None:
        step = ops.cast(self.iterations, "float32")
        momentum = ops.minimum(self.ema_momentum, step / (step + 9))
        for one, mean in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            mean.assign(one + momentum * (mean - one))


class Nadam(_Averaging, keras.optimizers.Nadam):  # type: ignore[misc]
    """Keras's Nadam."""

    def build(self, variables: Any) -> None:
        super().build(variables)
        if all(self._u_product is not one for one in self.variables):  # else checkpoints would not have it
            self._track_variable(self._u_product)


class RMSprop(_Averaging, keras.optimizers.RMSprop):  # type: ignore[misc]
    """Keras's RMSprop."""


class SGD(_Averaging, keras.optimizers.SGD):  # type: ignore[misc]
    """Keras's SGD."""


class FusedAdam(_Averaging, keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam (with `weight_decay`, its AdamW), each variable updated by one operation instead of a dozen.

    A vocabulary's embedding is most of a model's numbers, and going over it a dozen times costs as
    much as reading a short batch. (To update only the rows of the batch would be faster still; but then rare
    words lose their momentum, and on imdb accuracy fell with it.) Source: Kingma and Ba 2015, algorithm 1, as
    Keras has it.
    """

    def _clip_gradients(self, grads: Any) -> Any:
        """As Keras does, but without making a whole table of an embedding's few rows."""
        return tf.clip_by_global_norm(grads, self.global_clipnorm)[0] if self.global_clipnorm else grads

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        place = self._get_variable_index(variable)
        step = ops.cast(self.iterations + 1, "float32")
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,  # TensorFlow's own variable, not Keras's
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=ops.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )

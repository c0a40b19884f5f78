"""How recurrent layers are computed while a trial trains."""

from __future__ import annotations

import tensorflow as tf

from ..records import Configuration

STOCK = "keras"
"""Keras's layers, which on a GPU are cuDNN's."""

PACKED = "packed"
"""The same weights and results by way of our own arithmetic (`layers.packed`), which trains faster on a CPU."""

PORTABLE = "portable"
"""Keras's layers without cuDNN's operations: a graph that holds those runs on no machine without a GPU, and takes no
sequence that is all padding."""


def choose(configuration: Configuration) -> str:
    """The faster one on this machine for this configuration.

    On a CPU our own kernels are, for every cell, direction and size that was measured
    (`benchmarks/RESULTS.md`): they read no padding and need no compilation. On a GPU Keras's layers are
    cuDNN's; and our own have no float16.
    """
    mixed = configuration["precision"] == "mixed"
    return STOCK if mixed or tf.config.list_physical_devices("GPU") else PACKED

"""How recurrent layers are computed while a trial trains."""

from __future__ import annotations

import tensorflow as tf

STOCK, PACKED = "keras", "packed"


def choose() -> str:
    """The faster one on this machine.

    On a CPU our own kernels are, for every cell, direction and size that was measured
    (`benchmarks/RESULTS.md`): they read no padding and need no compilation. On a GPU Keras's layers are
    cuDNN's.
    """
    return STOCK if tf.config.list_physical_devices("GPU") else PACKED

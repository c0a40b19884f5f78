"""Versions of what decides a result."""

from __future__ import annotations

from importlib import metadata

DECISIVE = ("sweeper", "tensorflow", "keras", "keras-tuner", "mlflow", "numpy", "numba", "scipy")


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in DECISIVE}

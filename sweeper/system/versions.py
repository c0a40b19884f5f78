"""Versions of what decides a result."""

from __future__ import annotations

from importlib import metadata

DECISIVE = ("sweeper", "tensorflow", "keras", "keras-tuner", "mlflow", "numpy")


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in DECISIVE}

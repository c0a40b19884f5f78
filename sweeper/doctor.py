"""What this machine has, and what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

from .data.downloads import cache_folder
from .track.store import store, without_secrets

NEEDED = ("tensorflow", "keras", "keras-tuner", "mlflow", "pandas", "pebble", "unearth")
ROOM = 2 << 30  # bytes of disk below which a sweep may fill it


def checks() -> Iterator[tuple[str, bool, str]]:
    """Name, whether it is good, and what was found."""
    yield "python", sys.version_info >= (3, 11), sys.version.split()[0]
    for name in NEEDED:
        try:
            yield name, True, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, False, "not installed; run: make setup"
    yield "cores", True, str(os.cpu_count())
    yield from _memory()
    yield _devices()
    cache = cache_folder()
    nearest = next(folder for folder in (cache, *cache.parents) if folder.exists())
    yield "cache", os.access(nearest, os.W_OK), str(cache)
    free = shutil.disk_usage(".").free
    yield "disk", free > ROOM, f"{free / 2**30:.1f} GiB free here"
    yield "mlflow store", True, without_secrets(store())


def _memory() -> Iterator[tuple[str, bool, str]]:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield "memory", total > ROOM, f"{total / 2**30:.1f} GiB"


def _devices() -> tuple[str, bool, str]:
    """What TensorFlow sees, asked in a process of its own."""
    script = "import tensorflow as tf; print([d.device_type for d in tf.config.list_physical_devices()])"
    asked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or [f"its process ended with {asked.returncode}"]
        return "devices", False, f"TensorFlow does not start: {said[-1]}"
    return "devices", True, asked.stdout.strip()

"""What this machine has, and what is missing."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import urllib.parse
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ..data.downloads import cache_folder
from ..errors import SweeperError
from ..system.devices import cores, memory, seen_by_tensorflow
from ..system.wording import without_secrets
from ..track.store import store
from ..trials.plots import cjk_fonts

NEEDED = ("tensorflow", "keras", "keras-tuner", "mlflow", "pandas", "pebble", "unearth")
PORTS = {"http": 80, "https": 443}
SQLITE = "sqlite:///"
PATIENCE = 5.0  # seconds that a server has to answer
ROOM = 2 << 30  # bytes of disk below which a sweep may fill it


def checks() -> Iterator[tuple[str, bool, str]]:
    """Name, whether it is good, and what was found."""
    yield "python", sys.version_info >= (3, 11), sys.version.split()[0]
    for name in NEEDED:
        try:
            yield name, True, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, False, "not installed; run: make setup"
    yield "cores", True, str(cores())
    yield from _memory()
    yield _devices()
    cache = cache_folder()
    nearest = next(folder for folder in (cache, *cache.parents) if folder.exists())
    yield "cache", os.access(nearest, os.W_OK), str(cache)
    free = shutil.disk_usage(".").free
    yield "disk", free > ROOM, f"{free / 2**30:.1f} GiB free here"
    yield "mlflow store", *_store()
    yield (
        "fonts",
        True,
        ", ".join(cjk_fonts())
        or "none of those that we know for Chinese, which pictures may show as boxes; one is Noto Sans CJK SC",
    )


def _store() -> tuple[bool, str]:
    """Whether it can be reached, and where it is."""
    shown = without_secrets(store())
    if store().startswith(SQLITE):
        database = Path(store().removeprefix(SQLITE))
        place = next(one for one in database.parents if one.exists())  # MLflow makes folders that are not there
        writable = place.is_dir() and os.access(place, os.W_OK)
        return writable, shown if writable else f"{shown}: its folder may not be written"
    try:
        address = urllib.parse.urlparse(store())
        if address.scheme not in ("http", "https") or address.hostname is None:
            return True, shown
        socket.create_connection((address.hostname, address.port or PORTS[address.scheme]), PATIENCE).close()
    except (OSError, ValueError) as error:
        return False, f"{shown} does not answer: {error}; is the server running, and MLFLOW_TRACKING_URI right?"
    return True, shown


def _memory() -> Iterator[tuple[str, bool, str]]:
    total = memory()
    if total is not None:
        yield "memory", total > ROOM, f"{total / 2**30:.1f} GiB"


def _devices() -> tuple[str, bool, str]:
    try:
        return "devices", True, ", ".join(seen_by_tensorflow())
    except SweeperError as error:
        return "devices", False, str(error)

"""The GPUs of this machine, and how many trials it can run at once."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

from ..errors import SweeperError

DRIVER = Path("/proc/driver/nvidia/gpus")
CONTAINER = Path("/sys/fs/cgroup/memory.max")
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of processor time in so many
ASK = "import json, tensorflow as tf; print(json.dumps([d.device_type for d in tf.config.list_physical_devices()]))"


def seen_by_tensorflow() -> list[str]:
    """The types of the devices that TensorFlow can use, such as ["CPU", "GPU"]; asked in a process of its own.

    Raises:
        SweeperError: TensorFlow does not start.
    """
    asked = subprocess.run([sys.executable, "-P", "-c", ASK], capture_output=True, text=True, check=False)
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or [f"its process ended with {asked.returncode}"]
        raise SweeperError(f"TensorFlow does not start: {said[-1]}")
    return list(json.loads(asked.stdout.splitlines()[-1]))


@functools.cache
def gpus() -> tuple[str, ...]:
    """The GPUs that a sweep may use, as CUDA_VISIBLE_DEVICES names them; none where TensorFlow cannot use them."""
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = [str(number) for number in range(len(list(DRIVER.glob("*"))))] if asked is None else asked.split(",")
    names = tuple(name.strip() for name in found if name.strip() not in ("", "-1"))
    return names if names and "GPU" in seen_by_tensorflow() else ()


def cores() -> int:
    """How many this process may use, in a container what that has."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        most, period = map(int, QUOTA.read_text().split())
        seen = min(seen, max(1, most // period))
    return seen


def memory() -> int | None:
    """Bytes that this machine, or the container that we are in, has; None where the system does not say."""
    known = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if CONTAINER.is_file() and (most := CONTAINER.read_text().strip()).isdigit():
        known.append(int(most))
    return min(known, default=None)


def default_workers() -> int:
    """How many trials run at once unless a person says otherwise: one a GPU, or one a core."""
    return len(gpus()) or cores()

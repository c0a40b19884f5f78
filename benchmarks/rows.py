"""What a benchmark finds, as rows of one table, and small functions that measure."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SWEEPER = [sys.executable, "-m", "sweeper"]


class Row(NamedTuple):
    """One line of a table of results.

    Args:
        what: was measured.
        found: median, with lowest and highest.
        target: what is asked; "" where nothing is.
        good: whether it holds.
    """

    what: str
    found: str
    target: str = ""
    good: bool = True


def spread(values: Sequence[float], unit: str) -> str:
    around = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return f"{statistics.median(values):.3g} {unit}{around}".replace(" x", "x")


def at_most(what: str, values: Sequence[float], unit: str, target: float) -> Row:
    return Row(what, spread(values, unit), f"at most {target:g} {unit}", statistics.median(values) <= target)


def at_least(what: str, values: Sequence[float], unit: str, target: float) -> Row:
    return Row(what, spread(values, unit), f"at least {target:g} {unit}", statistics.median(values) >= target)


def timed(command: Sequence[str], folder: Path) -> float:
    """Wall-clock seconds of a whole process."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started

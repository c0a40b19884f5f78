"""The baselines of a prepared dataset, computed once and kept beside it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from ..data.store import open_prepared
from ..system.files import verified, with_checksum, write_atomically
from ..tasks import TASKS, Baseline

BASELINES = "baselines.json"


def baselines_of(prepared: str) -> list[Baseline]:
    """Those of a prepared folder, the strongest on validation data last, by their scores alone; run in a worker."""
    folder = Path(prepared)
    with contextlib.suppress(OSError, ValueError):  # not there, or not what was written: they are computed again
        kept = _kept(folder)
        if "answers" in kept:
            return [Baseline(**row) for row in kept["baselines"]]
    dataset = open_prepared(folder)
    task = TASKS[dataset.meta.task]
    objective = task.objective(dataset.meta)
    found = sorted(task.baselines(dataset), key=lambda one: one.validation[objective])
    strongest = {"statistics": found[-1].statistics, "answers": found[-1].answers}
    kept = {
        "baselines": [baseline.noted() for baseline in found],
        **{name: None if values is None else values.tolist() for name, values in strongest.items()},
    }
    write_atomically(folder / BASELINES, with_checksum(kept))
    return [baseline._replace(statistics=None, answers=None) for baseline in found]


def strongest_statistics(prepared: Path) -> np.ndarray | None:
    """`Task.statistics` of the strongest baseline on the test split; None where it was not computed, or has none."""
    with contextlib.suppress(OSError, ValueError):
        found = _kept(prepared)["statistics"]
        return None if found is None else np.array(found, np.float64)
    return None


def strongest_answers(prepared: Path) -> tuple[str, np.ndarray] | None:
    """The name of the strongest baseline, and its labels on the validation split, int64; None as above."""
    with contextlib.suppress(OSError, ValueError, LookupError):
        kept = _kept(prepared)
        answers = kept["answers"]
        return None if answers is None else (kept["baselines"][-1]["name"], np.array(answers, np.int64))
    return None


def _kept(folder: Path) -> dict[str, Any]:
    return dict(verified((folder / BASELINES).read_text(encoding="utf-8")))

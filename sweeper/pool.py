"""Worker processes: configurations in, epochs and results out. The only importer of the process pool.

A worker is a spawned process with one TensorFlow thread. It imports neither MLflow nor
KerasTuner. One that dies takes its own trial with it and no other. Epochs come back
through each trial's own file of lines and not through a shared queue: a worker that is
killed while it writes to a queue can hold the queue's lock for ever.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
from pebble import ProcessExpired, ProcessPool

from . import devices
from .errors import SweeperError, WorkerDied
from .journal import Journal
from .records import EVENTS, EpochEvent, TrialOrder, TrialResult

TRIALS_A_WORKER = 40  # then it is replaced, before what allocators never give back adds up
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    "1",
)


@dataclass
class _Running:
    order: TrialOrder
    future: Future[TrialResult]
    events: Journal


@dataclass
class Workers:
    """A pool of workers; a context manager.

    Args:
        count: how many processes.
        log: file that receives whatever workers print, TensorFlow's chatter above all.
        gpus: as CUDA_VISIBLE_DEVICES names them; each worker has one, and shares it where there are fewer.
    """

    count: int
    log: Path
    gpus: tuple[str, ...] = field(default_factory=devices.gpus)
    _running: dict[int, _Running] = field(default_factory=dict)

    def __enter__(self) -> Workers:
        self._pool = ProcessPool(
            max_workers=self.count,
            max_tasks=TRIALS_A_WORKER,
            initializer=_prepare_worker,
            initargs=(self.log.resolve(), self.count, self.gpus),
            context=multiprocessing.get_context("spawn"),
        )
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            self._pool.close()  # type: ignore[no-untyped-call]
        else:
            self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def warm_up(self) -> None:
        """Start the processes now; they import TensorFlow while the caller does something else."""
        self.call(_nothing)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run a function of a module in a worker."""
        return self._pool.schedule(_call, args=[function.__module__, function.__qualname__, *arguments])

    def start(self, order: TrialOrder) -> None:
        """Hand out a trial; what an earlier, interrupted run of it reported is forgotten."""
        events = Path(order.folder) / EVENTS
        events.unlink(missing_ok=True)
        self._running[order.number] = _Running(order, self.call(_run_trial, order), Journal(events))

    @property
    def free(self) -> int:
        """How many workers have no trial."""
        return self.count - len(self._running)

    @property
    def running(self) -> list[TrialOrder]:
        return [running.order for running in self._running.values()]

    def epochs(self) -> Iterator[EpochEvent]:
        """The epochs that ended since the last call, in order within each trial."""
        for running in list(self._running.values()):
            yield from (EpochEvent(**event) for event in running.events.news())

    def results(self) -> Iterator[TrialResult]:
        """The trials that ended since the last call; each one's last epochs are given by `epochs` before."""
        for number, running in list(self._running.items()):
            if running.future.done():
                del self._running[number]
                yield _result(running)


def _result(running: _Running) -> TrialResult:
    order = running.order
    try:
        result: TrialResult = answer(running.future)
        return result
    except WorkerDied as error:
        return TrialResult(order.number, order.configuration, "failed", error=str(error))


def answer(future: Future[Any]) -> Any:
    """What a worker's call returns.

    Raises:
        WorkerDied: the process died under it.
    """
    try:
        return future.result()
    except ProcessExpired as error:
        raise WorkerDied(
            f"its worker process died (exit code {error.exitcode}); if the machine ran out of memory, fewer workers or smaller models need less"
        ) from None


# ---------------------------------------------------------------- inside a worker


def _prepare_worker(log: Path, count: int, gpus: tuple[str, ...]) -> None:
    """One thread, one GPU at most, no chatter on the user's terminal, and all imported before the first trial comes."""
    os.environ.update(THREADS, TF_CPP_MIN_LOG_LEVEL="3")
    if gpus:
        gpu = gpus[_place(log.parent, count) % len(gpus)]
        os.environ.update(CUDA_VISIBLE_DEVICES=gpu, TF_FORCE_GPU_ALLOW_GROWTH="true")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says what is to be done
    sys.stdout.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    import tensorflow as tf
    import threadpoolctl

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    threadpoolctl.threadpool_limits(1)  # libraries that were loaded before the variables above were set
    importlib.import_module(".trial", __package__)
    gc.freeze()  # what was imported stays; to look through it after every trial would take half a second


_places: list[filelock.FileLock] = []  # the lock of this process, held for as long as it lives


def _place(folder: Path, count: int) -> int:
    """A number below `count` that no other living worker of the sweep has; one that ends gives its own back."""
    while True:
        for number in range(count):
            lock = filelock.FileLock(folder / f"worker-{number}.lock", timeout=0)
            with contextlib.suppress(filelock.Timeout):
                lock.acquire()
                _places.append(lock)
                return number
        time.sleep(0.1)  # the worker that this one replaces has not ended yet


def _nothing() -> None:
    return None


def _call(module: str, name: str, *arguments: Any) -> Any:
    """Run a function by name, and leave nothing of its graphs behind."""
    from .fitting import release_memory

    try:
        return getattr(importlib.import_module(module), name)(*arguments)
    finally:
        release_memory()


def _run_trial(order: TrialOrder) -> TrialResult:
    """The outermost frame: a bug in one trial is recorded with its traceback and does not end the sweep."""
    from .trial import run_trial

    try:
        return run_trial(order)
    except SweeperError:
        raise
    except Exception as error:  # noqa: BLE001 - recorded, not hidden: see above
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return TrialResult(order.number, order.configuration, "failed", error=reason, trace=traceback.format_exc())

"""Inside a worker process: one thread, one trial at a time, no MLflow and no KerasTuner."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock

from ..errors import DiskFull, SweeperError, WorkFailed
from ..records import EVENTS, TrialOrder, TrialResult, sweep_argument
from ..system.wording import first_line

OUT_OF_MEMORY = 117  # the exit code of a worker that grew too large
STATUS = Path("/proc/self/statm")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    "1",
)


def prepare(log: Path, count: int, gpus: tuple[str, ...], memory: int | None, environment: Mapping[str, str]) -> None:
    """One thread, one GPU at most, no chatter on the user's terminal, and all imported before the first trial comes.

    Args:
        environment: of the parent when it made its pool; that from which this process was forked may be older.
    """
    os.environ.clear()
    os.environ.update(environment, **THREADS, TF_CPP_MIN_LOG_LEVEL="3")
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
    threading.Thread(target=_watch, args=[memory], daemon=True).start()
    importlib.import_module("sweeper.trials.trial")
    gc.freeze()  # what was imported stays; to look through it after every trial would take half a second


def _watch(memory: int | None) -> None:
    """End this process when its parent is gone, or has given it up, as nobody would take its result and the trial may run
    anew; or when it grows past `memory` bytes, before the system ends a process of its own choice."""
    parent = multiprocessing.parent_process()
    page = os.sysconf("SC_PAGE_SIZE") if STATUS.exists() else 0
    while parent is None or parent.is_alive():
        if memory is not None and page:
            _, resident, shared, *_ = map(int, STATUS.read_text().split())
            if (resident - shared) * page > memory:
                os._exit(OUT_OF_MEMORY)
        time.sleep(0.2)
    os._exit(0)


_places: list[filelock.FileLock] = []  # the lock of this process, held for as long as it lives


def _place(folder: Path, count: int) -> int:
    """A number below `count` that no other living worker of the sweep has; one that ends gives its own back.

    After a minute without a free one it is 0, to be shared: an export beside a running sweep has none of its own.
    """
    for _ in range(600):
        for number in range(count):
            lock = filelock.FileLock(folder / f"worker-{number}.lock", timeout=0)
            with contextlib.suppress(filelock.Timeout):
                lock.acquire()
                _places.append(lock)
                return number
        time.sleep(0.1)  # the worker that this one replaces has not ended yet
    return 0


def nothing() -> None:
    return None


def call(module: str, name: str, *arguments: Any) -> Any:
    """Run a function by name, and leave nothing of its graphs behind."""
    from ..learners.base import release_memory

    try:
        return getattr(importlib.import_module(module), name)(*arguments)
    except SweeperError:
        raise
    except Exception as error:  # noqa: BLE001 - the outermost frame: recorded in the log, and told in our words
        if _is_full(error):
            raise DiskFull(f"no space is left: {first_line(error)}; free some, and do it again") from None
        traceback.print_exc()
        raise WorkFailed(f"{name} failed: {first_line(error)}; see workers.log") from None
    finally:
        release_memory()


def _is_full(error: Exception) -> bool:
    """Whether the disk is full, as the system or as TensorFlow says it."""
    said = ("No space left on device", "File too large", "Disk quota exceeded")
    return getattr(error, "errno", None) in FULL or any(words in str(error) for words in said)


def run_trial(order: TrialOrder) -> TrialResult:
    """The outermost frame: a bug in one trial is recorded with its traceback and does not end the sweep."""
    from ..trials import trial

    try:
        Path(order.folder).mkdir(parents=True, exist_ok=True)
        (Path(order.folder) / EVENTS).touch()  # it has begun
        return trial.run_trial(order)
    except SweeperError:
        raise
    except Exception as error:  # noqa: BLE001 - recorded, not hidden: see above
        if _is_full(error):
            raise DiskFull(
                f"{order.folder}: {getattr(error, 'strerror', None) or first_line(error)}; what was finished is kept: free some space, then sweeper sweep --resume {sweep_argument(Path(order.folder).parent.parent)}"
            ) from None
        return _failed(order, error)


def _failed(order: TrialOrder, error: Exception) -> TrialResult:
    trace = traceback.format_exc()
    return TrialResult(order.number, order.configuration, "failed", error=first_line(error), trace=trace)

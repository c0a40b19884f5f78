"""Worker processes: configurations in, epochs and results out. The only importer of the process pool.

A worker is a process with one TensorFlow thread, spawned, or forked where `let_workers_fork` was called. It imports
neither MLflow nor KerasTuner. One that dies takes its own trial with it and no other. Epochs come back through each
trial's own file of lines and not through a shared queue: a worker that is killed while it writes to a queue can hold the
queue's lock for ever.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver, spawn
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ..errors import WorkerDied
from ..records import EVENTS, EpochEvent, TrialOrder, TrialResult
from ..system import devices
from ..system.journal import Journal
from ..system.signals import handling
from . import worker

MIN_MEMORY = 2 << 30  # bytes, of a worker: TensorFlow alone needs a part of it
MAX_DEATHS = 1  # workers that may die under a trial before it has failed
MAX_FAILED_STARTS = 3  # workers that may die before they begin with it, as when one is killed that has nothing to do
MAX_TRIALS_PER_WORKER = 40  # then it is replaced, before what allocators never give back adds up


_OURS = threading.local()  # whether this thread begins a process of ours
_facts = spawn.get_preparation_data


def _without_main(name: str) -> dict[str, Any]:
    """What a new process is told of this one; those of ours nothing of the main program."""
    ours = getattr(_OURS, "begins", False)
    return {key: value for key, value in _facts(name).items() if not (ours and key.startswith("init_main"))}


spawn.get_preparation_data = _without_main


def _begin(kind: type[SpawnProcess] | type[ForkServerProcess], process: Any) -> Any:
    """Begin a process that does not import the program that called us, of which it needs nothing.

    Else a script without `if __name__ == "__main__":` would begin anew in every worker, and one that was read from
    standard input could not be found.
    """
    _OURS.begins = True
    try:
        return kind._Popen(process)
    finally:
        _OURS.begins = False


class _Spawned(SpawnProcess):
    @staticmethod
    def _Popen(process: Any) -> Any:
        return _begin(SpawnProcess, process)


class _Forked(ForkServerProcess):
    @staticmethod
    def _Popen(process: Any) -> Any:
        return _begin(ForkServerProcess, process)


class _Spawning(SpawnContext):
    """Each worker imports for itself."""

    Process = _Spawned


class _Forking(ForkServerContext):
    """Workers are forked from a process that has imported what they need; see `let_workers_fork`."""

    Process = _Forked


_MAY_FORK = threading.Event()


def let_workers_fork() -> None:
    """Let the workers of this process be forked from one that has imported TensorFlow once for all of them.

    For a main program to say: a process has one fork server, and whatever else it forks has our imports too.
    """
    if sys.platform == "linux":  # the frameworks of other systems do not survive a fork
        forkserver.set_forkserver_preload([f"{__package__}.preloaded"])
        _MAY_FORK.set()


def _context(gpus: Sequence[str]) -> _Spawning | _Forking:
    """How workers begin; the driver of a GPU does not survive a fork."""
    return _Forking() if _MAY_FORK.is_set() and not gpus else _Spawning()


@dataclass
class _Running:
    """A trial that a worker runs.

    Args:
        epochs: that were given to the caller.
        deaths: workers that died under it.
        failed_starts: workers that died before they had begun with it.
        began: by a clock that stands while the machine sleeps, and that nobody sets.
    """

    order: TrialOrder
    future: Future[TrialResult]
    events: Journal
    over: bool = False
    epochs: int = 0
    deaths: int = 0
    failed_starts: int = 0
    began: float = field(default_factory=time.monotonic)

    def count_death(self) -> bool:
        """Note that its worker died; returns whether it deserves another."""
        if self.events.path.exists():
            self.deaths += 1
        else:
            self.failed_starts += 1
        return self.deaths <= MAX_DEATHS and self.failed_starts <= MAX_FAILED_STARTS


@dataclass
class Workers:
    """A pool of workers; a context manager.

    Args:
        count: how many processes.
        log: file that receives whatever workers print, TensorFlow's chatter above all.
        gpus: as CUDA_VISIBLE_DEVICES names them; each worker has one, and shares it where there are fewer.
        limit: seconds that a trial may take; None for no limit.
        memory: bytes that one worker may grow to; by default its share of nine tenths of the machine's.
    """

    count: int
    log: Path
    gpus: tuple[str, ...] = field(default_factory=devices.gpus)
    limit: float | None = None
    memory: int | None = None
    _running: dict[int, _Running] = field(default_factory=dict)

    def __post_init__(self) -> None:
        all_of_it = devices.memory()
        if self.memory is None and all_of_it is not None:
            self.memory = max(all_of_it * 9 // 10 // self.count, MIN_MEMORY)

    def __enter__(self) -> Workers:
        self._context = _context(self.gpus)
        self._pool = self._new_pool()
        return self

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.count,
            max_tasks=MAX_TRIALS_PER_WORKER,
            initializer=worker.prepare,
            initargs=(self.log.resolve(), self.count, self.gpus, self.memory, dict(os.environ)),
            context=self._context,
        )

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            self._pool.close()  # type: ignore[no-untyped-call]
        else:
            self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def warm_up(self) -> None:
        """Let TensorFlow be imported now, while the caller does something else."""
        if isinstance(self._context, _Forking):
            with handling(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):  # as the new process does from its beginning
                forkserver.ensure_running()
        else:
            self.submit(worker.nothing)

    def submit(self, function: Callable[..., Any], *arguments: Any, limit: float | None = None) -> Future[Any]:
        """Run a function of a module in a worker, for at most `limit` seconds.

        Raises:
            WorkerDied: no process could be begun.
        """
        try:
            if not self._pool.active:  # it gives up when its last worker is killed between two calls
                self._pool.stop()  # type: ignore[no-untyped-call]
                self._pool.join()
                self._pool = self._new_pool()
            return self._pool.schedule(
                worker.call, args=[function.__module__, function.__qualname__, *arguments], timeout=limit
            )
        except BrokenProcessPool:
            raise WorkerDied(
                "no worker process could be begun; sweeper doctor says whether TensorFlow starts"
            ) from None

    def run(self, function: Callable[..., Any], *arguments: Any, future: Future[Any] | None = None) -> Any:
        """As `submit`, and wait; once more if the worker is killed under it.

        Args:
            future: of such a call, where it was made before.

        Raises:
            WorkerDied: it was killed twice, or outgrew its memory.
        """
        try:
            return result_of(self.submit(function, *arguments) if future is None else future)
        except WorkerDied as error:
            if not error.is_retryable:
                raise
            return result_of(self.submit(function, *arguments))

    def start(self, order: TrialOrder) -> None:
        """Hand out a trial; one that was interrupted goes on from its checkpoint, and reports all its epochs again."""
        self._running[order.number] = self._begun(order)

    def _begun(self, order: TrialOrder) -> _Running:
        events = Path(order.folder) / EVENTS
        events.unlink(missing_ok=True)
        return _Running(order, self.submit(worker.run_trial, order, limit=self.limit), Journal(events))

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
            running.over = running.future.done()  # asked before its last epochs are read
            for event in (EpochEvent(**kept) for kept in running.events.read_new()):
                if event.epoch > running.epochs:  # not told before its first worker died
                    running.epochs = event.epoch
                    yield event

    def results(self) -> Iterator[TrialResult]:
        """The trials that had ended when `epochs` was called last, which has given their last epochs.

        A trial whose worker was killed is run once more.

        Raises:
            DiskFull: a worker could not write.
        """
        for number, running in list(self._running.items()):
            if running.over:
                del self._running[number]
                result = self._result(running)
                if result is not None:
                    yield result

    def _result(self, running: _Running) -> TrialResult | None:
        """How a trial ended; None if it has begun again."""
        order = running.order
        try:
            result: TrialResult = result_of(running.future)
            return result
        except TimeoutError:
            if time.monotonic() - running.began < (self.limit or 0.0):  # the machine slept, or its clock was set
                self._begin_again(running)
                return None
            reason = f"took longer than the limit of {self.limit:g} s; --trial-limit sets it"
        except WorkerDied as error:
            reason = str(error)
            if error.is_retryable and running.count_death():
                self._begin_again(running)
                return None
        seconds = time.monotonic() - running.began
        return TrialResult(order.number, order.configuration, "failed", error=reason, seconds=seconds)

    def _begin_again(self, running: _Running) -> None:
        again = self._begun(running.order)
        self._running[running.order.number] = replace(
            again, epochs=running.epochs, deaths=running.deaths, failed_starts=running.failed_starts
        )


def result_of(future: Future[Any]) -> Any:
    """What a worker's call returns.

    Raises:
        WorkerDied: the process died under it.
    """
    try:
        return future.result()
    except BrokenProcessPool:
        raise WorkerDied("its worker process died before it began") from None
    except ProcessExpired as error:
        if error.exitcode == worker.OUT_OF_MEMORY:
            raise WorkerDied(
                "out of memory: its process outgrew its share of the machine's; fewer workers, or a smaller batch_size, units or max_length, need less",
                is_retryable=False,
            ) from None
        raise WorkerDied(
            f"its worker process died (exit code {error.exitcode}); if the machine ran out of memory, fewer workers or smaller models need less"
        ) from None

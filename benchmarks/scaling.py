"""Workers: what a second one gains, and what many would ask of the parent.

Many workers are simulated: trials that only wait, but are asked of the real oracle, handed out by the
real search and noted for a real MLflow store, with three epochs each, or twelve, which tells what an epoch costs. What
the other process takes to tell the store is measured apart. Reading the files that real workers report by is left out.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.spaces import load_space
from sweeper.records import EpochEvent, Settings, TrialOrder, TrialResult
from sweeper.reports.terminal import Board, Screen
from sweeper.sweeps.search import Search
from sweeper.workers import pool

from .rows import SWEEPER, Row, at_most, spread, timed

EPOCHS, MORE_EPOCHS = 3, 12
SIMULATED = ((8, 1_000, 3), (64, 1_000, 3), (64, 10_000, 1))  # workers, trials, runs
OF_EVENTS = (64, 1_000)
SECONDS = 0.2  # that a simulated epoch lasts


@dataclasses.dataclass
class Sleepers(pool.Workers):
    """Workers whose trials pass with time.

    Args:
        lasts: epochs of each.
    """

    lasts: int = EPOCHS

    def __enter__(self) -> Sleepers:
        self._begun: dict[int, tuple[TrialOrder, float, int]] = {}
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, order: TrialOrder) -> None:
        self._begun[order.number] = (order, time.time(), 0)

    @property
    def free(self) -> int:
        return self.count - len(self._begun)

    @property
    def running(self) -> list[TrialOrder]:
        return [order for order, _, _ in self._begun.values()]

    def epochs(self) -> Iterator[EpochEvent]:
        for number, (order, began, reported) in list(self._begun.items()):
            due = min(self.lasts, int((time.time() - began) / SECONDS))
            for epoch in range(reported + 1, due + 1):
                metrics = {
                    "loss": 1.0,
                    "val_loss": 1.0,
                    "val_accuracy": 0.5,
                    "val_macro_f1": 0.5,
                    "seconds": SECONDS,
                    "tokens_per_second": 1.0,
                }
                yield EpochEvent(number, epoch, metrics, time.time())
            self._begun[number] = (order, began, due)

    def results(self) -> Iterator[TrialResult]:
        for number, (order, _, reported) in list(self._begun.items()):
            if reported == self.lasts:
                del self._begun[number]
                scores = {"accuracy": 0.5 + number % 97 / 1_000, "macro_f1": 0.5, "loss": 1.0}
                yield TrialResult(number, order.configuration, "done", scores, 1, self.lasts, 1.0, 1.0, 1, 1.0)


def workers(folder: Path) -> Iterator[Row]:
    """What a second worker gains."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for count, found in seconds.items():
            options = ["--trials", "6", "--epochs", "3", "--workers", str(count)]
            found.append(timed([*SWEEPER, "sweep", "sentiment", *options], folder))
    gain = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    yield Row("rotten-tomatoes, 6 trials: two workers over one, whole process", spread(gain, "x"))


class Cost(NamedTuple):
    """Processor milliseconds of a trial.

    Args:
        parent: in the process that searches; `early` and `late` those of the first and the last quarter of the trials.
        telling: in the process that writes to MLflow.
    """

    parent: float
    early: float
    late: float
    telling: float


def parent(folder: Path) -> Iterator[Row]:
    """What many workers would ask of the parent."""
    for workers, trials, runs in SIMULATED:
        said = f"{workers} workers, {trials:,} trials"
        costs = [simulated(folder / f"{workers}-{trials}-{run}", workers, trials) for run in range(runs)]
        yield at_most(
            f"{said} of {EPOCHS} epochs: CPU per trial, parent process", [one.parent for one in costs], "ms", 20
        )
        yield at_most(
            f"{said}: last quarter of the trials over the first", [one.late / one.early for one in costs], "x", 1.2
        )
        telling = spread([one.telling for one in costs], "ms")
        yield Row(f"{said}: CPU per trial, process that writes to MLflow (SQLite)", telling)
        if (workers, trials) == OF_EVENTS:
            yield from events(folder, said, costs)


def events(folder: Path, said: str, shorter: Sequence[Cost]) -> Iterator[Row]:
    """What an epoch costs: trials of more epochs beside those of fewer."""
    workers, trials = OF_EVENTS
    longer = [simulated(folder / f"longer-{run}", workers, trials, MORE_EPOCHS) for run in range(len(shorter))]
    for name, process in (("parent", "parent process"), ("telling", "process that writes to MLflow")):
        more = [getattr(b, name) - getattr(a, name) for a, b in zip(shorter, longer, strict=True)]
        each = [cost / (MORE_EPOCHS - EPOCHS) for cost in more]
        yield Row(f"{said}: CPU per epoch's event, {process}", spread(each, "ms"))


def simulated(folder: Path, workers: int, trials: int, epochs: int = EPOCHS) -> Cost:
    """What trials that only wait cost, from the end of each to that of the next."""
    from sweeper.sweeps.folders import FACTS, new_folder
    from sweeper.sweeps.run import open_tracker

    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    try:
        card, space = cards.load_card("rotten-tomatoes"), load_space("sentiment")
        prepared = prepare(card)
        settings = Settings(trials=trials, budget=None, epochs=epochs, workers=workers)
        facts = dict.fromkeys(FACTS, "") | {"settings": dataclasses.asdict(settings)}
        sweep = new_folder("simulated", facts, card.text, space.text)
        tracker = open_tracker(card, space, settings, prepared, sweep)
        with Sleepers(workers, folder / "log", lasts=epochs) as sleepers, open(os.devnull, "w") as nowhere:
            search = Search(
                space.for_data(prepared.meta.traits), settings, prepared, "accuracy", sweep, sleepers, tracker
            )
            stamps: list[float] = []
            note_result = search.history.told

            def stamped(result: TrialResult, spent: float) -> None:
                note_result(result, spent)
                stamps.append(_processor_seconds())

            search.history.told = stamped  # type: ignore[method-assign]
            from rich.console import Console

            baseline: Future[Any] = Future()
            with Screen(Board("accuracy", None, trials), Console(file=nowhere)) as screen:
                search.run(screen, baseline)
            others = _processor_seconds(resource.RUSAGE_CHILDREN)
            missed = tracker.sweep_ended({}, {}, [], "FINISHED")
            assert not missed, missed
    finally:
        os.chdir(before)
    telling = 1e3 * (_processor_seconds(resource.RUSAGE_CHILDREN) - others) / trials
    costs = [1e3 * (after - before) for before, after in itertools.pairwise(stamps)]
    quarter = len(costs) // 4
    return Cost(statistics.mean(costs), statistics.mean(costs[:quarter]), statistics.mean(costs[-quarter:]), telling)


def _processor_seconds(whose: int = resource.RUSAGE_SELF) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime

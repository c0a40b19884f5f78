"""The story of a sweep, to be read first: load, propose, run, record, choose, export."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import parameters, report
from .data.cards import Card
from .data.prepare import prepare
from .data.store import Prepared, open_prepared
from .errors import SweepError, listed
from .history import History, SweepFolder
from .pool import Workers
from .quiet import without_chatter
from .records import TrialOrder, TrialResult
from .spaces import SearchSpace
from .tasks import TASKS, Baseline
from .terminal import Board, Screen
from .versions import versions

if TYPE_CHECKING:
    from .propose import Proposal, Proposer
    from .track import Tracker

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Settings:
    """How to search.

    Args:
        algorithm: one of `propose.ALGORITHMS`.
        trials: the most trials; None for no limit but the budget.
        budget: wall-clock seconds from the first trial on; None for none. Trials that run
            when it ends stop at the end of their epoch and still count.
        epochs: the most epochs of one trial.
        workers: processes, one trial each.
        seed: of everything random.
    """

    algorithm: str = "random"
    trials: int | None = None
    budget: float | None = 300.0
    epochs: int = 10
    workers: int = field(
        default_factory=lambda: (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
    )
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Args:
        ended: "trials", "budget", "exhausted" or "interrupted".
        leaderboard: see `report.leaderboard`.
        best: the winner; `test` are its scores on the test split.
        export: the SavedModel's folder.
    """

    folder: Path
    ended: str
    objective: str
    leaderboard: pd.DataFrame
    best: TrialResult | None = None
    test: Mapping[str, float] = field(default_factory=dict)
    baselines: Sequence[Baseline] = ()
    export: Path | None = None
    model: str | None = None


def run_sweep(
    card: Card, space: SearchSpace, settings: Settings, folder: SweepFolder, say: Callable[[str], None]
) -> Outcome:
    """Search, choose and export.

    Args:
        folder: a new sweep's, or an interrupted one's; its finished trials are not run again.
        say: receives lines for a person.

    Raises:
        SweeperError: before the first trial, whatever a person must edit; after it,
            `SweepError` where no trial gave a model.
    """
    prepared = prepare(card, encodings(space), vectors(space), say)
    for warning in prepared.meta.warnings:
        say(f"note: {warning}")
    with Workers(settings.workers, folder.path / "workers.log") as workers:
        workers.warm_up()  # they import TensorFlow while we import MLflow
        tracker = _open_tracker(card, space, settings, prepared, folder)
        search = Search(card, space, settings, prepared, folder, workers, tracker)
        try:
            return search.run()
        except BaseException:
            tracker.kill_running()
            tracker.sweep_ended({}, {}, [], "FAILED")
            raise


def encodings(space: SearchSpace) -> list[tuple[str, bool]]:
    """Every way of cutting text into tokens that some configuration asks for, and that of the baselines."""
    if "tokens" not in parameters.known(space.task):
        cuts: tuple[str, ...] = ("words",)
    else:
        cuts = space.values_of("tokens")
    asked = [(cut, lower == "yes") for cut in cuts for lower in space.values_of("lowercase")]
    return list(dict.fromkeys([("words", True), *asked]))


def vectors(space: SearchSpace) -> list[str]:
    """Every file of pretrained vectors that some configuration asks for."""
    return list(space.values_of("vectors")) if "pretrained" in space.values_of("input") else []


def _open_tracker(
    card: Card, space: SearchSpace, settings: Settings, prepared: Prepared, folder: SweepFolder
) -> Tracker:
    from .track import Tracker

    tracker = Tracker(f"{card.task}/{card.name}")
    if folder.run:
        tracker.sweep_taken_up(folder.run)
        return tracker
    facts = {
        "dataset": card.name,
        "dataset_digest": prepared.meta.digest,
        "space": space.name,
        **dataclasses.asdict(settings),
    }
    described = {
        "name": card.name,
        "digest": prepared.meta.digest[:32],
        "source_type": next(kind for kind in ("file", "url", "pypi", "huggingface") if getattr(card.source, kind)),
        "source": json.dumps(
            {key: value for key, value in dataclasses.asdict(card.source).items() if value}, default=str
        ),
    }
    described["profile"] = json.dumps(prepared.meta.counts)
    run = tracker.sweep_started(
        folder.name,
        {**facts, **{f"version_{name}": value for name, value in versions().items()}},
        described,
        folder.declarations,
    )
    folder.note_run(run)
    return tracker


class Search:
    """One sweep while it runs: the oracle, the workers and what they found so far."""

    def __init__(
        self,
        card: Card,
        space: SearchSpace,
        settings: Settings,
        prepared: Prepared,
        folder: SweepFolder,
        workers: Workers,
        tracker: Tracker,
    ) -> None:
        self.card, self.space, self.settings = card, space, settings
        self.prepared, self.folder, self.workers, self.tracker = prepared, folder, workers, tracker
        self.task = TASKS[card.task]
        self.objective = self.task.objective(prepared.meta)
        self.history: History = folder.history()
        self.deadline = None if settings.budget is None else time.time() + settings.budget
        self.board = Board(self.objective, self.deadline, settings.trials)
        self.baselines: Sequence[Baseline] = ()
        self._interrupted = False
        self._vain = -1  # how many results there were when the oracle last had nothing to propose
        self._proposer: Proposer | None = None

    def run(self) -> Outcome:
        with Screen(self.board) as screen, self._interruptible(screen):
            self._take_up(screen)
            baselines = self._ask_for_baselines()
            ended = self._train(screen, baselines)
            self.baselines = baselines.result()
        best = self.best()
        if ended == "interrupted":
            return self._close(
                Outcome(self.folder.path, ended, self.objective, self._leaderboard({}), best, baselines=self.baselines),
                "KILLED",
            )
        if best is None:
            self._close(
                Outcome(self.folder.path, ended, self.objective, self._leaderboard({}), baselines=self.baselines),
                "FAILED",
            )
            raise SweepError(self._why_nothing())
        return self._close(self._export(best, ended), "FINISHED")

    # ------------------------------------------------------------ search

    def _train(self, screen: Screen, baselines: Future[Any]) -> str:
        """Keep the workers busy until the sweep ends; returns why it did."""
        ended = ""
        while True:
            if self.board.baseline is None and baselines.done():
                self.board.baseline = baselines.result()[-1].validation[self.objective]
            for event in self.workers.epochs():
                self.history.epoch(event)
                self.tracker.epoch_ended(event)
                screen.epoch(event)
            for result in self.workers.results():
                self._record(result, screen)
            ended = ended or self._reason_to_end()
            while not ended and self.workers.free:
                order = self._next()
                if order is None:
                    break
                if isinstance(order, str):
                    ended = order
                    break
                self._start(order, screen)
            if ended and not self.workers.running:
                return ended
            time.sleep(POLL_SECONDS)

    def _reason_to_end(self) -> str:
        if self._interrupted:
            return "interrupted"
        if self.settings.trials is not None and len(self.history.orders) >= self.settings.trials:
            return "trials"
        late = self.deadline is not None and time.time() >= self.deadline
        return "budget" if late and self.history.orders else ""

    def _next(self) -> TrialOrder | str | None:
        """The next trial; None while there is nothing to do, a reason where there will be nothing more."""
        if self.history.unfinished:
            return dataclasses.replace(self.history.unfinished.pop(0), deadline=self.deadline)
        if not self.history.orders and self.settings.algorithm != "hyperband":
            return self._order(
                None, self.space.first()
            )  # the oracle will propose just this; training need not wait for its import
        return self._ask()

    def _ask(self) -> TrialOrder | str | None:
        """Ask the oracle; one that had nothing is not asked again before another trial has ended."""
        if self._vain == len(self.history.results) and self.workers.running:
            return None
        proposer = self.proposer
        from .propose import Exhausted, Proposal

        asked = proposer.ask()
        if isinstance(asked, Proposal):
            return self._order(asked, asked.values)
        self._vain = len(self.history.results)
        return "exhausted" if isinstance(asked, Exhausted) and not self.workers.running else None

    @property
    def proposer(self) -> Proposer:
        """The oracle, imported only once the first worker has its trial, and told all that is known."""
        if self._proposer is None:
            self._proposer = _new_proposer(self.space, self.settings, self.objective)
            self._replay(self._proposer)
        return self._proposer

    def _replay(self, proposer: Proposer) -> None:
        """Ask and tell again what was asked and told: the oracle then stands where it stood."""
        for kind, number in self.history.happened:
            if kind == "asked":
                self.history.proposals[number] = proposer.ask_again(self.history.orders[number].configuration)
            else:
                self._tell(proposer, self.history.results[number])

    def _tell(self, proposer: Proposer, result: TrialResult) -> None:
        proposal = self.history.proposals.get(result.number)
        if proposal is not None:
            proposer.tell(proposal, result.scores[self.objective] if result.counts else None)

    def _order(self, proposal: Proposal | None, values: Mapping[str, Any]) -> TrialOrder:
        number = len(self.history.orders)
        continues = None
        if proposal is not None:
            self.history.proposals[number] = proposal
            continues = self.history.number_of(proposal.continues)
        return TrialOrder(
            number=number,
            task=self.card.task,
            configuration=parameters.complete(self.card.task, values, self.prepared.meta.facts),
            prepared=str(self.prepared.folder),
            folder=str(self.folder.trial(number)),
            seed=self.settings.seed,
            epochs=proposal.epochs if proposal and proposal.epochs else self.settings.epochs,
            deadline=self.deadline,
            stop_file=str(self.folder.stop_file),
            continues=None if continues is None else str(self.folder.trial(continues)),
            initial_epoch=proposal.initial_epoch if proposal else 0,
        )

    def _start(self, order: TrialOrder, screen: Screen) -> None:
        self.tracker.trial_started(order.number, order.configuration, order.seed)
        self.history.asked(order)
        self.workers.start(order)
        screen.began(order)

    def _record(self, result: TrialResult, screen: Screen) -> None:
        self.history.told(result)
        if self._proposer is not None:
            self._tell(self._proposer, result)
        self.tracker.trial_ended(result, self._pictures(result))
        screen.ended(result)

    def _pictures(self, result: TrialResult) -> list[Path]:
        folder, events = self.folder.trial(result.number), self.history.epochs.get(result.number, [])
        pictures = []
        if events:
            pictures.append(report.learning_curve(events, self.objective, folder / "learning_curve.png"))
        table = self.folder.confusion(result.number)
        if table is not None:
            pictures.append(report.confusion_picture(table, self.prepared.meta.labels, folder / "confusion.png"))
        return pictures

    def _take_up(self, screen: Screen) -> None:
        """Show what an interrupted sweep had finished."""
        if self.history.results:
            screen.say(
                f"taking up {self.folder.name}: {len(self.history.results)} trials are finished, {len(self.history.unfinished)} start anew"
            )
        for result in self.history.results.values():
            self.board.ended(result)

    def _ask_for_baselines(self) -> Future[Any]:
        return self.workers.call(baselines_of, str(self.prepared.folder))

    @contextmanager
    def _interruptible(self, screen: Screen) -> Iterator[None]:
        """The first SIGINT or SIGTERM ends the running trials at the end of their epoch, a second one at once."""

        def stop(number: int, _: Any) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
            self.folder.stop_file.touch()
            screen.say("stopping: running trials end with their epoch; once more to stop at once")

        before = (
            {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
            if _in_main_thread()
            else {}
        )
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.folder.stop_file.unlink(missing_ok=True)

    # ------------------------------------------------------------ choose and export

    def best(self) -> TrialResult | None:
        """The trial with the highest validation score; the earlier one of equals."""
        counting = [result for result in self.history.results.values() if result.counts]
        return max(counting, key=lambda result: (result.scores[self.objective], -result.number), default=None)

    def _export(self, best: TrialResult, ended: str) -> Outcome:
        order = self.history.orders[best.number]
        test = self.workers.call(score_in_worker, order).result()
        self.folder.note_test(best.number, test)
        target = self.folder.new_export()
        self.workers.call(
            export_in_worker, order, str(target), card_facts(self.card, self.folder.name, test, self.baselines)
        ).result()
        version = self.tracker.log_model(target, f"sweeper-{self.card.task}-{self.card.name}")
        table = self._leaderboard({best.number: test})
        name = f"sweeper-{self.card.task}-{self.card.name} version {version}"
        return Outcome(self.folder.path, ended, self.objective, table, best, test, self.baselines, target, name)

    def _leaderboard(self, test: Mapping[int, Mapping[str, float]]) -> pd.DataFrame:
        return report.leaderboard(list(self.history.results.values()), self.baselines, self.objective, test)

    def _close(self, outcome: Outcome, status: str) -> Outcome:
        """Write the leaderboard and the page, and end the parent run."""
        files = [self.folder.path / "leaderboard.csv", self.folder.path / "report.html"]
        outcome.leaderboard.to_csv(files[0], index=False)
        title = f"{self.card.task} on {self.card.name}"
        files[1].write_text(
            report.page(title, self._facts(outcome), outcome.leaderboard, self.prepared.meta.warnings), encoding="utf-8"
        )
        self.tracker.sweep_ended(self._metrics(outcome), {"sweeper.ended": outcome.ended}, files, status)
        return outcome

    def _facts(self, outcome: Outcome) -> dict[str, str]:
        facts = {
            "sweep": self.folder.name,
            "about": self.card.about,
            "data digest": self.prepared.meta.digest,
            "examples": ", ".join(f"{count:,} {part}" for part, count in self.prepared.meta.counts.items()),
            "space": f"{self.space.name}: {self.space.about}",
            "search": f"{self.settings.algorithm}, seed {self.settings.seed}; ended by {outcome.ended}",
            "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        if outcome.best is not None and outcome.test:
            facts["best"] = f"trial {outcome.best.number}: test " + ", ".join(
                f"{name} {value:.4f}" for name, value in outcome.test.items()
            )
        return facts

    def _metrics(self, outcome: Outcome) -> dict[str, float]:
        results = self.history.results.values()
        metrics: dict[str, float] = {
            f"trials_{state}": sum(result.state in states for result in results) for state, states in COUNTED.items()
        }
        if outcome.best is not None:
            metrics[f"best_val_{self.objective}"] = outcome.best.scores[self.objective]
            metrics |= {f"best_test_{name}": value for name, value in outcome.test.items()}
        for baseline in outcome.baselines:
            name = "baseline" if baseline is outcome.baselines[-1] else f"baseline_{baseline.name}"
            metrics[f"{name}_val_{self.objective}"] = baseline.validation[self.objective]
            metrics[f"{name}_test_{self.objective}"] = baseline.test[self.objective]
        return metrics

    def _why_nothing(self) -> str:
        reasons = dict.fromkeys(result.error or result.state for result in self.history.results.values())
        return f"no trial of {len(self.history.results)} gave a model: {listed(reasons, 3)}; see {self.folder.path}"


COUNTED = {"done": ("done", "stopped"), "failed": ("failed",), "pruned": ("pruned",)}


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def _new_proposer(space: SearchSpace, settings: Settings, objective: str) -> Proposer:
    with without_chatter():
        from .propose import Proposer

    return Proposer(
        space, algorithm=settings.algorithm, objective=f"val_{objective}", epochs=settings.epochs, seed=settings.seed
    )


def baselines_of(prepared: str) -> list[Baseline]:
    """Run in a worker, once for each prepared dataset; kept beside it."""
    folder = Path(prepared)
    dataset = open_prepared(folder)
    kept = folder / "baselines.json"
    if kept.is_file():
        return [Baseline(**row) for row in json.loads(kept.read_text(encoding="utf-8"))]
    found = TASKS[dataset.meta.task].baselines(dataset)
    temporary = kept.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps([baseline._asdict() for baseline in found]), encoding="utf-8")
    temporary.replace(kept)
    return found


def card_facts(card: Card, sweep: str, test: Mapping[str, float], baselines: Sequence[Baseline]) -> dict[str, Any]:
    """What a model card says beyond what the data and the model know."""
    return {
        "about": card.about,
        "sweep": sweep,
        "scores": dict(test),
        "baselines": {b.name: b.test for b in baselines},
        "versions": versions(),
    }


def score_in_worker(order: TrialOrder) -> dict[str, float]:
    from .trial import score_test

    return score_test(order)


def export_in_worker(order: TrialOrder, to: str, card: Mapping[str, Any]) -> str:
    from .export import export_trial

    return export_trial(order, to, card)

"""The search itself: keep the workers busy, record what they find, stop when it is time."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ..data.store import Prepared
from ..declared import parameters
from ..declared.spaces import SearchSpace
from ..records import Settings, TrialOrder, TrialResult
from ..reports.terminal import Screen
from ..system.quiet import without_chatter
from ..system.signals import handling
from ..workers.pool import Workers, result_of
from .folders import SweepFolder
from .repeating import Repeat, Repeating
from .retention import Retention

if TYPE_CHECKING:
    from ..propose import Proposal, Proposer
    from ..tasks import Baseline
    from ..track.tracker import Tracker

POLL_SECONDS = 0.1
NOTED = 20.0  # seconds after which it is noted how much of the budget is over, should this process be killed
LEARNING = ("bayesian", "hyperband")  # algorithms that may have something new to propose once a trial has ended
NUMBERS = re.compile(r"\b(nan|inf|[\d.]+(e[+-]?\d+)?)\b")  # by which one reason is told in several ways
HOPELESS = 10  # failures, and nothing else, after which a search ends


class Search:
    """One search while it runs.

    Args:
        objective: the score that is to rise, such as "accuracy".
        folder: of the sweep; what an interrupted search had finished is resumed.
        fresh_budget: the budget begins now; else what is left of it, where a search has used some.
    """

    def __init__(
        self,
        space: SearchSpace,
        settings: Settings,
        prepared: Prepared,
        objective: str,
        folder: SweepFolder,
        workers: Workers,
        tracker: Tracker,
        *,
        fresh_budget: bool = False,
    ) -> None:
        self.space, self.settings, self.prepared, self.objective = space, settings, prepared, objective
        self.folder, self.workers, self.tracker = folder, workers, tracker
        self.history = folder.history(prepared.folder)
        self._before = len(self.history.results)  # a sweep that is resumed
        self._began = time.time() - (0.0 if fresh_budget else self.history.spent)
        self.deadline = None if settings.budget is None else self._began + settings.budget
        self._interrupted = self._said = False
        self._proposer: Proposer | None = None
        self.retention = Retention(objective, settings, folder, self.history)
        self.repeating = Repeating(self.history, settings, self.deadline, workers.count)
        self._exhausted = False  # whether the oracle had nothing to propose, and has learnt nothing since

    def run(self, screen: Screen, baselines: Future[Any]) -> str:
        """Search until there is a reason to end.

        Args:
            baselines: a list of `tasks.Baseline`, the strongest last, that a worker computes.

        Returns:
            "trials", "budget", "exhausted", "failures" or "interrupted".
        """
        self.history.check_whole(self.tracker.logged_trials)
        self.history.note_spent(time.time() - self._began)
        for result in sorted(self.history.results.values(), key=lambda result: result.number):
            if self.history.orders[result.number].repeats is None:
                screen.board.ended(result)
            self.retention.ended(result, None)
            if result.number not in self.tracker.logged_trials:  # the parent was killed just between the two
                self.tracker.trial_ended(result, self.folder.plots(result.number))
        with self._interruptible(), self._counting_time():
            ended = ""
            while not ended or self.workers.running:
                self._say_once_that_it_stops(screen)
                self._note_spent(every=NOTED)
                if screen.board.baseline is None and baselines.done() and not baselines.exception():
                    self._note_baselines(result_of(baselines), screen)
                self._record_news(screen)
                ended = ended or self._reason_to_end() or self._hand_out(screen)
                time.sleep(POLL_SECONDS)
            return "interrupted" if self._interrupted else ended

    # ------------------------------------------------------------ hand out

    def _reason_to_end(self) -> str:
        if self._interrupted:
            return "interrupted"
        if self._hopeless():
            return "failures"
        late = self.deadline is not None and time.time() >= self.deadline
        # A trial that an earlier process has left goes on to the end of an epoch.
        return "budget" if late and self.history.orders and not self.history.unfinished else ""

    def _hopeless(self) -> bool:
        """Whether the first trials since the sweep began, or was resumed, all failed, and for one reason."""
        ended = itertools.islice(self.history.results.values(), self._before, self._before + HOPELESS)
        first = [result.error and NUMBERS.sub("#", result.error) for result in ended]
        return len(first) == HOPELESS and len(set(first)) == 1 and first[0] is not None

    def _hand_out(self, screen: Screen) -> str:
        """Give every free worker a trial; returns a reason to end where there will be none any more."""
        while self.workers.free and not self._reason_to_end():
            order = self._next()
            if order is None:
                return "" if self.workers.running else self._reason_for_no_more()
            if self._interrupted:  # while the oracle was imported or asked
                return "interrupted"
            self.tracker.trial_started(order.number, order.configuration, order.seed, order.repeats)
            self.history.asked(order)
            self.workers.start(order)
            screen.began(order)
        return ""

    def _reason_for_no_more(self) -> str:
        return "trials" if self._enough else "exhausted" if self._exhausted else "budget"

    def _next(self) -> TrialOrder | None:
        """The next trial, or None while there is nothing to try."""
        if self.history.unfinished:
            return dataclasses.replace(self.history.unfinished.pop(0), deadline=self.deadline)
        due = self._due()
        if due or self._enough or self._exhausted:
            return self._repeat(due)
        if not self.history.orders and self.settings.algorithm != "hyperband":
            # The oracle will propose just this first; training need not wait for its import.
            return self._order(None, self.space.known_good())
        asked = self._oracle().ask()
        if asked is not None:
            return self._order(asked, asked.values)
        self.history.oracle_exhausted()
        self._exhausted = True
        return self._repeat(self._due())

    @property
    def _enough(self) -> bool:
        return self.settings.trials is not None and self.history.proposed_count >= self.settings.trials

    # ------------------------------------------------------------ train the best again

    def _due(self) -> list[Repeat]:
        over = self._enough or self._exhausted
        return self.repeating.due(self.retention.finalists(), self.workers.running, over=over)

    def _repeat(self, due: Sequence[Repeat]) -> TrialOrder | None:
        """One of the best trials with another seed; None if it is too late for that."""
        repeat = self.repeating.next(due)
        if repeat is None:
            return None
        number = len(self.history.orders)
        return dataclasses.replace(
            self.history.orders[repeat.number],
            number=number,
            folder=str(self.folder.trial(number)),
            seed=repeat.seed,
            deadline=self.deadline,
            continues=None,
            initial_epoch=0,
            repeats=repeat.number,
        )

    # ------------------------------------------------------------ ask the oracle

    def _order(self, proposal: Proposal | None, values: Mapping[str, Any]) -> TrialOrder:
        number = len(self.history.orders)
        continues = None
        if proposal is not None:
            self.history.proposals[number] = proposal
            continues = self.history.number_of(proposal.continues)
        return TrialOrder(
            number=number,
            task=self.space.task,
            configuration=parameters.complete(self.space.task, values, self.prepared.meta.traits),
            prepared=str(self.prepared.folder),
            folder=str(self.folder.trial(number)),
            seed=self.settings.seed,
            epochs=proposal.epochs if proposal and proposal.epochs else self.settings.epochs,
            deadline=self.deadline,
            stop_file=str(self.folder.stop_file),
            continues=None if continues is None else str(self.folder.trial(continues)),
            initial_epoch=proposal.initial_epoch if proposal else 0,
        )

    def _oracle(self) -> Proposer:
        """The oracle: imported once the first worker has its trial, and told all that is known."""
        if self._proposer is None:
            with without_chatter():
                from ..propose import Proposer
            self._proposer = Proposer(
                self.space,
                algorithm=self.settings.algorithm,
                objective=f"val_{self.objective}",
                epochs=self.settings.epochs,
                seed=self.settings.seed,
            )
            self._replay(self._proposer)
        return self._proposer

    def _replay(self, proposer: Proposer) -> None:
        """Ask and tell again what was asked and told: the oracle then stands where it stood."""
        for kind, number in self.history.events:
            if kind == "exhausted":
                proposer.ask()
            elif self.history.orders[number].repeats is not None:
                continue  # it was not the oracle's
            elif kind == "asked":
                configuration = self.history.orders[number].configuration
                self.history.proposals[number] = proposer.ask_again(configuration)
            else:
                self._tell(proposer, self.history.results[number])

    def _tell(self, proposer: Proposer, result: TrialResult) -> None:
        proposal = self.history.proposals[result.number]
        proposer.tell(proposal, result.scores[self.objective] if result.counts else None)

    # ------------------------------------------------------------ record

    def _note_baselines(self, found: Sequence[Baseline], screen: Screen) -> None:
        self.folder.note_baselines([baseline.noted() for baseline in found])
        screen.board.baseline = found[-1].validation[self.objective]

    def _record_news(self, screen: Screen) -> None:
        for event in self.workers.epochs():
            self.tracker.epoch_ended(event)
            screen.epoch(event)
        for line in self.tracker.messages():
            screen.say(line)
        for result in self.workers.results():
            if self._interrupted and result.state == "stopped":
                # Not told: it goes on when the sweep is resumed.
                self.tracker.trial_ended(dataclasses.replace(result, state="interrupted"), [])
                screen.ended(dataclasses.replace(result, state="interrupted"))
                continue
            self.history.told(result, max(self.history.spent, time.time() - self._began))  # clocks may be set back
            if self.history.orders[result.number].repeats is None:
                self._exhausted = self._exhausted and self.settings.algorithm not in LEARNING
                if self._proposer is not None:
                    self._tell(self._proposer, result)
            self.retention.ended(result, None if self._interrupted else self._proposer)
            self.tracker.trial_ended(result, self.folder.plots(result.number))
            screen.ended(result)

    def _say_once_that_it_stops(self, screen: Screen) -> None:
        if self._interrupted and not self._said:
            self._said = True
            screen.say("stopping: running trials finish their epoch; press Ctrl-C again to stop at once")

    @contextlib.contextmanager
    def _counting_time(self) -> Iterator[None]:
        """Note how much of the budget is over, however this ends."""
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # of a full disk, which is said anyway
                self._note_spent()

    def _note_spent(self, every: float = 0.0) -> None:
        """Note how much of the budget is over, once so many more seconds are."""
        spent = time.time() - self._began
        if spent >= self.history.spent + every:
            self.history.note_spent(spent)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM ends the running trials at the end of their epoch, a second one at once."""

        def stop(*_: object) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
            self.folder.stop_file.touch()

        self.folder.stop_file.unlink(missing_ok=True)  # of a process that was killed while it stopped
        try:
            with handling(stop, signal.SIGINT, signal.SIGTERM):
                yield
        finally:
            self.folder.stop_file.unlink(missing_ok=True)

"""What a sweep asked and was told, in order: enough to rebuild what proposed its trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..declared import parameters
from ..errors import DataError
from ..records import HISTORY, TrialOrder, TrialResult
from ..system.journal import Journal
from ..trials.selection import Candidate, candidates

if TYPE_CHECKING:
    from ..propose import Proposal
    from .folders import SweepFolder

EXHAUSTED = ("exhausted", -1)


@dataclass
class History:
    """What was asked and told so far, on disk and in memory.

    Args:
        events: ("asked" or "told", trial), in order; or ("exhausted", -1) where the oracle had nothing to propose, which
            moves it on as well.
        unfinished: trials that were asked for and never told.
        repeats: for each trial that was asked for again with another seed, the numbers of those trials.
        spent: seconds of the budget that were over when that was noted last: with each result, now and then, and at the end.
    """

    journal: Journal
    orders: dict[int, TrialOrder] = field(default_factory=dict)
    results: dict[int, TrialResult] = field(default_factory=dict)
    events: list[tuple[str, int]] = field(default_factory=list)
    unfinished: list[TrialOrder] = field(default_factory=list)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    repeats: dict[int, list[int]] = field(default_factory=dict)
    spent: float = 0.0

    @classmethod
    def read(cls, folder: SweepFolder, prepared: Path | None) -> History:
        """From a sweep's file.

        Args:
            prepared: where the prepared dataset lies now, if orders are to be run or exported.
        """
        history = cls(Journal(folder.path / HISTORY))
        begun = {int(path.name) for path in (folder.path / "trials").glob("[0-9]*") if path.name.isdecimal()}
        for event in history.journal.read_new():
            try:
                history._take(event, folder, prepared)
            except (KeyError, TypeError, ValueError):
                raise history.journal.altered() from None
        history._check(begun - history.orders.keys(), "trial {}, whose folder is there")
        history.unfinished = [order for number, order in history.orders.items() if number not in history.results]
        return history

    def check_whole(self, told: Set[int]) -> None:
        """Whether every result is there that MLflow was to be told, which is written here first.

        Raises:
            DataError: lines were lost.
        """
        self._check(told - self.results.keys(), "the result of trial {}, which MLflow was told")

    def _check(self, lost: Set[int], what: str) -> None:
        if lost:
            raise DataError(
                f"{self.journal.path}: does not have {what.format(min(lost))}, so lines of it were lost; put the file back from a copy, or start a new sweep"
            )

    def _take(self, event: dict[str, Any], folder: SweepFolder, prepared: Path | None) -> None:
        if "asked" in event:
            order = folder.placed(TrialOrder(**event["asked"]), prepared)
            # An earlier version may not have known all of today's parameters; a part that only some data have was not there.
            known, whole = parameters.known(order.task), parameters.complete(order.task, order.configuration)
            defaults = {name: value for name, value in whole.items() if not known[name].only}
            self._asked(dataclasses.replace(order, configuration={**defaults, **order.configuration}))
        elif "exhausted" in event:
            self.events.append(EXHAUSTED)
        elif "told" in event:
            self._told(TrialResult(**event["told"]))
        elif "spent" not in event:
            raise ValueError("an event of no known kind")
        self.spent = float(event.get("spent", self.spent))

    def with_pruned(self, epochs: int) -> list[TrialResult]:
        """The results, those marked "pruned" that got fewer than a sweep's epochs and were never promoted."""
        promoted = {order.continues for order in self.orders.values()}
        return [
            dataclasses.replace(result, state="pruned")
            if result.state == "done"
            and self.orders[number].epochs < epochs
            and self.orders[number].folder not in promoted
            and self.orders[number].repeats is None
            else result
            for number, result in sorted(self.results.items())
        ]

    def best(self, objective: str) -> TrialResult | None:
        """The trial that wins; see `selection.candidates`."""
        found = self.candidates(objective)
        return self.results[found[0].number] if found else None

    def candidates(self, objective: str) -> list[Candidate]:
        """All that may win, the winner first."""
        return candidates(self.orders, self.results, objective)

    def first_distinct(self, numbers: Iterable[int], most: int) -> list[int]:
        """The first so many of some trials, of each configuration one: hyperband goes on with some."""
        chosen: list[int] = []
        for number in numbers:
            if self.orders[number].configuration not in [self.orders[one].configuration for one in chosen]:
                chosen.append(number)
            if len(chosen) == most:
                break
        return chosen

    @property
    def proposed_count(self) -> int:
        """How many trials the search asked for, those left out that train one again."""
        return len(self.orders) - sum(map(len, self.repeats.values()))

    def asked(self, order: TrialOrder) -> None:
        if order.number not in self.orders:
            asked = {**dataclasses.asdict(order), "configuration": dict(order.configuration)}
            self.journal.append({"asked": asked}, durable=True)
            self._asked(order)

    def oracle_exhausted(self) -> None:
        self.journal.append({"exhausted": True}, durable=True)
        self.events.append(EXHAUSTED)

    def told(self, result: TrialResult, spent: float) -> None:
        self.journal.append({"told": result.as_dict(), "spent": spent}, durable=True)
        self._told(result)
        self.spent = spent

    def number_of(self, key: str | None) -> int | None:
        """The trial that ran the proposal called `key`; None for no key."""
        if key is None:
            return None
        return next((number for number, proposal in self.proposals.items() if proposal.key == key), None)

    def note_spent(self, seconds: float) -> None:
        self.journal.append({"spent": seconds}, durable=True)
        self.spent = seconds

    def _asked(self, order: TrialOrder) -> None:
        self.orders[order.number] = order
        if order.repeats is not None:
            self.repeats.setdefault(order.repeats, []).append(order.number)
        self.events.append(("asked", order.number))

    def _told(self, result: TrialResult) -> None:
        self.results[self.orders[result.number].number] = result
        self.events.append(("told", result.number))

"""Training the best again with other seeds: when it is time for that, and which comes next.

Which of them wins then is for `selection` to say.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..records import Settings, TrialOrder

if TYPE_CHECKING:
    from .history import History

SHARE = 1 / 3  # of the budget, at most, is spent on it


class Repeat(NamedTuple):
    """A trial that is to be trained again; `further` is 1 for the second seed."""

    number: int
    seed: int
    further: int


@dataclass
class Repeating:
    """What a search trains again.

    Args:
        history: of the search; it grows.
        deadline: when the budget is over (`time.time`); None for no budget.
        workers: how many trials run at once.
    """

    history: History
    settings: Settings
    deadline: float | None
    workers: int

    def due(self, finalists: Sequence[int], running: Sequence[TrialOrder], *, over: bool) -> list[Repeat]:
        """What is to be trained again now: once the search is over, or no more of the budget is left than that needs.

        Args:
            finalists: numbers of trials, the best first.
            over: the search proposes nothing more, or nothing for now.
        """
        due = list(self._still_to_repeat(finalists))
        if not due:
            return []
        if over:
            # One that still runs may be among the best.
            return due if all(order.repeats is not None for order in running) else []
        return due if self._is_time(due) else []

    def next(self, due: Sequence[Repeat]) -> Repeat | None:
        """The first that there is time for; but no trial gets a second seed before a better one has it."""
        for repeat in due:
            if self.deadline is None or time.time() + self._takes(repeat.number) <= self.deadline:
                return repeat
            if repeat.further == 1:
                return None
        return None

    def _still_to_repeat(self, finalists: Sequence[int]) -> Iterator[Repeat]:
        """A round of all finalists, then the next round; what time cut short is to be trained anew."""
        orders, results = self.history.orders, self.history.results
        for further in range(1, self.settings.seeds_in_all):
            for number in finalists:
                seed = orders[number].seed + further
                again = [one for one in self.history.repeats.get(number, ()) if orders[one].seed == seed]
                if all(one in results and results[one].state == "stopped" for one in again):
                    yield Repeat(number, seed, further)

    def _is_time(self, due: Sequence[Repeat]) -> bool:
        """Whether no more than what they need is left of the budget."""
        if self.deadline is None or self.settings.budget is None:
            return False
        if self.next(due) is None and not self.history.repeats:
            return False  # nor will it be, unless shorter trials turn out to be the best
        each = [self._takes(repeat.number) for repeat in due]
        needed = sum(each) / self.workers + max(each)
        return time.time() + min(needed, SHARE * self.settings.budget) >= self.deadline

    def _takes(self, number: int) -> float:
        """Seconds that a trial would take once more, from its first epoch on: the shortest that it took."""
        order, result = self.history.orders[number], self.history.results[number]
        first = result.seconds * order.epochs / (order.epochs - order.initial_epoch)
        again = (self.history.results.get(one) for one in self.history.repeats.get(number, ()))
        return min([first, *(one.seconds for one in again if one is not None and one.state == "done")])

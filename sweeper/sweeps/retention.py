"""Which files of finished trials stay: states to go on from, and the weights of the best."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import TYPE_CHECKING

from ..records import Settings, TrialResult
from ..trials.selection import FINALISTS

if TYPE_CHECKING:
    from ..propose import Proposer
    from .folders import SweepFolder
    from .history import History

MAX_KEPT = 10  # trials whose weights stay, the best ones, so that the disk does not fill


class Retention:
    """The files of one sweep's trials, as they end.

    Args:
        objective: the score that is to rise.
    """

    def __init__(self, objective: str, settings: Settings, folder: SweepFolder, history: History) -> None:
        self.objective, self.settings, self.folder, self.history = objective, settings, folder, history
        self._kept: list[tuple[float, float, int]] = []  # a heap of `_standing`: the worst is the first
        self._untidy: list[TrialResult] = []  # whose state and weights may still be needed

    def ended(self, result: TrialResult, proposer: Proposer | None) -> None:
        """Delete what no trial needs any more.

        Args:
            proposer: that says with which trials the search may go on; None where it cannot be asked.
        """
        if self.history.orders[result.number].repeats is not None:
            self.folder.drop_weights(result.number)  # only its score is wanted
            return
        self._untidy.append(result)
        needed = self._needed(proposer)
        for ended in [ended for ended in self._untidy if ended.number not in needed]:
            self._untidy.remove(ended)
            self.folder.drop_weights(ended.number, state_only=ended.counts)
            if ended.counts:
                heapq.heappush(self._kept, self._standing(ended))
            if len(self._kept) > MAX_KEPT:
                worst = -heapq.heappop(self._kept)[-1]
                if worst not in self.history.repeats:  # which may win by its mean
                    self.folder.drop_weights(worst)

    def finalists(self) -> list[int]:
        """The trials with the best scores, each of another configuration that gave a model each time, the best first."""
        waiting = [self._standing(result) for result in self._untidy if result.counts]
        best_first = (-number for *_, number in sorted([*self._kept, *waiting], reverse=True))
        return self.history.first_distinct(filter(self._may_be_trained_again, best_first), FINALISTS)

    def _standing(self, result: TrialResult) -> tuple[float, float, int]:
        """What is greater for the better of two trials; of equals as `selection.candidates`."""
        return result.scores[self.objective], -result.scores.get("loss", 0.0), -result.number

    def _may_be_trained_again(self, number: int) -> bool:
        """Whether it was trained to its end, as it will be again, and gave a model each time."""
        again = (self.history.results.get(one) for one in self.history.repeats.get(number, ()))
        failed = any(result is not None and result.state == "failed" for result in again)
        return self.history.results[number].state == "done" and not failed

    def _needed(self, proposer: Proposer | None) -> set[int]:
        """Trials with which hyperband may go on, or a running trial does."""
        if self.settings.algorithm != "hyperband":
            return set()
        if proposer is None:  # a proposal may have been lost with an interrupt
            return {number for number, order in self.history.orders.items() if order.epochs < self.settings.epochs}
        keys = proposer.may_go_on()
        going_on = [order for number, order in self.history.orders.items() if number not in self.history.results]
        return {number for number, proposal in self.history.proposals.items() if proposal.key in keys} | {
            int(Path(order.continues).name) for order in going_on if order.continues
        }

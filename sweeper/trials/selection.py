"""Which trial wins: the best few are trained again with other seeds, and their means compared.

The best of many trials owes part of its score to its seed; the mean of several seeds owes less.
Source: Reimers and Gurevych 2017, "Reporting Score Distributions Makes a Difference".
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records import TrialOrder, TrialResult

FINALISTS = 3  # configurations that are trained again


@dataclass(frozen=True)
class Candidate:
    """A configuration that may win.

    Args:
        number: the trial that the search asked for, whose model is exported if it wins.
        scores: the objective on the validation split, one a seed, that of `number` first.
        loss: on the validation split, the mean of the seeds; of equal scores the lower one wins.
        failed_again: with another seed it gave no model.
        cut_short: time cut it short itself, so that it is not trained again.
    """

    number: int
    scores: tuple[float, ...]
    loss: float = 0.0
    failed_again: bool = False
    cut_short: bool = False

    @property
    def is_finalist(self) -> bool:
        """Whether it was trained again to the end, and gave a model each time."""
        return len(self.scores) > 1 and not self.failed_again

    @property
    def mean(self) -> float:
        return statistics.fmean(self.scores)

    @property
    def std(self) -> float:
        """The standard deviation of its seeds; 0 for one."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else 0.0

    def __str__(self) -> str:
        if len(self.scores) == 1:
            return f"{self.mean:.4f}, one seed"
        return f"{self.mean:.4f} ± {self.std:.4f}, mean of {len(self.scores)} seeds"


def candidates(orders: Mapping[int, TrialOrder], results: Mapping[int, TrialResult], objective: str) -> list[Candidate]:
    """All configurations that have a score, the winner first.

    Those that were trained again come first, by their means, and then the others by the score that they have, those that
    gave no model with another seed last; of equals that with the lower loss, and the earlier one.
    """
    again: dict[int, list[TrialResult]] = {}
    for number, order in orders.items():
        if order.repeats is not None and number in results:
            again.setdefault(order.repeats, []).append(results[number])
    found = [
        _candidate(result, again.get(number, ()), objective)
        for number, result in results.items()
        if result.counts and orders[number].repeats is None
    ]
    return sorted(found, key=lambda one: (not one.is_finalist, one.failed_again, -one.mean, one.loss, one.number))


def _candidate(result: TrialResult, again: Sequence[TrialResult], objective: str) -> Candidate:
    whole = [result, *(one for one in again if one.state == "done")]  # not those that time cut short
    return Candidate(
        result.number,
        tuple(one.scores[objective] for one in whole),
        loss=statistics.fmean(one.scores.get("loss", 0.0) for one in whole),
        failed_again=any(one.state == "failed" for one in again),
        cut_short=result.state == "stopped",
    )


def tied_with_winner(found: Sequence[Candidate]) -> list[Candidate]:
    """The winner, and those that only its loss, or its number, stands before.

    Args:
        found: see `candidates`.
    """
    return [one for one in found if (one.is_finalist, one.mean) == (found[0].is_finalist, found[0].mean)]


def untested_challenger(found: Sequence[Candidate]) -> Candidate | None:
    """The best of those with one seed that would be a finalist, had there been time for a second one; None for none.

    Args:
        found: see `candidates`.
    """
    finalists = [one.scores[0] for one in found if one.is_finalist]
    others = [one for one in found if not (one.is_finalist or one.failed_again or one.cut_short)]
    return others[0] if finalists and others and others[0].mean > max(finalists) else None

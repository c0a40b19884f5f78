"""Which trial wins: the best few are trained again with other seeds, and their means compared.

The best of many trials owes part of its score to its seed; the mean of several seeds owes less.
Source: Reimers and Gurevych 2017, "Reporting Score Distributions Makes a Difference".
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .records import TrialOrder, TrialResult

FINALISTS = 3  # configurations that are trained again


@dataclass(frozen=True)
class Candidate:
    """A configuration that may win.

    Args:
        number: the trial that the search asked for, whose model is exported if it wins.
        scores: the objective on the validation split, one a seed, that of `number` first.
        unsteady: with another seed it gave no model.
    """

    number: int
    scores: tuple[float, ...]
    unsteady: bool = False

    @property
    def is_finalist(self) -> bool:
        """Whether its mean says more than one lucky seed."""
        return len(self.scores) > 1 and not self.unsteady

    @property
    def mean(self) -> float:
        return statistics.fmean(self.scores)

    @property
    def spread(self) -> float:
        """The standard deviation of its seeds; 0 for one."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else 0.0

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.spread:.4f}, mean of {len(self.scores)} seeds"


def candidates(orders: Mapping[int, TrialOrder], results: Mapping[int, TrialResult], objective: str) -> list[Candidate]:
    """All configurations that have a score, the winner first.

    Those that were trained with several seeds come first, by their means, and then the others by the score that they
    have; of equals the earlier one.
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
    return sorted(found, key=lambda one: (not one.is_finalist, -one.mean, one.number))


def _candidate(result: TrialResult, again: Sequence[TrialResult], objective: str) -> Candidate:
    whole = [one.scores[objective] for one in again if one.state == "done"]  # not those that time cut short
    unsteady = any(one.state == "failed" for one in again)
    return Candidate(result.number, (result.scores[objective], *whole), unsteady)


def still_to_repeat(
    finalists: Iterable[int], orders: Mapping[int, TrialOrder], repeats: Mapping[int, Sequence[int]], seeds: int
) -> Iterator[tuple[int, int]]:
    """Which trial is to be trained again with which seed: a round of all finalists, then the next round.

    Args:
        finalists: numbers of trials, the best first.
        repeats: for each trial that was asked for again, the numbers of those trials.
        seeds: how many each finalist is to have in all.
    """
    finalists = list(finalists)
    for further in range(1, seeds):
        for number in finalists:
            seed = orders[number].seed + further
            if all(orders[again].seed != seed for again in repeats.get(number, ())):
                yield number, seed

"""How much a score owes to which examples it was measured on: the bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RESAMPLES = 2_000  # times that as many examples are drawn again
COVERAGE = 0.95  # of what is found then lies within an interval
MIN_EXAMPLES = 20  # examples; of fewer the same ones are drawn too often, and intervals are too narrow


class Intervals(NamedTuple):
    """Bootstrap intervals of `COVERAGE`.

    Args:
        score: lowest and highest score.
        gain: lowest and highest difference from a baseline on the same examples; None where there is none.
    """

    score: tuple[float, float]
    gain: tuple[float, float] | None = None

    def described(self, objective: str) -> str:
        """Both intervals, in words."""
        said = f"{objective} {self.score[0]:.4f} to {self.score[1]:.4f}"
        if self.gain is None:
            return said
        gain = f"difference from the strongest baseline {self.gain[0]:+.4f} to {self.gain[1]:+.4f}, {self.verdict}"
        return f"{said}; {gain}"

    @property
    def verdict(self) -> str:
        """Whether the difference from the baseline is more than chance, in the field's word."""
        return "significant" if self.is_significant else "not significant"

    @property
    def is_significant(self) -> bool:
        """Whether the difference from the baseline is more than chance."""
        return self.gain is not None and not self.gain[0] <= 0 <= self.gain[1]


def bootstrap_intervals(
    score: Callable[[np.ndarray], np.ndarray], ours: np.ndarray, theirs: np.ndarray | None, seed: int
) -> Intervals | None:
    """By drawing the test examples anew, with replacement, and the same ones for the baseline; None for too few of them.

    Args:
        score: from summed statistics, float (draws, k), to scores, float (draws,).
        ours, theirs: float (examples, k): see `Task.statistics`.

    Source: Efron and Tibshirani 1993, chapter 13 (percentiles); Koehn 2004, "Statistical Significance Tests for Machine
    Translation Evaluation" (pairs).
    """
    generator, count = np.random.default_rng(seed), len(ours)
    if count < MIN_EXAMPLES:
        return None
    both = ours if theirs is None else np.concatenate([ours, theirs], axis=1)
    sums = np.stack(
        [np.bincount(generator.integers(count, size=count), minlength=count) @ both for _ in range(RESAMPLES)]
    )
    found = score(sums[:, : ours.shape[1]])
    gain = None if theirs is None else _interval(found - score(sums[:, ours.shape[1] :]))
    return Intervals(_interval(found), gain)


def _interval(values: np.ndarray) -> tuple[float, float]:
    outside = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(values, [outside, 100 - outside])
    return float(low), float(high)

"""The model that a sweep exports, and what is known of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..records import Difference, Differences, Ensemble, Scores
from ..trials.bootstrap import Intervals


@dataclass(frozen=True)
class Shipped:
    """A winner that was scored once on test data and exported.

    Args:
        trials: the winner's number, and those of the trials that answer with it as one.
        test: scores on the test split.
        validation: scores on the validation split, where it answers otherwise than the winner did while it was searched:
            with others as one, or by beam search; else None.
        intervals: what of the objective may be chance; None for too few examples.
        differences: which errors of the strongest baseline it repairs, and which it makes; None for a task that writes.
        export: name of the SavedModel's folder in the sweep's own.
        model: name and version in MLflow, once it is there.
        decoding: `beam_width` and `length_penalty` with which it writes; {} for one that labels.
    """

    trials: tuple[int, ...]
    test: Scores
    validation: Scores | None
    intervals: Intervals | None
    differences: Differences | None
    export: str
    model: str | None = None
    decoding: Mapping[str, float] = field(default_factory=dict)

    @property
    def winner(self) -> int:
        return self.trials[0]

    @property
    def ensemble(self) -> Ensemble | None:
        """The trials that answer as one, where there are several."""
        return Ensemble(self.trials, self.validation or {}, self.test) if len(self.trials) > 1 else None

    def noted(self) -> dict[str, Any]:
        """For a file."""
        return dataclasses.asdict(self)

    @classmethod
    def of_note(cls, noted: Mapping[str, Any]) -> Shipped:
        """As `noted` wrote it."""
        intervals, differences = noted["intervals"], noted["differences"]
        return cls(
            **{
                **noted,
                "trials": tuple(noted["trials"]),
                "intervals": None if intervals is None else Intervals(*(one and tuple(one) for one in intervals)),
                "differences": None if differences is None else _differences(differences),
            }
        )


def _differences(noted: Sequence[Any]) -> Differences:
    *what, repaired, made = noted
    return Differences(*what, *(tuple(Difference(*one) for one in few) for few in (repaired, made)))

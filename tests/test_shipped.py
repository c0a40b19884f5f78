"""What is kept of an exported model."""

from __future__ import annotations

import json

import pytest

from sweeper.records import Difference, Differences, Ensemble
from sweeper.sweeps.shipped import Shipped
from sweeper.trials.bootstrap import Intervals

DIFFERENCES = Differences("linear", "examples", 5, 3, 2, (Difference("a", "good", "good", "bad"),), ())


@pytest.mark.parametrize("intervals", [None, Intervals((0.7, 0.9)), Intervals((0.7, 0.9), (-0.1, 0.2))])
@pytest.mark.parametrize("differences", [None, DIFFERENCES])
def test_what_is_noted_of_a_model_reads_as_it_was(intervals, differences):
    shipped = Shipped((4, 7), {"accuracy": 0.8}, {"accuracy": 0.9}, intervals, differences, "export-2", "m version 3")
    assert Shipped.of_note(json.loads(json.dumps(shipped.noted()))) == shipped


def test_several_trials_answer_together_and_the_first_is_the_winner():
    alone = Shipped((4,), {"accuracy": 0.8}, None, None, None, "export")
    assert (alone.winner, alone.ensemble) == (4, None)
    both = Shipped((4, 7), {"accuracy": 0.8}, {"accuracy": 0.9}, None, None, "export")
    assert (both.winner, both.ensemble) == (4, Ensemble((4, 7), {"accuracy": 0.9}, {"accuracy": 0.8}))

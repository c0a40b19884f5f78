"""Bootstrap intervals: as wide as statistics says, and of differences by what differs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from sweeper.data.batches import Answers
from sweeper.data.store import Meta
from sweeper.tasks import TASKS
from sweeper.trials.bootstrap import Intervals, bootstrap_intervals


def rate(sums):
    return sums[..., 0] / sums[..., 1]


def statistics(right):
    return np.stack([right, np.ones(len(right))], axis=1).astype(float)


def test_the_interval_of_a_rate_is_the_binomial_one(rng):
    right = rng.random(400) < 0.8
    low, high = bootstrap_intervals(rate, statistics(right), None, seed=0).score
    expected = scipy.stats.binom.ppf([0.025, 0.975], 400, right.mean()) / 400
    assert np.allclose([low, high], expected, atol=0.01)


def test_a_difference_on_the_same_examples_is_judged_by_where_the_two_differ(rng):
    theirs = rng.random(1_000) < 0.8
    ours = theirs.copy()
    ours[np.flatnonzero(~theirs)[:20]] = True  # twenty repaired, none spoiled
    one = bootstrap_intervals(rate, statistics(ours), statistics(theirs), seed=0)
    assert one.is_significant
    assert 0 < one.gain[0] < 0.02 < one.gain[1]
    shuffled = bootstrap_intervals(rate, statistics(rng.permutation(ours)), statistics(theirs), seed=0)
    assert not shuffled.is_significant, "as far apart, but on other examples"


def test_equals_do_not_differ_and_losses_can_be_real():
    right = np.arange(50) % 3 > 0
    assert bootstrap_intervals(rate, statistics(right), statistics(right), 0).gain == (0, 0)
    assert not bootstrap_intervals(rate, statistics(right), statistics(right), 0).is_significant
    assert Intervals((0.1, 0.2), (-0.3, -0.1)).is_significant
    assert not Intervals((0.1, 0.2)).is_significant
    said = Intervals((0.1, 0.2), (-0.3, -0.1)).described("accuracy")
    assert said == "accuracy 0.1000 to 0.2000; difference from the strongest baseline -0.3000 to -0.1000, significant"
    assert Intervals((0.1, 0.2), (-0.3, 0.1)).described("accuracy").endswith(", not significant")


def test_of_a_handful_of_examples_nothing_is_said():
    right = statistics(np.arange(19) % 3 > 0)
    assert bootstrap_intervals(rate, right, statistics(np.zeros(19)), seed=0) is None
    assert bootstrap_intervals(rate, np.concatenate([right, right[:1]]), None, seed=0) is not None


def test_the_same_seed_gives_the_same_interval():
    right = statistics(np.arange(60) % 4 > 0)
    assert (
        bootstrap_intervals(rate, right, None, 3)
        == bootstrap_intervals(rate, right, None, 3)
        != bootstrap_intervals(rate, right, None, 4)
    )


LABELS, TAGS = ("a", "b", "c"), ("O", "B-p", "I-p")


@pytest.mark.parametrize(
    ("task", "kind", "labels", "lengths", "written"),
    [
        ("text", "labels", LABELS, [1] * 30, ""),
        ("tagging", "tags", LABELS, [3, 1, 4, 2] * 5, ""),
        ("tagging", "entities", TAGS, [3, 1, 4, 2] * 5, ""),
        ("seq2seq", "sequences", ("<stop>", "<unk>", "x"), [2, 1, 2, 3] * 5, "symbols"),
        ("generation", "texts", ("<stop>", "<unk>", "x"), [2, 1, 2, 3] * 5, "characters"),
    ],
)
def test_summed_tallies_give_the_objective(task, kind, labels, lengths, written, rng):
    meta = Meta("n", task, "d", labels, kind, ordered=False, counts={}, target_tokens=written)
    lengths, total = np.array(lengths), sum(lengths)
    truth, found = (Answers(rng.integers(0, 3, total).astype(np.int32), lengths) for _ in range(2))
    if kind == "texts":
        found = Answers(rng.exponential(size=total).astype(np.float32), lengths)
    if kind == "sequences":
        truth = truth._replace(groups=np.arange(len(lengths)) // 2)
    chosen = TASKS[task]
    sums = chosen.statistics(meta, truth, found).sum(0)
    assert chosen.score_of_statistics(meta, sums) == pytest.approx(
        chosen.scores(meta, truth, found)[chosen.objective(meta)], rel=1e-5
    )

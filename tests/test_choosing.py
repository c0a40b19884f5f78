"""Which trial wins, and which are trained again before."""

from __future__ import annotations

import pytest

from sweeper import report
from sweeper.choosing import candidates, still_to_repeat
from sweeper.records import TrialOrder, TrialResult


def order(number, *, seed=5, repeats=None):
    return TrialOrder(number, "text", {"units": repeats or number}, "", str(number), seed, 3, repeats=repeats)


def result(number, score, state="done"):
    return TrialResult(number, {}, state, {} if score is None else {"accuracy": score})


def found(*trials):
    """Candidates of trials: (score, state) or (score, state, which they repeat)."""
    orders = {number: order(number, repeats=(*trial, None)[2]) for number, trial in enumerate(trials)}
    results = {number: result(number, *trial[:2]) for number, trial in enumerate(trials)}
    return candidates(orders, results, "accuracy")


def test_without_further_seeds_the_highest_score_wins_and_of_equals_the_earlier_one():
    assert [one.number for one in found((0.7, "done"), (0.8, "stopped"), (0.8, "done"), (None, "failed"))] == [1, 2, 0]


def test_a_lucky_seed_does_not_win_over_a_better_mean():
    lucky, steady = (0.9, "done"), (0.85, "done")
    one, other = found(lucky, steady, (0.7, "done", 0), (0.84, "done", 1))
    assert (one.number, other.number) == (1, 0)
    assert one.scores == (0.85, 0.84)
    assert other.mean == pytest.approx(0.8)
    assert other.spread == pytest.approx(0.1 * 2**0.5)


def test_what_was_trained_once_does_not_win_over_what_held_with_several_seeds():
    assert [one.number for one in found((0.9, "done"), (0.8, "done"), (0.7, "done", 1))] == [1, 0]


@pytest.mark.parametrize("state", ["stopped", "interrupted"])
def test_a_seed_that_time_cut_short_says_nothing(state):
    first, second = found((0.9, "done"), (0.8, "done"), (0.1, state, 0))
    assert (first.number, first.scores, first.is_finalist) == (0, (0.9,), False)
    assert second.number == 1


def test_a_configuration_that_gave_no_model_with_one_seed_stands_behind_those_that_always_did():
    assert [one.number for one in found(
        (0.9, "done"), (0.8, "done"), (0.9, "done", 0), (None, "failed", 0), (0.6, "done", 1)
    )] == [1, 0]  # fmt: skip


def test_all_finalists_get_a_second_seed_before_one_gets_a_third():
    orders = {number: order(number) for number in (3, 1, 4)}
    assert list(still_to_repeat([3, 1, 4], orders, {}, seeds=3)) == [(3, 6), (1, 6), (4, 6), (3, 7), (1, 7), (4, 7)]
    orders |= {5: order(5, seed=6, repeats=3), 6: order(6, seed=6, repeats=4)}
    asked = {3: [5], 4: [6]}
    assert list(still_to_repeat([3, 1, 4], orders, asked, seeds=3)) == [(1, 6), (3, 7), (1, 7), (4, 7)]
    assert not list(still_to_repeat([3, 1, 4], orders, asked, seeds=1))


def test_the_leaderboard_begins_with_the_means_and_says_which_trial_repeats_which():
    trials = (0.9, "done"), (0.8, "done"), (0.7, "done", 1), (0.75, "done", 0), (0.85, "done")
    results = [result(number, *trial[:2]) for number, trial in enumerate(trials)]
    table = report.leaderboard(results, [], "accuracy", {}, found(*trials), {0: [3], 1: [2]})
    assert table["trial"].tolist() == ["0", "1", "4", "3", "2"]
    assert table["mean_val_accuracy"].tolist()[:2] == pytest.approx([0.825, 0.75])
    assert table["seeds"].tolist()[:2] == [2, 2]
    assert table["repeats"].dropna().tolist() == [0, 1]

"""Which trial wins, and which are trained again before."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace

import pytest

from sweeper.records import Settings, TrialOrder, TrialResult
from sweeper.reports import report
from sweeper.sweeps.history import History
from sweeper.sweeps.repeating import Repeating
from sweeper.sweeps.retention import Retention
from sweeper.sweeps.search import Search
from sweeper.system.journal import Journal
from sweeper.tasks import Baseline
from sweeper.trials.selection import candidates, tied_with_winner, untested_challenger


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
    assert other.std == pytest.approx(0.1 * 2**0.5)


def test_what_was_trained_once_does_not_win_over_what_held_with_several_seeds():
    assert [one.number for one in found((0.9, "done"), (0.8, "done"), (0.7, "done", 1))] == [1, 0]


def test_a_seed_that_time_cut_short_does_not_count_so_that_a_lucky_first_one_does_not_win():
    trials = found((0.9, "done"), (0.8, "done"), (0.1, "stopped", 0), (0.8, "done", 1))
    first, second = trials
    assert (first.number, first.scores) == (1, (0.8, 0.8))
    assert (second.number, second.scores) == (0, (0.9,))
    assert "one seed" in str(second)
    assert untested_challenger(trials) == second, "which is said"


def test_a_configuration_that_gave_no_model_with_one_seed_stands_behind_those_that_always_did():
    assert [one.number for one in found(
        (0.9, "done"), (0.8, "done"), (0.9, "done", 0), (None, "failed", 0), (0.6, "done", 1)
    )] == [1, 0]  # fmt: skip
    assert [one.number for one in found((0.9, "done"), (0.8, "done"), (None, "failed", 0))] == [1, 0]


def test_all_finalists_get_a_second_seed_before_one_gets_a_third():
    history = History(None, {number: order(number) for number in (3, 1, 4)})
    assert due(history) == [(3, 6), (1, 6), (4, 6), (3, 7), (1, 7), (4, 7)]
    history._asked(order(5, seed=6, repeats=3))
    history._asked(order(6, seed=6, repeats=4))
    assert due(history) == [(1, 6), (3, 7), (1, 7), (4, 7)], "those that run are asked for already"
    history.results |= {5: result(5, 0.7, "done"), 6: result(6, None, "failed")}
    assert due(history) == [(1, 6), (3, 7), (1, 7), (4, 7)]
    history.results[5] = result(5, 0.7, "stopped")
    assert due(history) == [(3, 6), (1, 6), (3, 7), (1, 7), (4, 7)], "what time cut short is trained anew"
    assert due(history, seeds=1) == []


def due(history, seeds=3):
    repeating = Repeating(history, Settings(seeds=seeds), None, 2)
    return [(one.number, one.seed) for one in repeating.due([3, 1, 4], (), over=True)]


def test_the_leaderboard_begins_with_the_means_and_says_which_trial_repeats_which():
    trials = (0.9, "done"), (0.8, "done"), (0.7, "done", 1), (0.75, "done", 0), (0.85, "done")
    results = [result(number, *trial[:2]) for number, trial in enumerate(trials)]
    table = report.leaderboard(results, [], "accuracy", {}, found(*trials), {0: [3], 1: [2]})
    assert table["trial"].tolist() == ["0", "1", "4", "3", "2"]
    assert table["mean_val_accuracy"].tolist()[:2] == pytest.approx([0.825, 0.75])
    assert table["seeds"].tolist()[:2] == [2, 2]
    assert table["repeat_of"].dropna().tolist() == [0, 1]


def test_of_equal_scores_the_lower_loss_wins():
    def scored(number, loss, state="done"):
        return TrialResult(number, {}, state, {"accuracy": 0.8, "loss": loss})

    results = {number: scored(number, loss) for number, loss in enumerate((0.6, 0.4, 0.5, 0.9))}
    orders = {number: order(number, repeats=1 if number == 3 else None) for number in results}
    alone = {number: orders[number] for number in range(3)}
    assert [one.number for one in candidates(alone, {n: results[n] for n in alone}, "accuracy")] == [1, 2, 0]
    chosen = candidates({**orders, 4: order(4, repeats=2)}, {**results, 4: scored(4, 0.7)}, "accuracy")
    assert [one.number for one in chosen] == [2, 1, 0], "0.6 in the mean of its seeds, and 0.65"
    table = report.leaderboard(list(results.values()), [], "accuracy", {}, chosen)
    assert table["trial"].tolist()[:3] == ["2", "1", "0"]


def test_what_gave_no_model_with_another_seed_stands_last_in_the_leaderboard():
    trials = (0.9, "done"), (0.8, "done"), (None, "failed", 0)
    results = [result(number, *trial[:2]) for number, trial in enumerate(trials)]
    assert report.leaderboard(results, [], "accuracy", {}, found(*trials))["trial"].tolist() == ["1", "0", "2"]


def test_those_that_only_a_loss_tells_apart_are_equals():
    def numbers(*trials):
        return [one.number for one in tied_with_winner(found(*trials))]

    assert numbers((0.8, "done"), (0.8, "done"), (0.7, "done")) == [0, 1]
    assert numbers((0.8, "done"), (0.8, "done"), (0.8, "done", 0)) == [0], "the other one was trained once"
    assert numbers((0.8, "done"), (0.8, "done"), (0.8, "done", 0), (0.8, "done", 1)) == [0, 1]
    assert numbers((0.8, "done"), (0.8, "done"), (None, "failed", 1)) == [0, 1]


def test_a_baseline_stands_above_whatever_it_beats():
    trials = (0.9, "done"), (0.8, "done"), (0.7, "done", 1), (0.7, "done", 0), (None, "failed")
    results = [result(number, *trial[:2]) for number, trial in enumerate(trials)]
    scores = {"strong": 0.85, "equal": 0.8, "between": 0.76, "weak": 0.1}
    baselines = [Baseline(name, {"accuracy": score}, {}) for name, score in scores.items()]
    table = report.leaderboard(results, baselines, "accuracy", {}, found(*trials), {0: [3], 1: [2]})
    named = [name.removeprefix("baseline: ") for name in table["trial"]]
    assert named == ["strong", "0", "equal", "between", "1", "2", "3", "weak", "4"]


def test_the_leaderboard_of_nothing_is_empty():
    assert report.leaderboard([], [], "accuracy", {}, [], {}).empty


class Folder:
    """A sweep's folder that only notes whose weights are deleted."""

    def __init__(self):
        self.dropped = set()

    def drop_weights(self, number, *, state_only=False):
        if not state_only:
            self.dropped.add(number)

    def history(self, prepared):
        return History(None)

    def trial(self, number):
        return f"trials/{number}"


def kept(*scores, repeats=()):
    """Trials that ended in this order, and the keeping of them; `repeats` come after, as (of, state)."""
    history, folder = History(None), Folder()
    retention = Retention("accuracy", Settings(), folder, history)
    for number, score in enumerate(scores):
        history._asked(order(number))
        history._told(result(number, score, "done"))
        retention.ended(history.results[number], None)
    for number, (of, state) in enumerate(repeats, start=len(scores)):
        history._asked(order(number, seed=6, repeats=of))
        history._told(result(number, None if state == "failed" else 0.5, state))
        retention.ended(history.results[number], None)
    return retention, history, folder


def test_the_finalists_are_the_best_three_that_gave_a_model_each_time():
    retention, _, _ = kept(0.5, 0.9, 0.7, 0.9, 0.8)
    assert retention.finalists() == [1, 3, 4]
    retention, _, _ = kept(0.5, 0.9, 0.7, 0.9, 0.8, repeats=[(3, "failed"), (1, "done")])
    assert retention.finalists() == [1, 4, 2]


def test_a_trial_that_time_cut_short_is_no_finalist():
    retention, history, _ = kept(0.5, 0.9, 0.7)
    history._told(result(1, 0.9, "stopped"))
    assert retention.finalists() == [2, 0]


def test_what_is_left_of_a_budget_is_what_earlier_searches_did_not_use(tmp_path):
    def left(**how):
        found = Search(
            None, Settings(budget=90.0), SimpleNamespace(folder=None), "accuracy", folder, SimpleNamespace(running=(), count=2), None, **how
        )  # fmt: skip
        return found.deadline - time.time()

    history = History(Journal(tmp_path / "history.jsonl"))
    folder = SimpleNamespace(history=lambda prepared: history)
    history.asked(order(8))
    assert left() == pytest.approx(90, abs=5)
    history.told(result(8, 0.9), spent=60.0)
    assert left() == pytest.approx(30, abs=5)
    assert left(fresh_budget=True) == pytest.approx(90, abs=5)
    history.note_spent(75.0)
    history = History.read(SimpleNamespace(path=tmp_path, placed=lambda order, prepared: order), None)
    assert left() == pytest.approx(15, abs=5), "also of a search that ended before anything was told"


def test_what_was_spent_is_noted_also_where_a_search_ends_at_once(tmp_path):
    history = History(Journal(tmp_path / "history.jsonl"))
    folder = SimpleNamespace(history=lambda prepared: history)
    running = SimpleNamespace(running=(), count=2)
    found = Search(None, Settings(), SimpleNamespace(folder=None), "accuracy", folder, running, None)
    found._began -= 30
    found._note_spent(every=40)
    assert history.spent == 0, "not yet"
    found._note_spent(every=20)
    assert history.spent == pytest.approx(30, abs=5)
    found._began -= 15
    found._note_spent(every=20)
    assert history.spent == pytest.approx(30, abs=5), "for a while it is not noted again"
    with pytest.raises(KeyboardInterrupt), found._counting_time():
        raise KeyboardInterrupt
    assert History.read(SimpleNamespace(path=tmp_path), None).spent == pytest.approx(45, abs=5)


def test_weights_stay_of_the_best_ten_and_of_those_that_may_win_by_their_mean():
    retention, history, folder = kept(0.1, 0.2, 0.3, repeats=[(0, "done")])
    assert folder.dropped == {3}, "of a further seed only the score is wanted"
    for number in range(4, 15):
        history._asked(order(number))
        history._told(result(number, 0.4 + number / 100, "done"))
        retention.ended(history.results[number], None)
    assert folder.dropped == {1, 2, 3, 4}
    assert 0 not in folder.dropped


def repeating(*trials, left, budget=90.0, seeds=None):
    """What is repeated of trials that are (score, seconds), or (score, seconds, which they repeat), with so many seconds
    left; and the finalists."""
    retention, history, _ = kept()
    for number, (score, seconds, *of) in enumerate(trials):
        history._asked(order(number, repeats=of[0] if of else None, seed=6 if of else 5))
        history._told(dataclasses.replace(result(number, score, "done"), seconds=seconds))
        retention.ended(history.results[number], None)
    deadline = None if left is None else time.time() + left
    return Repeating(history, Settings(budget=budget, seeds=seeds), deadline, 2), retention.finalists()


def repeated(*trials, over=False, running=(), **how):
    """Which trial is trained again next, and with which seed; None for none."""
    found, finalists = repeating(*trials, **how)
    asked = found.next(found.due(finalists, running, over=over))
    return asked and (asked.number, asked.seed)


BEST = (0.9, 5.0), (0.8, 5.0), (0.7, 5.0), (0.6, 50.0)


def test_the_end_of_a_budget_is_for_training_the_best_again():
    assert repeated(*BEST, left=25) is None, "six more, two at once, take 15 seconds, and one may begin late"
    assert repeated(*BEST, left=19) == (0, 6)
    assert repeated(*BEST, left=19, seeds=1) is None
    slow = [(score, 25.0) for score, _ in BEST]
    assert repeated(*slow, left=31) is None, "a third of the budget at most"
    assert repeated(*slow, left=29) == (0, 6)
    assert repeated(*slow, left=24) is None, "it would not end in time"
    found, finalists = repeating(*slow, left=24)
    assert not found.due(finalists, (), over=False), "and the search goes on with others"


def test_a_worse_trial_gets_no_second_seed_before_a_better_one_has_it_but_a_third():
    slow_first = (0.9, 12.0), (0.8, 2.0), (0.7, 2.0)
    assert repeated(*slow_first, left=11) is None
    second = [(0.9, 2.0, 0), (0.8, 2.0, 1), (0.7, 2.0, 2)]
    assert repeated(*slow_first, *second, left=4) == (0, 7), "the shortest time that it took counts"
    long = [(0.9, 12.0, 0), (0.8, 2.0, 1), (0.7, 2.0, 2)]
    assert repeated(*slow_first, *long, left=11) == (1, 7)


def test_without_a_budget_the_best_are_trained_again_when_all_trials_have_ended():
    ended = {"left": None, "budget": None, "over": True}
    assert repeated(*BEST, **ended, seeds=2) == (0, 6)
    assert repeated(*BEST, **ended) is None, "unless seeds are asked for, it is not done"
    assert repeated(*BEST, **{**ended, "over": False}, seeds=2) is None
    assert repeated(*BEST, **ended, seeds=2, running=[order(9)]) is None, "one that still runs may be among the best"
    assert repeated(*BEST, **ended, seeds=2, running=[order(9, repeats=0)]) == (0, 6)


def test_a_trial_that_came_too_late_to_be_trained_again_is_noted_if_it_did_better_than_all_that_were():
    again = (0.7, "done", 0)
    assert untested_challenger(found((0.8, "done"), again, (0.9, "done"))).number == 2
    assert untested_challenger(found((0.8, "done"), again, (0.78, "done"))) is None, (
        "the mean is lower, the first seed is not"
    )
    assert untested_challenger(found((0.8, "done"), again, (0.9, "done"), (None, "failed", 2))) is None
    assert untested_challenger(found((0.8, "done"), (0.9, "done"))) is None, "there was no time for any"
    assert untested_challenger(found((0.8, "done"), again, (0.9, "stopped"))) is None, "nobody will train it again"


def test_ten_failures_for_one_reason_and_nothing_else_are_hopeless():
    workers = SimpleNamespace(running=(), count=2)
    found = Search(None, Settings(), SimpleNamespace(folder=None), "accuracy", Folder(), workers, None)
    for number in range(10):
        assert not found._hopeless()
        failed = dataclasses.replace(result(number, None, "failed"), error=f"the loss is nan in epoch {number + 1}")
        found.history._asked(order(number))
        found.history._told(failed)
    assert found._hopeless()

"""The arithmetic behind the benchmarks: what a ratio counts, and when it says no."""

from __future__ import annotations

import math
import tomllib
from types import SimpleNamespace

import pytest

from benchmarks import pairs
from benchmarks.pairs import (
    Pair,
    Run,
    by_configuration,
    compared,
    finished,
    rated,
    seconds_a_trial,
    seconds_by_configuration,
    write_space,
)

PAIR = Pair("some", "classify", (64,), (0.001, 0.002), 50, 4)


def run(number, start, end, own=None, status="FINISHED"):
    """A trial as MLflow has it, in seconds."""
    metrics = {} if own is None else {"trial_seconds": own}
    params = {"cell": "gru", "units": "64", "learning_rate": f"{0.001 * (number + 1)}"}
    info = SimpleNamespace(start_time=1_000 * start, end_time=1_000 * end, status=status)
    return SimpleNamespace(
        info=info, data=SimpleNamespace(metrics=metrics, params=params, tags={"sweeper.trial": str(number)})
    )


def test_a_trial_of_the_script_takes_from_its_beginning_to_its_end():
    assert seconds_a_trial([run(0, 0, 8), run(1, 9, 21)], 1) == 10


def test_a_trial_of_a_sweep_takes_what_it_took_itself_and_what_handing_out_adds():
    first = [run(0, 0, 15, own=10), run(1, 0, 16, own=12)]  # their workers imported TensorFlow meanwhile
    later = [run(2, 15, 26, own=10), run(3, 16, 31, own=12)]
    assert seconds_a_trial(first + later, 2) == (10 + 12 + 10 + 12) / 4 + (1 + 3) / 2


@pytest.mark.parametrize(
    ("trials", "good"),
    [
        ([run(n, 0, 9) for n in range(4)], True),
        ([run(n, 0, 9) for n in range(3)], False),
        ([*(run(n, 0, 9) for n in range(3)), run(3, 0, 1, status="FAILED")], False),
    ],
)
def test_a_rate_is_of_every_configuration_trained_to_its_end(monkeypatch, trials, good):
    client = SimpleNamespace(get_run=lambda run: run_of_all, search_runs=lambda experiments, asked: trials)
    run_of_all = SimpleNamespace(info=SimpleNamespace(experiment_id="1"))
    monkeypatch.setattr("mlflow.MlflowClient", lambda database: client)
    if not good:
        with pytest.raises(SystemExit, match="4 trials should have finished"):
            finished(PAIR, "sqlite:///x", "run")
        return
    found = finished(PAIR, "sqlite:///x", "run")
    # 4 trials of 9 seconds by 2 workers are 18 of the 72 seconds; the other 54 are paid once in an hour too.
    assert rated(found, 2, 72) == {"hour": (3_600 - 54) / 4.5, "rate": 800, "whole": 200}


def test_each_configuration_is_compared_with_itself():
    ours = Run({}, seconds_by_configuration([run(1, 0, 99, own=4), run(0, 0, 99, own=2)]))
    theirs = Run({}, seconds_by_configuration([run(0, 0, 6), run(1, 7, 15)]))
    assert by_configuration(PAIR, [ours], [theirs], 2).found == "gru of 64 at 0.001 6x, gru of 64 at 0.002 4x"


def found(hour, score):
    return {"hour": hour, "rate": 450, "whole": 50, "validation": score, "test": score}


def test_a_sweep_is_faster_by_the_median_of_seeds_and_no_worse_than_they_differ():
    theirs = [found(100, score) for score in (0.80, 0.81, 0.82)]
    ours = [found(hour, score) for hour, score in ((300, 0.79), (420, 0.80), (380, 0.81))]
    rows = {row.what: row for row in compared(PAIR, ours, theirs)}
    hour = rows["some: trials in an hour, projected, over the script's"]
    assert (hour.found, hour.good) == ("3.8x (3 to 4.2)", False)
    faster = [found(10 * one["hour"], one["test"]) for one in ours]
    assert {row.what: row for row in compared(PAIR, faster, theirs)}[hour.what].good
    score = "some: test score: the script's minus sweeper's"
    assert rows[score].good
    worse = [found(400, score) for score in (0.77, 0.78, 0.79)]
    assert not {row.what: row for row in compared(PAIR, worse, theirs)}[score].good


@pytest.mark.parametrize("pair", pairs.PAIRS, ids=lambda pair: pair.card)
def test_every_configuration_of_a_space_is_counted(pair, tmp_path):
    text = write_space(tmp_path, pair, "tagging" if pair.space == "tag" else "sentiment").read_text(encoding="utf-8")
    rules = tomllib.loads(text)["parameters"].values()
    assert pair.trials == math.prod(len(rule["choice"]) for rule in rules if "choice" in rule)

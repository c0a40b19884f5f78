"""A whole sweep, small but real: workers, MLflow, export, resume."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import sweeper
from sweeper.cli.command_line import main
from sweeper.data import prepare
from sweeper.errors import DataError, SweepError, TrackingError, UsageError
from sweeper.records import EpochEvent, TrialResult
from sweeper.reports import report
from sweeper.reports.terminal import Board
from sweeper.serving import answer
from sweeper.sweeps import run as sweeps
from sweeper.sweeps.folders import find_folder, free_name
from sweeper.sweeps.history import History
from sweeper.track.store import store
from sweeper.trials.baselines import baselines_of
from sweeper.trials.winner import DECODINGS, score_validation

from .conftest import FINISHED, reviews, write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tables")]


def sweep(card, space, workers=1, **options):
    return sweeper.sweep(dataset=str(card), space=str(space), workers=workers, epochs=3, **options)


def begin(card, space, *options):
    """A sweep of two workers in a process group of its own, as a shell would start it."""
    command = [sys.executable, "-m", "sweeper", "sweep", "--dataset", str(card), "--space", str(space)]
    return subprocess.Popen(
        [*command, "--workers", "2", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_epochs(name, trials):
    """Until so many trials of a sweep have trained an epoch."""
    deadline = time.time() + 120
    while len(list(Path(f"sweeps/{name}/trials").glob("*/events.jsonl"))) < trials and time.time() < deadline:
        time.sleep(0.1)


@pytest.fixture
def long_space(tmp_path):
    """Trials that take long enough to be interrupted."""
    space = 'about = "slow"\ntask = "sentiment"\n[parameters.patience]\nfixed = 90\n[parameters.units]\nchoice = [4, 5, 6]\n'
    return write(tmp_path / "slow.toml", space)


def runs(experiment):
    client = mlflow.MlflowClient(store())
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


@pytest.mark.filterwarnings("ignore")  # to import mlflow.pyfunc, as whoever serves a model does, warns of its own types
def test_the_whole_story(reviews_card, tiny_space):
    write(reviews_card.parent / "reviews.csv", reviews(240))  # so that there are test examples enough for an interval
    outcome = sweep(reviews_card, tiny_space, workers=2, trials=3, name="mine")

    assert outcome.ended == "trials"
    assert outcome.test["accuracy"] > 0.8
    board = pd.read_csv(outcome.folder / "leaderboard.csv")
    assert sorted(board["trial"]) == ["0", "1", "2", "baseline: linear", "baseline: majority"]
    assert board["test_accuracy"].notna().sum() == 3, "test data score the winner and the baselines, nobody else"
    assert board["val_accuracy"].is_monotonic_decreasing
    assert sweeper.leaderboard("mine")["trial"].tolist() == board["trial"].tolist()

    parents = [run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "sweep"]
    children = [run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "trial"]
    assert len(parents) == 1
    assert {run.info.status for run in parents + children} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parents[0].info.run_id}
    assert parents[0].data.metrics["trials_done"] == 3
    metrics = parents[0].data.metrics
    assert metrics["best_test_accuracy"] == outcome.test["accuracy"]
    assert metrics["best_test_accuracy_low"] <= outcome.test["accuracy"] <= metrics["best_test_accuracy_high"]
    gain = outcome.test["accuracy"] - outcome.baselines[-1].test["accuracy"]
    assert metrics["gain_test_accuracy_low"] <= gain <= metrics["gain_test_accuracy_high"]
    client = mlflow.MlflowClient(store())
    assert {"card.toml", "space.toml", "leaderboard.csv", "report.html"} <= {
        file.path for file in client.list_artifacts(parents[0].info.run_id)
    }
    assert "seed 0; all trials are done" in (outcome.folder / "report.html").read_text(encoding="utf-8")
    for run in children:
        assert {file.path for file in client.list_artifacts(run.info.run_id, "plots")} == {
            "plots/confusion.png",
            "plots/learning_curve.png",
        }

    assert next(answer.load(str(outcome.export))(["a fine and moving film"]))["label"] == "good"
    version = client.get_model_version("sweeper-sentiment-reviews", "1")
    served = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    assert served.predict(pd.DataFrame({"text": ["a fine and moving film"]}))["label"].tolist() == ["good"]

    assert sweeper.export("mine", to="exports/best") == Path("exports/best")
    assert sweeper.export("mine", trial=1, to="exports/first") == Path("exports/first")
    assert len(list(answer.load("exports/first")(["x", "y"]))) == 2
    with pytest.raises(UsageError, match="--trial: 9 gave no model in mine; these did: 0, 1, 2"):
        sweeper.export("mine", trial=9, to="exports/ninth")

    again = sweep(reviews_card, tiny_space, trials=3)
    assert again.leaderboard["val_accuracy"].tolist() == outcome.leaderboard["val_accuracy"].tolist(), (
        "same seed, same result"
    )


def by_standing(results, numbers):
    """Trials, the best first; of equals that with the lower loss."""
    return sorted(numbers, key=lambda n: (-results[n].scores["accuracy"], results[n].scores["loss"], n))


def test_the_best_three_are_trained_with_two_more_seeds_and_the_best_mean_wins(reviews_card, tiny_space):
    outcome = sweep(reviews_card, tiny_space, workers=2, trials=4, seeds=3, name="s")
    assert outcome.ended == "trials"
    history = find_folder("s").history()
    again = {number: order for number, order in history.orders.items() if order.repeats is not None}
    by_score = by_standing(history.results, range(4))
    assert sorted((order.repeats, order.seed) for order in again.values()) == sorted(
        (number, seed) for number in by_score[:3] for seed in (1, 2)
    )
    for order in again.values():
        assert order.configuration == history.orders[order.repeats].configuration
    means = {
        number: sum(
            result.scores["accuracy"] for one, result in history.results.items() if one == number or (
                one in again and again[one].repeats == number
            )
        ) / 3
        for number in by_score[:3]
    }  # fmt: skip
    assert means[outcome.best.number] == pytest.approx(max(means.values()))
    assert outcome.finalists[0].mean == pytest.approx(max(means.values()))
    every = {
        run.data.tags["sweeper.trial"]: run for run in runs("sentiment/reviews") if "sweeper.trial" in run.data.tags
    }
    assert {int(trial): int(run.data.tags["sweeper.repeat_of"]) for trial, run in every.items() if "sweeper.repeat_of" in run.data.tags} == {
        number: order.repeats for number, order in again.items()
    }  # fmt: skip
    parent = next(run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "sweep")
    assert parent.data.metrics["best_val_accuracy_mean"] == pytest.approx(outcome.finalists[0].mean)
    assert sweeper.leaderboard("s")["trial"].tolist() == outcome.leaderboard["trial"].tolist()

    further = sweeper.sweep(resume="s", trials=5)  # the oracle goes on where it stood, as if nothing had come between
    assert further.best is not None
    assert history.orders[3].configuration != find_folder("s").history().orders[10].configuration


def test_the_best_trials_are_exported_as_one_model_where_that_is_asked(reviews_card, tiny_space):
    outcome = sweep(reviews_card, tiny_space, trials=3, ensemble=2, name="s")
    trials = outcome.shipped.trials
    assert trials[0] == outcome.best.number
    results = find_folder("s").history().results
    assert by_standing(results, results)[:2] == list(trials)
    row = outcome.leaderboard.set_index("trial").loc[f"ensemble: {trials[0]}, {trials[1]}"]
    assert row["test_accuracy"] == outcome.test["accuracy"]
    assert outcome.leaderboard["test_accuracy"].notna().sum() == 1 + len(outcome.baselines), (
        "test data scored them alone"
    )
    assert sweeper.leaderboard("s").equals(outcome.leaderboard)
    assert "the trials" in (sweeper.export("s", to="both") / "model_card.md").read_text()
    alone = (sweeper.export("s", trial=trials[0], to="alone") / "model_card.md").read_text()
    assert f"A recurrent model, trial {trials[0]} of" in alone
    again = sweeper.sweep(resume="s", ensemble=2)
    assert again.shipped == outcome.shipped
    shutil.rmtree(outcome.export)
    assert "the trials" in (sweeper.export("s", to="anew") / "model_card.md").read_text()


def test_a_sweep_whose_budget_is_over_is_resumed_with_another_one_or_ends_as_it_was(reviews_card, tiny_space):
    first = sweep(reviews_card, tiny_space, budget=0.5, name="s")
    assert first.ended == "budget"
    assert "stopped" in first.leaderboard["state"].tolist(), "it ended with its epoch, and counts"
    assert first.best is not None
    again = sweeper.sweep(resume="s")
    assert (again.ended, again.export) == ("budget", first.export)
    assert list(again.leaderboard["trial"]) == list(first.leaderboard["trial"])
    assert sweeper.sweep(resume="s", budget=600.0, seeds=1).ended == "exhausted"


def test_a_sweep_of_so_many_trials_is_resumed_with_a_budget_until_its_space_is_exhausted(finished):
    outcome = sweeper.sweep(resume="s", budget=600.0, seeds=1)
    assert outcome.ended == "exhausted"
    assert not outcome.finalists
    assert len(finished.history().results) == 6
    (run,) = (run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "sweep")
    assert run.data.params["trials"] == "2"
    assert (run.data.tags["sweeper.trials"], run.data.tags["sweeper.budget"]) == ("None", "600.0")
    assert "sweeper.epochs" not in run.data.tags
    assert (run.data.params["budget"], "sweeper.seeds" in run.data.tags) == ("None", False)


def test_an_interrupt_leaves_the_winner_that_was_shipped(finished, monkeypatch):
    first = sweeper.sweep(resume="s")  # ends as it was
    search = sweeps.search_and_score_baselines

    def interrupted(*given):
        found = search(*given)
        (other,) = (one for one in given[0].history.results.values() if one.number != found.best.number)
        return dataclasses.replace(found, ended="interrupted", best=other)

    monkeypatch.setattr(sweeps, "search_and_score_baselines", interrupted)
    again = sweeper.sweep(resume="s")
    assert (again.best.number, again.test, again.export) == (first.best.number, first.test, first.export)
    assert again.leaderboard.equals(first.leaderboard)
    (run,) = (run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "sweep")
    assert run.data.metrics["best_val_accuracy"] == first.best.scores["accuracy"]

    other = 1 - first.best.number
    monkeypatch.setattr(History, "best", lambda history, objective: history.results[other])
    assert f"trial {first.best.number}" in (sweeper.export("s", to="exports/s") / "model_card.md").read_text()


def test_hyperband_goes_on_from_earlier_weights_and_says_what_it_gave_up(reviews_card, tiny_space):
    outcome = sweep(reviews_card, tiny_space, algorithm="hyperband", trials=9, seed=1)
    orders = outcome.folder and find_folder(outcome.folder.name).history().orders
    promoted = [order for order in orders.values() if order.continues]
    assert promoted
    for order in promoted:
        assert (
            json.loads((Path(order.folder) / "events.jsonl").read_text().splitlines()[0])["epoch"]
            == order.initial_epoch + 1
        )
    states = outcome.leaderboard.set_index("trial")["state"]
    given_up = {
        str(number)
        for number, order in orders.items()
        if order.epochs < 3 and order.folder not in {other.continues for other in promoted}
    }
    assert given_up
    assert set(states.index[states == "pruned"]) == given_up
    parent = next(run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "sweep")
    assert parent.data.metrics["trials_pruned"] == len(given_up)
    assert parent.data.metrics["trials_done"] == len(orders) - len(given_up)
    tagged = {
        r.data.tags["sweeper.trial"] for r in runs("sentiment/reviews") if r.data.tags.get("sweeper.state") == "pruned"
    }
    assert tagged == given_up


def test_trials_that_diverge_fail_alone_and_a_sweep_of_nothing_else_says_why(reviews_card, tmp_path):
    huge = " ".join(["3e38", "-3e38"] * 4)  # sums of these are no numbers
    vectors = write(
        tmp_path / "huge.txt", "".join(f"{word} {huge}\n" for word in "a film from start to end simply".split())
    )
    space = write(
        tmp_path / "diverges.toml",
        'about = "x"\ntask = "sentiment"\n[parameters.input]\nfixed = "pretrained"\n'
        f'[parameters.vectors]\nfixed = "{vectors}"\n[parameters.units]\nchoice = [4, 5]\n',
    )
    with pytest.raises(SweepError, match=r"no trial of 2 gave a model: diverged: the loss is nan in epoch 1"):
        sweep(reviews_card, space, trials=2)
    assert {run.info.status for run in runs("sentiment/reviews")} == {"FAILED"}
    errors = {
        run.data.tags.get("sweeper.error", "")[:8]
        for run in runs("sentiment/reviews")
        if run.data.tags["sweeper.kind"] == "trial"
    }
    assert errors == {"diverged"}


def test_a_server_that_is_not_there_leaves_no_sweep_behind(reviews_card, tiny_space, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError):
        sweep(reviews_card, tiny_space, name="mine")
    assert not Path("sweeps/mine").exists()


def test_the_winner_of_a_sweep_that_was_resumed_is_the_one_that_is_exported(reviews_card, tiny_space):
    first = sweep(reviews_card, tiny_space, trials=1, name="s")
    folder = find_folder("s")
    history = folder.path / "history.jsonl"
    worse = history.read_text().replace(f'"accuracy": {first.best.scores["accuracy"]}', '"accuracy": 0.01')
    history.write_text(worse)  # as if the first trial had been a bad one
    second = sweeper.sweep(resume="s", trials=2)
    assert second.best.number == 1
    assert "trial 1 of the sweep" in (sweeper.export("s", to="exports/best") / "model_card.md").read_text()
    assert "trial 0 of the sweep" in (sweeper.export("s", trial=0, to="exports/first") / "model_card.md").read_text()


def test_an_interrupt_while_the_last_trials_run_is_an_interrupt(reviews_card, long_space):
    running = begin(reviews_card, long_space, "--trials", "2", "--epochs", "25", "--name", "s")
    wait_for_epochs("s", 2)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert not find_folder("s").history().results, "what was stopped by hand runs anew"
    assert not [run for run in runs("sentiment/reviews") if run.info.status in ("RUNNING", "FINISHED")]


@pytest.mark.parametrize("struck", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_is_resumed(reviews_card, long_space, struck):
    running = begin(reviews_card, long_space, "--trials", "3", "--epochs", "25", "--name", "s")
    wait_for_epochs("s", 1)
    # A terminal interrupts workers too; who ends a process by its number means the sweep's own.
    os.killpg(running.pid, struck) if struck == signal.SIGINT else running.send_signal(struck)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert "resume with:  sweeper sweep --resume s" in said
    assert "Traceback" not in said
    assert not [run for run in runs("sentiment/reviews") if run.info.status == "RUNNING"]

    finished = dict(find_folder("s").history().results)
    outcome = sweeper.sweep(resume="s")
    assert outcome.ended == "trials"
    results = find_folder("s").history().results
    assert sorted(results) == [0, 1, 2]
    assert {number: results[number] for number in finished} == finished, "finished trials are not run again"
    parents = [run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "sweep"]
    assert [run.info.status for run in parents] == ["FINISHED"]


def test_a_sweep_whose_parent_was_killed_leaves_no_worker_and_goes_on(reviews_card, long_space):
    running = begin(reviews_card, long_space, "--trials", "3", "--epochs", "25", "--name", "s")
    wait_for_epochs("s", 2)
    workers = [int(line) for line in pgrep(running.pid)]
    assert workers
    running.kill()
    running.communicate(timeout=60)
    deadline = time.time() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.time() < deadline:
        time.sleep(0.2)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()], "orphans end with their epoch"
    outcome = sweeper.sweep(resume="s")
    assert outcome.ended == "trials"
    assert sorted(find_folder("s").history().results) == [0, 1, 2]
    assert {run.info.status for run in runs("sentiment/reviews")} == {"FINISHED", "KILLED"}


def pgrep(parent):
    return subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout.split()


def test_a_sweep_that_runs_is_not_resumed_a_second_time(reviews_card, long_space):
    running = begin(reviews_card, long_space, "--trials", "3", "--epochs", "25", "--name", "s")
    wait_for_epochs("s", 1)
    with pytest.raises(UsageError, match="s is running already, in another process"):
        sweeper.sweep(resume="s")
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said


def test_data_that_changed_since_a_sweep_began_are_refused(finished, tmp_path):
    table = tmp_path / "data" / "reviews.csv"
    table.write_text(table.read_text() + "one more of them,good\n")
    with pytest.raises(
        UsageError, match=r"the data of s have changed since it began: .* train, .* then, .* now \(digest "
    ):
        sweeper.sweep(resume="s", trials=2)


def test_a_sweep_of_a_version_that_prepared_data_otherwise_is_refused_for_that(finished, monkeypatch):
    monkeypatch.setattr(prepare, "FORMAT", prepare.FORMAT + 1)
    with pytest.raises(UsageError, match="s was begun by a version of sweeper that prepared data otherwise"):
        sweeper.sweep(resume="s", trials=2)


def test_a_sweep_is_resumed_as_it_was_begun_or_refused_with_the_difference(
    finished, reviews_card, tiny_space, tmp_path
):
    begun = {"dataset": str(reviews_card), "space": str(tiny_space), **FINISHED}
    sweeper.sweep("sentiment", **begun, resume="s")
    with pytest.raises(UsageError, match="--resume: s was begun with --seed 3, found 4; leave it out"):
        sweeper.sweep(**{**begun, "seed": 4}, resume="s")
    with pytest.raises(UsageError, match="--resume: s was begun with task sentiment, found text"):
        sweeper.sweep("text", resume="s")
    with pytest.raises(UsageError, match="leave out --label"):
        sweeper.sweep(label="y", resume="s")
    with pytest.raises(UsageError, match="begun with --name s, found other"):
        sweeper.sweep(name="other", resume="s")
    facts = find_folder("s").facts
    with pytest.raises(UsageError, match="begun with --seed"):
        sweeper.sweep(seed=9, trials=99, resume="s")
    assert find_folder("s").facts == facts, "what was refused leaves nothing behind"
    line = next(line for line in tiny_space.read_text().splitlines() if line.startswith("choice"))
    other = write(tmp_path / "other.toml", tiny_space.read_text().replace(line, 'choice = ["gru"]', 1))
    with pytest.raises(UsageError) as refused:
        sweeper.sweep(space=str(other), resume="s")
    assert "was begun with another --space" in str(refused.value)
    assert f'  -{line}\n  +choice = ["gru"]' in str(refused.value)
    (find_folder("s").path / "space.toml").write_text(other.read_text())
    with pytest.raises(UsageError) as refused:
        sweeper.sweep(resume="s")
    assert "space.toml: has changed since the sweep began; put it back" in str(refused.value)
    assert f'  -{line}\n  +choice = ["gru"]' in str(refused.value)


def test_a_finished_sweep_that_is_resumed_ships_its_winner_once(finished):
    first, second = finished.shipped, sweeper.sweep(resume="s")
    assert (second.shipped, second.export) == (first, finished.path / "export")
    assert [path.name for path in finished.path.glob("export*")] == ["export"]
    assert len(mlflow.MlflowClient(store()).search_model_versions("name='sweeper-sentiment-reviews'")) == 1


def test_a_sweep_is_read_and_exported_from_another_folder_without_the_cache(finished, tmp_path, monkeypatch):
    board, loser = sweeper.leaderboard("s"), 1 - finished.shipped.winner
    moved = tmp_path / "moved"
    finished.path.rename(moved)
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    assert sweeper.leaderboard(str(moved)).equals(board)
    exported = sweeper.export(str(moved), trial=loser, to="loser")
    assert len(list(answer.load(str(exported))(["x", "y"]))) == 2


def test_two_sweeps_that_begin_at_once_in_an_empty_folder_and_end_with_one_object_each(reviews_card, tiny_space):
    Path("mlflow.db").unlink()
    options = ("--trials", "1", "--epochs", "1", "--json", "--name")
    both = [begin(reviews_card, tiny_space, *options, name) for name in "ab"]
    for running in both:
        printed, said = running.communicate(timeout=240)
        assert running.returncode == 0, said
    assert {run.info.status for run in runs("sentiment/reviews")} == {"FINISHED"}
    found = json.loads(printed.splitlines()[-1])
    assert (found["sweep"], found["ended"], found["best"]["trial"]) == ("b", "trials", 0)
    assert set(found["baselines"]) == {"majority", "linear"}
    assert Path(found["export"]).is_dir()


def test_sigterm_while_the_winner_is_exported_ends_as_an_interrupt_does(reviews_card, tiny_space):
    running = begin(reviews_card, tiny_space, "--trials", "2", "--epochs", "1", "--name", "s")
    history = Path("sweeps/s/history.jsonl")
    deadline = time.time() + 120
    while not (history.exists() and history.read_text().count('"told"') == 2) and time.time() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    running.terminate()
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert "RUNNING" not in {run.info.status for run in runs("sentiment/reviews")}


def test_a_line_that_was_never_finished_does_not_spoil_what_follows(finished):
    with (finished.path / "history.jsonl").open("a") as file:
        file.write('{"told": {"num')
    assert len(sweeper.leaderboard("s")) == 4
    sweeper.sweep(resume="s", trials=3)
    assert finished.facts["settings"]["seeds"] is None, "as nobody gave any, a budget may bring the usual number"
    assert sorted(finished.history().results) == [0, 1, 2]
    assert find_folder(None).name == "s"


def test_of_equal_trials_the_earlier_one_wins_everywhere():
    one, two = (TrialResult(number, {"units": number}, "done", {"accuracy": 0.5, "loss": 1.0}) for number in (1, 0))
    table = report.leaderboard([one, two], [], "accuracy", {})
    assert table["trial"].tolist() == ["0", "1"]
    board = Board("accuracy", None, 2)
    for result in (one, two):
        board.ended(result)
    assert board.headline() == "2 done of 2 · 0 running · 0 failed · best accuracy 0.5000 (trial 0)"
    board.ended(TrialResult(2, {}, "done", {"accuracy": 0.5, "loss": 0.9}))
    assert board.headline().endswith("(trial 2)"), "whose loss is lower"


def test_the_best_so_far_is_no_trial_that_was_interrupted():
    board = Board("accuracy", None, None)
    for number, score in ((0, 0.5), (1, 0.7), (1, 0.6)):
        board.epoch(EpochEvent(number, 1, {"val_accuracy": score, "val_loss": 1.0}, 0.0))
    assert board.headline().endswith("best accuracy 0.7000 (trial 1)")
    board.ended(TrialResult(1, {}, "interrupted", {"accuracy": 0.7}))
    assert board.headline().endswith("best accuracy 0.5000 (trial 0)")


def test_a_file_of_ones_own_may_be_named_again(tmp_path, tiny_space):
    own = {"data": str(tmp_path / "data" / "reviews.csv"), "text": "review", "label": "verdict"}
    write(tmp_path / "data" / "reviews.csv", reviews())
    settings = {"space": str(tiny_space), "epochs": 1, "workers": 1}
    sweeper.sweep("sentiment", **own, **settings, trials=1, name="s")
    assert len(sweeper.sweep(None, **own, **settings, trials=2, resume="s").leaderboard) == 4


def test_two_sweeps_without_a_name_that_begin_in_one_second_have_two_names(finished, reviews_card, tiny_space):
    assert free_name("s") == "s-2"
    (finished.path.parent / "s-2").mkdir()
    assert free_name("s") == "s-3"
    with pytest.raises(UsageError, match="there is a folder sweeps/s-2 already; give another name"):
        sweep(reviews_card, tiny_space, trials=1, name="s-2")


def test_what_was_altered_in_a_sweeps_folder_is_said(finished):
    loser = 1 - finished.shipped.winner
    weights = finished.trial(loser) / "best.npz"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(DataError, match="best.npz: is damaged, and cannot be read"):
        sweeper.export("s", trial=loser, to="out")
    (finished.path / "space.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="space.toml: has changed since the sweep began"):
        sweeper.sweep(resume="s")
    history = finished.path / "history.jsonl"
    history.write_text(history.read_text().replace('{"told', "{told", 1))
    with pytest.raises(DataError, match="history.jsonl: the line that ends at byte .* was altered"):
        sweeper.leaderboard("s")


def test_baselines_that_were_not_written_whole_are_computed_again(finished, tmp_path):
    kept = next((tmp_path / "cache").rglob("baselines.json"))
    first = baselines_of(str(kept.parent))
    kept.write_text("")
    assert baselines_of(str(kept.parent)) == first


def test_a_sweep_says_what_has_no_effect_on_its_data(reviews_card, tmp_path, capfd):
    text = 'about = "x"\ntask = "sentiment"\n[parameters.head]\nchoice = ["softmax", "ordinal"]\n[parameters.units]\nfixed = 4\n'
    space = write(tmp_path / "space.toml", text)
    outcome = sweeper.sweep(dataset=str(reviews_card), space=str(space), trials=1, epochs=1, workers=1, name="s")
    note = "note: head has no effect on these data, and is left out; it matters where labels are numbers\n"
    assert note in capfd.readouterr().err
    assert "head" not in outcome.best.configuration


@pytest.mark.filterwarnings("ignore")  # see `test_the_whole_story`
def test_a_sweep_of_sequences_ends_with_a_writer(spelled_card, tmp_path, capfd):
    text = (
        'about = "x"\ntask = "seq2seq"\n[parameters.attention]\nchoice = ["general", "none"]\n'
        "[parameters.units]\nfixed = 16\n[parameters.batch_size]\nfixed = 16\n"
    )
    space = write(tmp_path / "space.toml", text)
    outcome = sweeper.sweep(
        dataset=str(spelled_card), space=str(space), algorithm="grid", epochs=4, workers=2, name="s"
    )
    assert outcome.objective == "exact_match"
    order = find_folder("s").history().orders[outcome.best.number]
    assert outcome.validation == pytest.approx(score_validation([order])), "by the beam search that is exported"
    assert outcome.test["exact_match"] > outcome.baselines[-1].test["exact_match"]
    found = subprocess.run(
        [sys.executable, "-m", "sweeper", "predict", str(outcome.export), "abce", "cab"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line.split("\t")[1] for line in found.stdout.splitlines()] == ["abce", "cab"]
    assert "- beam_width: " in (outcome.export / "model_card.md").read_text()
    decoding = outcome.shipped.decoding
    assert (decoding["beam_width"], decoding["length_penalty"]) in DECODINGS
    client = mlflow.MlflowClient(store())
    experiment = client.get_experiment_by_name("seq2seq/spelled").experiment_id
    [run] = client.search_runs([experiment], "tags.`sweeper.kind` = 'sweep'")
    assert {name: float(run.data.tags[f"sweeper.{name}"]) for name in decoding} == decoding
    for attention, pictures in (("general", {"attention.png"}), ("none", set())):
        [one] = client.search_runs([experiment], f"params.attention = '{attention}'", max_results=1)
        drawn = {Path(file.path).name for file in client.list_artifacts(one.info.run_id, "plots")}
        assert drawn == {"learning_curve.png", *pictures}
    command = ["predict", str(outcome.export), "abce", "cab", "--beam-width", "4", "--length-penalty", "0.5", "--json"]
    capfd.readouterr()
    assert main(command) == 0
    searched = [one["output"] for one in json.loads(capfd.readouterr().out.splitlines()[-1])["answers"]]
    served = mlflow.pyfunc.load_model("models:/sweeper-seq2seq-spelled/1")
    other = served.predict(texts := pd.DataFrame({"text": ["abce", "cab"]}), {"beam_width": 4, "length_penalty": 0.5})
    assert other["output"].tolist() == searched
    for option, said in (
        ("--beam-width=101", "--beam-width: must be from 1 to 100, found 101"),
        ("--seed=1", "go on"),
    ):
        assert main(["predict", str(outcome.export), "abce", option]) == 2
        assert said in capfd.readouterr().err
    assert served.predict(texts)["output"].tolist() == [line.split("\t")[0] for line in found.stdout.splitlines()]
    other = sweeper.export("s", trial=1 - outcome.best.number, to="other") / "model_card.md"
    assert "- beam_width: " in other.read_text(), "what is exported on demand decodes as well"
    assert "## Scores on the validation split" in other.read_text()

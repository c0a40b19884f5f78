"""MLflow: one parent run per sweep, one nested run per trial, statuses that end, no secret told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import pytest
import requests

from sweeper.errors import TrackingError, UsageError
from sweeper.records import EpochEvent, TrialResult
from sweeper.system.journal import Journal
from sweeper.system.wording import as_json, visible, visible_line, without_secrets
from sweeper.track import runs as track_runs
from sweeper.track.connection import Rejected
from sweeper.track.replay import JOURNAL, POSITION
from sweeper.track.runs import Runs
from sweeper.track.store import serve, store
from sweeper.track.tracker import Tracker

from .conftest import write

pytestmark = pytest.mark.usefixtures("tables")
DATASET = {"name": "d", "digest": "0" * 32, "source_type": "file", "source": "d.csv"}
BEGAN = 1_700_000_000.0
CONFIGURATION = {"cell": "gru", "units": 4, "learning_rate": 0.01}


def started(tmp_path):
    """Runs of a sweep that has begun."""
    runs = Runs("sentiment/d", tmp_path)
    runs.connect()
    declaration = write(tmp_path / "card.toml", "x")
    runs.sweep_started("s", {"space": "tiny", "seed": 0}, DATASET, [str(declaration)], BEGAN)
    return runs


@pytest.fixture
def runs(tmp_path):
    return started(tmp_path)


def stored(where="", order=("attributes.start_time ASC",)):
    client = mlflow.MlflowClient(store())
    experiment = client.get_experiment_by_name("sentiment/d")
    return client.search_runs([experiment.experiment_id], where, order_by=list(order))


def child():
    return stored("tags.`sweeper.kind` = 'trial'")[-1]


def epoch(number, accuracy):
    return EpochEvent(0, number, {"loss": 1.0 / number, "val_loss": 0.5, "val_accuracy": accuracy}, time.time())


def test_a_trial_is_nested_and_its_epochs_are_there_while_it_runs(runs):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    runs.epoch_ended(epoch(1, 0.6))
    runs.epoch_ended(epoch(2, 0.7))
    runs.flush()
    run = child()
    assert run.data.tags["mlflow.parentRunId"] == runs.parent
    assert run.info.status == "RUNNING"
    assert run.data.params == {"cell": "gru", "units": "4", "learning_rate": "0.01", "seed": "7"}
    history = mlflow.MlflowClient(store()).get_metric_history(run.info.run_id, "val_accuracy")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.6), (2, 0.7)]


@pytest.mark.parametrize(
    ("state", "status"),
    [("done", "FINISHED"), ("stopped", "FINISHED"), ("failed", "FAILED"), ("interrupted", "KILLED")],
)
def test_every_end_has_its_status(runs, state, status):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    runs.trial_ended(TrialResult(0, CONFIGURATION, state, error="why" if state == "failed" else None), [], BEGAN + 5)
    run = child()
    assert run.info.status == status
    assert run.data.tags.get("sweeper.error") == ("why" if state == "failed" else None)


def test_a_finished_trial_has_its_best_scores_its_costs_and_its_pictures(runs, tmp_path):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    picture = write(tmp_path / "curve.png", "not really")
    runs.trial_ended(
        TrialResult(
            0, CONFIGURATION, "done", {"accuracy": 0.8}, best_epoch=2, parameters=99, latency_ms=1.5, truncated=3
        ),
        [str(picture)],
        BEGAN + 5,
    )
    run = child()
    assert run.data.metrics["best_val_accuracy"] == 0.8
    assert {name: run.data.metrics[name] for name in ("best_epoch", "parameters", "latency_ms", "truncated")} == {
        "best_epoch": 2,
        "parameters": 99,
        "latency_ms": 1.5,
        "truncated": 3,
    }
    client = mlflow.MlflowClient(store())
    assert [file.path for file in client.list_artifacts(run.info.run_id, "plots")] == ["plots/curve.png"]


def test_the_parent_has_dataset_declarations_and_summary(runs, tmp_path):
    runs.sweep_ended(
        {"best_val_accuracy": 0.8, "trials_done": 1},
        {"sweeper.ended": "trials"},
        [str(write(tmp_path / "leaderboard.csv", "x"))],
        "FINISHED",
        BEGAN + 5,
    )
    parent = stored("tags.`sweeper.kind` = 'sweep'")[0]
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"best_val_accuracy": 0.8, "trials_done": 1}
    assert parent.inputs.dataset_inputs[0].dataset.digest == "0" * 32
    client = mlflow.MlflowClient(store())
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"card.toml", "leaderboard.csv"}


def test_a_picture_that_was_removed_keeps_no_trial_from_its_end(runs):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    with pytest.raises(Rejected, match=r"curve\.png"):
        runs.trial_ended(TrialResult(0, CONFIGURATION, "done", {"accuracy": 0.8}), ["curve.png"], BEGAN + 5)
    with pytest.raises(Rejected, match=r"report\.html"):
        runs.sweep_ended({}, {}, ["report.html"], "FINISHED", BEGAN + 6)
    runs.abandoned("KILLED", BEGAN + 7)
    assert {run.info.status for run in stored()} == {"FINISHED"}


def test_nothing_is_left_running(runs):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    runs.abandoned("FAILED", BEGAN + 5)
    assert {run.info.status for run in stored()} == {"KILLED", "FAILED"}


def test_a_sweep_that_is_resumed_goes_on_in_its_run_and_ends_its_orphans(runs, tmp_path):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    again = Runs("sentiment/d", tmp_path)
    again.connect()
    again.sweep_resumed(runs.parent)
    assert child().info.status == "KILLED"
    again.trial_started(0, CONFIGURATION, 7, BEGAN + 9)
    assert child().data.tags["mlflow.parentRunId"] == runs.parent


def tell_all(runs, tmp_path):
    """A whole small sweep."""
    runs.sweep_started("s", {"seed": 0}, DATASET, [str(write(tmp_path / "card.toml", "x"))], BEGAN)
    for number in range(2):
        runs.trial_started(number, CONFIGURATION, 7, BEGAN + number)
        runs.epoch_ended(EpochEvent(number, 1, {"loss": 1.0}, BEGAN + 3))
        runs.flush()
        runs.trial_ended(TrialResult(number, CONFIGURATION, "done", {"accuracy": 0.8}), [], BEGAN + 5)
    runs.sweep_ended({"trials_done": 2}, {}, [], "FINISHED", BEGAN + 6)


def everything():
    client = mlflow.MlflowClient(store())
    return [
        (
            run.info.run_id,
            run.info.status,
            run.info.start_time,
            run.info.end_time,
            run.data.params,
            {name: [m.value for m in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics},
        )
        for run in stored()
    ]


def losses(found):
    """The histories of the trials' losses."""
    return [history["loss"] for *_, history in found if "loss" in history]


def test_what_is_told_twice_is_there_once(tmp_path):
    for _ in range(2):
        runs = Runs("sentiment/d", tmp_path)
        runs.connect()
        tell_all(runs, tmp_path)
        found = everything()
    assert len(found) == 3
    assert sorted((status, began, ended) for _, status, began, ended, *_ in found) == [
        ("FINISHED", 1_000 * (BEGAN + first), 1_000 * (BEGAN + last)) for first, last in ((0, 5), (0, 6), (1, 5))
    ]
    assert losses(found) == [[1.0], [1.0]]


def test_a_run_that_a_person_has_removed_is_refused_and_others_are_written(runs):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    runs.trial_started(1, CONFIGURATION, 7, BEGAN + 1)
    mlflow.MlflowClient(store()).delete_run(stored("tags.`sweeper.trial` = '0'")[0].info.run_id)
    with pytest.raises(Rejected, match="must be in the 'active' state"):
        runs.flush()
    runs.flush()
    assert child().data.params["cell"] == "gru"


def test_pruned_trials_are_marked_though_a_person_has_removed_one(runs):
    for number in (0, 1):
        runs.trial_started(number, CONFIGURATION, 7, BEGAN + number)
        runs.trial_ended(TrialResult(number, CONFIGURATION, "done"), [], BEGAN + 5)
    mlflow.MlflowClient(store()).delete_run(stored("tags.`sweeper.trial` = '0'")[0].info.run_id)
    with pytest.raises(Rejected, match="trial 0 has no run any more"):
        runs.trials_settled(pruned=[0, 1], done=[])
    assert child().data.tags["sweeper.state"] == "pruned"


def test_a_sweep_goes_on_in_its_experiment_whatever_that_is_called_by_now(runs, tmp_path):
    runs.trial_started(0, CONFIGURATION, 7, BEGAN)
    client = mlflow.MlflowClient(store())
    mine = client.get_experiment_by_name("sentiment/d").experiment_id
    client.rename_experiment(mine, "better name")
    again = Runs("sentiment/d", tmp_path)
    again.connect()
    again.sweep_resumed(runs.parent)
    again.trial_started(1, CONFIGURATION, 7, BEGAN + 9)
    there = client.search_runs([mine], "tags.`sweeper.kind` = 'trial'", order_by=["attributes.start_time ASC"])
    assert [run.info.status for run in there] == ["KILLED", "RUNNING"]


@pytest.mark.parametrize(
    ("status", "refused"), [(413, True), (404, True), (403, True), (401, False), (429, False), (502, False)]
)
def test_what_a_server_that_keeps_artifacts_will_never_take_is_refused_and_else_it_is_away(runs, status, refused):
    response = requests.Response()
    response.status_code = status
    with pytest.raises(TrackingError) as told, runs._store.reached():
        response.raise_for_status()
    assert isinstance(told.value, Rejected) == refused


def test_a_model_that_is_refused_leaves_the_sweep_running(runs, monkeypatch):
    def refused(export):
        raise Rejected("too large")

    monkeypatch.setattr(track_runs, "log_export", refused)
    with pytest.raises(Rejected, match="too large"):
        runs.log_model("export", "m")
    assert [run.info.status for run in stored()] == ["RUNNING"]
    runs.abandoned("KILLED", BEGAN + 9)
    assert [run.info.status for run in stored()] == ["KILLED"]


# ---------------------------------------------------------------- the process that replays


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    return folder


def begun(folder):
    tracker = Tracker("sentiment/d", folder)
    try:
        tracker.sweep_started("s", {"seed": 0}, DATASET, [write(folder / "card.toml", "x")])
    except TrackingError:
        tracker.abandon("FAILED")
        raise
    return tracker


def one_trial(tracker, number):
    tracker.trial_started(number, CONFIGURATION, 7)
    tracker.epoch_ended(EpochEvent(number, 1, {"loss": 1.0}, time.time()))
    tracker.trial_ended(TrialResult(number, CONFIGURATION, "done", {"accuracy": 0.8}), [])


def statuses():
    return sorted(run.info.status for run in stored())


def test_a_killed_replay_is_begun_again_and_nothing_is_lost_or_doubled(folder):
    tracker = begun(folder)
    one_trial(tracker, 0)
    tracker._replay.kill()
    one_trial(tracker, 1)
    assert tracker.sweep_ended({"trials_done": 2}, {}, [], "FINISHED") == ""
    assert statuses() == ["FINISHED"] * 3
    assert losses(everything()) == [[1.0], [1.0]]


def test_a_replay_that_dies_late_is_begun_again_in_the_same_run(folder):
    tracker = begun(folder)
    one_trial(tracker, 0)
    wait_for(lambda: statuses() == ["FINISHED", "RUNNING"])
    wait_for(lambda: json.loads((folder / POSITION).read_text())["read"] == (folder / JOURNAL).stat().st_size)
    tracker._replay.kill()
    one_trial(tracker, 1)
    assert tracker.sweep_ended({"trials_done": 2}, {}, [], "FINISHED") == ""
    assert statuses() == ["FINISHED"] * 3


def test_a_replay_that_was_cut_off_is_resumed_where_it_stood(folder):
    tracker = begun(folder)
    one_trial(tracker, 0)
    tracker.abandon("KILLED")
    (folder / POSITION).unlink()  # as if it had died before it could note how far it was
    again = Tracker("sentiment/d", folder)
    again.sweep_resumed(stored("tags.`sweeper.kind` = 'sweep'")[0].info.run_id)
    one_trial(again, 1)
    again.sweep_ended({"trials_done": 2}, {}, [], "FINISHED")
    assert statuses() == ["FINISHED"] * 3


def lose_the_store(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/empty.db")


def delete_the_sweeps_run(monkeypatch):
    client = mlflow.MlflowClient(store())
    client.delete_run(stored("tags.`sweeper.kind` = 'sweep'")[0].info.run_id)


@pytest.mark.parametrize("remove", [lose_the_store, delete_the_sweeps_run])
def test_what_a_person_has_removed_from_mlflow_is_told_anew_when_the_sweep_is_resumed(folder, remove, monkeypatch):
    tracker = begun(folder)
    one_trial(tracker, 0)
    wait_for(lambda: "FINISHED" in statuses())
    tracker._replay.kill()
    tracker.trial_started(1, CONFIGURATION, 7)  # what a parent that is killed has not told
    tracker._close()
    [old] = [run.info.run_id for run in stored("tags.`sweeper.kind` = 'sweep'")]
    remove(monkeypatch)
    moved = folder.rename(folder.with_name("moved"))
    again = Tracker("sentiment/d", moved)
    new = again.sweep_resumed(old)
    assert new != old
    assert any("was deleted; the whole sweep is logged to a new run" in line for line in again.messages())
    one_trial(again, 1)
    assert again.sweep_ended({"trials_done": 2}, {}, [], "FINISHED") == ""
    told = stored(f"tags.mlflow.parentRunId = '{new}'")
    finished = [run.data.tags["sweeper.trial"] for run in told if run.info.status == "FINISHED"]
    assert sorted(finished) == ["0", "1"]
    assert mlflow.MlflowClient(store()).get_run(new).info.status == "FINISHED"
    assert "RUNNING" not in statuses()


def test_what_is_removed_while_a_sweep_runs_is_told_anew(folder, monkeypatch):
    tracker = begun(folder)
    one_trial(tracker, 0)
    wait_for(lambda: "FINISHED" in statuses())
    delete_the_sweeps_run(monkeypatch)
    one_trial(tracker, 1)
    assert tracker.sweep_ended({"trials_done": 2}, {}, [], "FINISHED") == ""
    [new] = stored("tags.`sweeper.kind` = 'sweep'")
    told = stored(f"tags.mlflow.parentRunId = '{new.info.run_id}'")
    assert sorted(run.data.tags["sweeper.trial"] for run in told) == ["0", "1"]
    assert {run.info.status for run in [new, *told]} == {"FINISHED"}


def test_interrupted_while_it_waits_for_an_earlier_one_no_process_is_left(folder, monkeypatch):
    processes = []

    def interrupted(tracker):
        processes.append(tracker._replay)
        raise KeyboardInterrupt

    monkeypatch.setattr(Tracker, "_wait_until_ready", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Tracker("sentiment/d", folder)
    assert processes[0].stdin.closed, "so that it ends, when it has told what there is"
    processes[0].wait(60)


def test_a_beginning_that_cannot_be_told_is_an_error_and_no_endless_try(folder):
    Journal(folder / JOURNAL).append({"what": "sweep_started", "name": "s"})  # which nobody can tell
    tracker = Tracker("sentiment/d", folder)
    assert tracker.begun
    with pytest.raises(TrackingError, match="could not log the sweep's beginning"):
        tracker.sweep_resumed("")
    tracker.abandon("FAILED")


def test_a_store_whose_driver_is_not_installed_is_one_clear_message(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1/m")
    with pytest.raises(TrackingError, match="needs the Python package psycopg, which is not installed") as refused:
        begun(folder)
    assert "secret" not in str(refused.value)


def test_a_replay_that_is_killed_again_and_again_tells_all_as_long_as_it_gets_on(folder):
    tracker = begun(folder)

    def finished(count):
        list(tracker.messages())  # as a sweep does while it waits
        ended = [run for run in stored() if run.info.status == "FINISHED"]
        return len(ended) == count and tracker._told_up_to() > tracker._began_at

    for number in range(4):
        one_trial(tracker, number)
        wait_for(lambda: finished(number + 1))  # noqa: B023 - called before the next round
        tracker._replay.kill()
        tracker._replay.wait()
    assert tracker.sweep_ended({}, {}, [], "FINISHED") == ""
    assert statuses() == ["FINISHED"] * 5


def test_no_run_is_left_running_when_the_parent_is_killed(folder):
    script = f"""
import os, pathlib
from tests.test_track import CONFIGURATION, begun
tracker = begun(pathlib.Path({str(folder)!r}))
tracker.trial_started(0, CONFIGURATION, 7)
os.kill(os.getpid(), 9)
"""
    here = str(Path(__file__).parent.parent)
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": here}, check=False)
    wait_for(lambda: statuses() == ["KILLED", "KILLED"])


def test_a_server_that_is_not_there_is_one_clear_message_without_its_password(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9: .*MLFLOW_TRACKING_URI names it") as refused:
        begun(folder)
    assert "secret" not in str(refused.value)


def test_a_deleted_experiment_says_how_to_restore_it(runs, folder):
    client = mlflow.MlflowClient(store())
    client.delete_experiment(client.get_experiment_by_name("sentiment/d").experiment_id)
    with pytest.raises(TrackingError, match="was deleted; restore it"):
        begun(folder)


def wait_for(condition, seconds=60):
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "it never came true"
        time.sleep(0.2)


@pytest.mark.slow
def test_a_sqlite_file_that_another_process_holds_is_waited_for(folder):
    tracker = begun(folder)
    with contextlib.closing(sqlite3.connect("mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        one_trial(tracker, 0)
        said: list[str] = []
        wait_for(lambda: said.extend(tracker.messages()) or said, seconds=120)
        assert "database is locked" in said[0]
        other.execute("COMMIT")
    assert tracker.sweep_ended({"trials_done": 1}, {}, [], "FINISHED") == ""
    assert statuses() == ["FINISHED"] * 2


def serving(port, place, database="server.db"):
    """A real MLflow server on a SQLite file, once it answers."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{place}/{database}"]
    options = ["--artifacts-destination", str(place), "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )

    def answers():
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    wait_for(answers)
    return process


def stop(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_sqlite_file_that_is_held_when_a_sweep_begins_is_waited_for(folder, tmp_path):
    begun(folder).abandon("KILLED")  # which makes the file
    other = tmp_path / "other"
    other.mkdir()
    with contextlib.closing(sqlite3.connect("mlflow.db", isolation_level=None, check_same_thread=False)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        threading.Timer(20, holder.execute, ["COMMIT"]).start()
        tracker = begun(other)
    assert tracker.sweep_ended({}, {}, [], "FINISHED") == ""
    assert statuses() == ["FINISHED", "KILLED"]


@pytest.mark.slow
def test_a_server_that_goes_away_and_comes_back_misses_nothing(folder, tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    server = serving(port, tmp_path)
    tracker = begun(folder)
    try:
        one_trial(tracker, 0)
        stop(server)
        one_trial(tracker, 1)
        said: list[str] = []
        wait_for(lambda: said.extend(tracker.messages()) or said)
        assert "the search goes on, and what MLflow misses is logged when it is back" in said[0]
        server = serving(port, tmp_path)
        assert tracker.sweep_ended({"trials_done": 2}, {}, [], "FINISHED") == ""
        assert statuses() == ["FINISHED"] * 3
        assert losses(everything()) == [[1.0], [1.0]]
    finally:
        stop(server)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@host/x", "http://host/x"),
        ("postgresql://me:pw@db:5432/m", "postgresql://db:5432/m"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("no http://u:p@ss@host:9/x here", "no http://host:9/x here"),
        ("http://u:p/ss@host/x", "http://host/x"),
        ("postgresql://db/m?user=me&password=pw", "postgresql://db/m"),
        (
            "at http://host:9/?token=t: retries exceeded with url: /?token=t/api/2.0 (Caused",
            "at http://host:9/ retries exceeded with url: / (Caused",
        ),
        ("refused '/?token=t'", "refused '/'"),
        ("(url=/?token=t) went", "(url=/ went"),
        ("at //me:pw@host/x", "at //host/x"),
        ("is http://host/x there? and/or what?", "is http://host/x there? and/or what?"),
    ],
)
def test_credentials_are_left_out(text, shown):
    assert without_secrets(text) == shown


def test_a_store_that_is_a_server_has_a_page_of_its_own(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pw@host:1/?token=t")
    with pytest.raises(UsageError, match=r"names a server, which has a page of its own: open http://host:1/$"):
        serve(5000)


def test_what_a_terminal_obeys_is_shown_as_an_escape():
    assert visible("a\x1b[2J\u202eb\tc\n好") == "a\\x1b[2J\\u202eb\tc\n好"
    assert visible_line("a\tb\n") == "a\\tb\\n"
    assert json.loads(as_json("a\x9b\u202eb")) == "a\x9b\u202eb"
    assert "\x9b" not in as_json("a\x9b")


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="--port: .* cannot be used: Address already in use"):
            serve(taken.getsockname()[1])


def test_a_model_that_may_have_been_registered_before_is_not_registered_twice(runs, tmp_path):
    for name in ("export", "export-2"):
        write(tmp_path / name / "saved_model.pb", "not really")
    versions = [runs.log_model(name, "sweeper-sentiment-d") for name in ("export", "export", "export-2")]
    assert versions == ["1", "1", "2"]
    runs.look_for_existing = False  # as when the process of a parent that was killed has told it meanwhile
    assert runs.log_model("export", "sweeper-sentiment-d") == "1"
    client = mlflow.MlflowClient(store())
    assert len(client.search_model_versions("name = 'sweeper-sentiment-d'")) == 2
    assert client.get_run(runs.parent).info.status == "RUNNING"

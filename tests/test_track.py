"""MLflow: one parent run a sweep, one nested run a trial, statuses that end, no secret told."""

from __future__ import annotations

import socket
import time

import mlflow
import pytest

from sweeper.errors import TrackingError, UsageError
from sweeper.records import EpochEvent, TrialResult
from sweeper.track import Tracker, serve, store, without_secrets

from .conftest import write

DATASET = {"name": "d", "digest": "0" * 32, "source_type": "file", "source": "d.csv"}
CONFIGURATION = {"cell": "gru", "units": 4, "learning_rate": 0.01}


@pytest.fixture
def tracker(tmp_path):
    tracker = Tracker("sentiment/d")
    tracker.sweep_started("s", {"space": "tiny", "seed": 0}, DATASET, [write(tmp_path / "card.toml", "x")])
    return tracker


def runs(where="", order=("attributes.start_time ASC",)):
    client = mlflow.MlflowClient(store())
    experiment = client.get_experiment_by_name("sentiment/d")
    return client.search_runs([experiment.experiment_id], where, order_by=list(order))


def child():
    return runs("tags.`sweeper.kind` = 'trial'")[-1]


def epoch(number, accuracy):
    return EpochEvent(0, number, {"loss": 1.0 / number, "val_loss": 0.5, "val_accuracy": accuracy}, time.time())


def test_a_trial_is_nested_and_its_epochs_are_there_while_it_runs(tracker):
    tracker.trial_started(0, CONFIGURATION, 7)
    tracker.epoch_ended(epoch(1, 0.6))
    tracker.epoch_ended(epoch(2, 0.7))
    tracker.flush()
    assert not child().data.metrics, "epochs that follow each other quickly are written together"
    tracker.flush(older_than=0.0)
    run = child()
    assert run.data.tags["mlflow.parentRunId"] == tracker.parent
    assert run.info.status == "RUNNING"
    assert run.data.params == {"cell": "gru", "units": "4", "learning_rate": "0.01", "seed": "7"}
    history = mlflow.MlflowClient(store()).get_metric_history(run.info.run_id, "val_accuracy")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.6), (2, 0.7)]


@pytest.mark.parametrize(
    ("state", "status"),
    [("done", "FINISHED"), ("stopped", "FINISHED"), ("failed", "FAILED"), ("interrupted", "KILLED")],
)
def test_every_end_has_its_status(tracker, state, status):
    tracker.trial_started(0, CONFIGURATION, 7)
    tracker.trial_ended(TrialResult(0, CONFIGURATION, state, error="why" if state == "failed" else None), [])
    run = child()
    assert run.info.status == status
    assert run.data.tags.get("sweeper.error") == ("why" if state == "failed" else None)


def test_a_finished_trial_has_its_best_scores_its_costs_and_its_pictures(tracker, tmp_path):
    tracker.trial_started(0, CONFIGURATION, 7)
    picture = write(tmp_path / "curve.png", "not really")
    tracker.trial_ended(
        TrialResult(
            0, CONFIGURATION, "done", {"accuracy": 0.8}, best_epoch=2, parameters=99, latency_ms=1.5, truncated=3
        ),
        [picture],
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


def test_the_parent_has_dataset_declarations_and_summary(tracker, tmp_path):
    tracker.sweep_ended(
        {"best_val_accuracy": 0.8, "trials_done": 1},
        {"sweeper.ended": "trials"},
        [write(tmp_path / "leaderboard.csv", "x")],
        "FINISHED",
    )
    parent = runs("tags.`sweeper.kind` = 'sweep'")[0]
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"best_val_accuracy": 0.8, "trials_done": 1}
    assert parent.inputs.dataset_inputs[0].dataset.digest == "0" * 32
    client = mlflow.MlflowClient(store())
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {"card.toml", "leaderboard.csv"}


def test_nothing_is_left_running(tracker):
    tracker.trial_started(0, CONFIGURATION, 7)
    tracker.abandon("FAILED")
    assert {run.info.status for run in runs()} == {"KILLED", "FAILED"}


def test_a_sweep_that_is_taken_up_goes_on_in_its_run_and_ends_its_orphans(tracker):
    tracker.trial_started(0, CONFIGURATION, 7)
    again = Tracker("sentiment/d")
    again.sweep_taken_up(tracker.parent)
    assert child().info.status == "KILLED"
    again.trial_started(0, CONFIGURATION, 7)
    assert child().data.tags["mlflow.parentRunId"] == tracker.parent


def test_a_server_that_is_not_there_is_one_clear_message_without_its_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9: .*MLFLOW_TRACKING_URI names it") as refused:
        Tracker("sentiment/d")
    assert "secret" not in str(refused.value)


def test_a_deleted_experiment_says_how_to_restore_it(tracker):
    client = mlflow.MlflowClient(store())
    client.delete_experiment(client.get_experiment_by_name("sentiment/d").experiment_id)
    with pytest.raises(TrackingError, match="was deleted; restore it"):
        Tracker("sentiment/d")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@host/x", "http://host/x"),
        ("postgresql://me:pw@db:5432/m", "postgresql://db:5432/m"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_credentials_are_left_out(text, shown):
    assert without_secrets(text) == shown


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="--port: .* cannot be used: Address already in use"):
            serve(taken.getsockname()[1])

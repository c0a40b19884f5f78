"""What may happen to a sweep, done to it for real: nothing that was finished is lost, and nothing is said falsely."""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

import sweeper
from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.errors import DataError, SourceError, SweepError, UsageError, WorkerDied
from sweeper.models.state import load_arrays, save_arrays
from sweeper.records import TrialOrder
from sweeper.sweeps import retention, search
from sweeper.sweeps.folders import SweepFolder, find_folder
from sweeper.system.journal import Journal
from sweeper.track import tracker
from sweeper.track.store import store
from sweeper.trials.trial import run_trial
from sweeper.workers import worker
from sweeper.workers.pool import Workers, _Running, result_of

from .conftest import card_text, write
from .test_track import serving, stop, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tables")]
SMALL = {"units": 4, "embedding_units": 4, "batch_size": 16}


@pytest.fixture
def order(reviews_card, tmp_path):
    """Orders of trials on a small dataset."""
    prepared = prepare(cards.load_card(str(reviews_card)))

    def made(number, epochs, **values):
        configuration = complete("sentiment", {**SMALL, "patience": 90, **values})
        folder = str(tmp_path / "trials" / f"{number:03d}")
        return TrialOrder(number, "sentiment", configuration, str(prepared.folder), folder, 0, epochs)

    return made


def children(process):
    """Process ids of a process's children that multiprocessing began."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if int(after_name[1]) == process and b"multiprocessing.forkserver" in command:
            found.append(int(status.parent.name))
    return found


def workers_of(process):
    """Process ids of a parent's workers, which are forked from a child of it."""
    return [worker for forking in children(process) for worker in children(forking)]


def kill_workers():
    """As the kernel does when memory runs out."""
    for one in workers_of(os.getpid()):
        os.kill(one, signal.SIGKILL)


def watch(workers, until, seconds=120):
    """Epochs and results of running trials, until a condition on them holds."""
    events, results = [], []
    deadline = time.time() + seconds
    while not until(events, results):
        assert time.time() < deadline, "it never came true"
        events += workers.epochs()
        results += workers.results()
        time.sleep(0.05)
    return events, results


# ---------------------------------------------------------------- a worker


def lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_process_that_forks_workers_may_be_killed_and_no_trial_runs_twice_at_once(order, tmp_path):
    with Workers(1, tmp_path / "log") as workers:
        workers.start(order(0, 100))
        before, _ = watch(workers, lambda events, results: len(events) > 3)
        (worker,) = workers_of(os.getpid())
        for forking in children(os.getpid()):
            os.kill(forking, signal.SIGKILL)
        wait_for(lambda: not lives(worker), seconds=3)
        after, [result] = watch(workers, lambda events, results: results)
    assert [event.epoch for event in before + after] == list(range(1, result.epochs + 1)), "every epoch is told once"
    assert result.state == "done"


def test_a_trial_whose_worker_was_killed_goes_on_from_its_checkpoint_and_the_other_does_not_notice(order, tmp_path):
    with Workers(1, tmp_path / "log") as alone:
        alone.start(order(0, 40))
        _, [undisturbed] = watch(alone, lambda events, results: results)
    (tmp_path / "trials").rename(tmp_path / "before")

    with Workers(1, tmp_path / "log") as workers:
        workers.start(order(0, 40))
        before, _ = watch(workers, lambda events, results: len(events) > 3)
        kill_workers()
        after, [result] = watch(workers, lambda events, results: results)
    assert [event.epoch for event in before + after] == list(range(1, 41)), "every epoch is told once"
    assert (result.state, result.scores, result.best_epoch) == ("done", undisturbed.scores, undisturbed.best_epoch)


def test_a_worker_that_is_killed_while_it_has_nothing_to_do_is_replaced(order, tmp_path):
    with Workers(1, tmp_path / "log") as workers:
        workers.start(order(0, 1))
        watch(workers, lambda events, results: results)
        kill_workers()
        time.sleep(1)
        workers.start(order(1, 1))
        _, [result] = watch(workers, lambda events, results: results)
    assert result.state == "done"


def test_a_worker_that_dies_before_it_begins_with_a_trial_is_not_the_trials_fault(order, tmp_path):
    with Workers(1, tmp_path / "log") as workers:
        workers.start(order(0, 1))
        watch(workers, lambda events, results: results)
        kill_workers()
        workers.start(order(1, 40))  # perhaps for the one that is dead
        watch(workers, lambda events, results: len(events) > 2)
        kill_workers()
        _, [result] = watch(workers, lambda events, results: results)
    assert result.state == "done"


@pytest.mark.parametrize(("begun", "again"), [(True, 1), (False, 3)])
def test_how_often_a_trial_gets_another_worker(begun, again, order, tmp_path):
    path = tmp_path / "events.jsonl"
    if begun:
        path.touch()
    running = _Running(order(0, 1), Future(), Journal(path))
    assert [running.count_death() for _ in range(again + 1)] == [True] * again + [False]


def test_a_trial_whose_worker_is_killed_twice_has_failed(order, tmp_path):
    with Workers(1, tmp_path / "log") as workers:
        workers.start(order(0, 100_000))
        for _ in range(2):
            watch(workers, lambda events, results: len(events) > 2)
            kill_workers()
        _, [result] = watch(workers, lambda events, results: results)
        workers.start(order(1, 2))
        _, [next_one] = watch(workers, lambda events, results: results)
    assert result.state == "failed"
    assert "its worker process died" in result.error
    assert next_one.state == "done"


def test_a_trial_that_hangs_fails_at_the_limit_and_the_next_one_runs(order, tmp_path):
    with Workers(1, tmp_path / "log", limit=20.0) as workers:
        workers.start(order(0, 1_000_000, units=128))
        _, [result] = watch(workers, lambda events, results: results)
        workers.start(order(1, 1))
        _, [next_one] = watch(workers, lambda events, results: results)
    assert result.error == "took longer than the limit of 20 s; --trial-limit sets it"
    assert next_one.state == "done"


def test_a_trial_that_outgrows_its_share_of_memory_fails_and_is_not_tried_again(order, tmp_path):
    with Workers(1, tmp_path / "log", memory=1_000_000_000) as workers:
        workers.start(order(0, 5, units=2_048))
        _, [result] = watch(workers, lambda events, results: results)
        workers.start(order(1, 1))
        _, [next_one] = watch(workers, lambda events, results: results)
    assert result.error.startswith("out of memory: its process outgrew its share")
    assert next_one.state == "done"


def grow() -> None:
    time.sleep(len([np.ones(10_000_000) for _ in range(100)]))


def test_other_work_that_outgrows_memory_says_so_too(tmp_path):
    with (
        Workers(1, tmp_path / "log", memory=1_000_000_000) as workers,
        pytest.raises(WorkerDied, match="out of memory"),
    ):
        result_of(workers.submit(grow))


# ---------------------------------------------------------------- a sweep


def test_a_sweep_ends_when_its_first_trials_all_fail_for_one_reason(reviews_card, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "HOPELESS", 3)
    huge = " ".join(["3e38", "-3e38"] * 4)  # sums of these are no numbers
    vectors = write(tmp_path / "huge.txt", "".join(f"{word} {huge}\n" for word in "a film from start to end".split()))
    space = write(
        tmp_path / "space.toml",
        'about = "x"\ntask = "sentiment"\n[parameters.input]\nfixed = "pretrained"\n'
        f'[parameters.vectors]\nfixed = "{vectors}"\n[parameters.units]\nint = {{ low = 2, high = 40 }}\n',
    )
    with pytest.raises(SweepError, match=r"no trial of [34] gave a model: diverged"):
        sweeper.sweep(dataset=str(reviews_card), space=str(space), workers=1, trials=9, epochs=2, name="hopeless")
    assert len(find_folder("hopeless").history().results) < 5


def command(card, space, *options):
    return [
        *(sys.executable, "-m", "sweeper", "sweep", "--dataset", str(card), "--space", str(space)),
        *("--workers", "1", *options),
    ]


def test_a_full_disk_is_said_and_the_sweep_goes_on_when_there_is_room(reviews_card, tmp_path):
    space = write(tmp_path / "large.toml", 'about = "x"\ntask = "sentiment"\n[parameters.units]\nfixed = 512\n')

    def no_more_than_eight_megabytes_a_file():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))

    full = subprocess.run(
        command(reviews_card, space, "--trials", "1", "--epochs", "2", "--name", "full"),
        preexec_fn=no_more_than_eight_megabytes_a_file, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert full.returncode == 2
    assert "what was finished is kept: free some space, then sweeper sweep --resume full" in full.stderr
    assert "Traceback" not in full.stderr
    assert not list(Path("sweeps/full/trials/000").glob("*.npz")), "no part of a checkpoint is left"
    assert {run.info.status for run in runs("sentiment/reviews")} <= {"KILLED", "FAILED"}
    assert sweeper.sweep(resume="full").best is not None


def no_file_beyond(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_is_full_for_the_cache_or_an_export_is_said_and_leaves_nothing_half(finished, tmp_path):
    other = write(tmp_path / "data" / "other.toml", card_text("reviews.csv"))
    asked = [sys.executable, "-m", "sweeper", "datasets", "check", str(other)]
    full = subprocess.run(asked, preexec_fn=no_file_beyond(500), capture_output=True, text=True, check=False)
    assert (full.returncode, full.stdout) == (2, "")
    assert "cannot be written" in full.stderr
    assert "free some space there, or name another folder in SWEEPER_CACHE" in full.stderr
    subprocess.run(asked, check=True, capture_output=True)
    best = finished.shipped.winner
    asked = [sys.executable, "-m", "sweeper", "export", "s", "--trial", str(1 - best), "--to", "out"]
    full = subprocess.run(asked, preexec_fn=no_file_beyond(20_000), capture_output=True, text=True, check=False)
    assert full.returncode == 2, full.stderr
    assert "Traceback" not in full.stderr
    assert "free some, and do it again" in full.stderr
    assert not list(Path().glob(".out*"))
    assert not Path("out").exists()
    subprocess.run(asked, check=True, capture_output=True)


def test_interrupted_twice_a_sweep_stops_at_once_and_goes_on_later(reviews_card, tiny_space):
    running = subprocess.Popen(
        command(reviews_card, tiny_space, "--trials", "2", "--epochs", "4000", "--name", "s"),
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    events = Path("sweeps/s/trials/000/events.jsonl")
    deadline = time.time() + 120
    while not (events.exists() and events.read_text()) and time.time() < deadline:
        time.sleep(0.1)
    for _ in range(2):
        os.killpg(running.pid, signal.SIGINT)
        time.sleep(0.05)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert "ended at once; what was finished is kept. Resume with: sweeper sweep --resume s" in said
    assert "RUNNING" not in {run.info.status for run in runs("sentiment/reviews")}
    folder = find_folder("s")
    folder.note_settings({**folder.facts["settings"], "epochs": 2})
    assert sweeper.sweep(resume="s", trials=1).best is not None


def test_advice_that_is_followed_gives_a_hopeless_sweep_another_chance(reviews_card, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "HOPELESS", 3)
    settings = {"dataset": str(reviews_card), "workers": 1, "epochs": 2}
    text = 'about = "x"\ntask = "sentiment"\n[parameters.units]\nint = { low = 2, high = 60 }\n'
    space = write(tmp_path / "units.toml", text)
    with pytest.raises(SweepError):
        sweeper.sweep(**settings, space=str(space), trials=5, trial_limit=0.01, name="s")
    assert sweeper.sweep(resume="s", trials=6, trial_limit=600).best is not None


def test_hyperband_keeps_the_weights_of_the_best_trials_and_of_those_that_may_go_on(
    reviews_card, tmp_path, monkeypatch
):
    monkeypatch.setattr(retention, "MAX_KEPT", 3)
    text = 'about = "x"\ntask = "sentiment"\n[parameters.units]\nint = { low = 2, high = 40 }\n[parameters.batch_size]\nfixed = 64\n'
    space = write(tmp_path / "space.toml", text)
    sweeper.sweep(
        dataset=str(reviews_card), space=str(space), algorithm="hyperband", workers=1, trials=13, epochs=4, name="many"
    )
    history = find_folder("many").history()
    promoted = {Path(order.continues).name for order in history.orders.values() if order.continues}
    assert promoted
    folders = {path.parent.name for path in Path("sweeps/many/trials").glob("*/best.npz")}
    states = {path.parent.name for path in Path("sweeps/many/trials").glob("*/last.npz")}
    assert not states & promoted, "what went on is gone on with no more"
    assert len(folders - states) <= 3
    assert len(states) < 10
    best = history.best("accuracy")
    assert f"{best.number:03d}" in folders


def test_a_best_epoch_that_a_kill_has_undone_is_reported_as_what_its_weights_are(order):
    first = run_trial(order(0, 1))
    best = Path(order(0, 1).folder) / "best.npz"
    # As if epoch 3 had been the best one, and the last checkpoint that of epoch 1.
    weights = {name: np.zeros_like(array) for name, array in load_arrays(best).items()}
    save_arrays(best, {**weights, "epoch": np.array(3)})
    again = run_trial(order(0, 1))
    assert (first.epochs, first.best_epoch, again.epochs, again.best_epoch) == (1, 1, 1, 3)
    assert again.scores["loss"] == pytest.approx(np.log(2)) != first.scores["loss"]


def test_a_damaged_checkpoint_is_said_and_the_trial_begins_anew(order):
    first = run_trial(order(0, 2))
    last = Path(order(0, 2).folder) / "last.npz"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 0xFF
    last.write_bytes(content)
    again = run_trial(order(0, 2))
    assert again.scores == first.scores
    assert "last.npz: is damaged, and cannot be read" in again.note
    assert again.note.endswith("; the trial began anew")


def test_a_trial_that_is_resumed_counts_the_time_of_both_processes(order):
    first, started = run_trial(order(0, 2)), time.perf_counter()
    again = run_trial(order(0, 3))
    assert again.seconds > time.perf_counter() - started
    assert again.seconds > again.fit_seconds > first.fit_seconds


@pytest.mark.parametrize("file", ["last.npz", "best.npz"])
def test_a_damaged_checkpoint_of_the_trial_that_one_goes_on_with_is_said_and_it_begins_anew(order, file):
    run_trial(order(0, 1))
    damaged = Path(order(0, 1).folder) / file
    damaged.write_bytes(damaged.read_bytes()[:-40])
    goes_on = dataclasses.replace(order(1, 2), continues=order(0, 1).folder, initial_epoch=1)
    found = run_trial(goes_on)
    assert (found.state, found.epochs) == ("done", 2)
    assert found.note.endswith("; the trial began anew")
    assert found.scores == run_trial(order(2, 2)).scores


def test_a_trial_whose_best_weights_were_damaged_begins_anew(order):
    first = run_trial(order(0, 1))
    best = Path(order(0, 1).folder) / "best.npz"
    best.write_bytes(best.read_bytes()[:-40])
    again = run_trial(order(0, 1))  # as resumed by a sweep that was killed before it heard of the end
    assert "best.npz: is damaged" in again.note
    assert again.note.endswith("; the trial began anew")
    assert again.scores == first.scores


def test_prepared_data_that_vanish_end_the_sweep_and_cost_no_trial(order, tmp_path):
    shutil.rmtree(order(0, 1).prepared)
    with pytest.raises(
        SourceError, match=r"meta.json: was removed while it was used; it is made again by: sweeper sweep --resume"
    ):
        worker.run_trial(order(0, 1))


def test_a_sweep_that_is_interrupted_before_it_has_begun_is_resumed_in_the_same_run(
    reviews_card, tiny_space, monkeypatch
):
    note_run = SweepFolder.note_run

    def interrupted(folder, run):
        raise KeyboardInterrupt

    heard = []
    settings = {"dataset": str(reviews_card), "space": str(tiny_space), "workers": 1, "trials": 1, "epochs": 1}
    monkeypatch.setattr(SweepFolder, "note_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweeper.sweep(**settings, name="s", say=heard.append)
    assert heard[-1].endswith("Resume with: sweeper sweep --resume s")
    monkeypatch.setattr(SweepFolder, "note_run", note_run)
    assert sweeper.sweep(resume="s", say=heard.append).best is not None
    assert not any("deleted" in line for line in heard)
    parents = [run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "sweep"]
    assert [run.info.status for run in parents] == ["FINISHED"]


def test_nobody_reads_any_more_and_the_sweep_goes_on(reviews_card, tiny_space):
    asked = command(reviews_card, tiny_space, "--trials", "2", "--epochs", "2", "--name", "s")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(asked, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as running:
        running.stderr.readline()
        running.stderr.close()
        running.stdout.close()
    assert running.returncode == 0
    assert (Path("sweeps/s") / "export").is_dir()


def runs(experiment):
    client = mlflow.MlflowClient(store())
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def test_an_order_to_stop_that_a_killed_sweep_has_left_behind_is_not_obeyed(finished):
    finished.stop_file.touch()
    sweeper.sweep(resume="s", trials=3)
    assert [result.epochs for result in finished.history().results.values()] == [3, 3, 3]


def test_a_finished_trial_that_mlflow_was_not_told_is_told_when_the_sweep_is_resumed(finished):
    folder = finished.path
    lines = (folder / "tracking.jsonl").read_text().splitlines(keepends=True)
    last_end = max(place for place, line in enumerate(lines) if '"trial_ended"' in line)
    # As if the parent had been killed when the history knew the trial's end and the journal did not.
    (folder / "tracking.jsonl").write_text("".join(lines[:last_end]))
    (folder / "tracking.json").unlink()
    Path("mlflow.db").unlink()
    (folder / "sweep.json").write_text((folder / "sweep.json").read_text().replace('"run"', '"an_older_run"'))
    sweeper.sweep(resume="s")
    trials = [run for run in runs("sentiment/reviews") if run.data.tags["sweeper.kind"] == "trial"]
    finished = [run for run in trials if run.info.status == "FINISHED"]
    assert sorted(run.data.tags["sweeper.trial"] for run in finished) == ["0", "1"]


def test_a_result_that_mlflow_was_told_and_the_history_lost_is_missed(finished):
    history = finished.path / "history.jsonl"
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join(line for line in lines if '"asked"' in line))
    with pytest.raises(DataError, match=r"history.jsonl: does not have the result of trial 0, which MLflow was told"):
        sweeper.sweep(resume="s")
    assert [run.info.status for run in runs("sentiment/reviews")].count("RUNNING") == 0


@pytest.mark.parametrize("altered", ['{"x"', "[]", '{"read": 3, "run": "none"}'])
def test_a_note_of_what_mlflow_was_told_that_was_altered_doubles_nothing(finished, capfd, altered):
    (finished.path / "tracking.json").write_text(altered)
    assert len(sweeper.sweep(resume="s", trials=3).leaderboard) == 5
    assert ("tracking.json: was altered" in capfd.readouterr().err) == ("read" not in altered)
    found = [run for run in runs("sentiment/reviews") if run.info.status == "FINISHED"]
    assert sorted(run.data.tags.get("sweeper.trial", "") for run in found) == ["", "0", "1", "2"]


def test_a_server_that_goes_away_for_good_ends_no_sweep_and_is_told_all_when_it_is_resumed(
    reviews_card, tiny_space, tmp_path, monkeypatch
):
    monkeypatch.setattr(tracker, "PATIENCE", 3.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    server = serving(port, tmp_path)
    heard = []

    def go_away_after_the_first_trial():
        wait_for(
            lambda: Path("sweeps/s/history.jsonl").exists() and '"told"' in Path("sweeps/s/history.jsonl").read_text()
        )
        stop(server)

    going = threading.Thread(target=go_away_after_the_first_trial)
    going.start()
    settings = {"dataset": str(reviews_card), "space": str(tiny_space), "workers": 1, "epochs": 3}
    ended = sweeper.sweep(**settings, trials=6, algorithm="grid", name="s", say=heard.append)
    going.join()
    assert (ended.ended, len(ended.leaderboard)) == ("trials", 6 + len(ended.baselines))
    assert ended.export is not None
    assert ended.missed
    assert heard[-1].endswith("to log the rest: sweeper sweep --resume s")
    server = serving(port, tmp_path)
    try:
        again = sweeper.sweep(resume="s")
        told = [run for run in runs("sentiment/reviews") if run.info.status == "FINISHED"]
        numbers = sorted(run.data.tags["sweeper.trial"] for run in told if "sweeper.trial" in run.data.tags)
        assert numbers == list("012345")
        assert len(told) == 7
        versions = mlflow.MlflowClient(store()).search_model_versions("name = 'sweeper-sentiment-reviews'")
    finally:
        stop(server)
    assert [again.missed, len(versions)] == ["", 1]


def test_killed_again_and_again_a_sweep_ends_as_if_nothing_had_been(reviews_card, tiny_space):
    options = ("--algorithm", "grid", "--epochs", "4", "--seed", "3")
    subprocess.run(command(reviews_card, tiny_space, *options, "--name", "calm"), check=True, capture_output=True)
    begin, kills = command(reviews_card, tiny_space, *options, "--name", "stormy"), 0
    generator = np.random.default_rng(0)
    while True:
        process = subprocess.Popen(begin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=float(generator.uniform(5, 14)) if kills < 3 else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        else:
            break
        begun = Path("sweeps/stormy/sweep.json").exists()
        begin = [sys.executable, "-m", "sweeper", "sweep", "--resume", "stormy"] if begun else begin
    assert process.returncode == 0
    assert kills
    calm, stormy = (pd.read_csv(f"sweeps/{name}/leaderboard.csv") for name in ("calm", "stormy"))
    same = [name for name in calm.columns if name not in ("seconds", "latency_ms")]
    pd.testing.assert_frame_equal(calm[same], stormy[same])
    assert {run.info.status for run in runs("sentiment/reviews")} <= {"FINISHED", "KILLED"}


def test_weights_of_the_best_trials_are_kept_and_no_others(reviews_card, tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "MAX_KEPT", 3)
    text = 'about = "x"\ntask = "sentiment"\n[parameters.units]\nint = { low = 2, high = 14 }\n[parameters.batch_size]\nfixed = 64\n'
    space = write(tmp_path / "space.toml", text)
    sweeper.sweep(
        dataset=str(reviews_card), space=str(space), algorithm="grid", workers=1, trials=5, epochs=1, name="many"
    )
    history = find_folder("many").history()
    best = sorted(history.results.values(), key=lambda one: (-one.scores["accuracy"], one.scores["loss"], one.number))
    kept = sorted(int(path.parent.name) for path in Path("sweeps/many/trials").glob("*/*.npz"))
    assert kept == sorted(result.number for result in best[:3])
    lost = best[-1].number
    with pytest.raises(UsageError, match=f"--trial: the weights of {lost} are gone"):
        sweeper.export("many", trial=lost, to="lost")
    sweeper.export("many", trial=best[2].number, to="kept")


def test_a_limit_that_a_clock_has_reached_while_the_machine_slept_ends_no_trial(order, tmp_path, monkeypatch):
    def begun(_, order):
        return _Running(order, Future(), Journal(tmp_path / "events.jsonl"))

    monkeypatch.setattr(Workers, "_begun", begun)
    workers, future = Workers(1, tmp_path / "log", limit=600.0), Future()
    future.set_exception(TimeoutError())
    running = dataclasses.replace(begun(workers, order(0, 1)), future=future, epochs=3)
    assert workers._result(running) is None
    assert [one.number for one in workers.running] == [0]
    assert workers._running[0].epochs == 3
    result = workers._result(dataclasses.replace(running, began=time.monotonic() - 601))
    assert "took longer than the limit of 600 s" in result.error

"""Workers: a crash takes its own trial and no other; what workers import is little."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete
from sweeper.errors import WorkerDied
from sweeper.records import TrialOrder
from sweeper.sweeps.jobs import export_trials
from sweeper.trials.baselines import baselines_of
from sweeper.workers.pool import Workers, result_of

from .conftest import write

pytestmark = pytest.mark.slow


def loaded_modules() -> list[str]:
    return sorted({name.split(".")[0] for name in sys.modules})


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_imports_neither_mlflow_nor_keras_tuner_and_prints_nothing(tmp_path, reviews_card, capfd):
    prepared = prepare(cards.load_card(str(reviews_card)), say=lambda line: None)
    configuration = complete("sentiment", {"units": 4, "embedding_units": 4, "batch_size": 16})
    order = TrialOrder(0, "sentiment", configuration, str(prepared.folder), str(tmp_path / "0"), 0, 1)
    with Workers(1, tmp_path / "log") as workers:
        workers.start(order)
        workers.submit(baselines_of, str(prepared.folder))
        workers.submit(export_trials, [order], str(tmp_path / "export"), {})
        modules = workers.submit(loaded_modules).result(timeout=120)
        list(workers.epochs())
        assert [result.state for result in workers.results()] == ["done"]
    assert (tmp_path / "export" / "saved_model.pb").exists()
    assert "tensorflow" in modules
    assert not {"mlflow", "keras_tuner"} & set(modules)
    assert capfd.readouterr().err == ""


def preloaded() -> bool:
    return "sweeper.workers.preloaded" in sys.modules


def threads_of_parent() -> list[str]:
    return [(task / "comm").read_text().strip() for task in Path(f"/proc/{os.getppid()}/task").iterdir()]


def test_workers_are_forked_from_a_process_that_has_imported_for_them_and_has_one_thread(tmp_path, monkeypatch):
    with Workers(1, tmp_path / "log") as workers:
        assert result_of(workers.submit(preloaded))
        threads = result_of(workers.submit(threads_of_parent))
        assert len([name for name in threads if name != "jemalloc_bg_thd"]) == 1  # which takes care of forks itself
    monkeypatch.setenv("CHANGED", "since it began")
    with Workers(1, tmp_path / "log") as workers:
        assert result_of(workers.submit(os.getenv, "CHANGED")) == "since it began"


SCRIPT = """
import multiprocessing
from multiprocessing import forkserver
from pathlib import Path
from sweeper.workers.pool import Workers, result_of
from sweeper.workers.worker import nothing
print("began")
multiprocessing.set_start_method("forkserver")
with Workers(1, Path("log")) as workers:
    print("ended", result_of(workers.submit(nothing)))
print(*forkserver._forkserver._preload_modules, forkserver._forkserver._forkserver_pid)
"""


@pytest.mark.parametrize("standard_input", [False, True])
def test_a_script_is_not_run_again_in_the_workers_and_keeps_its_own_ways_to_begin_processes(standard_input):
    script = write(Path("script.py"), SCRIPT)
    command = [sys.executable, "-" if standard_input else str(script)]
    ran = subprocess.run(command, input=SCRIPT, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["began", "ended", "None", "__main__", "None"], ran.stderr


def gpu() -> str:
    time.sleep(1)  # so that no worker takes two of these
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_each_worker_has_a_gpu_of_its_own_and_they_share_where_there_are_fewer(tmp_path):
    for count, gpus, expected in ((2, ("4", "7"), ["4", "7"]), (2, ("7",), ["7", "7"])):
        with Workers(count, tmp_path / "log", gpus) as workers:
            asked = [workers.submit(gpu) for _ in range(count)]
            assert sorted(result_of(one) for one in asked) == expected


def test_epochs_come_while_a_trial_runs_and_a_killed_worker_fails_only_its_own(tmp_path, reviews_card):
    prepared = prepare(cards.load_card(str(reviews_card)))
    configuration = complete("sentiment", {"units": 4, "embedding_units": 4, "batch_size": 16})

    def order(number, epochs):
        return TrialOrder(
            number, "sentiment", configuration, str(prepared.folder), str(tmp_path / str(number)), 0, epochs
        )

    with Workers(2, tmp_path / "log") as workers:
        workers.start(order(0, 2))
        doomed = workers.submit(die)
        events, results = [], []
        deadline = time.time() + 120
        while not results and time.time() < deadline:
            events += workers.epochs()
            results += workers.results()
            time.sleep(0.05)
        with pytest.raises(WorkerDied, match="its worker process died"):
            result_of(doomed)
    assert [event.epoch for event in events] == [1, 2]
    assert [(result.number, result.state) for result in results] == [(0, "done")]
    assert results[0].scores["accuracy"] > 0.5


def test_a_bug_in_a_trial_is_a_failed_result_with_its_traceback(tmp_path):
    configuration = complete("sentiment", {})
    write(tmp_path / "odd" / "meta.json", "{}")  # not what was written when it was opened
    broken = TrialOrder(0, "sentiment", configuration, str(tmp_path / "odd"), str(tmp_path / "0"), 0, 1)
    with Workers(1, tmp_path / "log") as workers:
        workers.start(broken)
        results = []
        deadline = time.time() + 120
        while not results and time.time() < deadline:
            list(workers.epochs())
            results += workers.results()
            time.sleep(0.05)
    assert results[0].state == "failed"
    assert "ValueError" in str(results[0].error)
    assert "Traceback" in str(results[0].trace)

"""Fault injection: real small sweeps are disturbed again and again at random moments, and compared with an undisturbed one.

    make chaos          # about half an hour; writes docs/chaos.md

Every fault is injected as often as it says. A sweep that it ended is resumed until it
ends; then its leaderboard must be that of an undisturbed sweep with the same algorithm, every trial must be FINISHED
in MLflow once, and no run may be left RUNNING.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import mlflow
import numpy as np
import pandas as pd

from tests.conftest import card_text, reviews
from tests.test_track import serving, stop

REPORT = Path(__file__).parent.parent / "docs" / "chaos.md"
SPACE = """about = "Six small readers."
task = "sentiment"
[parameters.cell]
choice = ["simple_rnn", "gru", "lstm"]
[parameters.direction]
choice = ["forward", "both"]
[parameters.units]
fixed = 6
[parameters.batch_size]
fixed = 16
"""
SWEEPER = [sys.executable, "-m", "sweeper", "sweep"]
FRESH = ["--dataset", "reviews.toml", "--space", "space.toml", "--trials", "6", "--epochs", "6", "--workers", "1"]
KILLED, INTERRUPTED, MUST_EDIT = -signal.SIGKILL, 130, 2
TIMES = ("seconds", "latency_ms")


def children(process: int, word: bytes) -> list[int]:
    """Process ids of a process's children whose command has a word in it."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == process and word in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except OSError:  # it has ended
            continue
    return found


def workers(process: int) -> list[int]:
    """Process ids of a sweep's workers, which are forked from a child of it."""
    word = b"multiprocessing.forkserver"
    return [worker for forking in children(process, word) for worker in children(forking, word)]


def asked(name: str) -> int:
    """How many trials a sweep has handed out."""
    history = Path("sweeps") / name / "history.jsonl"
    return history.read_text().count('"asked"') if history.exists() else 0


class Fault(NamedTuple):
    """One kind of fault, and how often it strikes.

    Args:
        what: for the report.
        count: how often.
        strike: does it to a running sweep; False where there was nothing to strike.
        algorithm: of the sweep.
        ends: exit codes with which a sweep may end that was struck.
        served: whether MLflow is reached through a server.
    """

    what: str
    count: int
    strike: Callable[[subprocess.Popen[bytes], str], bool]
    algorithm: str = "grid"
    ends: tuple[int, ...] = (KILLED,)
    served: bool = False


def parent(process: subprocess.Popen[bytes], name: str) -> bool:
    process.kill()
    return True


def everything(process: subprocess.Popen[bytes], name: str) -> bool:
    others = [*children(process.pid, b"python"), *workers(process.pid)]
    process.kill()
    for other in others:
        os.kill(other, signal.SIGKILL)
    return True


def interrupt(process: subprocess.Popen[bytes], name: str) -> bool:
    process.send_signal(signal.SIGINT)
    return True


def interrupt_twice(process: subprocess.Popen[bytes], name: str) -> bool:
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    return True


def end(process: subprocess.Popen[bytes], name: str) -> bool:
    process.terminate()
    return True


def alter(process: subprocess.Popen[bytes], name: str) -> bool:
    """Kill the sweep, and add a byte to what it has prepared."""
    process.kill()
    process.wait()
    for path in Path(os.environ["SWEEPER_CACHE"]).glob("prepared/*/*/ids.npy"):
        path.write_bytes(path.read_bytes() + b"!")
    return True


class Server:
    """MLflow's server on the same SQLite file that other sweeps use themselves."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.process)

    def start(self) -> None:
        self.process = serving(self.port, Path.cwd(), "mlflow.db")

    def away(self, process: subprocess.Popen[bytes], name: str) -> bool:
        """Kill it, and start it again after ten seconds."""
        stop(self.process)
        time.sleep(10)
        self.start()
        return True


def worker(process: subprocess.Popen[bytes], name: str, struck: set[tuple[str, int]] = set()) -> bool:  # noqa: B006
    """Kill the worker, but not under the same trial again, which would rightly fail."""
    trial = (name, asked(name))
    found = workers(process.pid)
    if not found or trial in struck or trial[1] == 0:
        return False
    struck.add(trial)
    os.kill(found[0], signal.SIGKILL)
    return True


def replay(process: subprocess.Popen[bytes], name: str) -> bool:
    """Kill the process that tells MLflow."""
    found = children(process.pid, b"sweeper.track.replay")
    for one in found:
        os.kill(one, signal.SIGKILL)
    return bool(found)


def full(process: subprocess.Popen[bytes], name: str) -> bool:
    """Let no file grow any more that the sweep or its worker writes, as on a full disk."""
    for one in (process.pid, *workers(process.pid)):
        _, hard = resource.prlimit(one, resource.RLIMIT_FSIZE)
        resource.prlimit(one, resource.RLIMIT_FSIZE, (0, hard))
    return True


def locked(process: subprocess.Popen[bytes], name: str) -> bool:
    """Hold MLflow's SQLite file for longer than it waits."""
    with contextlib.closing(sqlite3.connect("mlflow.db", isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(8)
        other.execute("COMMIT")
    return True


def faults(server: Server) -> tuple[Fault, ...]:
    return (
        Fault("the sweep's process killed (SIGKILL)", 20, parent),
        Fault("the same, with random search", 6, parent, "random"),
        Fault("the same, with bayesian search", 6, parent, "bayesian"),
        Fault("the same, with hyperband", 6, parent, "hyperband"),
        Fault("the sweep and all its processes killed at once (SIGKILL)", 10, everything),
        Fault("interrupted (SIGINT)", 10, interrupt, ends=(INTERRUPTED,)),
        Fault("interrupted twice (SIGINT)", 6, interrupt_twice, ends=(INTERRUPTED,)),
        Fault("terminated (SIGTERM)", 6, end, ends=(INTERRUPTED, -signal.SIGTERM)),  # the latter before it has begun
        Fault("a worker killed under its trial (SIGKILL)", 10, worker),
        Fault("the process that writes to MLflow killed (SIGKILL)", 6, replay),
        Fault("the disk full for the sweep and its worker", 6, full, ends=(MUST_EDIT,)),
        Fault("MLflow's SQLite file locked by another process for 8 s", 6, locked, ends=()),
        Fault("MLflow's server killed, and started again after 10 s", 6, server.away, ends=(MUST_EDIT,), served=True),
        Fault("the sweep killed, and its prepared data altered", 4, alter),
    )


def strike_until_it_ends(name: str, fault: Fault, most: int, generator: np.random.Generator, served: str) -> int:
    """Run a sweep through at most so many strikes; returns how many hit.

    Args:
        served: the address of MLflow's server, if it is reached through one.
    """
    hits = 0
    while True:
        known = (Path("sweeps") / name / "sweep.json").exists()
        process = subprocess.Popen(
            [*SWEEPER, *(["--resume", name] if known else fresh(name, fault.algorithm))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **({"MLFLOW_TRACKING_URI": served} if served else {})},
        )
        while process.poll() is None:
            try:
                process.wait(timeout=float(generator.uniform(2, 12)))
            except subprocess.TimeoutExpired:
                hits += hits < most and fault.strike(process, name)
        if process.returncode == 0:
            return hits
        assert process.returncode in fault.ends, f"{name}: exit code {process.returncode}"


def fresh(name: str, algorithm: str) -> list[str]:
    """The arguments of a new sweep."""
    return [*FRESH, "--name", name, "--algorithm", algorithm]


def differences(name: str, algorithm: str) -> Iterator[str]:
    """What differs from the undisturbed sweep, or is untrue in MLflow."""
    undisturbed, disturbed = (
        pd.read_csv(f"sweeps/{sweep}/leaderboard.csv") for sweep in (f"undisturbed-{algorithm}", name)
    )
    kept = [column for column in undisturbed.columns if column not in TIMES]
    if not undisturbed[kept].equals(disturbed[kept]):
        yield f"{name}: another leaderboard"
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sentiment/reviews").experiment_id
    runs = client.search_runs([experiment])
    of_sweep = [run for run in runs if run.info.run_name == name and "mlflow.parentRunId" not in run.data.tags]
    sweep = next((run for run in of_sweep if run.info.status == "FINISHED"), None)
    if sweep is None:
        yield f"{name}: its run is {', '.join(run.info.status for run in of_sweep)}"
        return
    trials = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == sweep.info.run_id]
    finished = sorted(int(run.data.tags["sweeper.trial"]) for run in trials if run.info.status == "FINISHED")
    if finished != list(range(6)):
        yield f"{name}: trials {finished} are FINISHED in MLflow"
    if any(run.info.status == "RUNNING" for run in runs):
        yield f"{name}: a run is left RUNNING"


def weather() -> Iterator[tuple[str, int, int, list[str]]]:
    """For each fault: what, how often it was injected, in how many sweeps, and what was lost."""
    Path("reviews.csv").write_text(reviews(), encoding="utf-8")
    Path("reviews.toml").write_text(card_text("reviews.csv", task="sentiment"), encoding="utf-8")
    Path("space.toml").write_text(SPACE, encoding="utf-8")
    with Server() as server:
        yield from _strike(faults(server), f"http://127.0.0.1:{server.port}")


def _strike(faults: Sequence[Fault], address: str) -> Iterator[tuple[str, int, int, list[str]]]:
    """Strike sweeps, and compare them with undisturbed ones.

    Args:
        address: of MLflow's server.
    """
    for algorithm in dict.fromkeys(fault.algorithm for fault in faults):
        undisturbed = fresh(f"undisturbed-{algorithm}", algorithm)
        subprocess.run([*SWEEPER, *undisturbed], check=True, capture_output=True)
    generator = np.random.default_rng(0)
    for place, fault in enumerate(faults):
        hits, sweeps, lost = 0, 0, []
        while hits < fault.count:
            name = f"disturbed-{place}-{sweeps}"
            hits += strike_until_it_ends(name, fault, fault.count - hits, generator, address if fault.served else "")
            sweeps += 1
            lost += list(differences(name, fault.algorithm))
        yield fault.what, hits, sweeps, lost


def main() -> int:
    began, here, lost = time.time(), Path.cwd(), []
    lines = ["| fault, at random moments | times | sweeps | data lost or wrong |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["SWEEPER_CACHE"] = folder
        try:
            for what, hits, sweeps, found in weather():
                lines.append(f"| {what} | {hits} | {sweeps} | {'; '.join(found) or 'nothing'} |")
                print(lines[-1], file=sys.stderr)
                lost += found
        finally:
            os.chdir(here)
    when = f"{datetime.date.today().isoformat()}, in {(time.time() - began) / 60:.0f} minutes"
    head = "# Fault injection\n\nWritten by `make chaos`: real small sweeps, disturbed at random moments, resumed, and compared with an undisturbed one.\n"
    REPORT.write_text(f"{head}\n{when}:\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

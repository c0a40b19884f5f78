"""Start-up, overhead and memory of the program as a user runs it. A run is a whole process."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from .rows import SWEEPER, Row, at_most, timed

RUNS = 5
MIB = 1 << 20


def commands(folder: Path) -> Iterator[Row]:
    """Commands that need nothing heavy."""
    for words in ("--help", "datasets list", "spaces check sentiment"):
        values = [timed([*SWEEPER, *words.split()], folder) for _ in range(RUNS)]
        yield at_most(f"`sweeper {words}`", values, "s", 0.5)


def sweep(folder: Path, *words: str) -> tuple[float, Path]:
    """Run a sweep; returns when it began, in seconds since the epoch, and its folder."""
    name = f"bench-{time.time_ns()}"
    began = time.time()
    subprocess.run([*SWEEPER, "sweep", *words, "--name", name], cwd=folder, check=True, capture_output=True)
    return began, folder / "sweeps" / name


def start(folder: Path) -> Iterator[Row]:
    """From the command to the first epoch of trial 0, with data, store and baselines there."""
    words = ("sentiment", "--trials", "2", "--epochs", "1")
    sweep(folder, *words)
    begins, ends = [], []
    for _ in range(3):
        began, done = sweep(folder, *words)
        event = json.loads((done / "trials" / "000" / "events.jsonl").read_text().splitlines()[0])
        ends.append(event["time"] - began)
        begins.append(ends[-1] - event["metrics"]["seconds"])
    yield at_most("second start to the beginning of trial 0's first epoch", begins, "s", 12)
    yield at_most("second start to the end of trial 0's first epoch", ends, "s", 12)


def results(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [event["told"] for event in map(json.loads, lines) if "told" in event]


def overhead(folder: Path) -> Iterator[Row]:
    """What a trial on rotten-tomatoes costs beyond training and validation."""
    _, done = sweep(folder, "sentiment", "--trials", "10")
    shares = [100 * (1 - trial["fit_seconds"] / trial["seconds"]) for trial in results(done)]
    yield at_most("share of a trial outside training and validation, rotten-tomatoes", shares, "%", 10)


def resident(root: int, kind: str = "Pss") -> dict[int, int]:
    """Bytes of each process below `root`, itself included.

    Args:
        kind: "Pss" for proportional ones, so that pages shared by several are counted once; "Rss" for all.
    """
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    family, before = {root}, 0
    while len(family) > before:
        before = len(family)
        family |= {pid for pid, parent in parents.items() if parent in family}
    found = {}
    for pid in family:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found[pid] = 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))
        except (OSError, StopIteration):
            continue
    return found


def memory(folder: Path) -> Iterator[Row]:
    """All processes of a sweep over imdb, at their highest together."""
    command = [*SWEEPER, "sweep", "sentiment", "--dataset", "imdb", "--trials", "2", "--epochs", "1"]
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    highest = 0
    while running.poll() is None:
        highest = max(highest, sum(resident(running.pid).values()))
        time.sleep(0.5)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    yield at_most("imdb, 25,000 reviews: peak memory of all processes", [highest / 2**30], "GiB", 4)


def worker_memory(folder: Path) -> Iterator[Row]:
    """One worker that is never replaced, over 30 trials of one size, so that what grows is not the models."""
    (folder / "one-size.toml").write_text(ONE_SIZE)
    script = (
        "import sweeper.workers.pool, sweeper\n"
        "sweeper.workers.pool.MAX_TRIALS_PER_WORKER = 0\n"
        "if __name__ == '__main__':\n"
        "    sweeper.sweep('sentiment', space='one-size.toml', trials=30, epochs=1, workers=1, name='flat')\n"
    )
    (folder / "flat.py").write_text(script)
    running = subprocess.Popen(
        [sys.executable, "flat.py"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seen: dict[int, float] = {}

    def watch() -> None:
        while running.poll() is None:
            done = folder / "sweeps" / "flat" / "history.jsonl"
            told = done.read_text().count('"told"') if done.exists() else 0
            workers = {pid: size for pid, size in resident(running.pid, "Rss").items() if pid != running.pid}
            if told and workers:
                seen[told] = max(workers.values()) / MIB
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    running.wait()
    watcher.join()
    early = statistics.median(size for told, size in seen.items() if 5 <= told < 15)
    late = statistics.median(size for told, size in seen.items() if told >= 20)
    print({told: round(size) for told, size in sorted(seen.items())}, file=sys.stderr)
    yield Row(
        "one worker over 30 trials: median memory of trials 20 to 30 over trials 5 to 15",
        f"{late / early:.2f} ({early:.0f} MiB, then {late:.0f} MiB)",
        "at most 1.15",
        late / early <= 1.15,
    )


ONE_SIZE = """
about = "Models of one size."
task  = "sentiment"

[parameters.dropout]
float = { low = 0.1, high = 0.6 }
"""

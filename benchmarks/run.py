"""Start-up, overhead and memory, measured on real data and written to RESULTS.md.

    make bench                 # everything, about fifteen minutes on 2 cores
    make bench ARGS="commands start"

Each figure is a median of several runs with its spread; a run is a whole process. The data
must have been fetched once before (`sweeper datasets fetch imdb`).
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from sweeper.versions import versions

RESULTS = Path(__file__).with_name("RESULTS.md")
SWEEPER = [sys.executable, "-m", "sweeper"]
RUNS = 5
MIB = 1 << 20


class Row(NamedTuple):
    """Args:
    what: was measured.
    found: median, with lowest and highest.
    target: what it must not exceed.
    good: whether it does not.
    """

    what: str
    found: str
    target: str
    good: bool


def row(what: str, values: list[float], unit: str, target: float) -> Row:
    middle = statistics.median(values)
    spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return Row(what, f"{middle:.3g} {unit}{spread}", f"{target:g} {unit}", middle <= target)


def timed(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def commands(folder: Path) -> Iterator[Row]:
    """Commands that need nothing heavy."""
    for words in ("--help", "datasets list", "spaces check sentiment"):
        values = [timed([*SWEEPER, *words.split()], folder) for _ in range(RUNS)]
        yield row(f"`sweeper {words}`", values, "s", 0.5)


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
    yield row("second start to the beginning of trial 0's first epoch", begins, "s", 12)
    yield row("second start to the end of trial 0's first epoch", ends, "s", 12)


def results(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [event["told"] for event in map(json.loads, lines) if "told" in event]


def overhead(folder: Path) -> Iterator[Row]:
    """What a trial on rotten-tomatoes costs beyond training and validation."""
    _, done = sweep(folder, "sentiment", "--trials", "10")
    shares = [100 * (1 - trial["fit_seconds"] / trial["seconds"]) for trial in results(done)]
    yield row("a trial outside fit and evaluation, rotten-tomatoes", shares, "%", 10)


def resident(root: int) -> dict[int, int]:
    """Bytes of each process below `root`, itself included: proportional where the kernel tells, so that pages
    shared by several are counted once."""
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
            found[pid] = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
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
    yield row("imdb, 25,000 reviews: memory of all processes together", [highest / 2**30], "GiB", 4)


def flat(folder: Path) -> Iterator[Row]:
    """One worker that is never replaced, over 30 trials of one size, so that what grows is not the models."""
    (folder / "one-size.toml").write_text(ONE_SIZE)
    script = (
        "import sweeper.pool, sweeper\n"
        "sweeper.pool.TRIALS_A_WORKER = 0\n"
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
            workers = {pid: size for pid, size in resident(running.pid).items() if pid != running.pid}
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
        "1.15",
        late / early <= 1.15,
    )


ONE_SIZE = """
about = "Models of one size."
task  = "sentiment"

[parameters.dropout]
float = { low = 0.1, high = 0.6 }
"""
PARTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "commands": commands,
    "start": start,
    "overhead": overhead,
    "memory": memory,
    "flat": flat,
}


def table(rows: list[Row]) -> str:
    """The results as Markdown, with the machine that gave them."""
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    cores = len(os.sched_getaffinity(0))
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    lines = [
        "# Results",
        "",
        f"Written by `make bench` on {datetime.date.today().isoformat()}: {cores} cores, {total:.0f} GiB, no GPU, "
        f"{platform.system()}, Python {platform.python_version()}; {found}.",
        "Medians, with the lowest and the highest run in brackets.",
        "",
        "| what | found | at most | |",
        "|---|---|---|---|",
        *(f"| {r.what} | {r.found} | {r.target} | {'yes' if r.good else '**no**'} |" for r in rows),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    chosen = sys.argv[1:] or list(PARTS)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            for found in PARTS[name](Path(folder)):
                print(f"{found.what}: {found.found} (at most {found.target})", file=sys.stderr)
                rows.append(found)
    text = table(rows)
    if set(chosen) == set(PARTS):
        RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

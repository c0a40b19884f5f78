"""sweeper beside the hand-written script: the same configurations, epochs and rows, in whole processes, in turn.

Three rates are reported.

- Trials in an hour, which has the target. It is projected from shorter runs: start-up, encoding, baselines, the wait for
  the last trial and the export of a model, which the script does not make, are paid once, and the rest of the hour is
  filled with trials.
- While all workers are busy: workers over the mean seconds of a trial, from its handing out to its end in MLflow.
- Of the runs as they stand: trials over wall-clock time.

Sweeper begins each time with an empty cache of data; its kernels were compiled before. Both sides are scored on all test
rows. A cut text is longer for the script, which reads words alone, than for sweeper, which reads punctuation too. Of
taggers the script chooses by accuracy, sweeper by F1. Keras leaves XLA off for recurrent layers; what the script does
with it is told beside them, once.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.data.store import Prepared
from sweeper.system import devices

from .rows import SWEEPER, Row, at_least, spread

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

HERE = Path(__file__).parent
EPOCHS = 3
SEEDS = int(os.environ.get("BENCH_SEEDS", "3"))
PARTS = ("train", "validation", "test")
HOUR = 3_600  # seconds
WORDS = {
    "hour": "trials in an hour, projected",
    "rate": "trials per hour, all workers busy",
    "whole": "trials per hour, these runs as they stand",
    "validation": "best validation score",
    "test": "test score of the best",
}

RATES = ("hour", "rate", "whole")  # of `WORDS`

Found = dict[str, float]
"""By the names of `WORDS`."""


class Run(NamedTuple):
    """One side's process.

    Args:
        found: rates and scores.
        seconds: that each configuration's trial took: the script's of the whole machine, sweeper's of one worker.
    """

    found: Found
    seconds: dict[str, float]


class Pair(NamedTuple):
    """A dataset and the configurations that both sides train on it.

    Args:
        card: a declared dataset; `most` of its training rows, and the same share of those of validation.
        space: of both sides; `units` and learning `rates` multiply it.
        length: tokens that the script pads to and cuts at; sweeper cuts texts there too.
        target: how many times the trials per hour.
    """

    card: str
    space: str
    units: tuple[int, ...]
    rates: tuple[float, ...]
    length: int
    target: float
    most: int | None = None

    @property
    def trials(self) -> int:
        """Configurations of the space: two cells for each."""
        return 2 * len(self.units) * len(self.rates)


PAIRS = (
    Pair("rotten-tomatoes", "classify", (64, 128), (0.0005, 0.001, 0.002, 0.003), 51, 4),
    Pair("imdb", "classify", (64,), (0.0005, 0.001, 0.002, 0.003), 400, 5, most=4_800),
    Pair("peoples-daily", "tag", (64,), (0.0005, 0.001, 0.002, 0.003), 120, 4, most=4_800),
)


def run(pair: Pair, folder: Path) -> Iterator[Row]:
    workers = devices.default_workers()
    if pair.trials < 2 * workers:
        raise SystemExit(
            f"{pair.card}: {pair.trials} configurations for {workers} workers; at least two each, so that handing out is seen"
        )
    prepared = prepare(cards.load_card(pair.card))
    rows = folder / f"rows-{pair.card}"
    card = write_rows(prepared, rows, pair.most)
    space = write_space(rows, pair, prepared.meta.task)
    compiled = handwritten(pair, rows, space, 0, "--jit")
    ours: list[Run] = []
    theirs: list[Run] = []
    for seed in range(SEEDS):
        theirs.append(handwritten(pair, rows, space, seed))
        ours.append(sweep(pair, rows, card, space, seed, workers))
        print(pair.card, "seed", seed, "script", theirs[-1], "sweeper", ours[-1], file=sys.stderr)
    trained = min(pair.most or prepared.meta.counts["train"], prepared.meta.counts["train"])
    yield Row(
        f"{pair.card}: {trained:,} training rows, {pair.trials} configurations, {EPOCHS} epochs each, {SEEDS} seeds",
        "an hour is projected: what these runs pay once, start-up and export among it, and else trials at their rate",
    )
    yield from compared(pair, [one.found for one in ours], [one.found for one in theirs])
    yield by_configuration(pair, ours, theirs, workers)
    yield Row(
        f"{pair.card}: the script with XLA, 1 seed: {WORDS['hour']}; sweeper's over it",
        f"{compiled.found['hour']:.3g}; {times([ours[0].found], [compiled.found], 'hour')[0]:.3g}x",
    )


def compared(pair: Pair, ours: Sequence[Found], theirs: Sequence[Found]) -> Iterator[Row]:
    """Sweeper beside the script, seed by seed."""
    for name in RATES:
        what, ratios = f"{pair.card}: {WORDS[name]}, over the script's", times(ours, theirs, name)
        yield at_least(what, ratios, "x", pair.target) if name == "hour" else Row(what, spread(ratios, "x"))
    for name, words in WORDS.items():
        both = [spread([found[name] for found in side], "") for side in (ours, theirs)]
        yield Row(f"{pair.card}: {words}, sweeper; script", "; ".join(both))
    for name in ("validation", "test"):
        a, b = ([found[name] for found in side] for side in (ours, theirs))
        noise = max(max(a) - min(a), max(b) - min(b))
        worse = statistics.median(b) - statistics.median(a)
        yield Row(
            f"{pair.card}: {name} score: the script's minus sweeper's",
            f"{worse:.4f}",
            f"at most the seeds' range, {noise:.4f}",
            worse <= noise,
        )


def by_configuration(pair: Pair, ours: Sequence[Run], theirs: Sequence[Run], workers: int) -> Row:
    """How many trials sweeper runs while the script runs one, medians over seeds."""
    ratios = {
        name: statistics.median(workers * b.seconds[name] / a.seconds[name] for a, b in zip(ours, theirs, strict=True))
        for name in theirs[0].seconds
    }
    said = ", ".join(f"{name} {ratio:.3g}x" for name, ratio in sorted(ratios.items()))
    return Row(f"{pair.card}: each configuration, the script's seconds over sweeper's by {workers} workers", said)


def times(ours: Sequence[Found], theirs: Sequence[Found], name: str) -> list[float]:
    """How many times theirs ours are, seed by seed."""
    return [a[name] / b[name] for a, b in zip(ours, theirs, strict=True)]


def write_space(rows: Path, pair: Pair, task: str) -> Path:
    """The space of both sides, with what multiplies it, and the length that only classifiers have."""
    text = (HERE / "spaces" / f"{pair.space}.toml").read_text(encoding="utf-8")
    text += f"\n[parameters.units]\nchoice = {list(pair.units)}\n"
    text += f"\n[parameters.learning_rate]\nchoice = {list(pair.rates)}\n"
    text += "" if task == "tagging" else f"\n[parameters.max_length]\nfixed = {pair.length}\n"
    space = rows / f"{pair.space}.toml"
    space.write_text(text, encoding="utf-8")
    return space


def write_rows(prepared: Prepared, folder: Path, most: int | None) -> Path:
    """The rows of a prepared dataset as plain files for both sides; returns a card for them.

    All test rows: a few hundred would tell two points of accuracy no better than chance.
    """
    folder.mkdir()
    tagging = prepared.meta.task == "tagging"
    share = 1.0 if most is None else most / prepared.meta.counts["train"]
    for part in PARTS:
        table = prepared.examples(part)
        # Rows of a split stand as they were published, often by label.
        table = table.sample(frac=share, random_state=0) if share < 1 and part != "test" else table
        if tagging:
            blocks = (
                "\n".join(map("\t".join, zip(*row, strict=True)))
                for row in zip(table["tokens"], table["tags"], strict=True)
            )
            (folder / f"{part}.conll").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
        else:
            table[["text", "label"]].to_csv(folder / f"{part}.csv", index=False)
    ending = "conll" if tagging else "csv"
    files = ", ".join(f'{part} = "{part}.{ending}"' for part in PARTS)
    adapter = 'format = "columns"\nseparator = "\\t"' if tagging else 'format = "labelled"'
    text = f'about = "x"\ntask = "{prepared.meta.task}"\n[source]\nfile = {{ {files} }}\n[adapter]\n{adapter}\n'
    card = folder / f"rows-of-{prepared.meta.name}.toml"
    card.write_text(text, encoding="utf-8")
    return card


def handwritten(pair: Pair, rows: Path, space: Path, seed: int, *options: str) -> Run:
    command = [sys.executable, "-m", "benchmarks.handwritten", str(rows), str(space), "--epochs", str(EPOCHS)]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--seed", str(seed), "--max-length", str(pair.length), *options],
        cwd=rows, env={**os.environ, "PYTHONPATH": str(HERE.parent)}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    found = json.loads(done.stdout.splitlines()[-1])
    trials = finished(pair, f"sqlite:///{rows / 'handwritten.db'}", found["run"])
    scores = {name: found[name] for name in ("validation", "test")}
    return Run({**rated(trials, 1, seconds), **scores}, seconds_by_configuration(trials))


def sweep(pair: Pair, rows: Path, card: Path, space: Path, seed: int, workers: int) -> Run:
    options = ["--dataset", str(card), "--space", str(space), "--algorithm", "grid", "--budget", "10h", "--seeds", "1"]
    started = time.perf_counter()
    done = subprocess.run(
        [*SWEEPER, "sweep", *options, "--epochs", str(EPOCHS), "--seed", str(seed), "--workers", str(workers), "--json"],
        cwd=rows, env={**os.environ, "SWEEPER_CACHE": str(rows / f"cache-{seed}")}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    found = json.loads(done.stdout.splitlines()[-1])
    run = json.loads((rows / "sweeps" / found["sweep"] / "sweep.json").read_text(encoding="utf-8"))["run"]
    best, score = found["best"], found["objective"]
    trials = finished(pair, f"sqlite:///{rows / 'mlflow.db'}", run)
    scores = {"validation": best["validation"][score], "test": best["test"][score]}
    return Run({**rated(trials, workers, seconds), **scores}, seconds_by_configuration(trials))


def finished(pair: Pair, database: str, run: str) -> list[MlflowRun]:
    """The trials of a run, all of which must have been trained to their end."""
    from mlflow import MlflowClient

    client = MlflowClient(database)
    asked = f"tags.mlflow.parentRunId = '{run}'"
    trials = list(client.search_runs([client.get_run(run).info.experiment_id], asked))
    ended = [trial.info.status for trial in trials]
    if ended != ["FINISHED"] * pair.trials:
        raise SystemExit(f"{database}: {pair.trials} trials should have finished, found {ended}")
    return trials


def rated(trials: Sequence[MlflowRun], workers: int, seconds: float) -> Found:
    """The `RATES` of a process that took so many seconds."""
    seconds_each = seconds_a_trial(trials, workers) / workers
    seconds_once = seconds - len(trials) * seconds_each
    return {
        "hour": (HOUR - seconds_once) / seconds_each,
        "rate": HOUR / seconds_each,
        "whole": HOUR * len(trials) / seconds,
    }


def seconds_by_configuration(trials: Sequence[MlflowRun]) -> dict[str, float]:
    """What each configuration's trial took, without its handing out."""
    return {
        f"{given['cell']} of {given['units']} at {float(given['learning_rate']):g}": own_seconds(trial)
        for trial, given in ((trial, trial.data.params) for trial in trials)
    }


def seconds_a_trial(trials: Sequence[MlflowRun], workers: int) -> float:
    """Mean seconds from the handing out of a trial to its end in MLflow.

    A worker's first trial is handed out while the worker still imports TensorFlow, which the script does before its
    first; there it counts what the trial itself took, and what handing out adds to the others.
    """
    later = sorted(trials, key=lambda trial: trial.info.start_time)[workers:]
    handing_out = statistics.mean(seconds_open(trial) - own_seconds(trial) for trial in later)
    return statistics.mean(map(own_seconds, trials)) + handing_out


def seconds_open(trial: MlflowRun) -> float:
    """From beginning to end in MLflow."""
    return float(trial.info.end_time - trial.info.start_time) / 1_000


def own_seconds(trial: MlflowRun) -> float:
    """What a trial took itself; the script's are not handed out, and took all the time that they were open."""
    return float(trial.data.metrics.get("trial_seconds", seconds_open(trial)))

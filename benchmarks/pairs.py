"""sweeper beside the hand-written script: the same configurations, epochs and rows, in whole processes, in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.data.store import Prepared

from .rows import SWEEPER, Row, at_least, spread

HERE = Path(__file__).parent
EPOCHS = 3
SEEDS = int(os.environ.get("BENCH_SEEDS", "3"))
PARTS = ("train", "validation", "test")


class Pair(NamedTuple):
    """Args:
    card: a declared dataset; its first `most` training rows, and a share of the others.
    space: of both sides.
    length: tokens that the script pads to, and that both cut to.
    target: how many times the trials an hour.
    """

    card: str
    space: str
    length: int
    target: float
    most: int | None = None


PAIRS = (
    Pair("rotten-tomatoes", "classify", 51, 4),
    Pair("imdb", "classify", 400, 5, most=4_800),
    Pair("peoples-daily", "tag", 120, 4),
)


def pairs(folder: Path) -> Iterator[Row]:
    for pair in PAIRS:
        prepared = prepare(cards.load_card(pair.card))
        rows = folder / f"rows-{pair.card}"
        card = write_rows(prepared, rows, pair.most)
        space = HERE / "spaces" / f"{pair.space}.toml"
        ours, theirs = [], []
        for seed in range(SEEDS):
            theirs.append(handwritten(rows, space, pair.length, seed))
            ours.append(sweep(rows, card, space, pair.length, seed, prepared.meta.task))
            print(pair.card, "seed", seed, "script", theirs[-1], "sweeper", ours[-1], file=sys.stderr)
        rates = [a["rate"] / b["rate"] for a, b in zip(ours, theirs, strict=True)]
        yield at_least(f"{pair.card}: trials an hour over the hand-written script's", rates, "x", pair.target)
        for name in ("rate", "validation", "test"):
            both = [spread([found[name] for found in side], "") for side in (ours, theirs)]
            words = "trials an hour" if name == "rate" else f"best {name} score"
            yield Row(f"{pair.card}: {words}, sweeper; script", "; ".join(both))
        for name in ("validation", "test"):
            a, b = ([found[name] for found in side] for side in (ours, theirs))
            noise = max(max(a) - min(a), max(b) - min(b))
            worse = statistics.median(b) - statistics.median(a)
            yield Row(
                f"{pair.card}: {name} score lost to the script",
                f"{worse:.4f}",
                f"at most the seeds' spread, {noise:.4f}",
                worse <= noise,
            )


def write_rows(prepared: Prepared, folder: Path, most: int | None) -> Path:
    """The rows of a prepared dataset as plain files for both sides; returns a card for them."""
    folder.mkdir()
    tagging = prepared.meta.task == "tagging"
    share = 1.0 if most is None else most / prepared.meta.counts["train"]
    for part in PARTS:
        table = prepared.examples(part)
        # Rows of a split stand as they were published, often by label.
        table = table.sample(frac=share, random_state=0) if share < 1 else table
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


def handwritten(rows: Path, space: Path, length: int, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.handwritten", str(rows), str(space), "--epochs", str(EPOCHS)]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--seed", str(seed), "--max-length", str(length)],
        cwd=rows, env={**os.environ, "PYTHONPATH": str(HERE.parent)}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    return _rated(found["trials"], time.perf_counter() - started, found["validation"], found["test"])


def sweep(rows: Path, card: Path, space: Path, length: int, seed: int, task: str) -> dict[str, float]:
    if task != "tagging":  # a length that only the classifiers have
        text = space.read_text(encoding="utf-8") + f"\n[parameters.max_length]\nfixed = {length}\n"
        space = rows / space.name
        space.write_text(text, encoding="utf-8")
    options = ["--dataset", str(card), "--space", str(space), "--algorithm", "grid", "--budget", "10h"]
    started = time.perf_counter()
    done = subprocess.run(
        [*SWEEPER, "sweep", *options, "--epochs", str(EPOCHS), "--seed", str(seed), "--json"],
        cwd=rows, check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    found = json.loads(done.stdout.splitlines()[-1])
    score = found["objective"]
    trials = len(list((rows / "sweeps" / found["sweep"] / "trials").iterdir()))
    return _rated(trials, seconds, found["best"]["validation"][score], found["best"]["test"][score])


def _rated(trials: int, seconds: float, validation: float, test: float) -> dict[str, float]:
    return {"rate": 3_600 * trials / seconds, "validation": validation, "test": test}

"""The way of the data: how fast text is encoded, and how fast batches come from disk with no training."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sweeper.data import cards
from sweeper.data.batches import load_split
from sweeper.data.downloads import cache_folder
from sweeper.data.prepare import prepare
from sweeper.declared.parameters import complete

from .rows import Row, at_most, spread

PREPARE = (
    "import time; from sweeper.data import cards; from sweeper.data.prepare import prepare; card = cards.load_card('imdb'); "
    "started = time.perf_counter(); prepare(card); print(time.perf_counter() - started)"
)
RUNS = 3


def pipeline(folder: Path) -> Iterator[Row]:
    prepared = prepare(cards.load_card("imdb"))
    cold, warm = [], []
    for number in range(RUNS):
        cache = folder / f"cache-{number}"
        shutil.copytree(cache_folder() / "downloads", cache / "downloads")
        cold.append(_prepare(cache))
        warm.append(_prepare(cache))
        shutil.rmtree(cache)
    yield at_most("imdb, 25,000 reviews: read, split and encoded for the first time", cold, "s", 20)
    yield at_most("imdb: found encoded, every checksum compared", warm, "s", 2)

    for name in ("rotten-tomatoes", "imdb", "peoples-daily"):
        prepared = prepare(cards.load_card(name))
        configuration = complete(prepared.meta.task, {}, prepared.meta.traits)
        split = load_split(prepared, "train", configuration)
        rates, padding = [], []
        for number in range(RUNS):
            started = time.perf_counter()
            batches = [
                batch.ids.shape for batch in split.training(configuration["batch_size"], np.random.default_rng(number))
            ]
            tokens = int(split.lengths.sum()) * split.passes()
            rates.append(tokens / (time.perf_counter() - started) / 1e6)
            padding.append(100 * (1 - tokens / sum(rows * columns for rows, columns in batches)))
        yield Row(f"{name}: batches from disk, no training", spread(rates, "million tokens per second"))
        yield Row(
            f"{name}: padding in training batches",
            spread(padding, "%"),
            "under 10 %",
            statistics.median(padding) < 10,
        )


def _prepare(cache: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PREPARE],
        env={**os.environ, "SWEEPER_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout)

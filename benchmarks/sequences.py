"""Generation and sequence to sequence: quality, and how fast an export decodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu

import sweeper
from sweeper.serving import answer

from .rows import Row

LM_BUDGET = 600.0  # seconds of a sweep over texts
MIN_GAIN = 5.0  # percent fewer bits than the n-grams
G2P_BUDGET = 3_600.0  # seconds of a sweep over words
KNOWN_GOOD = {"cell": "lstm", "units": 128, "learning_rate": 0.004, "batch_size": 128}
WIDE = {"depth": 2, "units": 192, "dropout": 0.3, "batch_size": 64, "schedule": "cosine", "patience": 13}
N_WORDS = 1_000  # words that are decoded
MARGIN = 10.0  # points of word error rate by which attention must beat the initial state alone
TRANSLATES = {
    "cell": "lstm", "units": 128, "embedding_units": 128, "attention": "general", "dropout": 0.4,
    "embedding_dropout": 0.1, "learning_rate": 0.003, "schedule": "cosine", "batch_size": 64, "max_vocabulary": 8_000,
    "patience": 10,
}  # fmt: skip
PARALLEL = """about = "Captions of pictures, English and German."
task = "seq2seq"
language = "en"
licence = "research"
[source]
file = { train = "{data}/train.en", validation = "{data}/val.en", test = "{data}/test_2016_flickr.en" }
beside = { train = "{data}/train.de", validation = "{data}/val.de", test = "{data}/test_2016_flickr.de" }
[adapter]
format = "pairs"
"""


def language_model(card: str, folder: Path) -> Iterator[Row]:
    """A ten-minute sweep with the shipped space, seed 0, and the bits of a character beside the 6-grams'."""
    os.chdir(folder)
    outcome = sweeper.sweep("generation", dataset=card, budget=LM_BUDGET, epochs=40, say=lambda line: None)
    assert outcome.best is not None
    score = "bits_per_character"
    ours, theirs = outcome.test[score], outcome.baselines[-1].test[score]
    gain = 100 * (1 - ours / theirs)
    trials = sum(not str(trial).startswith("baseline") for trial in outcome.leaderboard["trial"])
    varied = ("cell", "depth", "units", "condition", "window", "dropout", "learning_rate", "batch_size")
    known = {name: outcome.best.configuration[name] for name in varied if name in outcome.best.configuration}
    yield Row(f"{card}: {outcome.baselines[-1].name}, test bits per character", f"{theirs:.3f}", "", good=True)
    yield Row(
        f"{card}: the best of {trials} trials of a ten-minute sweep, test bits per character",
        f"{ours:.3f}, {gain:.1f} % fewer",
        f"{MIN_GAIN:g} % fewer",
        gain >= MIN_GAIN,
    )
    yield Row(
        f"{card}: its configuration", ", ".join(f"{name} {value}" for name, value in known.items()), "", good=True
    )


def attention(folder: Path) -> Iterator[Row]:
    """cmudict, two epochs of the known-good configuration: with attention, and with a first state alone."""
    os.chdir(folder)
    rates = {}
    for name, values in (("attention", {}), ("a first state alone", {"decoder": "initial_state", "attention": "none"})):
        outcome = _one(folder / f"{len(rates)}.toml", {**KNOWN_GOOD, **values}, epochs=2)
        rates[name] = 100 * outcome.test["sequence_error_rate"]
    alone, attended = rates["a first state alone"], rates["attention"]
    yield Row("cmudict, two epochs: test word error rate, initial state alone", f"{alone:.1f} %", "", good=True)
    yield Row(
        "cmudict, two epochs: test word error rate, with attention",
        f"{attended:.1f} %",
        f"{MARGIN:g} points lower",
        attended <= alone - MARGIN,
    )


def decoding_speed(folder: Path) -> Iterator[Row]:
    """How long an export takes for so many words, on one core, without loading."""
    os.chdir(folder)
    outcome = _one(folder / "s.toml", KNOWN_GOOD, epochs=1)
    words = sweeper.load_dataset("cmudict").query("split == 'test'")["source"].drop_duplicates().tolist()[:N_WORDS]
    for name, options in (("greedy", {"beam_width": 1, "length_penalty": 0.0}), ("beam of 3", {"beam_width": 3, "length_penalty": 0.0})):  # fmt: skip
        seconds = _timed(str(outcome.export), words, options)
        yield Row(
            f"{N_WORDS:,} words, {name}, SavedModel on one core, seconds",
            f"{np.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
            "under 2" if options["beam_width"] == 1 else "",
            float(np.median(seconds)) < 2,
        )


def g2p_sweep(folder: Path) -> Iterator[Row]:
    """cmudict: a sweep of one hour over the shipped space for long ones."""
    os.chdir(folder)
    outcome = sweeper.sweep(
        "seq2seq", dataset="cmudict", space="seq2seq-long", budget=G2P_BUDGET, epochs=8, say=lambda line: None
    )
    rate = 100 * outcome.test["sequence_error_rate"]
    yield Row("cmudict: test word error rate of the best after one hour", f"{rate:.1f} %", "30 %", rate <= 30)


def g2p_best(folder: Path) -> Iterator[Row]:
    """cmudict: the known-good configuration, deeper and wider, trained until its learning rate has fallen to nothing."""
    os.chdir(folder)
    outcome = _one(folder / "best.toml", {**KNOWN_GOOD, **WIDE}, epochs=13)
    rate = 100 * outcome.test["sequence_error_rate"]
    yield Row("cmudict: test word error rate", f"{rate:.1f} %", "26 %", rate <= 26)


def translate(folder: Path) -> Iterator[Row]:
    """multi30k, English to German, one configuration trained until its learning rate has fallen to nothing; needs the
    standard data of SWEEPER_BENCH_DATA."""
    if "SWEEPER_BENCH_DATA" not in os.environ:
        print("translate: left out; SWEEPER_BENCH_DATA names no folder", file=sys.stderr)
        return
    os.chdir(folder)
    data = Path(os.environ["SWEEPER_BENCH_DATA"]).resolve() / "multi30k"
    card = folder / "multi30k.toml"
    card.write_text(PARALLEL.replace("{data}", str(data)), encoding="utf-8")
    outcome = _one(folder / "t.toml", TRANSLATES, epochs=10, dataset=str(card))
    assert outcome.best is not None
    minutes = outcome.best.seconds / 60
    what = f"multi30k en-de, flickr 2016: BLEU of words, one configuration, {minutes:.0f} minutes on one core"
    yield Row(what, f"{100 * outcome.test['bleu']:.1f}, chrF {100 * outcome.test['chrf']:.1f}")
    sources, targets = (
        (data / f"test_2016_flickr.{language}").read_text(encoding="utf-8").splitlines() for language in ("en", "de")
    )
    written = [one["output"] for one in answer.load(str(outcome.export))(sources)]
    whole = sacrebleu.corpus_bleu(written, [targets]).score
    yield Row("multi30k en-de, flickr 2016: BLEU of the export's answers against the lines of the file", f"{whole:.1f}")
    yield Row("multi30k en-de, flickr 2016: published, attentive GRU over subwords (Caglayan et al. 2017)", "about 38")
    nearest = outcome.baselines[-1]
    yield Row(f"multi30k en-de, flickr 2016: {nearest.name}", f"{100 * nearest.test['bleu']:.1f}")


def _one(space: Path, values: dict[str, Any], epochs: int, dataset: str = "cmudict") -> Any:
    """A sweep of one configuration."""
    fixed = "".join(f"[parameters.{name}]\nfixed = {json.dumps(value)}\n" for name, value in values.items())
    space.write_text(f'about = "x"\ntask = "seq2seq"\n{fixed}')
    return sweeper.sweep("seq2seq", dataset=dataset, space=str(space), trials=1, epochs=epochs, say=lambda line: None)


SCRIPT = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
folder, words, options = sys.argv[1], json.load(sys.stdin), json.loads(sys.argv[2])
ask = tf.saved_model.load(folder).signatures["beam"]
options = {name: tf.constant(value) for name, value in options.items()}
ask(text=tf.constant(words[:8]), **options)
seconds = []
for _ in range(5):
    began = time.perf_counter()
    ask(text=tf.constant(words), **options)["output"].numpy()
    seconds.append(time.perf_counter() - began)
print(json.dumps(seconds))
"""


def _timed(export: str, words: list[str], options: dict[str, Any]) -> list[float]:
    asked = subprocess.run(
        [sys.executable, "-c", SCRIPT, export, json.dumps(options)],
        input=json.dumps(words), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return list(json.loads(asked.stdout.splitlines()[-1]))

"""How good the best of a sweep is: beside its baselines and published figures, the mean of three seeds.

    make bench-quality DATASET=reuters-r8      # or several, or none for all

Each seed's sweep is kept in quality.json when it is done, and not run again; remove its line to repeat it. Nothing is
chosen by test data: a sweep of a stated length with a shipped space, its winner by validation, scored once. Standard data
that no package holds come from the folder that SWEEPER_BENCH_DATA names; without it they are left out.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import sweeper

from .rows import Row

KEPT = Path(__file__).with_name("quality.json")
BUDGET = float(os.environ.get("BENCH_BUDGET", "600"))  # seconds of a sweep
SEEDS = int(os.environ.get("BENCH_SEEDS", "3"))
EPOCHS = 12


class Quality(NamedTuple):
    """Args:
    task: of the sweep, and of the shipped space that it searches.
    at_least: what is asked of the test score, percent; 0 where it is only reported.
    over_linear: points that it must be above the linear baseline's; None where there is none.
    published: figures of recurrent models, for the reader.
    card: the declaration, where it is not a declared dataset; {data} stands for the folder of standard data.
    """

    task: str
    at_least: float
    over_linear: float | None
    published: str
    card: str = ""


def _card(task: str, language: str, files: str, adapter: str, split: str = "") -> str:
    return (
        f'about = "Standard data."\ntask = "{task}"\nlanguage = "{language}"\nlicence = "research"\n'
        f"[source]\nfile = {{ {files} }}\n[adapter]\n{adapter}\n[split]\n{split}\n"
    )


def _files(**parts: str) -> str:
    return ", ".join(f'{part} = "{{data}}/{path}"' for part, path in parts.items())


COLUMNS = 'format = "columns"'
QUALITIES = {
    "rotten-tomatoes": Quality("sentiment", 0, 2, "LSTM 75.1, BiLSTM 77.7 with vectors (Yao et al. 2019, their split)"),
    "imdb": Quality("sentiment", 91, 0, "LSTM 86.5 (Dai and Le 2015)"),
    "reuters-r8": Quality("text", 97.3, 0, "LSTM 93.7, BiLSTM 96.3 (Yao et al. 2019)"),
    "reuters-r52": Quality("text", 93.5, 0, "LSTM 85.5, BiLSTM 90.5 (Yao et al. 2019)"),
    "20newsgroups": Quality("text", 85.5, 0, "LSTM 65.7, BiLSTM 73.2 (Yao et al. 2019)"),
    "zh-reviews": Quality("sentiment", 0, 2, ""),
    "peoples-daily": Quality("tagging", 0, None, ""),
    "sst2": Quality(
        "sentiment", 84, None, "LSTM 84.9, BiLSTM 87.5, trained on phrases (Tai et al. 2015)",
        _card("sentiment", "en", 'train = "train.tsv", validation = "dev.tsv", test = "test.tsv"', 'format = "labelled"\ntext = "text"\nlabel = "label"'),
    ),
    "conll2000": Quality(
        "tagging", 94.5, None, "BiLSTM-CRF 94.5 (Huang et al. 2015)",
        _card("tagging", "en", _files(train="conll2000/train.txt", test="conll2000/test.txt"), f"{COLUMNS}\ntag = 2", "validation = 0.1"),
    ),
    "ud_en_ewt": Quality(
        "tagging", 95.5, None, "UDPipe 94.4, LIMA 96.0",
        _card("tagging", "en", _files(**{part: f"ud_en_ewt/en_ewt-ud-{name}.conllu" for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))}), 'format = "conllu"'),
    ),
    "resume_ner_zh": Quality(
        "tagging", 94.5, None, "character LSTM-CRF 93.5 (Zhang and Yang 2018)",
        _card("tagging", "zh", _files(**{part: f"resume_ner_zh/{name}.char.bmes" for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))}), COLUMNS),
    ),
}  # fmt: skip


def quality(name: str, folder: Path) -> Iterator[Row]:
    """The rows of one dataset; the sweeps of seeds that are kept are not run again."""
    asked = QUALITIES[name]
    if asked.card and "SWEEPER_BENCH_DATA" not in os.environ:
        print(f"{name}: left out; SWEEPER_BENCH_DATA names no folder", file=sys.stderr)
        return
    os.chdir(folder)
    found = [_of_seed(name, asked, seed) for seed in range(SEEDS)]
    scores, score = [100 * one["test"] for one in found], found[0]["score"]
    around = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
    yield Row(
        f"{name}: test {score} of the best of a sweep of {BUDGET / 60:g} minutes, mean of {len(found)} seeds",
        f"{statistics.mean(scores):.1f}{around}",
        f"at least {asked.at_least:g}" if asked.at_least else "",
        statistics.mean(scores) >= asked.at_least,
    )
    yield (
        Row(f"{name}: {asked.published}", "", "", good=True)
        if asked.published
        else Row(f"{name}: nothing published", "")
    )
    for baseline, of_test in found[0]["baselines"].items():
        gain = statistics.mean(scores) - 100 * of_test
        linear = baseline == "linear" and asked.over_linear is not None
        target = f"the best {asked.over_linear:g} points above it" if linear else ""
        yield Row(f"{name}: {baseline}", f"{100 * of_test:.1f}", target, not linear or gain > (asked.over_linear or 0))


def _of_seed(name: str, asked: Quality, seed: int) -> dict[str, Any]:
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    key = f"{name} seed {seed} {BUDGET:g} s"
    if key not in kept:
        dataset = _declared(name, asked.card) if asked.card else name
        outcome = sweeper.sweep(asked.task, dataset=dataset, budget=BUDGET, epochs=EPOCHS, seed=seed)
        assert outcome.best is not None
        kept[key] = {
            "score": outcome.objective,
            "test": outcome.test[outcome.objective],
            "validation": outcome.best.scores[outcome.objective],
            "baselines": {one.name: one.test[outcome.objective] for one in outcome.baselines},
            "trials": len(outcome.leaderboard) - len(outcome.baselines),
            "configuration": dict(outcome.best.configuration),
        }
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return dict(kept[key])


def _declared(name: str, card: str) -> str:
    """The path of a card for standard data."""
    data, place = Path(os.environ["SWEEPER_BENCH_DATA"]).resolve(), Path(f"{name}.toml")
    if name == "sst2":  # a label and a blank before each text
        for part in ("train", "dev", "test"):
            lines = (data / f"sst2/stsa.binary.{part}").read_text(encoding="utf-8").splitlines()
            table = "".join(line.replace(" ", "\t", 1) + "\n" for line in lines)
            Path(f"{part}.tsv").write_text(f"label\ttext\n{table}", encoding="utf-8")
    place.write_text(card.replace("{data}", str(data)), encoding="utf-8")
    return str(place)


PARTS = {f"quality-{name}": (f"Quality: {name}", partial(quality, name)) for name in QUALITIES}
"""As `run.PARTS`."""

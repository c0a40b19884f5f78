"""How good the best of a sweep is: beside its baselines, a script written by hand and published figures.

    make bench-quality DATASET=reuters-r8      # or several, or none for all

Means of several seeds. What each seed found is kept in quality.json, and not run again; remove its entry to repeat it. Nothing is chosen by test data: a sweep of a stated length with a shipped space, its winner
by validation, scored once, as are the best five together; and as long for the script. Standard data that no package holds come from the folder that
SWEEPER_BENCH_DATA names; without it they are left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import sweeper
from sweeper.data import cards
from sweeper.data.prepare import prepare
from sweeper.declared.spaces import load_space

from .pairs import HERE, write_rows
from .rows import Row

KEPT = Path(__file__).with_name("quality.json")
SEEDS = int(os.environ.get("BENCH_SEEDS", "3"))
SCRIPTS = int(os.environ.get("BENCH_SCRIPTS", SEEDS))  # seeds of the script, which takes as long again; 0: none
EPOCHS = 20
MEMBERS = 5  # trials that answer as one, beside the winner alone
LENGTH = 400  # tokens that the script pads to and cuts at


class Quality(NamedTuple):
    """One dataset: what is swept, for how long, and what is asked of it.

    Args:
        task: of the sweep.
        space: that it searches, a shipped one.
        at_least: what is asked of the test score, percent; 0 where it is only reported.
        over_linear: points that it must be above the linear baseline's; None where there is none.
        published: figures of recurrent models, for the reader.
        minutes: of the sweep.
        card: the declaration, where it is not a declared dataset; {data} stands for the folder of standard data.
        dataset: where it has another name.
        head: the only one of the space that is tried; "" for all.
    """

    task: str
    space: str
    at_least: float
    over_linear: float | None
    published: str
    minutes: float
    card: str = ""
    dataset: str = ""
    head: str = ""


def _card(task: str, language: str, files: str, adapter: str, split: str = "") -> str:
    return (
        f'about = "Standard data."\ntask = "{task}"\nlanguage = "{language}"\nlicence = "research"\n'
        f"[source]\nfile = {{ {files} }}\n[adapter]\n{adapter}\n[split]\n{split}\n"
    )


def _files(**parts: str) -> str:
    return ", ".join(f'{part} = "{{data}}/{path}"' for part, path in parts.items())


COLUMNS = 'format = "columns"'
QUALITIES = {
    "rotten-tomatoes": Quality(
        "sentiment", "sentiment-english", 0, 2, "LSTM 75.1, with vectors 77.3, BiLSTM 77.7 (Yao et al. 2019, their split)", 5
    ),
    "imdb": Quality("sentiment", "sentiment-english", 91, 0, "LSTM 86.5, with word2vec 90.0 (Dai and Le 2015); semi-supervised 94.1 (Johnson and Zhang 2016)", 10),
    "reuters-r8": Quality("text", "text-long", 97.3, 0, "LSTM 93.7, with vectors 96.1, BiLSTM 96.3 (Yao et al. 2019)", 5),
    "reuters-r52": Quality("text", "text", 93.5, 0, "LSTM 85.5, with vectors 90.5, BiLSTM 90.5 (Yao et al. 2019)", 5),
    "20newsgroups": Quality("text", "text-long", 85.5, 0, "LSTM 65.7, with vectors 75.4, BiLSTM 73.2 (Yao et al. 2019)", 10),
    "zh-reviews": Quality("sentiment", "sentiment-long", 0, 2, "", 10),
    **{
        f"peoples-daily-{head}": Quality("tagging", "tagging-long", 0, None, "", 20, dataset="peoples-daily", head=head)
        for head in ("crf", "softmax")
    },
    "sst2": Quality(
        "sentiment", "sentiment-english", 84, None, "trained on phrases: LSTM 84.9, BiLSTM 87.5 (Tai et al. 2015), BLSTM-2DCNN 89.5 (Zhou et al. 2016)", 5,
        _card("sentiment", "en", 'train = "train.tsv", validation = "dev.tsv", test = "test.tsv"', 'format = "labelled"\ntext = "text"\nlabel = "label"'),
    ),
    "conll2000": Quality(
        "tagging", "tagging-english", 94.5, None, "BiLSTM-CRF 94.5 (Huang et al. 2015), NCRF++ 95.06 (Yang and Zhang 2018)", 20,
        _card("tagging", "en", _files(train="conll2000/train.txt", test="conll2000/test.txt"), f"{COLUMNS}\ntoken = 0\ntag = 2", "validation = 0.1"),
    ),
    "ud_en_ewt": Quality(
        "tagging", "tagging-english", 95.5, None, "UDPipe 94.4, LIMA 96.0", 10,
        _card("tagging", "en", _files(**{part: f"ud_en_ewt/en_ewt-ud-{name}.conllu" for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))}), 'format = "conllu"'),
    ),
    "resume_ner_zh": Quality(
        "tagging", "tagging-long", 94.5, None, "character LSTM-CRF 93.5 (Zhang and Yang 2018)", 20,
        _card("tagging", "zh", _files(**{part: f"resume_ner_zh/{name}.char.bmes" for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))}), COLUMNS),
    ),
}  # fmt: skip


def quality(name: str, folder: Path) -> Iterator[Row]:
    """The rows of one dataset; what is kept of a seed is not run again."""
    asked = QUALITIES[name]
    if asked.card and "SWEEPER_BENCH_DATA" not in os.environ:
        print(f"{name}: left out; SWEEPER_BENCH_DATA names no folder", file=sys.stderr)
        return
    length = f"{asked.minutes:g} minutes"
    with contextlib.chdir(folder):
        dataset = _declared(name, asked.card) if asked.card else asked.dataset or name
        found = [
            _kept(f"{name}: {length} of {asked.space}, seed {seed}", partial(_swept, asked, dataset, seed))
            for seed in range(SEEDS)
        ]
        script = [
            _kept(f"{name}: {length} of the script, seed {seed}", partial(_scripted, dataset, seed, asked.minutes))
            for seed in range(SCRIPTS)
        ]
    score, seeds = found[0]["score"], _seeds(found)
    target = f"at least {asked.at_least:g}" if asked.at_least else ""
    alone, ensemble = found, [one["ensemble"] for one in found]
    for side, words in ((alone, "the best"), (ensemble, f"the ensemble of the best {MEMBERS}")):
        yield Row(
            f"{name}: test {score} of {words} of a sweep of {length}, {seeds}",
            _around([one["test"] for one in side]), target, _mean(side, "test") >= asked.at_least / 100,
        )  # fmt: skip
    better = _mean(max(alone, ensemble, key=lambda side: _mean(side, "validation")), "test")
    for baseline, of_test in found[0]["baselines"].items():
        linear = baseline == "linear" and asked.over_linear is not None
        points = f" by {asked.over_linear:g} points" if asked.over_linear else ""
        target = f"sweep above it{points}" if linear else ""
        above = 100 * (better - of_test) >= (asked.over_linear or 0) and better > of_test
        yield Row(f"{name}: {baseline}", _around([of_test]), target, not linear or above)
    if script:
        yield Row(f"{name}: hand-written script, same time, {_seeds(script)}", _around([one["test"] for one in script]))
    if asked.published:
        yield Row(f"{name}: published: {asked.published}", "")


def _seeds(found: list[dict[str, Any]]) -> str:
    return f"{len(found)} seed{'s' * (len(found) > 1)}"


def _mean(found: list[dict[str, Any]], part: str) -> float:
    return statistics.mean(one[part] for one in found)


def _around(scores: list[float]) -> str:
    spread = f" ± {100 * statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
    return f"{100 * statistics.mean(scores):.2f}{spread}"


def _kept(key: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a run found, now or before."""
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    if key not in kept:
        found = run()
        kept = {**(json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}), key: found}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return dict(kept[key])


def _swept(asked: Quality, dataset: str, seed: int) -> dict[str, Any]:
    outcome = sweeper.sweep(
        asked.task, dataset=dataset, space=_space(asked), budget=60 * asked.minutes, epochs=EPOCHS, seed=seed
    )
    ensemble = sweeper.sweep(resume=outcome.folder.name, trials=1, seeds=1, ensemble=MEMBERS)  # trains no more
    assert outcome.best is not None
    return {
        "score": outcome.objective,
        "test": outcome.test[outcome.objective],
        "validation": outcome.validation[outcome.objective],
        "ensemble": {"test": ensemble.test[outcome.objective], "validation": ensemble.validation[outcome.objective]},
        "baselines": {one.name: one.test[outcome.objective] for one in outcome.baselines},
        "trials": len(outcome.leaderboard) - len(outcome.baselines),
        "configuration": dict(outcome.best.configuration),
    }


def _space(asked: Quality) -> str:
    """The shipped space, or the path of one that has one head only."""
    if not asked.head:
        return asked.space
    only = f'[parameters.head]\nfixed = "{asked.head}"\n\n'
    text, found = re.subn(r"(?ms)^\[parameters\.head\].*?\n\n", only, load_space(asked.space).text)
    assert found == 1, asked.space
    place = Path(f"{asked.space}-{asked.head}.toml")
    place.write_text(text, encoding="utf-8")
    return str(place)


def _scripted(dataset: str, seed: int, minutes: float) -> dict[str, Any]:
    rows = Path(f"rows-{seed}").resolve()
    card = cards.load_card(dataset)
    write_rows(prepare(card), rows, None)
    space = HERE / "spaces" / "handwritten.toml"
    split = "character" if card.language == "zh" else "whitespace"
    options = f"--epochs {EPOCHS} --seed {seed} --max-length {LENGTH} --seconds {60 * minutes} --split {split}".split()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.handwritten", str(rows), str(space), *options],
        cwd=rows, env={**os.environ, "PYTHONPATH": str(HERE.parent)}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


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

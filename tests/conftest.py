"""Shared fixtures: small data, an own cache and working folder for each test, no network."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

from sweeper.workers.pool import let_workers_fork

if TYPE_CHECKING:
    from sweeper.sweeps.folders import SweepFolder

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
let_workers_fork()  # as the command line does

# A first example may wait for a compiler, and time is never what a test asserts.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

GOOD = [
    "a fine and moving film",
    "warm , witty and wise",
    "simply wonderful acting",
    "a joy from start to end",
    "bold and brilliant",
]
BAD = [
    "a dull and lifeless film",
    "cold , clumsy and cheap",
    "simply terrible acting",
    "a bore from start to end",
    "bland and broken",
]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's cache or working folder is read or written."""
    go_into(tmp_path, monkeypatch)


def go_into(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in `place`, with a cache of its own there."""
    monkeypatch.setenv("SWEEPER_CACHE", str(place / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (place / "work").mkdir()
    monkeypatch.chdir(place / "work")


@pytest.fixture(scope="session")
def _empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import mlflow

    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def tables(_empty_store: Path) -> None:
    """MLflow's tables are there already, in the working folder; to make them takes it seconds."""
    shutil.copy(_empty_store, "mlflow.db")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def reviews(count: int = 120) -> str:
    """A csv file of reviews, each different; a person can tell good from bad by any word of them."""
    rows = ["review,verdict"]
    for number in range(count):
        texts = GOOD if number % 2 else BAD
        rows.append(f'"{texts[number // 2 % len(texts)]} number {number}",{"good" if number % 2 else "bad"}')
    return "\n".join(rows) + "\n"


def people(count: int = 120) -> str:
    """A CoNLL file: words that begin with a capital are persons, one or two tokens long."""
    names = ["Anna", "Boris Berg", "Carla", "Dora Dahl", "Emil"]
    lines = []
    for number in range(count):
        name = names[number % len(names)].split()
        lines += [
            "yesterday O",
            *(f"{word} {'I' if place else 'B'}-person" for place, word in enumerate(name)),
            f"met{number} O",
            "us O",
            "",
        ]
    return "\n".join(lines) + "\n"


NAMES = ("anna", "hanna", "johanna", "susanna", "marianna")


def card_text(
    file: str, *, task: str = "text", adapter: str = 'format = "labelled"\ntext = "review"\nlabel = "verdict"'
) -> str:
    return f'about = "a test"\ntask = "{task}"\n\n[source]\nfile = "{file}"\n\n[adapter]\n{adapter}\n'


@pytest.fixture
def reviews_card(tmp_path: Path) -> Path:
    return write_reviews(tmp_path / "data")


def write_reviews(folder: Path) -> Path:
    write(folder / "reviews.csv", reviews())
    return write(folder / "reviews.toml", card_text("reviews.csv", task="sentiment"))


@pytest.fixture
def people_card(tmp_path: Path) -> Path:
    write(tmp_path / "data" / "people.conll", people())
    return write(
        tmp_path / "data" / "people.toml", card_text("people.conll", task="tagging", adapter='format = "columns"')
    )


@pytest.fixture
def spelled_card(tmp_path: Path) -> Path:
    """Words and how they are spoken: a sound for each letter, but two of c before e."""
    words = ["".join(letters) for letters in itertools.islice(itertools.product("abce", repeat=4), 200)]
    lines = (f"{word}\t{' '.join('S' if pair == 'ce' else pair[0].upper() for pair in pairs(word))}" for word in words)
    write(tmp_path / "data" / "spelled.tsv", "\n".join(lines) + "\n")
    adapter = 'format = "pairs"\nsource_tokens = "characters"\ntarget_tokens = "symbols"'
    return write(tmp_path / "data" / "spelled.toml", card_text("spelled.tsv", task="seq2seq", adapter=adapter))


def pairs(word: str) -> list[str]:
    return [word[place : place + 2] for place in range(len(word))]


@pytest.fixture
def lines_card(tmp_path: Path) -> Path:
    write(tmp_path / "data" / "names.txt", "".join(f"{NAMES[n % 5]} {n}\n" for n in range(80)))
    return write(
        tmp_path / "data" / "names.toml", card_text("names.txt", task="generation", adapter='format = "lines"')
    )


@pytest.fixture
def tiny_space(tmp_path: Path) -> Path:
    """Six configurations that train in a moment."""
    return write_tiny_space(tmp_path / "data")


def write_tiny_space(folder: Path) -> Path:
    return write(
        folder / "tiny.toml",
        'about = "tiny"\ntask = "sentiment"\n\n[parameters.cell]\nchoice = ["simple_rnn", "gru", "lstm"]\n\n'
        '[parameters.direction]\nchoice = ["forward", "both"]\n\n[parameters.units]\nfixed = 6\n\n[parameters.embedding_units]\nfixed = 5\n\n'
        "[parameters.batch_size]\nfixed = 16\n\n[parameters.learning_rate]\nfixed = 0.02\n",
    )


FINISHED = {"seed": 3, "algorithm": "grid", "trials": 2, "epochs": 3, "workers": 1}
"""The settings of the sweep `finished`."""


@pytest.fixture(scope="session")
def _swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import sweeper

    place = tmp_path_factory.mktemp("swept")
    card, space = write_reviews(place / "data"), write_tiny_space(place / "data")
    with pytest.MonkeyPatch.context() as patched:
        go_into(place, patched)
        sweeper.sweep(dataset=str(card), space=str(space), name="s", **FINISHED)
    return place


@pytest.fixture
def finished(_swept: Path, tmp_path: Path) -> SweepFolder:
    """A sweep "s" that has ended in the working folder, of `reviews_card` and `tiny_space`, with its MLflow store."""
    from sweeper.sweeps.folders import find_folder

    shutil.copytree(_swept, tmp_path, dirs_exist_ok=True)
    for name in ("sweep.json", "history.jsonl"):
        kept = Path("sweeps/s") / name
        kept.write_text(kept.read_text().replace(str(_swept), str(tmp_path)))
    with contextlib.closing(sqlite3.connect("mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(_swept), str(tmp_path)))
    return find_folder("s")

"""What the command line and Python callers share: one function for each thing a person wants."""

from __future__ import annotations

import dataclasses
import datetime
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import parameters
from .data import cards
from .data.cards import VECTORS, Card
from .errors import UsageError, unknown
from .spaces import SearchSpace, load_space

if TYPE_CHECKING:
    import pandas as pd

    from .history import SweepFolder
    from .sweeps import Outcome

DEFAULT_DATASETS = {"sentiment": "rotten-tomatoes", "text": "reuters-r8", "tagging": "peoples-daily"}
ALGORITHMS = ("random", "grid", "bayesian", "hyperband")
BUDGET = 300.0  # seconds, where neither trials nor a budget are given


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr)


def sweep(
    task: str | None = None,
    *,
    dataset: str | None = None,
    data: str | None = None,
    text: str | None = None,
    label: str | None = None,
    encoding: str | None = None,
    space: str | None = None,
    algorithm: str = "random",
    trials: int | None = None,
    budget: float | None = None,
    epochs: int = 10,
    workers: int | None = None,
    seed: int = 0,
    name: str | None = None,
    resume: str | bool = False,
    say: Callable[[str], None] = _to_standard_error,
) -> Outcome:
    """Search for the best model of a dataset, log every trial, and export the winner.

    Args:
        task: "sentiment", "text" or "tagging"; may be left out with `data`.
        dataset: name or path of a card; the task's own example where it is left out.
        data, text, label, encoding: a file of your own instead, its columns and encoding.
        space: name or path of a search space; the one named as the task by default.
        algorithm: "random", "grid", "bayesian" or "hyperband".
        trials: the most trials.
        budget: wall-clock seconds; 300 where neither it nor `trials` is given.
        epochs: the most epochs of one trial.
        workers: processes, one trial each; as many as cores by default.
        seed: of everything random.
        name: of the sweep; from task, dataset and time by default.
        resume: take up the sweep of this name, or the newest (True), as it was begun; only
            `trials` and `budget` may be given anew.
        say: receives lines for a person.

    Raises:
        SweeperError: see `errors`.
    """
    from .history import find_folder
    from .records import Settings
    from .sweeps import load, run_sweep

    if resume:
        if task is not None or dataset is not None or data is not None:
            raise UsageError(
                "--resume: takes up a sweep with its own task and data; leave out task, --dataset and --data"
            )
        folder = find_folder(None if resume is True else resume)
        card, found, settings = _as_begun(folder)
        settings = dataclasses.replace(settings, trials=trials or settings.trials, budget=budget or settings.budget)
        return run_sweep(card, found, settings, load(card, found, say), folder, say)
    card = _card(task, dataset, data, text, label, encoding, say)
    found = _space(card.task, space)
    settings = Settings(
        algorithm=algorithm,
        trials=trials,
        budget=BUDGET if budget is None and trials is None else budget,
        epochs=epochs,
        seed=seed,
    )
    if workers is not None:
        settings = dataclasses.replace(settings, workers=workers)
    _check(settings)
    _check_name(name)
    prepared = load(card, found, say)  # before the folder is made, so that a mistake leaves nothing behind
    return run_sweep(card, found, settings, prepared, _new_folder(name, card, found, settings), say)


def _card(
    task: str | None,
    dataset: str | None,
    data: str | None,
    text: str | None,
    label: str | None,
    encoding: str | None,
    say: Callable[[str], None],
) -> Card:
    if task is not None and task not in parameters.tasks():
        raise UsageError(unknown("task", task, parameters.tasks()))
    if data is not None:
        if dataset is not None:
            raise UsageError("--data and --dataset: give one of them; a card for your own file is --dataset mine.toml")
        from .data.infer import infer_card

        card, said = infer_card(data, text, label, encoding, task)
        say(said)
        return card
    if task is None and dataset is None:
        raise UsageError(
            f"name a task ({', '.join(parameters.tasks())}), a --dataset, or a file of your own: --data reviews.csv --text review --label stars"
        )
    card = cards.load_card(dataset or DEFAULT_DATASETS[str(task)])
    if card.task == VECTORS:
        raise UsageError(
            f"--dataset: {card.name} holds word vectors; name it as the parameter 'vectors' of a search space"
        )
    if task is not None and card.task != task:
        if {card.task, task} <= {"sentiment", "text"}:
            return dataclasses.replace(card, task=task)  # both read a text and its label
        raise UsageError(f"--dataset: {card.name} is a dataset for {card.task}, not for {task}")
    return card


def _space(task: str, name: str | None) -> SearchSpace:
    space = load_space(name or task)
    if space.task != task:
        raise UsageError(
            f"--space: {space.name} is a space for {space.task}, not for {task}; try {task} or {task}-quick"
        )
    return space


def _check(settings: Any) -> None:
    if settings.algorithm not in ALGORITHMS:
        raise UsageError(f"--algorithm: {unknown('algorithm', settings.algorithm, ALGORITHMS)}")
    for flag, value in (
        ("--trials", settings.trials),
        ("--epochs", settings.epochs),
        ("--workers", settings.workers),
        ("--budget", settings.budget),
    ):
        if value is not None and value <= 0:
            raise UsageError(f"{flag}: must be above 0, found {value:g}")


def _check_name(name: str | None) -> None:
    if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
        raise UsageError(f"--name: must be letters, digits, '.', '_' and '-', found {name!r}")


def _new_folder(name: str | None, card: Card, space: SearchSpace, settings: Any) -> SweepFolder:
    from .history import new_folder

    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    facts = {
        "card": card.name,
        "task": card.task,
        "card_folder": str(card.folder.resolve()),
        "space": space.name,
        "settings": dataclasses.asdict(settings),
    }
    return new_folder(name or f"{card.task}-{card.name}-{stamp}", facts, card.text, space.text)


def _as_begun(folder: SweepFolder) -> tuple[Card, SearchSpace, Any]:
    """Card, space and settings of a sweep that is taken up."""
    import tomllib

    from .data.infer import card_from_text
    from .declarations import Fields
    from .records import Settings
    from .spaces import parse_space

    facts = folder.facts
    card = card_from_text(
        (folder.path / "card.toml").read_text(encoding="utf-8"), facts["card"], Path(facts["card_folder"])
    )
    text = (folder.path / "space.toml").read_text(encoding="utf-8")
    space = parse_space(Fields(tomllib.loads(text), folder.path / "space.toml", text), facts["space"])
    return dataclasses.replace(card, task=facts["task"]), space, Settings(**facts["settings"])


def load_dataset(name: str) -> pd.DataFrame:
    """All examples of a declared dataset: `text, label` or `tokens, tags`, and `split`.

    Raises:
        SweeperError: see `errors`.
    """
    import pandas as pd

    from .data.prepare import prepare

    prepared = prepare(cards.load_card(name), encodings=())
    parts = [prepared.examples(part).assign(split=part) for part in cards.PARTS]
    return pd.concat(parts, ignore_index=True)


def leaderboard(sweep: str | None = None) -> pd.DataFrame:
    """The leaderboard of a sweep, the newest by default; see `report.leaderboard`."""
    from . import report
    from .history import find_folder
    from .tasks import Baseline

    folder = find_folder(sweep)
    facts, results = folder.facts, folder.history().standing(folder.facts["settings"]["epochs"])
    if not results:
        raise UsageError(f"{folder.name}: has no finished trial yet")
    baselines = [Baseline(**row) for row in facts.get("baselines", [])]
    test = {facts["winner"]: facts["test"]} if "winner" in facts else {}
    return report.leaderboard(results, baselines, facts["objective"], test)


def export(sweep: str | None = None, *, trial: int | None = None, to: str) -> Path:
    """Export a trial of a sweep, by default the best of the newest, as a SavedModel.

    Args:
        to: a new folder.

    Returns:
        The folder.

    Raises:
        SweeperError: see `errors`; ExportError if the exported model answers otherwise than the trained one.
    """
    import shutil

    from .history import check_free, find_folder

    folder = find_folder(sweep)
    check_free(Path(to))
    ready = folder.shipped(trial)
    if ready is not None:
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ready, to, dirs_exist_ok=True)  # written and compared when the sweep ended
        return Path(to)
    return _export_now(folder, trial, to)


def _export_now(folder: SweepFolder, trial: int | None, to: str) -> Path:
    from .pool import Workers, answer
    from .sweeps import baselines_of, card_facts, export_in_worker, load, score_in_worker

    history = folder.history()
    counting = {number: result for number, result in history.results.items() if result.counts}
    if not counting:
        raise UsageError(f"{folder.name}: no trial of it gave a model")
    if trial is not None and trial not in counting:
        raise UsageError(
            f"--trial: {trial} gave no model in {folder.name}; these did: {', '.join(map(str, sorted(counting)))}"
        )
    card, space, _ = _as_begun(folder)
    prepared = load(card, space, _to_standard_error)
    folder.note_data(prepared.meta.digest, objective := folder.facts["objective"])
    best = max(counting.values(), key=lambda result: (result.scores[objective], -result.number)).number
    order = folder.placed(history.orders[best if trial is None else trial], prepared.folder)
    with Workers(1, folder.path / "workers.log") as workers:
        baselines = workers.call(baselines_of, str(prepared.folder))
        test = answer(workers.call(score_in_worker, order))
        facts = card_facts(card, folder.name, test, answer(baselines))
        answer(workers.call(export_in_worker, order, str(Path(to).resolve()), facts))
    return Path(to)

"""What a person may ask of a sweep: arguments made cards and spaces, or refused, before anything heavy is loaded."""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from collections.abc import Callable
from typing import Any

from ..data import cards
from ..data.cards import VECTORS, Card
from ..declared import declarations, parameters
from ..declared.spaces import SearchSpace, load_space
from ..errors import UsageError, unknown
from ..records import Settings

DEFAULT_DATASETS = {
    "sentiment": "rotten-tomatoes",
    "text": "reuters-r8",
    "tagging": "peoples-daily",
    "seq2seq": "cmudict",
    "generation": "shakespeare",
}
ALGORITHMS = ("random", "grid", "bayesian", "hyperband")
HIGHEST_SEED = 2**31 - 1000  # the seeds of a model's layers follow it
MAX_SEEDS = 100  # of one configuration
TIMES = ("budget", "trial_limit")
UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}
MAX_TIME = 1e9  # in its own unit
MAX_NAME_BYTES = 200  # bytes: names of temporary files begin with it, and file systems end at 255


def card_of(
    task: str | None,
    dataset: str | None,
    data: str | None,
    text: str | None,
    label: str | None,
    encoding: str | None,
    say: Callable[[str], None],
) -> Card:
    """The data that are meant: a declared dataset, a file of one's own, or the task's own example."""
    if task is not None and task not in parameters.EVERY_TASK:
        raise UsageError(unknown("task", task, parameters.EVERY_TASK))
    if data is not None:
        if dataset is not None:
            raise UsageError("--data and --dataset: give one of them; a card for your own file is --dataset mine.toml")
        from ..data.infer import infer_card

        card, said = infer_card(data, text, label, encoding, task)
        say(said)
        return card
    for flag, value in (("--text", text), ("--label", label), ("--encoding", encoding)):
        if value is not None:
            raise UsageError(f"{flag}: describes a file of your own; give it with --data, or write a card")
    if task is None and dataset is None:
        raise UsageError(
            f"name a task ({', '.join(parameters.EVERY_TASK)}), a --dataset, or a file of your own: --data reviews.csv --text review --label stars"
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


def space_of(task: str, name: str | None) -> SearchSpace:
    """The space that is named, or the one called as the task."""
    space = load_space(name or task)
    if space.task != task:
        same = space.name.replace(space.task, task, 1)  # text-long for sentiment-long
        other = same if same != task and same in declarations.declared("search_spaces") else f"{task}-quick"
        raise UsageError(
            f"--space: {space.name} is a space for {space.task}, not for {task}; try {task} or {other}, or name the task: sweeper sweep {space.task}"
        )
    return space


def seconds(time: str) -> float:
    """A length of time such as 90s, 10m or 1.5h; a bare number is seconds.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", time)
    if not match or not 0 < float(match[1]) < MAX_TIME:
        raise ValueError(f"must be a length of time such as 90s, 10m or 1.5h, found {time[:40]!r}")
    return float(match[1]) * UNITS[match[2]]


def check_numbers(**given: Any) -> dict[str, Any]:
    """What was given of numbers, those that are times in seconds.

    Raises:
        UsageError: one is no number.
    """
    found = {name: value for name, value in given.items() if value is not None}
    for name, value in found.items():
        flag = f"--{name.replace('_', '-')}"
        if name in TIMES and isinstance(value, str):
            try:
                found[name] = seconds(value)
            except ValueError as error:
                raise UsageError(f"{flag}: {error}") from None
        elif isinstance(value, bool) or not isinstance(value, numbers.Real if name in TIMES else numbers.Integral):
            raise UsageError(f"{flag}: must be a {'' if name in TIMES else 'whole '}number, found {value!r}")
        else:
            as_json_knows_it: Callable[[Any], float] = float if name in TIMES else int
            found[name] = as_json_knows_it(value)
    return found


def check_settings(settings: Settings, task: str) -> None:
    """Refuse numbers that no sweep of this task can have."""
    from ..tasks import TASKS
    from .retention import MAX_KEPT

    if settings.algorithm not in ALGORITHMS:
        raise UsageError(f"--algorithm: {unknown('algorithm', settings.algorithm, ALGORITHMS)}")
    for flag, value in (
        ("--trials", settings.trials),
        ("--epochs", settings.epochs),
        ("--workers", settings.workers),
        ("--seeds", settings.seeds),
        ("--ensemble", settings.ensemble),
        ("--budget", settings.budget),
        ("--trial-limit", settings.trial_limit),
    ):
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{flag}: must be above 0, found {value:g}")
    for flag, value, most in (
        ("--seeds", settings.seeds or 1, MAX_SEEDS),
        ("--ensemble", settings.ensemble, MAX_KEPT),
    ):
        if value > most:
            raise UsageError(f"{flag}: must be at most {most}, found {value}")
    if settings.ensemble > 1 and not TASKS[task].can_ensemble:
        joining = ", ".join(name for name in TASKS if TASKS[name].can_ensemble)
        raise UsageError(
            f"--ensemble: only models that label can answer as one ({joining}), found {task}; leave it out"
        )
    if not 0 <= settings.seed < HIGHEST_SEED:
        raise UsageError(f"--seed: must be from 0 to {HIGHEST_SEED - 1}, found {settings.seed}")


def check_named(**given: Any) -> None:
    """Refuse empty names."""
    for name, value in given.items():
        if value == "":
            raise UsageError(f"--{name}: must name something, found ''; leave it out where you mean nothing")


def check_name(name: str | None) -> None:
    """Refuse what is no name of a folder everywhere."""
    if name is not None and not (re.fullmatch(r"\w[\w.-]{0,99}", name) and len(name.encode()) <= MAX_NAME_BYTES):
        raise UsageError(
            f"--name: must be at most 100 letters, digits, '.', '_' and '-', in {MAX_NAME_BYTES} bytes of UTF-8, found {name!r}"
        )

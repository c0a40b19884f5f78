"""Taking up a sweep: as it was begun, or not at all."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..data import cards
from ..data.cards import Card
from ..data.infer import card_from_text, infer_card
from ..declared.declarations import Fields
from ..declared.spaces import SearchSpace, load_space, parse_space
from ..errors import UsageError
from ..records import Settings
from .folders import SweepFolder


def _inferred(given: Mapping[str, Any]) -> Card:
    """The card of a file of one's own."""
    rest = (given.get(name) for name in ("text", "label", "encoding", "task"))
    return infer_card(given["data"], *rest)[0]


DECLARED: dict[str, tuple[str, Callable[[Mapping[str, Any]], Card | SearchSpace]]] = {
    "dataset": ("card.toml", lambda given: cards.load_card(given["dataset"])),
    "data": ("card.toml", _inferred),
    "space": ("space.toml", lambda given: load_space(given["space"])),
}
"""For each argument that settles a declaration, the file that a sweep keeps of it, and how it reads now."""


def load_saved(folder: SweepFolder) -> tuple[Card, SearchSpace, Settings]:
    """Card, space and settings of a sweep.

    Raises:
        UsageError: somebody has edited its declarations.
    """
    facts = folder.facts
    for path in folder.declarations:
        if path.name not in facts:
            raise UsageError(
                f"{folder.path / 'sweep.json'}: was not written by this version of sweeper; start a new sweep"
            )
        now = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        changed = difference(facts[path.name], now)
        if changed:
            raise UsageError(
                f"{path}: has changed since the sweep began; put it back, or start a new sweep:\n{changed}"
            )
    card = card_from_text(facts["card.toml"], facts["card"], Path(facts["card_folder"]))
    text = facts["space.toml"]
    space = parse_space(Fields(tomllib.loads(text), folder.path / "space.toml", text), facts["space"])
    return dataclasses.replace(card, task=facts["task"]), space, Settings(**facts["settings"])


def with_new_limits(settings: Settings, anew: Mapping[str, Any]) -> Settings:
    """Settings of a sweep, with those that are given anew.

    As in a new sweep, a number of trials alone sets no time; nor does a budget alone set how many.
    """
    if "trials" in anew and "budget" not in anew:
        # Several seeds are usual within a budget: a new best trial has to win against means.
        seeds = {} if settings.budget is None else {"seeds": settings.seeds_in_all}
        return dataclasses.replace(settings, **{"budget": None, **seeds, **anew})
    if "budget" in anew and "trials" not in anew:
        return dataclasses.replace(settings, **{"trials": None, **anew})
    return dataclasses.replace(settings, **anew)


def refuse_changes(folder: SweepFolder, given: Mapping[str, Any]) -> None:
    """Let arguments be repeated that say what the sweep was begun with.

    Args:
        given: those of `api.sweep` that settle what is searched, None where left out.

    Raises:
        UsageError: one says something else.
    """
    facts, given = folder.facts, {name: value for name, value in given.items() if value is not None}
    described = [f"--{name}" for name in ("text", "label", "encoding") if name in given and "data" not in given]
    if described:
        raise UsageError(f"--resume: a sweep resumes as it was begun; leave out {', '.join(described)}")
    began = {
        "task": facts["task"],
        "name": folder.name,
        **{name: facts["settings"][name] for name in ("algorithm", "epochs", "seed")},
    }
    for name, value in began.items():
        if given.get(name, value) != value:
            flag = name if name == "task" else f"--{name}"
            raise UsageError(
                f"--resume: {folder.name} was begun with {flag} {value}, found {given[name]}; leave it out, or start a new sweep"
            )
    for name, (file, load) in DECLARED.items():
        changed = difference(facts.get(file, ""), load({**given, "task": facts["task"]}).text) if name in given else ""
        if changed:
            raise UsageError(
                f"--resume: {folder.name} was begun with another --{name}; leave it out, or start a new sweep:\n{changed}"
            )


def difference(before: str, now: str) -> str:
    """What differs between two declarations, line by line; "" for nothing."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "as it was begun", "now", n=0, lineterm="")
    return "\n".join(f"  {line}" for line in lines)

"""Taking up a sweep: as it was begun, or not at all."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .data import cards
from .data.cards import Card
from .data.infer import card_from_text
from .declarations import Fields
from .errors import UsageError
from .history import SweepFolder
from .records import Settings
from .spaces import SearchSpace, load_space, parse_space

INFERRED = ("data", "text", "label", "encoding", "name")
"""Arguments that describe a file of one's own, or name a sweep; they are not compared."""

DECLARED: dict[str, tuple[str, Callable[[str], Card | SearchSpace]]] = {
    "dataset": ("card.toml", cards.load_card),
    "space": ("space.toml", load_space),
}
"""For each argument that names a declaration, the file that a sweep keeps of it."""


def as_begun(folder: SweepFolder) -> tuple[Card, SearchSpace, Settings]:
    """Card, space and settings of a sweep.

    Raises:
        UsageError: somebody has edited its declarations.
    """
    facts = folder.facts
    for path in folder.declarations:
        changed = difference(facts[path.name], path.read_text(encoding="utf-8"))
        if changed:
            raise UsageError(
                f"{path}: has changed since the sweep began; put it back, or start a new sweep:\n{changed}"
            )
    card = card_from_text(facts["card.toml"], facts["card"], Path(facts["card_folder"]))
    text = facts["space.toml"]
    space = parse_space(Fields(tomllib.loads(text), folder.path / "space.toml", text), facts["space"])
    return dataclasses.replace(card, task=facts["task"]), space, Settings(**facts["settings"])


def refuse_changes(folder: SweepFolder, given: Mapping[str, Any]) -> None:
    """Let arguments be repeated that say what the sweep was begun with.

    Args:
        given: those of `api.sweep` that settle what is searched, None where left out.

    Raises:
        UsageError: one says something else.
    """
    facts, given = folder.facts, {name: value for name, value in given.items() if value is not None}
    inferred = [f"--{name}" for name in INFERRED if name in given]
    if inferred:
        raise UsageError(f"--resume: takes up a sweep as it was begun; leave out {', '.join(inferred)}")
    began = {"task": facts["task"], **{name: facts["settings"][name] for name in ("algorithm", "epochs", "seed")}}
    for name, value in began.items():
        if given.get(name, value) != value:
            flag = name if name == "task" else f"--{name}"
            raise UsageError(
                f"--resume: {folder.name} was begun with {flag} {value}, found {given[name]}; leave it out, or start a new sweep"
            )
    for name, (file, load) in DECLARED.items():
        changed = difference(facts[file], load(given[name]).text) if name in given else ""
        if changed:
            raise UsageError(
                f"--resume: {folder.name} was begun with another --{name}; leave it out, or start a new sweep:\n{changed}"
            )


def difference(before: str, now: str) -> str:
    """What differs between two declarations, line by line; "" for nothing."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "as it was begun", "now", n=0, lineterm="")
    return "\n".join(f"  {line}" for line in lines)

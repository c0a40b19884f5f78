"""The commands `datasets` and `spaces`: what is declared, shown and checked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, unknown
from ..system.wording import as_json, visible_line

if TYPE_CHECKING:
    from ..data.cards import Card
    from ..data.store import Meta


def show_datasets(options: argparse.Namespace) -> int:
    from ..data import cards

    if options.action == "list":
        return _print_rows(options, "datasets", cards.summaries(), ("dataset", "task", "language", "about"))
    card = cards.load_card(_named(options, "dataset"))
    if options.action == "show":
        print(
            as_json({"dataset": card.name, "card": card.text}) if options.json else card.text,
            end="\n" if options.json else "",
        )
        return 0
    held = {"files": _fetched(card)} if options.action == "fetch" else _held(card)
    found = {"dataset": card.name, **held}
    print(as_json(found) if options.json else "\n".join(_facts(found)))
    return 0


def _held(card: Card) -> dict[str, Any]:
    """What is found in the data."""
    from ..data.cards import VECTORS
    from ..data.prepare import prepare
    from ..data.pretrained import load_vectors
    from ..data.unlabelled import are_held_out, unlabelled_texts

    if card.task == VECTORS:
        return {"numbers of each word": load_vectors(card, further=sys.maxsize)[1]}
    prepared = prepare(card, encodings=())
    meta = prepared.meta
    found = {"examples": meta.counts, **_answered(meta), "warnings": list(meta.warnings)}
    if card.unlabelled is None:
        return found
    texts = unlabelled_texts(card.unlabelled)
    held_out = int(are_held_out(texts, prepared).sum())
    return {**found, "unlabelled": {"texts": len(texts), "held_out": held_out}}


def _answered(meta: Meta) -> dict[str, Any]:
    """The labels of examples; of what is written, how many symbols, which may be words by the thousand."""
    if meta.kind not in ("sequences", "texts"):
        return {"labels": list(meta.labels)}
    return {"symbols": len(meta.labels), **({"labels": list(meta.conditions)} if meta.conditions else {})}


def _fetched(card: Card) -> list[str]:
    """The files of a card, those of its unlabelled texts too, all of them there."""
    from ..data import sources

    found = []
    for one in (card, card.unlabelled):
        if one is not None:
            with sources.opened(one) as documents:
                found += [document.name for document in documents]
    return found


def show_spaces(options: argparse.Namespace) -> int:
    from ..declared import declarations, parameters
    from ..declared.spaces import load_space

    if options.action == "list":
        spaces = [load_space(str(path)) for path in declarations.declared("search_spaces").values()]
        return _print_rows(
            options,
            "spaces",
            [{"space": s.name, "task": s.task, "about": s.about} for s in spaces],
            ("space", "task", "about"),
        )
    if options.action == "parameters":
        task = _named(options, "task")
        if task not in parameters.EVERY_TASK:
            raise UsageError(unknown("task", task, parameters.EVERY_TASK))
        return _print_rows(
            options, "parameters", list(parameters.describe(task)), ("parameter", "default", "values", "when", "about")
        )
    space = load_space(_named(options, "space"))
    if options.action == "show":
        print(
            as_json({"space": space.name, "declaration": space.text}) if options.json else space.text,
            end="\n" if options.json else "",
        )
        return 0
    if space.vectors():
        from ..data.pretrained import check_vectors

        check_vectors(space)
    found = {
        "space": space.name,
        "task": space.task,
        "parameters": [p.name for p in space],
        "known_good": space.known_good(),
    }
    print(as_json(found) if options.json else "\n".join(_facts(found)))
    return 0


def _named(options: argparse.Namespace, what: str) -> str:
    if options.name is None:
        raise UsageError(f"{options.action}: name a {what}")
    return str(options.name)


def _facts(found: Mapping[str, Any]) -> Iterable[str]:
    for name, value in found.items():
        shown = value
        if isinstance(value, Mapping):
            shown = ", ".join(f"{key} {item}" for key, item in value.items())
        elif isinstance(value, list):
            shown = ", ".join(map(str, value)) or "none"
        yield f"{name + ':':<12} {visible_line(str(shown))}"


def _print_rows(
    options: argparse.Namespace, what: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> int:
    if options.json:
        print(as_json({what: [dict(row) for row in rows]}))
        return 0
    widths = [max(len(column), *(len(visible_line(str(row[column]))) for row in rows)) for column in columns]
    for cells in (columns, *([visible_line(str(row[column])) for column in columns] for row in rows)):
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())
    return 0

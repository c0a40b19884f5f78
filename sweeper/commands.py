"""What each command does and prints; arguments come parsed from `cli`.

Results go to standard output, everything else for people to standard error.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import UsageError, unknown
from .predicting import as_json
from .wording import visible_line, without_secrets

if TYPE_CHECKING:
    import pandas as pd

    from .sweeps import Outcome

INTERRUPTED = 130
HIGHEST_PORT = 65_535
AS_THE_FIELD_SAYS = ("bits_per_character", "perplexity")  # scores that are shown beside the one that ranks


def sweep(options: argparse.Namespace) -> int:
    from . import api

    names = (
        "task",
        "dataset",
        "data",
        "text",
        "label",
        "encoding",
        "space",
        "algorithm",
        "trials",
        "budget",
        "epochs",
        "trial_limit",
        "workers",
        "seed",
        "name",
        "resume",
        "gradients",
    )
    outcome = api.sweep(**{name: getattr(options, name) for name in names})
    _show_outcome(outcome)
    if options.json:
        print(as_json(_outcome(outcome)))
    return INTERRUPTED if outcome.ended == "interrupted" else 0


ENDED = {
    "trials": "all trials are done",
    "budget": "the time is up",
    "exhausted": "the space is exhausted: every configuration was tried",
    "failures": "the first ten trials failed, all for one reason",
    "interrupted": "interrupted; what was finished is kept",
}


def _show_outcome(outcome: Outcome) -> None:
    from .terminal import console, leaderboard_table

    say = console()
    say.print(f"\n{ENDED[outcome.ended]}. Leaderboard, best validation {outcome.objective} first:", markup=False)
    say.print(leaderboard_table(outcome.leaderboard, _columns(outcome), say.width))
    if outcome.ended == "interrupted":
        say.print(f"take it up again:  sweeper sweep --resume {outcome.folder.name}", markup=False)
        return
    say.print(_verdict(outcome), markup=False)
    registered = f" and registered in MLflow as {outcome.model}" if outcome.model else ""
    say.print(f"the best is exported to {outcome.export}{registered}", markup=False)
    say.print("next:", markup=False)
    for command, what in (
        (f"sweeper predict {outcome.export} {shlex.quote(outcome.example)}", "ask the model"),
        ("make ui   (or: sweeper ui)", "browse the trials"),
        ("make export   (or: sweeper export --to DIR)", "the SavedModel where you want it"),
    ):
        say.print(f"  {command:<76} {what}", markup=False)


def _columns(outcome: Outcome) -> list[str]:
    """What fits a terminal: scores, costs, and the parameters that tell most of those that vary."""
    table, objective = outcome.leaderboard, outcome.objective
    scores = [f"{part}_{name}" for name in (objective, *AS_THE_FIELD_SAYS) for part in ("val", "test")]
    columns = ["trial", *scores, *_telling(table), "best_epoch", "seconds", "parameters"]
    return [name for name in columns if name in table.columns]


def _telling(table: pd.DataFrame) -> list[str]:
    """The parameters that vary, those that say most first."""
    from . import parameters
    from .report import varying

    named = [name for task in parameters.tasks() for name in parameters.known(task)]
    first = ("cell", "direction", "depth", "units", "attention", "pooling", "input")
    return varying(table, list(dict.fromkeys([*first, *named])))


def _verdict(outcome: Outcome) -> str:
    """Whether the winner beats the strongest baseline, in words, on data that chose nothing."""
    if outcome.best is None or not outcome.baselines:
        return ""
    baseline = outcome.baselines[-1]
    ours, theirs = outcome.test[outcome.objective], baseline.test[outcome.objective]
    said = "".join(
        f"; {name} {outcome.test[name]:.3f} against {baseline.test[name]:.3f}"
        for name in AS_THE_FIELD_SAYS
        if name in outcome.test
    )
    word = "beats" if ours > theirs else "equals" if ours == theirs else "does not beat"
    return f"on test data, trial {outcome.best.number} ({outcome.objective} {ours:.4f}) {word} the {baseline.name} baseline ({theirs:.4f}){said}"


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "sweep": outcome.folder.name,
        "ended": outcome.ended,
        "objective": outcome.objective,
        "best": None
        if outcome.best is None
        else {
            "trial": outcome.best.number,
            "validation": outcome.best.scores,
            "test": dict(outcome.test),
            "configuration": dict(outcome.best.configuration),
        },
        "baselines": {
            baseline.name: {"validation": baseline.validation, "test": baseline.test} for baseline in outcome.baselines
        },
        "export": None if outcome.export is None else str(outcome.export),
        "model": outcome.model,
    }


# ---------------------------------------------------------------- after a sweep


def leaderboard(options: argparse.Namespace) -> int:
    from . import api

    table = api.leaderboard(options.sweep)
    if options.json:
        print(as_json({"leaderboard": json.loads(table.to_json(orient="records"))}))
    else:
        from .terminal import console, leaderboard_table

        say = console(stderr=False)
        scores = [name for name in table.columns if name.startswith(("val_", "test_"))]
        ranked = [name for name in scores if name.partition("_")[2] == scores[0].partition("_")[2]]
        wanted = ["trial", "state", *ranked, *_telling(table), "best_epoch", "seconds", "parameters", *scores]
        columns = [name for name in dict.fromkeys(wanted) if name in table.columns and table[name].notna().any()]
        say.print(leaderboard_table(table, columns, say.width, rows=len(table)))
    return 0


def export(options: argparse.Namespace) -> int:
    from . import api

    folder = api.export(options.sweep, trial=options.trial, to=options.to)
    print(as_json({"export": str(folder)}) if options.json else f"exported to {folder}")
    return 0


# ---------------------------------------------------------------- declarations


def datasets(options: argparse.Namespace) -> int:
    from .data import cards

    if options.action == "list":
        return _print_rows(options, "datasets", cards.summaries(), ("dataset", "task", "language", "about"))
    card = cards.load_card(_named(options, "dataset"))
    if options.action == "show":
        print(
            as_json({"dataset": card.name, "card": card.text}) if options.json else card.text,
            end="\n" if options.json else "",
        )
        return 0
    if options.action == "fetch" or card.task == cards.VECTORS:
        from .data import sources

        with sources.opened(card) as documents:
            found: dict[str, Any] = {"dataset": card.name, "files": [document.name for document in documents]}
    else:
        from .data.prepare import prepare

        meta = prepare(card, encodings=()).meta
        found = {
            "dataset": card.name,
            "examples": meta.counts,
            "labels": list(meta.labels),
            "warnings": list(meta.warnings),
        }
    print(as_json(found) if options.json else "\n".join(_facts(found)))
    return 0


def spaces(options: argparse.Namespace) -> int:
    from . import declarations, parameters
    from .spaces import load_space

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
        if task not in parameters.tasks():
            raise UsageError(unknown("task", task, parameters.tasks()))
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
    found = {"space": space.name, "task": space.task, "parameters": [p.name for p in space], "first": space.first()}
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


# ---------------------------------------------------------------- the rest


def ui(options: argparse.Namespace) -> int:
    if options.port > HIGHEST_PORT:
        raise UsageError(f"--port: must be at most {HIGHEST_PORT}, found {options.port}")
    from .track.store import serve, store

    print(
        f"MLflow on http://127.0.0.1:{options.port}, store {without_secrets(store())}; Ctrl-C ends it", file=sys.stderr
    )
    return serve(options.port)


def doctor(options: argparse.Namespace) -> int:
    from .doctor import checks

    found = list(checks())
    for name, good, what in found:
        print(f"{'ok  ' if good else 'FAIL'}  {name:<12} {what}")
    return 0 if all(good for _, good, _ in found) else 2

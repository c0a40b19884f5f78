"""What each command does and prints; arguments come parsed from `cli`.

Results go to standard output, everything else for people to standard error.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DataError, UsageError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from .sweeps import Outcome

INTERRUPTED = 130


def _as_json(value: Any) -> str:
    """In the characters that standard output has; others as JSON's own escapes."""
    return json.dumps(value, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf"))


HIGHEST_PORT = 65_535
MOST = {"temperature": 1_000, "top_k": 1_000_000, "seed": 2**31 - 1, "length": 100_000}
AS_THE_FIELD_SAYS = ("bits_per_character", "perplexity")  # scores that are shown beside the one that ranks
"""What a model that goes on with a prompt may be asked for."""


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
        print(_as_json(_outcome(outcome)))
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
        print(_as_json({"leaderboard": json.loads(table.to_json(orient="records"))}))
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
    print(_as_json({"export": str(folder)}) if options.json else f"exported to {folder}")
    return 0


def predict(options: argparse.Namespace) -> int:
    if not (Path(options.folder) / "saved_model.pb").is_file():
        raise UsageError(f"{options.folder}: holds no exported model; make one with: sweeper export --to DIR")
    texts = [*options.texts, *_lines(options.file)] if options.file else options.texts
    drawing = _drawing(options)
    if not texts and drawing is None:
        raise UsageError("give texts, or --file F")
    texts = texts or [""]  # a prompt may be empty
    for text in texts:
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise UsageError(
                f"{text.encode('utf-8', 'replace').decode()!r}: is not UTF-8; write it in a UTF-8 terminal or file"
            )
    from .answer import load
    from .quiet import without_chatter

    with without_chatter():
        try:
            answers = list(load(options.folder, **(drawing or {}))(texts))
        except (OSError, ValueError, KeyError, TypeError) as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(f"{options.folder}: is no model that sweeper has exported: {said[:200]}") from None
    if options.json:
        print(_as_json({"answers": answers}))
        return 0
    for text, answer in zip(texts, answers, strict=True):
        if answer.get("unknown"):
            print(
                f"sweeper: {text[:60]!r}: {answer['unknown']} of its symbols were not among those of the training texts, and were read as <unk>",
                file=sys.stderr,
            )
        print(_line(text, answer, goes_on=drawing is not None))
    return 0


def _drawing(options: argparse.Namespace) -> dict[str, Any] | None:
    """How a model that goes on with prompts is asked; None for one that does not.

    Raises:
        UsageError: an option is out of its bounds, or of another kind of model.
    """
    names = ("label", "temperature", "top_k", "seed", "length")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    described = Path(options.folder) / "drawing.json"
    if not described.exists():
        for name in given:
            raise UsageError(
                f"--{name.replace('_', '-')}: is for models that go on with a prompt, and {options.folder} holds another"
            )
        return None
    try:
        usual = dict(json.loads(described.read_text(encoding="utf-8")))
        labels = list(json.loads(described.with_name("labels.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{options.folder}: is no model that sweeper has exported: {error}") from None
    for name, most in MOST.items():
        if not 0 <= given.get(name, 0) <= most:
            raise UsageError(f"--{name.replace('_', '-')}: must be from 0 to {most:,}, found {given[name]:g}")
    if given.get("label", "") and not labels:
        raise UsageError("--label: the texts that this model has read had no labels; leave it out")
    if "label" in given and labels and given["label"] not in labels:
        raise UsageError(f"--label: {unknown('label', given['label'], labels)}")
    return {**usual, **given}


def _line(text: str, answer: Mapping[str, Any], *, goes_on: bool) -> str:
    if "label" in answer:
        return f"{answer['label']}\t{answer['score']:.4f}\t{text}"
    if "output" in answer:
        return str(answer["output"]) if goes_on else f"{answer['output']}\t{text}"
    return " ".join(f"{token}/{tag}" for token, tag in zip(answer["tokens"], answer["tags"], strict=True))


def _lines(file: str) -> list[str]:
    from .adapters import Document

    path = Path("/dev/stdin" if file == "-" else file)
    if not path.exists() or path.is_dir():
        raise UsageError(f"--file: {file}: no such file")
    try:
        lines = [line for _, line in Document(path, file).lines(("utf-8",))]
    except DataError as error:
        raise UsageError(f"--file: must be UTF-8: {str(error).partition(';')[0]}") from None
    return lines[:-1] if lines and not lines[-1] else lines


# ---------------------------------------------------------------- declarations


def datasets(options: argparse.Namespace) -> int:
    from .data import cards

    if options.action == "list":
        return _print_rows(options, "datasets", cards.summaries(), ("dataset", "task", "language", "about"))
    card = cards.load_card(_named(options, "dataset"))
    if options.action == "show":
        print(
            _as_json({"dataset": card.name, "card": card.text}) if options.json else card.text,
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
    print(_as_json(found) if options.json else "\n".join(_facts(found)))
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
            _as_json({"space": space.name, "declaration": space.text}) if options.json else space.text,
            end="\n" if options.json else "",
        )
        return 0
    found = {"space": space.name, "task": space.task, "parameters": [p.name for p in space], "first": space.first()}
    print(_as_json(found) if options.json else "\n".join(_facts(found)))
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
        yield f"{name + ':':<12} {shown}"


def _print_rows(
    options: argparse.Namespace, what: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> int:
    if options.json:
        print(_as_json({what: [dict(row) for row in rows]}))
        return 0
    widths = [max(len(column), *(len(str(row[column])) for row in rows)) for column in columns]
    for cells in (columns, *([str(row[column]) for column in columns] for row in rows)):
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())
    return 0


# ---------------------------------------------------------------- the rest


def ui(options: argparse.Namespace) -> int:
    if options.port > HIGHEST_PORT:
        raise UsageError(f"--port: must be at most {HIGHEST_PORT}, found {options.port}")
    from .track.store import serve, store, without_secrets

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

"""Arguments in, exit code out; nothing heavy is imported before a command needs it.

Exit codes: 0 done, 1 the sweep ran and produced no model, 2 something that the user
must edit, 130 interrupted (state saved, the resume command printed).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import SweeperError, UsageError, unknown

if TYPE_CHECKING:
    from .sweeps import Outcome

INTERRUPTED = 130
HIGHEST_PORT = 65_535
UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}


class _Parser(argparse.ArgumentParser):
    """Complains in our own words, through the same door as every other error."""

    def error(self, message: str) -> NoReturn:
        choice = re.match(r"argument (\S+): invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"[\w-]+", choice[3])
            message = f"{choice[1]}: {unknown('choice', choice[2], known)}"
        raise UsageError(f"{message}\n{self.format_usage().rstrip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    # Workers inherit these; they keep TensorFlow's start-up chatter off the terminal.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except SweeperError as error:
        print(f"sweeper: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("sweeper: interrupted; a sweep that had begun is taken up with: sweeper sweep --resume", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # whoever read our output, such as head, has seen enough
            sys.stderr.close()
            return 0
        print(f"sweeper: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        return UsageError.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sweeper", description="Which recurrent architecture serves your text? Sweeps, logs to MLflow, exports."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sweep = commands.add_parser(
        "sweep",
        help="search, log every trial to MLflow, export the best",
        description="Search for the best model of a dataset.",
    )
    sweep.add_argument("task", nargs="?", help="sentiment, text or tagging; inferred with --data")
    sweep.add_argument("--dataset", metavar="NAME|PATH", help="a declared dataset (sweeper datasets list)")
    sweep.add_argument(
        "--data",
        metavar="PATH",
        help="a file of your own: csv, tsv, jsonl, parquet, conll, conllu, or a folder a class",
    )
    sweep.add_argument("--text", metavar="COLUMN", help="with --data: the column of the text")
    sweep.add_argument("--label", metavar="COLUMN", help="with --data: the column of the label")
    sweep.add_argument("--encoding", help="with --data: the file's encoding, if it is not UTF-8")
    sweep.add_argument(
        "--space", metavar="NAME|PATH", help="a search space (sweeper spaces list); TASK-quick is a first look"
    )
    sweep.add_argument("--algorithm", default="random", help="random (default), grid, bayesian or hyperband")
    sweep.add_argument("--trials", type=_whole, metavar="N", help="the most trials")
    sweep.add_argument(
        "--budget", type=_seconds, metavar="10m", help="wall-clock time; 5m where neither it nor --trials is given"
    )
    sweep.add_argument("--epochs", type=_whole, default=10, metavar="N", help="the most epochs of one trial (10)")
    sweep.add_argument("--workers", type=_whole, metavar="N", help="worker processes (as many as cores)")
    sweep.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (0)")
    sweep.add_argument("--name", help="of the sweep")
    sweep.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        metavar="SWEEP",
        help="take up an interrupted sweep, the newest by default",
    )
    _json(sweep, run_sweep)

    board = commands.add_parser("leaderboard", help="the trials of a sweep, best first")
    board.add_argument("sweep", nargs="?", help="the newest by default")
    _json(board, run_leaderboard)

    export = commands.add_parser("export", help="a trial as a SavedModel: raw text in, label names out")
    export.add_argument("sweep", nargs="?", help="the newest by default")
    export.add_argument("--trial", type=int, metavar="ID", help="the best by default")
    export.add_argument("--to", required=True, metavar="DIR", help="a new folder")
    _json(export, run_export)

    predict = commands.add_parser("predict", help="answers of an exported model")
    predict.add_argument("folder", metavar="DIR")
    predict.add_argument("texts", nargs="*", metavar="TEXT")
    predict.add_argument("--file", metavar="F", help="texts from a file, one a line; - for standard input")
    _json(predict, run_predict)

    datasets = commands.add_parser("datasets", help="declared datasets: list, show, check, fetch")
    datasets.add_argument("action", choices=["list", "show", "check", "fetch"])
    datasets.add_argument("name", nargs="?")
    _json(datasets, run_datasets)

    spaces = commands.add_parser("spaces", help="search spaces: list, show, check; parameters of a task")
    spaces.add_argument("action", choices=["list", "show", "check", "parameters"])
    spaces.add_argument("name", nargs="?", help="a space, or for parameters a task")
    _json(spaces, run_spaces)

    ui = commands.add_parser("ui", help="browse the trials in MLflow's own page, on the loopback address only")
    ui.add_argument("--port", type=_whole, default=5000, metavar="N")
    ui.set_defaults(run=run_ui)

    doctor = commands.add_parser("doctor", help="what this machine has, and what is missing")
    doctor.set_defaults(run=run_doctor)
    return parser


def _json(parser: argparse.ArgumentParser, run: Any) -> None:
    parser.add_argument("--json", action="store_true", help="the last line of standard output is one JSON object")
    parser.set_defaults(run=run)


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, found {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    """A length of time such as 90s, 10m or 1.5h; a bare number is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"must be a length of time such as 90s, 10m or 1.5h, found {text!r}")
    return float(match[1]) * UNITS[match[2]]


# ---------------------------------------------------------------- sweep


def run_sweep(options: argparse.Namespace) -> int:
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
        "workers",
        "seed",
        "name",
        "resume",
    )
    outcome = api.sweep(**{name: getattr(options, name) for name in names})
    _show_outcome(outcome)
    if options.json:
        print(json.dumps(_outcome(outcome), ensure_ascii=False))
    return INTERRUPTED if outcome.ended == "interrupted" else 0


ENDED = {
    "trials": "all trials are done",
    "budget": "the time is up",
    "exhausted": "the space is exhausted: every configuration was tried",
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
    say.print(f"the best is exported to {outcome.export} and registered in MLflow as {outcome.model}", markup=False)
    say.print("next:", markup=False)
    for command, what in (
        (f'sweeper predict {outcome.export} "{_example(outcome)}"', "ask the model"),
        ("make ui   (or: sweeper ui)", "browse the trials"),
        ("make export   (or: sweeper export --to DIR)", "the SavedModel where you want it"),
    ):
        say.print(f"  {command:<76} {what}", markup=False)


def _columns(outcome: Outcome) -> list[str]:
    """What fits a terminal: scores, costs, and the parameters that tell most of those that vary."""
    from . import parameters
    from .report import varying

    table, objective = outcome.leaderboard, outcome.objective
    named = [name for task in parameters.tasks() for name in parameters.known(task)]
    found = varying(table, list(dict.fromkeys(named)))
    telling = [
        name for name in ("cell", "direction", "depth", "units", "attention", "pooling", "input") if name in found
    ]
    columns = ["trial", f"val_{objective}", f"test_{objective}", *telling, "best_epoch", "seconds", "parameters"]
    return [name for name in columns if name in table.columns]


def _verdict(outcome: Outcome) -> str:
    """Whether the winner beats the strongest baseline, in words, on data that chose nothing."""
    if outcome.best is None or not outcome.baselines:
        return ""
    baseline = outcome.baselines[-1]
    ours, theirs = outcome.test[outcome.objective], baseline.test[outcome.objective]
    word = "beats" if ours > theirs else "equals" if ours == theirs else "does not beat"
    return f"on test data, trial {outcome.best.number} ({outcome.objective} {ours:.4f}) {word} the {baseline.name} baseline ({theirs:.4f})"


def _example(outcome: Outcome) -> str:
    return "小明在北京大学读书。" if "peoples" in str(outcome.folder) else "a moving film"


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


def run_leaderboard(options: argparse.Namespace) -> int:
    from . import api

    table = api.leaderboard(options.sweep)
    if options.json:
        print(json.dumps({"leaderboard": json.loads(table.to_json(orient="records"))}, ensure_ascii=False))
    else:
        from .terminal import console, leaderboard_table

        say = console(stderr=False)
        columns = [name for name in table.columns if name != "error" and table[name].notna().any()]
        say.print(leaderboard_table(table, columns, say.width, rows=len(table)))
    return 0


def run_export(options: argparse.Namespace) -> int:
    from . import api

    folder = api.export(options.sweep, trial=options.trial, to=options.to)
    print(json.dumps({"export": str(folder)}) if options.json else f"exported to {folder}")
    return 0


def run_predict(options: argparse.Namespace) -> int:
    texts = [*options.texts, *_lines(options.file)] if options.file else options.texts
    if not texts:
        raise UsageError("give texts, or --file F")
    if not (Path(options.folder) / "saved_model.pb").is_file():
        raise UsageError(f"{options.folder}: holds no exported model; make one with: sweeper export --to DIR")
    from .answer import load
    from .quiet import without_chatter

    with without_chatter():
        answers = list(load(options.folder)(texts))
    if options.json:
        print(json.dumps({"answers": answers}, ensure_ascii=False))
        return 0
    for text, answer in zip(texts, answers, strict=True):
        print(f"{answer['label']}\t{answer['score']:.4f}\t{text}" if "label" in answer else _tagged(answer))
    return 0


def _tagged(answer: Mapping[str, Any]) -> str:
    return " ".join(f"{token}/{tag}" for token, tag in zip(answer["tokens"], answer["tags"], strict=True))


def _lines(file: str) -> list[str]:
    from .adapters import Document

    if file == "-":
        return [line.rstrip("\n") for line in sys.stdin]
    if not Path(file).is_file():
        raise UsageError(f"--file: {file}: no such file")
    lines = [line for _, line in Document(Path(file), file).lines(("utf-8",))]
    return lines[:-1] if lines and not lines[-1] else lines


# ---------------------------------------------------------------- declarations


def run_datasets(options: argparse.Namespace) -> int:
    from .data import cards

    if options.action == "list":
        return _print_rows(options, "datasets", cards.summaries(), ("dataset", "task", "language", "about"))
    card = cards.load_card(_named(options, "dataset"))
    if options.action == "show":
        print(
            json.dumps({"dataset": card.name, "card": card.text}, ensure_ascii=False) if options.json else card.text,
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
    print(json.dumps(found, ensure_ascii=False) if options.json else "\n".join(_facts(found)))
    return 0


def run_spaces(options: argparse.Namespace) -> int:
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
            json.dumps({"space": space.name, "declaration": space.text}, ensure_ascii=False)
            if options.json
            else space.text,
            end="\n" if options.json else "",
        )
        return 0
    found = {"space": space.name, "task": space.task, "parameters": [p.name for p in space], "first": space.first()}
    print(json.dumps(found, ensure_ascii=False) if options.json else "\n".join(_facts(found)))
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
        print(json.dumps({what: [dict(row) for row in rows]}, ensure_ascii=False))
        return 0
    widths = [max(len(column), *(len(str(row[column])) for row in rows)) for column in columns]
    for cells in (columns, *([str(row[column]) for column in columns] for row in rows)):
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())
    return 0


# ---------------------------------------------------------------- the rest


def run_ui(options: argparse.Namespace) -> int:
    if options.port > HIGHEST_PORT:
        raise UsageError(f"--port: must be at most {HIGHEST_PORT}, found {options.port}")
    from .track import serve, store, without_secrets

    print(
        f"MLflow on http://127.0.0.1:{options.port}, store {without_secrets(store())}; Ctrl-C ends it", file=sys.stderr
    )
    return serve(options.port)


def run_doctor(options: argparse.Namespace) -> int:
    from .doctor import checks

    found = list(checks())
    for name, good, what in found:
        print(f"{'ok  ' if good else 'FAIL'}  {name:<12} {what}")
    return 0 if all(good for _, good, _ in found) else 2

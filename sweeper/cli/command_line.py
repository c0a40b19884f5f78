"""Arguments in, exit code out; nothing heavy is imported before a command needs it.

Exit codes: 0 done, 1 the sweep ran and produced no model, 2 something that the user
must edit, 130 interrupted (state saved, the resume command printed).
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from ..errors import SweeperError, SweepError, UsageError, unknown
from ..system.quiet import silence_output
from ..system.wording import first_line, visible, without_secrets
from . import commands as do
from .listing import show_datasets, show_spaces
from .predicting import predict


class _Parser(argparse.ArgumentParser):
    """Complains in our own words, through the same door as every other error."""

    def error(self, message: str) -> NoReturn:
        choice = re.match(r"argument (\S+): invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"[\w-]+", choice[3])
            message = f"{choice[1]}: {unknown('choice', choice[2], known)}"
        if message.endswith("expected one argument"):
            flag = message.split()[1].rstrip(":").split("/")[0]
            message += f"; one that begins with a dash is joined to it, as in {flag}=-x"
        raise UsageError(f"{message}\n{self.format_usage().rstrip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    # The processes that we start inherit these: TensorFlow's start-up chatter stays off the terminal, and nothing of the
    # working folder, which may be full of a stranger's data, is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["PYTHONSAFEPATH"] = "1"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode shows escapes
            stream.reconfigure(errors="backslashreplace")
    run = None
    try:
        options = _options(arguments)
        run = options.run
        return int(run(options))
    except SweeperError as error:
        print(f"sweeper: {visible(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        cure = "; if no sweep was named above, none had begun: give the same command again" if run is do.sweep else ""
        print(f"sweeper: interrupted{cure}", file=sys.stderr)
        return do.INTERRUPTED
    except OSError as error:
        return _refused(error)
    except Exception as error:  # noqa: BLE001 - the outermost frame: recorded, and told in our words
        return _unforeseen(error)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """As the parser reads them; texts may stand after options too."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    at = rest.index("--") if "--" in rest else len(rest)
    rest, after = rest[:at], rest[at + 1 :]  # what stands after it is taken as it is
    taken = hasattr(options, "texts")
    strange = [word for word in rest if not taken or re.fullmatch(r"-[^\s\d.]\S*", word)] + after * (not taken)
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}; sweeper COMMAND --help lists what there is")
    if taken:
        options.texts += [*rest, *after]
    return options


def _refused(error: OSError) -> int:
    """The system will not do something."""
    if isinstance(error, BrokenPipeError):  # whoever read our output, such as head, has seen enough
        silence_output()
        return 0
    print(
        f"sweeper: {visible(str(error.filename or 'the system'))}: {error.strerror or error}; sweeps/, mlflow.db and mlartifacts/ are "
        "written into the working folder and the cache where SWEEPER_CACHE says: may they be written, and is there room?",
        file=sys.stderr,
    )
    return UsageError.exit_code


def _unforeseen(error: Exception) -> int:
    """A defect of ours."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="sweeper-", suffix=".txt", delete=False) as file:
        file.write(without_secrets("".join(traceback.format_exception(error))))
    print(
        f"sweeper: {visible(first_line(error))}; this should not happen: please report it with {file.name}; "
        "finished trials of a sweep are kept, and --resume goes on",
        file=sys.stderr,
    )
    return SweepError.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sweeper", description="Which recurrent architecture serves your text? Sweeps, logs to MLflow, exports."
    )
    parser.add_argument("--version", action="version", version=f"sweeper {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sweep = commands.add_parser(
        "sweep",
        help="search, log every trial to MLflow, export the best",
        description="Search for the best model of a dataset.",
    )
    sweep.add_argument("task", nargs="?", help="sentiment, text, tagging, seq2seq or generation; inferred with --data")
    sweep.add_argument("--dataset", metavar="NAME|PATH", help="a declared dataset (sweeper datasets list)")
    sweep.add_argument(
        "--data",
        metavar="PATH",
        help="a file of your own: csv, tsv, jsonl, parquet, conll, conllu, txt (columns; for generation lines), or one folder per class",
    )
    sweep.add_argument("--text", metavar="COLUMN", help="with --data: the column of the text")
    sweep.add_argument("--label", metavar="COLUMN", help="with --data: the column of the label")
    sweep.add_argument("--encoding", help="with --data: the file's encoding, if it is not UTF-8")
    sweep.add_argument(
        "--space", metavar="NAME|PATH", help="a search space (sweeper spaces list); TASK-quick is a first look"
    )
    sweep.add_argument("--algorithm", help="random (default), grid, bayesian or hyperband")
    sweep.add_argument("--trials", type=_whole, metavar="N", help="the most trials")
    sweep.add_argument(
        "--budget", type=_seconds, metavar="10m", help="wall-clock time; 5m where neither it nor --trials is given"
    )
    sweep.add_argument("--epochs", type=_whole, metavar="N", help="the most epochs of one trial (10)")
    sweep.add_argument("--trial-limit", type=_seconds, metavar="TIME", help="a trial that takes longer fails (6h)")
    sweep.add_argument("--workers", type=_whole, metavar="N", help="worker processes (one per GPU, else one per core)")
    sweep.add_argument("--seed", type=_number, metavar="N", help="random seed (0)")
    sweep.add_argument(
        "--seeds",
        type=_whole,
        metavar="N",
        help="train the best three configurations with N seeds each, the best mean wins (3; 1 with --trials alone)",
    )
    sweep.add_argument(
        "--ensemble",
        type=_whole,
        metavar="K",
        help="export the best K trials, at most 10, as one model; not for seq2seq and generation (1)",
    )
    sweep.add_argument("--name", help="a name for the sweep")
    sweep.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        metavar="SWEEP",
        help="resume an interrupted sweep, the newest by default",
    )
    sweep.add_argument(
        "--gradients",
        action="store_true",
        help="plot how far back the best model's gradients reach, and a simple_rnn's, clipped and not, which are trained for it",
    )
    _json(sweep, do.sweep)

    board = commands.add_parser("leaderboard", help="the trials of a sweep, best first")
    board.add_argument("sweep", nargs="?", help="the newest by default")
    _json(board, do.leaderboard)

    export = commands.add_parser("export", help="a trial as a SavedModel: raw text in, label names out")
    export.add_argument("sweep", nargs="?", help="the newest by default")
    export.add_argument("--trial", type=_number, metavar="ID", help="the best by default")
    export.add_argument("--to", required=True, metavar="DIR", help="a new folder")
    _json(export, do.export)

    _add_predict(commands.add_parser("predict", help="answers of an exported model"))

    datasets = commands.add_parser("datasets", help="declared datasets: list, show, check, fetch")
    datasets.add_argument("action", choices=["list", "show", "check", "fetch"])
    datasets.add_argument("name", nargs="?")
    _json(datasets, show_datasets)

    spaces = commands.add_parser("spaces", help="search spaces: list, show, check; parameters of a task")
    spaces.add_argument("action", choices=["list", "show", "check", "parameters"])
    spaces.add_argument("name", nargs="?", help="a space, or for parameters a task")
    _json(spaces, show_spaces)

    ui = commands.add_parser("ui", help="browse the trials in MLflow's own page, on the loopback address only")
    ui.add_argument("--port", type=_whole, default=5000, metavar="N")
    ui.set_defaults(run=do.ui)

    doctor = commands.add_parser("doctor", help="what this machine has, and what is missing")
    doctor.set_defaults(run=do.doctor)
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument(
        "--file", metavar="F", help="texts from a UTF-8 file instead, one per line; - for standard input"
    )
    parser.add_argument(
        "--beam-width",
        type=_whole,
        metavar="N",
        help="seq2seq: beginnings at a time, 1 for greedy (the best on validation data)",
    )
    parser.add_argument(
        "--length-penalty",
        type=float,
        metavar="X",
        help="seq2seq: targets are ranked by log-probability / length^X (the best on validation data)",
    )
    parser.add_argument("--label", help="generation: the text's label, where texts have one")
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="X",
        help="generation: sampling temperature, 0 for the most probable symbols (0.7)",
    )
    parser.add_argument(
        "--top-k", type=_number, metavar="N", help="generation: sample from the N most probable symbols, 0 for all (0)"
    )
    parser.add_argument("--length", type=_number, metavar="N", help="generation: symbols at most (200)")
    parser.add_argument("--seed", type=_number, metavar="N", help="generation: sampling seed (0)")
    _json(parser, predict)


def _json(parser: argparse.ArgumentParser, run: Any) -> None:
    parser.add_argument("--json", action="store_true", help="the last line of standard output is one JSON object")
    parser.set_defaults(run=run)


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 999,999,999, found {text[:40]!r}")
    return int(text)


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number of at most 18 digits, found {text[:40]!r}")
    return int(text)


def _seconds(text: str) -> float:
    from ..sweeps.arguments import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

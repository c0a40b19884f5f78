"""What each command does and prints; arguments come parsed from `cli`.

Results go to standard output, everything else for people to standard error.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..records import sweep_argument
from ..system.wording import as_json, visible_line, without_secrets

if TYPE_CHECKING:
    import pandas as pd

    from ..records import Differences
    from ..sweeps.outcome import Outcome
    from ..sweeps.shipped import Shipped

INTERRUPTED = 130
HIGHEST_PORT = 65_535
MAX_EFFECTS, MAX_ROWS = 3, 12  # that are printed; the report has all
AS_THE_FIELD_SAYS = ("bits_per_character", "perplexity")  # scores that are shown beside the one that ranks


def sweep(options: argparse.Namespace) -> int:
    from .. import api
    from ..workers.pool import let_workers_fork

    let_workers_fork()
    given = {name: value for name, value in vars(options).items() if name not in ("run", "json")}
    outcome = api.sweep(**given)
    _show_outcome(outcome)
    if options.json:
        print(as_json(_outcome(outcome)))
    return INTERRUPTED if outcome.ended == "interrupted" else 0


def _show_outcome(outcome: Outcome) -> None:
    from ..reports.terminal import console, leaderboard_table

    say = console()
    mean = "mean " if outcome.finalists else ""
    say.print(f"\n{outcome.ending}. Leaderboard, best {mean}validation {outcome.objective} first:", markup=False)
    table = outcome.leaderboard
    shown = (table.index < MAX_ROWS) | ~table["trial"].str.isdecimal()  # baselines, wherever they stand
    say.print(leaderboard_table(table[shown], _columns(outcome), say.width))
    more = int((~shown).sum())
    if more:
        say.print(
            f"and {more} more trial{'s' * (more > 1)}: sweeper leaderboard {sweep_argument(outcome.folder)}\n",
            markup=False,
        )
    if outcome.ended == "interrupted":
        say.print(f"resume with:  sweeper sweep --resume {sweep_argument(outcome.folder)}", markup=False)
        return
    shipped = outcome.shipped
    assert shipped is not None  # else it would have been interrupted, or an error
    say.print(f"{_choice(outcome)}{_verdict(outcome, shipped)}", markup=False)
    if shipped.differences is not None:
        say.print(str(shipped.differences), markup=False)
    clear = [str(effect) for effect in outcome.effects if effect.is_clear][:MAX_EFFECTS]
    if clear:
        say.print(f"effects on validation {outcome.objective}: {'; '.join(clear)}", markup=False)
    registered = f" and registered in MLflow as {shipped.model}" if shipped.model else ""
    say.print(f"the best is exported to {outcome.export}{registered}", markup=False)
    say.print("next:", markup=False)
    for command, what in (
        (
            f"sweeper predict {shlex.quote(str(outcome.export))} {shlex.quote(visible_line(outcome.example))}",
            "ask the model",
        ),
        ("make ui   (or: sweeper ui)", "browse the trials"),
        ("make export   (or: sweeper export --to DIR)", "the SavedModel where you want it"),
    ):
        say.print(f"  {command:<76} {what}", markup=False)


def _columns(outcome: Outcome) -> list[str]:
    """What fits a terminal: scores, costs, and the parameters that tell most of those that vary."""
    table, objective = outcome.leaderboard, outcome.objective
    scores = [f"{part}_{name}" for name in (objective, *AS_THE_FIELD_SAYS) for part in ("mean_val", "val", "test")]
    mean, *scores = scores
    columns = ["trial", "repeat_of", mean, "std", *scores, *_telling(table), "best_epoch", "seconds", "parameters"]
    return [name for name in columns if name in table.columns]


def _telling(table: pd.DataFrame) -> list[str]:
    """The parameters that vary, those that say most first."""
    from ..declared import parameters
    from ..reports.report import varying

    named = [name for task in parameters.EVERY_TASK for name in parameters.known(task)]
    first = (
        "extra",
        "head",
        "characters",
        "bigrams",
        "cell",
        "direction",
        "depth",
        "units",
        "attention",
        "pooling",
        "input",
    )
    return varying(table, list(dict.fromkeys([*first, *named])))


def _verdict(outcome: Outcome, shipped: Shipped) -> str:
    """Whether the winner beats the strongest baseline, in words, on data that chose nothing."""
    if not outcome.baselines:
        return ""
    baseline = outcome.baselines[-1]
    ours, theirs = shipped.test[outcome.objective], baseline.test[outcome.objective]
    said = "".join(
        f"; {name} {shipped.test[name]:.3f} against {baseline.test[name]:.3f}"
        for name in AS_THE_FIELD_SAYS
        if name in shipped.test
    )
    if shipped.intervals is not None and shipped.intervals.gain is not None:
        low, high = shipped.intervals.gain
        said += f"; the difference of {ours - theirs:+.4f} is {shipped.intervals.verdict} (95 % confidence interval {low:+.4f} to {high:+.4f})"
    words = ("beats", "equals", "does not beat") if len(shipped.trials) == 1 else ("beat", "equal", "do not beat")
    word = words[0 if ours > theirs else 1 if ours == theirs else 2]
    return f"on test data, {outcome.winner} ({outcome.objective} {ours:.4f}) {word} the {baseline.name} baseline ({theirs:.4f}){said}"


def _choice(outcome: Outcome) -> str:
    """Why the winner was chosen, where the best were trained with several seeds."""
    if not outcome.finalists:
        return ""
    winner, *others = (f"trial {one.number} ({one})" for one in outcome.finalists)
    return f"chosen by mean validation {outcome.objective}: {winner}{'; runners-up: ' if others else ''}{', '.join(others)}\n"


def _outcome(outcome: Outcome) -> dict[str, Any]:
    shipped = outcome.shipped
    return {
        "sweep": outcome.folder.name,
        "ended": outcome.ended,
        "objective": outcome.objective,
        "best": None
        if outcome.best is None
        else {
            "trial": outcome.best.number,
            "ensemble": shipped.trials if shipped and shipped.ensemble else None,
            "validation": outcome.validation,
            "test": dict(outcome.test),
            "decoding": dict(shipped.decoding) if shipped else {},
            "intervals": shipped and shipped.intervals and shipped.intervals._asdict(),
            "configuration": dict(outcome.best.configuration),
        },
        "finalists": [
            {"trial": one.number, "scores": one.scores, "mean": one.mean, "std": one.std} for one in outcome.finalists
        ],
        "errors": shipped and shipped.differences and _errors(shipped.differences),
        "parameter_effects": [effect._asdict() for effect in outcome.effects],
        "baselines": {
            baseline.name: {"validation": baseline.validation, "test": baseline.test} for baseline in outcome.baselines
        },
        "export": None if outcome.export is None else str(outcome.export),
        "model": shipped and shipped.model,
    }


def _errors(differences: Differences) -> dict[str, Any]:
    few = {name: [one._asdict() for one in getattr(differences, name)] for name in ("of_repaired", "of_made")}
    return {**differences._asdict(), **few}


# ---------------------------------------------------------------- after a sweep


def leaderboard(options: argparse.Namespace) -> int:
    from .. import api

    table = api.leaderboard(options.sweep)
    if options.json:
        print(as_json({"leaderboard": json.loads(table.to_json(orient="records"))}))
    else:
        from ..reports.terminal import console, leaderboard_table

        say = console(stderr=False)
        scores = [name for name in table.columns if name.startswith(("val_", "test_"))]
        ranked = [name for name in scores if name.partition("_")[2] == scores[0].partition("_")[2]]
        seeds = ["repeat_of", "seeds", *(name for name in table.columns if name.startswith("mean_val_")), "std"]
        wanted = ["trial", "state", *seeds, *ranked, *_telling(table), "best_epoch", "seconds", "parameters", *scores]
        columns = [name for name in dict.fromkeys(wanted) if name in table.columns and table[name].notna().any()]
        say.print(leaderboard_table(table, columns, say.width))
    return 0


def export(options: argparse.Namespace) -> int:
    from .. import api
    from ..workers.pool import let_workers_fork

    let_workers_fork()
    folder = api.export(options.sweep, trial=options.trial, to=options.to)
    print(as_json({"export": str(folder)}) if options.json else f"exported to {folder}")
    return 0


# ---------------------------------------------------------------- the rest


def ui(options: argparse.Namespace) -> int:
    if options.port > HIGHEST_PORT:
        raise UsageError(f"--port: must be at most {HIGHEST_PORT}, found {options.port}")
    from ..track.store import serve, store

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

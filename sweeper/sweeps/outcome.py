"""How a sweep ended, and what is written of that: leaderboard, page, and the parent run's metrics."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..data.cards import Card
from ..data.store import Meta, Prepared
from ..declared import parameters
from ..declared.spaces import SearchSpace
from ..records import Scores, Settings, TrialResult
from ..reports import report
from ..reports.effects import Effect, parameter_effects
from ..system.files import write_atomically
from ..tasks import Baseline
from ..trials.selection import Candidate
from .shipped import Shipped

if TYPE_CHECKING:
    from ..track.tracker import Tracker
    from .history import History

LEADERBOARD, PAGE = "leaderboard.csv", "report.html"
COUNTED = {"done": ("done", "stopped"), "failed": ("failed",), "pruned": ("pruned",)}
"""The states of trials behind each of the parent run's counts."""

ENDED = {
    "trials": "all trials are done",
    "budget": "the budget is used up",
    "exhausted": "the space is exhausted: nothing new is left to try",
    "failures": "the first ten trials of this run all failed for the same reason",
    "interrupted": "interrupted; what was finished is kept",
}
"""How a search may end, and what a person is told of it."""


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Args:
        ended: a key of `ENDED`.
        objective: the score that chose.
        leaderboard: see `report.leaderboard`.
        best: the winner.
        shipped: it, or the trials that answer with it as one, scored on test data and exported.
        baselines: the strongest last.
        finalists: the configurations that were trained with several seeds, the winner first.
        example: a text that the model was not trained on, to ask it.
        missed: why MLflow could not be told all of it; "" as a rule.
        plots: of the whole sweep.
        effects: what the trials say about each parameter, the clearest first.
    """

    folder: Path
    ended: str
    objective: str
    leaderboard: pd.DataFrame
    best: TrialResult | None = None
    shipped: Shipped | None = None
    baselines: Sequence[Baseline] = ()
    finalists: Sequence[Candidate] = ()
    example: str = ""
    missed: str = ""
    plots: Sequence[Path] = ()
    effects: Sequence[Effect] = ()

    @property
    def ending(self) -> str:
        """How it ended, for a person."""
        return ENDED[self.ended]

    @property
    def winner(self) -> str:
        """What is exported, for a person."""
        trials = self.shipped.trials if self.shipped else (self.best.number,) if self.best else ()
        return f"trial{'s' if len(trials) > 1 else ''} {', '.join(map(str, trials))}{' as an ensemble' * (len(trials) > 1)}"

    @property
    def validation(self) -> Scores:
        """Scores of what is exported on the validation split."""
        otherwise = self.shipped.validation if self.shipped else None
        return otherwise or (self.best.scores if self.best else {})

    @property
    def test(self) -> Scores:
        """Scores of what is exported on the test split; {} where nothing is."""
        return self.shipped.test if self.shipped else {}

    @property
    def export(self) -> Path | None:
        """The folder of the SavedModel."""
        return self.folder / self.shipped.export if self.shipped else None


def close(
    found: Outcome,
    results: Sequence[TrialResult],
    history: History,
    facts: Mapping[str, str],
    prepared: Prepared,
    tracker: Tracker,
    changed: Mapping[str, Any],
) -> Outcome:
    """Write the leaderboard and the page, and end the parent run.

    Args:
        results: all, as they stand.
        changed: settings that are no longer those of the parent run's parameters, which nobody can change.
    """
    table, effects = write_results(found, results, history, facts, prepared.meta)
    missed = end_run(found, results, history, tracker, changed)
    return dataclasses.replace(found, leaderboard=table, missed=missed or found.missed, effects=effects)


def write_results(
    found: Outcome, results: Sequence[TrialResult], history: History, facts: Mapping[str, str], meta: Meta
) -> tuple[pd.DataFrame, list[Effect]]:
    """Write the leaderboard and the page into the sweep's folder, and return that and what the trials say.

    Args:
        facts: the head of the page.
    """
    table = leaderboard_of(history, results, found.objective, found.baselines, found.shipped)
    write_atomically(found.folder / LEADERBOARD, table.to_csv(index=False))
    given = {number: order.epochs for number, order in history.orders.items()}
    effects = parameter_effects(results, found.objective, seed=0, epochs=given)
    known = parameters.known(meta.task)
    constant = set(known) - set(report.varying(table, list(known)))
    title, said = f"{meta.task} on {meta.name}", [f"{effect} ({found.objective})" for effect in effects]
    differences = found.shipped.differences if found.shipped else None
    page = report.page(title, facts, table, meta.warnings, sorted(constant), said, differences)
    write_atomically(found.folder / PAGE, page)
    return table, effects


def end_run(
    found: Outcome, results: Sequence[TrialResult], history: History, tracker: Tracker, changed: Mapping[str, Any]
) -> str:
    """Tell MLflow how the sweep and its pruned trials ended; returns what it missed.

    Args:
        changed: see `close`.
    """
    status = "KILLED" if found.ended == "interrupted" else "FINISHED" if found.best else "FAILED"
    pruned = {result.number for result in results if result.state == "pruned"}
    done = {result.number for result in results if result.state == "done"} if pruned else set()
    tracker.trials_settled(pruned=sorted(pruned), done=sorted(done))
    again = {number for numbers in history.repeats.values() for number in numbers}
    decoding = found.shipped.decoding if found.shipped else {}
    said = {"ended": found.ended, **changed, **decoding}
    tags = {f"sweeper.{name}": str(value) for name, value in said.items()}
    files = [found.folder / LEADERBOARD, found.folder / PAGE, *found.plots]
    return tracker.sweep_ended(summary(found, results, again), tags, files, status)


def leaderboard_of(
    history: History,
    results: Sequence[TrialResult],
    objective: str,
    baselines: Sequence[Baseline],
    shipped: Shipped | None,
) -> pd.DataFrame:
    """The leaderboard of a sweep as it stands; see `report.leaderboard`."""
    ensemble = shipped.ensemble if shipped else None
    of_winner = {shipped.winner: shipped.test} if shipped and not ensemble else {}
    candidates = history.candidates(objective)
    return report.leaderboard(results, baselines, objective, of_winner, candidates, history.repeats, ensemble)


def summary(found: Outcome, results: Sequence[TrialResult], again: Set[int] = frozenset()) -> dict[str, float]:
    """The parent run's metrics: few, and named so that sweeps compare.

    Args:
        again: trials that train another one's configuration again, which are counted apart.
    """
    searched = [result for result in results if result.number not in again]
    metrics: dict[str, float] = {
        f"trials_{name}": sum(result.state in states for result in searched) for name, states in COUNTED.items()
    }
    if again:
        metrics["trials_repeated"] = len(results) - len(searched)
    if found.best is not None:
        metrics[f"best_val_{found.objective}"] = found.validation[found.objective]
    shipped = found.shipped
    if found.finalists and not (shipped and shipped.ensemble):
        winner = found.finalists[0]
        several = {"mean": winner.mean, "std": winner.std, "seeds": len(winner.scores)}
        metrics |= {f"best_val_{found.objective}_{name}": value for name, value in several.items()}
    if shipped is not None:
        metrics |= _of_shipped(shipped, found.objective)
    for baseline in found.baselines:
        strongest = baseline is found.baselines[-1]
        name = "baseline" if strongest else f"baseline_{baseline.name.replace(' ', '_')}"
        metrics[f"{name}_val_{found.objective}"] = baseline.validation[found.objective]
        metrics |= {f"{name}_test_{score}": value for score, value in baseline.test.items()}
    return metrics


def _of_shipped(shipped: Shipped, objective: str) -> dict[str, float]:
    metrics: dict[str, float] = {f"best_test_{name}": value for name, value in shipped.test.items()}
    if shipped.intervals is not None:
        for name, interval in (("best_test", shipped.intervals.score), ("gain_test", shipped.intervals.gain)):
            if interval is not None:
                metrics |= {f"{name}_{objective}_{end}": at for end, at in zip(("low", "high"), interval, strict=True)}
    if shipped.differences is not None:
        metrics |= {"errors_repaired": shipped.differences.repaired, "errors_made": shipped.differences.made}
    return metrics


def describe(found: Outcome, card: Card, space: SearchSpace, settings: Settings, prepared: Prepared) -> dict[str, str]:
    """The head of the report page."""
    meta = prepared.meta
    facts = {
        "sweep": found.folder.name,
        "about": card.about,
        "data digest": meta.digest,
        "examples": ", ".join(f"{count:,} {part}" for part, count in meta.counts.items()),
        "space": f"{space.name}: {space.about}",
        "search": f"{settings.algorithm}, seed {settings.seed}; {found.ending}",
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    if found.shipped is not None:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in found.test.items())
        facts["best"] = f"{found.winner}: test {scores}"
        if found.shipped.intervals is not None:
            facts["95 % interval on test data"] = found.shipped.intervals.described(found.objective)
    for place, one in enumerate(found.finalists):
        what = "chosen by" if not place else "rather than"
        facts[f"{what} trial {one.number}"] = f"validation {found.objective} {one}"
    return facts

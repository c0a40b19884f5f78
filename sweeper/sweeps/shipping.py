"""The winner of a sweep: scored once on test data, exported, compared, logged and registered."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.cards import Card
from ..data.store import Prepared
from ..errors import SweeperError, TrackingError
from ..records import Scores, TrialOrder
from ..system.versions import versions
from ..tasks import Baseline
from ..workers.pool import Workers
from . import jobs
from .folders import SweepFolder
from .outcome import Outcome
from .shipped import Shipped

if TYPE_CHECKING:
    from ..track.tracker import Tracker


def ship(
    found: Outcome,
    orders: Sequence[TrialOrder],
    card: Card,
    folder: SweepFolder,
    workers: Workers,
    tracker: Tracker,
) -> Outcome:
    """Score the winner once on test data, export it, compare, log and register it.

    A sweep that was resumed and has the winner that it had is not shipped again.

    Args:
        orders: of the winner, and of those that answer with it as one.
    """
    trials = tuple(order.number for order in orders)
    shipped = folder.shipped
    if shipped is None or folder.exported(trials) is None:
        decoding = {} if len(orders) > 1 else workers.run(jobs.choose_decoding, orders[0])
        (test, intervals), target = workers.run(jobs.score_test, orders), folder.new_export()
        validation = workers.run(jobs.score_validation, orders) if len(orders) > 1 or decoding else None
        facts = card_facts(card, folder.name, "test", test, found.baselines)
        compared = workers.submit(jobs.compare_errors, orders)  # by another worker, where there is one
        workers.run(jobs.export_trials, orders, str(target), facts)
        differences = workers.run(jobs.compare_errors, orders, future=compared)
        shipped = Shipped(trials, test, validation, intervals, differences, target.name, decoding=decoding)
        folder.note_shipped(shipped)
    if shipped.model is None:
        name = f"sweeper-{card.task}-{card.name}"
        try:
            version = tracker.log_model(folder.path / shipped.export, name)
        except TrackingError as error:  # the export is there all the same, and the rest is told
            found = dataclasses.replace(found, missed=f"the model is not registered: {error}")
        else:
            called = f"{name} version {version}" if version else f"{name}, once MLflow is back"
            shipped = dataclasses.replace(shipped, model=called)
            folder.note_shipped(shipped)
    return dataclasses.replace(found, shipped=shipped)


def card_facts(card: Card, sweep: str, split: str, scores: Scores, baselines: Sequence[Baseline]) -> dict[str, Any]:
    """What a model card says beyond what the data and the model know.

    Args:
        split: which one `scores` are of: "test" for a winner, else "validation", since test data choose nothing.
    """
    theirs = {baseline.name: baseline.test if split == "test" else baseline.validation for baseline in baselines}
    said = {"about": card.about, "sweep": sweep, "split": split, "versions": versions()}
    return {**said, "scores": scores, "baselines": theirs}


def gradients_of(order: TrialOrder, folder: SweepFolder, workers: Workers, say: Callable[[str], None]) -> list[Path]:
    """The picture of how far the winner's gradients reach, and those of plain networks that are trained beside it."""
    place = folder.path / "gradients"
    shutil.rmtree(place, ignore_errors=True)
    try:
        picture = workers.run(jobs.draw_gradients, order, str(place))
    except SweeperError as error:  # the model is there all the same
        say(f"no picture of gradients: {error}")
        return []
    say(f"how far gradients reach: {picture}")
    return [Path(picture)]


def example_of(prepared: Prepared) -> str:
    """A short text of the test split, as a person would type it."""
    table = prepared.examples("test")
    if "tokens" in table.columns:
        # Characters are written without blanks between them.
        texts = table["tokens"].map(lambda tokens: ("" if max(map(len, tokens)) == 1 else " ").join(tokens))
    else:
        texts = table["source" if "source" in table.columns else "text"].str.split().str.join(" ")
    fitting = texts[texts.str.len().between(4 if "source" in table.columns else 8, 48)]
    return str(fitting.iloc[0]) if len(fitting) else str(texts.iloc[0])[:48]

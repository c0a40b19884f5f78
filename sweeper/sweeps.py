"""The story of a sweep, to be read first: load, propose, run, record, choose, export."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import parameters, report
from .data.cards import Card
from .data.prepare import prepare, vectors_fingerprint
from .data.store import Prepared, open_prepared
from .errors import SweepError, TrackingError, TrialError, WorkerDied, WorkFailed, listed
from .history import SweepFolder
from .journal import sealed, unsealed, write_atomically
from .pool import Workers
from .records import Scores, Settings, TrialOrder, TrialResult
from .search import Search
from .spaces import SearchSpace
from .tasks import TASKS, Baseline
from .terminal import Board, Screen
from .versions import versions

if TYPE_CHECKING:
    from .track.tracker import Tracker

COUNTED = {"done": ("done", "stopped"), "failed": ("failed",), "pruned": ("pruned",)}
"""The states of trials behind each of the parent run's counts."""


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Args:
        ended: "trials", "budget", "exhausted", "failures" or "interrupted".
        objective: the score that chose.
        leaderboard: see `report.leaderboard`.
        best: the winner; `test` are its scores on the test split.
        baselines: the strongest last.
        export: the SavedModel's folder; `model` its name and version in MLflow.
        example: a text that the model was not trained on, to ask it.
        missed: why MLflow could not be told all of it; "" as a rule.
        pictures: of the whole sweep.
    """

    folder: Path
    ended: str
    objective: str
    leaderboard: pd.DataFrame
    best: TrialResult | None = None
    test: Scores = field(default_factory=dict)
    baselines: Sequence[Baseline] = ()
    export: Path | None = None
    model: str | None = None
    example: str = ""
    missed: str = ""
    pictures: Sequence[Path] = ()


@contextlib.contextmanager
def saying_how_to_go_on(folder: SweepFolder, say: Callable[[str], None]) -> Iterator[None]:
    """Name the sweep to whoever interrupts it at once, or fills the disk."""
    try:
        yield
    except (KeyboardInterrupt, OSError):
        say(f"ended at once; what was finished is kept. Take it up again: sweeper sweep --resume {folder.name}")
        raise


def run_sweep(
    card: Card,
    space: SearchSpace,
    settings: Settings,
    prepared: Prepared,
    folder: SweepFolder,
    say: Callable[[str], None],
    *,
    gradients: bool = False,
) -> Outcome:
    """Search, choose and export.

    Args:
        prepared: the card's data (`load`).
        folder: a new sweep's, or an interrupted one's; its finished trials are not run again.
        say: receives lines for a person.
        gradients: draw how far the winner's gradients reach back.

    Raises:
        SweeperError: before the first trial, whatever a person must edit; after it,
            `SweepError` where no trial gave a model.
    """
    for warning in prepared.meta.warnings:
        say(f"note: {warning}")
    objective = TASKS[card.task].objective(prepared.meta)
    space = space.for_data(prepared.meta.facts)
    with (
        ending_like_an_interrupt(),
        saying_how_to_go_on(folder, say),
        folder.held(),
        Workers(settings.workers, folder.path / "workers.log", limit=settings.trial_limit) as workers,
    ):
        folder.remove_strays()
        fingerprints = {name: vectors_fingerprint(name) for name in vectors(space)}
        folder.note_data(prepared.meta.digest, prepared.meta.described, objective, fingerprints)
        workers.warm_up()  # they import TensorFlow while we import MLflow
        with tracked(card, space, settings, prepared, folder) as tracker:
            folder.note_settings(dataclasses.asdict(settings))
            search = Search(space, settings, prepared, objective, folder, workers, tracker)
            found = search_beside_baselines(search, workers)
            results = search.history.standing(settings.epochs)
            if found.best is not None and found.ended != "interrupted":
                order = search.history.orders[found.best.number]
                found = ship(found, order, card, folder, workers, tracker)
                if gradients:
                    trained_so_long = dataclasses.replace(order, epochs=search.history.results[order.number].epochs)
                    found = dataclasses.replace(
                        found,
                        pictures=gradients_of(trained_so_long, folder, workers, say),
                    )
            found = close(found, results, describe(found, card, space, settings, prepared), prepared, tracker)
    if found.missed:
        say(f"{found.missed}; it is told the rest by: sweeper sweep --resume {folder.name}")
    if found.best is None and found.ended != "interrupted":
        reasons = dict.fromkeys(result.error or result.state for result in results)
        raise SweepError(f"no trial of {len(results)} gave a model: {listed(reasons, 3)}; see {folder.path}")
    return found


@contextlib.contextmanager
def ending_like_an_interrupt() -> Iterator[None]:
    """Let SIGTERM end a sweep as Ctrl-C does, so that what is open is closed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()  # only there may handlers be set
    before = signal.signal(signal.SIGTERM, interrupt) if ours else None
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, before)


# ---------------------------------------------------------------- load


def load(card: Card, space: SearchSpace, say: Callable[[str], None]) -> Prepared:
    """The card's data, encoded in every way that some configuration of the space asks for."""
    return prepare(card, encodings(card, space), vectors(space), say)


def encodings(card: Card, space: SearchSpace) -> list[tuple[str, bool]]:
    """Every way of cutting text into tokens that some configuration asks for, and that of the baselines."""
    if space.task == "generation":
        return []  # nothing is read but what is written
    usual = getattr(card.options, "source_tokens", "words")
    cuts = space.values_of("tokens") if "tokens" in parameters.known(space.task) else (usual,)
    asked = [(cut, lower == "yes") for cut in cuts for lower in space.values_of("lowercase")]
    return list(dict.fromkeys([(usual, True), *asked]))


def vectors(space: SearchSpace) -> list[str]:
    """Every file of pretrained vectors that some configuration asks for."""
    return list(space.values_of("vectors")) if "pretrained" in space.values_of("input") else []


@contextlib.contextmanager
def tracked(
    card: Card, space: SearchSpace, settings: Settings, prepared: Prepared, folder: SweepFolder
) -> Iterator[Tracker]:
    """The MLflow side, with the parent run of this sweep; whatever happens inside, no run is left RUNNING."""
    known = folder.has_begun
    try:
        tracker = open_tracker(card, space, settings, prepared, folder)
    except Exception:  # of an interrupt the folder is kept, and the sweep taken up
        if not known:
            folder.discard()
        raise
    try:
        yield tracker
    except BaseException as error:
        tracker.abandon("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def open_tracker(
    card: Card, space: SearchSpace, settings: Settings, prepared: Prepared, folder: SweepFolder
) -> Tracker:
    """A tracker with the parent run of this sweep: a new one, or the one that it had."""
    from .track.tracker import Tracker

    tracker = Tracker(f"{card.task}/{card.name}", folder.path)
    source = {key: value for key, value in dataclasses.asdict(card.source).items() if value}
    dataset = {
        "name": card.name,
        "digest": prepared.meta.digest[:32],
        "source_type": next(iter(source)),
        "source": json.dumps(source, default=str),
        "profile": json.dumps(prepared.meta.counts),
    }
    facts = {"dataset": card.name, "dataset_digest": prepared.meta.digest, "space": space.name}
    params = {**facts, **dataclasses.asdict(settings), **{f"version_{k}": v for k, v in versions().items()}}
    try:
        if folder.run or tracker.begun:
            folder.note_run(tracker.sweep_taken_up(folder.run or ""))
        else:
            folder.note_run(tracker.sweep_started(folder.name, params, dataset, folder.declarations))
    except BaseException:
        tracker.abandon("KILLED")
        raise
    return tracker


# ---------------------------------------------------------------- propose, run, record


def search_beside_baselines(search: Search, workers: Workers) -> Outcome:
    """Search while a worker computes the baselines; the winner is not shipped yet."""
    asked = workers.call(baselines_of, str(search.prepared.folder))
    with Screen(Board(search.objective, search.deadline, search.settings.trials)) as screen:
        ended = search.run(screen, asked)
        try:
            baselines = workers.insist(baselines_of, str(search.prepared.folder), begun=asked)
        except (WorkerDied, WorkFailed) as error:
            screen.say(f"no baselines: {error}")
            baselines = []
    search.folder.note_baselines([baseline._asdict() for baseline in baselines])
    return Outcome(
        search.folder.path,
        ended,
        search.objective,
        pd.DataFrame(),
        search.history.best(search.objective),
        baselines=baselines,
        example=example_of(search.prepared),
    )


def baselines_of(prepared: str) -> list[Baseline]:
    """Computed once for each prepared dataset, in a worker, and kept beside it."""
    folder = Path(prepared)
    kept = folder / "baselines.json"
    with contextlib.suppress(OSError, ValueError):  # not there, or not what was written: they are computed again
        return [Baseline(**row) for row in unsealed(kept.read_text(encoding="utf-8"))["baselines"]]
    dataset = open_prepared(folder)
    found = TASKS[dataset.meta.task].baselines(dataset)
    write_atomically(kept, sealed({"baselines": [baseline._asdict() for baseline in found]}))
    return found


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


# ---------------------------------------------------------------- choose, export, close


def ship(
    found: Outcome, order: TrialOrder, card: Card, folder: SweepFolder, workers: Workers, tracker: Tracker
) -> Outcome:
    """Score the winner once on test data, export it, compare, log and register it.

    A sweep that was taken up and has the winner that it had is not shipped again.
    """
    if folder.shipped(order.number) is None:
        workers.insist(choose_decoding_in_worker, order)
        test, target = workers.insist(score_in_worker, order), folder.new_export()
        facts = card_facts(card, folder.name, "test", test, found.baselines)
        workers.insist(export_in_worker, order, str(target), facts)
        folder.note_winner(order.number, test, target.name)
    target = folder.path / folder.facts["export"]
    if folder.facts["model"] is None:
        name = f"sweeper-{card.task}-{card.name}"
        try:
            version = tracker.log_model(target, name)
        except TrackingError as error:  # the export is there all the same, and the rest is told
            found = dataclasses.replace(found, missed=f"the model is not registered: {error}")
        else:
            folder.note_model(f"{name} version {version}" if version else f"{name}, once MLflow is back")
    return dataclasses.replace(found, test=folder.facts["test"], export=target, model=folder.facts["model"])


def card_facts(card: Card, sweep: str, split: str, scores: Scores, baselines: Sequence[Baseline]) -> dict[str, Any]:
    """What a model card says beyond what the data and the model know.

    Args:
        split: which one `scores` are of: "test" for a winner, else "validation", since test data choose nothing.
    """
    theirs = {baseline.name: baseline.test if split == "test" else baseline.validation for baseline in baselines}
    said = {"about": card.about, "sweep": sweep, "split": split, "versions": versions()}
    return {**said, "scores": scores, "baselines": theirs}


def gradients_of(order: TrialOrder, folder: SweepFolder, workers: Workers, say: Callable[[str], None]) -> list[Path]:
    """The picture of how far the winner's gradients reach, and those of a plain network that is trained beside it."""
    place = folder.path / "gradients"
    shutil.rmtree(place, ignore_errors=True)
    try:
        picture = workers.insist(gradients_in_worker, order, str(place))
    except (TrialError, WorkerDied, WorkFailed) as error:
        say(f"no picture of gradients: {error}")
        return []
    say(f"how far gradients reach: {picture}")
    return [Path(picture)]


def gradients_in_worker(order: TrialOrder, folder: str) -> str:
    from .gradients import draw_gradients

    return draw_gradients(order, folder)


def choose_decoding_in_worker(order: TrialOrder) -> None:
    from .winner import choose_decoding

    choose_decoding(order)


def score_in_worker(order: TrialOrder) -> Scores:
    from .winner import score_test

    return score_test(order)


def export_in_worker(order: TrialOrder, to: str, card: Mapping[str, Any]) -> str:
    from .exports import export_trial

    return export_trial(order, to, card)


def close(
    found: Outcome, results: Sequence[TrialResult], facts: Mapping[str, str], prepared: Prepared, tracker: Tracker
) -> Outcome:
    """Write the leaderboard and the page, and end the parent run."""
    test = {found.best.number: found.test} if found.best else {}
    table = report.leaderboard(results, found.baselines, found.objective, test)
    files = [found.folder / "leaderboard.csv", found.folder / "report.html", *found.pictures]
    write_atomically(files[0], table.to_csv(index=False))
    meta = prepared.meta
    known = parameters.known(meta.task)
    constant = set(known) - set(report.varying(table, list(known)))
    page = report.page(f"{meta.task} on {meta.name}", facts, table, meta.warnings, sorted(constant))
    write_atomically(files[1], page)
    status = "KILLED" if found.ended == "interrupted" else "FINISHED" if found.best else "FAILED"
    pruned = {result.number for result in results if result.state == "pruned"}
    promoted = {result.number for result in results if result.state == "done"} if pruned else set()
    tracker.trials_settled(pruned=sorted(pruned), done=sorted(promoted))
    missed = tracker.sweep_ended(summary(found, results), {"sweeper.ended": found.ended}, files, status)
    return dataclasses.replace(found, leaderboard=table, missed=missed or found.missed)


def summary(found: Outcome, results: Sequence[TrialResult]) -> dict[str, float]:
    """The parent run's metrics: few, and named so that sweeps compare."""
    metrics: dict[str, float] = {
        f"trials_{name}": sum(result.state in states for result in results) for name, states in COUNTED.items()
    }
    if found.best is not None:
        metrics[f"best_val_{found.objective}"] = found.best.scores[found.objective]
        metrics |= {f"best_test_{name}": value for name, value in found.test.items()}
    for baseline in found.baselines:
        strongest = baseline is found.baselines[-1]
        name = "baseline" if strongest else f"baseline_{baseline.name.replace(' ', '_')}"
        metrics[f"{name}_val_{found.objective}"] = baseline.validation[found.objective]
        metrics |= {f"{name}_test_{score}": value for score, value in baseline.test.items()}
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
        "search": f"{settings.algorithm}, seed {settings.seed}; ended by {found.ended}",
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    if found.best is not None and found.test:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in found.test.items())
        facts["best"] = f"trial {found.best.number}: test {scores}"
    return facts

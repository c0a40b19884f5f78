"""The story of a sweep, to be read first: load, propose, run, record, choose, export."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..data.cards import Card
from ..data.prepare import prepare
from ..data.pretrained import check_vectors, vectors_fingerprint
from ..data.source_spec import KINDS
from ..data.store import Prepared
from ..declared import parameters
from ..declared.spaces import SearchSpace
from ..errors import SweepError, WorkerDied, WorkFailed, listed
from ..records import Settings, TrialResult
from ..reports.terminal import Board, Screen
from ..system.signals import handling
from ..system.versions import versions
from ..tasks import TASKS, Baseline
from ..trials.baselines import baselines_of
from ..trials.selection import FINALISTS, tied_with_winner, untested_challenger
from ..workers.pool import Workers
from .folders import SweepFolder
from .outcome import Outcome, close, describe
from .search import Search
from .shipped import Shipped
from .shipping import example_of, gradients_of, ship

if TYPE_CHECKING:
    from ..track.tracker import Tracker
    from .history import History

SHORT = 30.0  # seconds of a budget that few mean
MAX_SOURCE = 65_535  # characters that MLflow takes of where data come from


@contextlib.contextmanager
def resume_hint(folder: SweepFolder, say: Callable[[str], None]) -> Iterator[None]:
    """Name the sweep to whoever interrupts it at once, or fills the disk."""
    try:
        yield
    except (KeyboardInterrupt, OSError):
        if folder.path.exists():  # one that could not be begun is gone
            say(f"ended at once; what was finished is kept. Resume with: sweeper sweep --resume {folder.called}")
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
    fresh_budget: bool = False,
) -> Outcome:
    """Search, choose and export.

    Args:
        prepared: the card's data (`load`).
        folder: a new sweep's, or an interrupted one's; its finished trials are not run again.
        say: receives lines for a person.
        gradients: draw how far the winner's gradients reach back.
        fresh_budget: of a sweep that is resumed: its budget begins anew.

    Raises:
        SweeperError: before the first trial, whatever a person must edit; after it,
            `SweepError` where no trial gave a model.
    """
    for warning in prepared.meta.warnings:
        say(f"note: {warning}")
    if settings.budget is not None and settings.budget < SHORT:
        say(f"note: a budget of {settings.budget:g} seconds is over before much is trained; minutes are written as 5m")
    objective = TASKS[card.task].objective(prepared.meta)
    for name, where in space.without_effect(prepared.meta.traits).items():
        say(f"note: {name} has no effect on these data, and is left out; it matters where {where}")
    space = space.for_data(prepared.meta.traits)
    with (
        handling(_interrupt, signal.SIGTERM),  # ends a sweep as Ctrl-C does, so that what is open is closed
        resume_hint(folder, say),
        folder.held(),
        Workers(worker_count(settings), folder.path / "workers.log", limit=settings.trial_limit) as workers,
    ):
        folder.remove_strays()
        fingerprints = {name: vectors_fingerprint(name) for name in space.vectors()}
        folder.note_data(prepared.meta, objective, fingerprints)
        workers.warm_up()  # TensorFlow is imported for them while another process imports MLflow
        with tracked(card, space, settings, prepared, folder) as tracker:
            begun = Settings(**folder.note_settings(dataclasses.asdict(settings)))
            changed = dict(search_params(settings).items() - search_params(begun).items())
            search = Search(space, settings, prepared, objective, folder, workers, tracker, fresh_budget=fresh_budget)
            found = search_and_score_baselines(search, workers)
            results = search.history.with_pruned(settings.epochs)
            if found.best is not None and found.ended != "interrupted":
                members = ensemble_members(search, settings.ensemble)
                for note in selection_notes(search, found, members):
                    say(f"note: {note}")
                orders = [search.history.orders[number] for number in members]
                found = ship(found, orders, card, folder, workers, tracker)
                if gradients:
                    epochs = search.history.results[orders[0].number].epochs
                    trained_so_long = dataclasses.replace(orders[0], epochs=epochs)
                    plots = gradients_of(trained_so_long, folder, workers, say)
                    found = dataclasses.replace(found, plots=plots)
            elif folder.shipped is not None:
                found = with_previous_winner(found, search.history, folder.shipped)
            facts = describe(found, card, space, settings, prepared)
            found = close(found, results, search.history, facts, prepared, tracker, changed)
    if found.missed:
        say(f"{found.missed}; to log the rest: sweeper sweep --resume {folder.called}")
    if found.best is None and found.ended != "interrupted":
        reasons = dict.fromkeys(result.error or result.state for result in results)
        raise SweepError(f"no trial of {len(results)} gave a model: {listed(reasons, 3)}; see {folder.path}")
    return found


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def worker_count(settings: Settings) -> int:
    """How many workers can have something to do: a trial each, and one the baselines."""
    if settings.trials is None:
        return settings.workers
    return min(settings.workers, max(settings.trials, FINALISTS * (settings.seeds_in_all - 1)) + 1)


# ---------------------------------------------------------------- load


def load(card: Card, space: SearchSpace, say: Callable[[str], None]) -> Prepared:
    """The card's data, encoded in every way that some configuration of the space asks for."""
    check_vectors(space)  # before anything is fetched
    return prepare(card, encodings(card, space), space.vectors(), weightings(space), needs_characters(space), say)


def encodings(card: Card, space: SearchSpace) -> list[tuple[str, bool]]:
    """Every way of cutting text into tokens that some configuration asks for, and that of the baselines."""
    if space.task == "generation":
        return []  # nothing is read but what is written
    usual = getattr(card.options, "source_tokens", "words")
    cuts = space.values_of("tokens") if "tokens" in parameters.known(space.task) else (usual,)
    asked = [(cut, lower == "yes") for cut in cuts for lower in space.values_of("lowercase")]
    return list(dict.fromkeys([(usual, True), *asked]))


def weightings(space: SearchSpace) -> list[str]:
    """Every weighting of n-grams that some configuration asks for."""
    asked = "extra" in parameters.known(space.task) and "ngrams" in space.values_of("extra")
    return list(space.values_of("weighting")) if asked else []


def needs_characters(space: SearchSpace) -> bool:
    """Whether some configuration asks for the characters of words."""
    return "characters" in parameters.known(space.task) and set(space.values_of("characters")) != {"none"}


@contextlib.contextmanager
def tracked(
    card: Card, space: SearchSpace, settings: Settings, prepared: Prepared, folder: SweepFolder
) -> Iterator[Tracker]:
    """The MLflow side, with the parent run of this sweep; whatever happens inside, no run is left RUNNING."""
    known = folder.has_begun
    try:
        tracker = open_tracker(card, space, settings, prepared, folder)
    except Exception:  # of an interrupt the folder is kept, and the sweep resumed
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
    from ..track.tracker import Tracker

    tracker = Tracker(f"{card.task}/{card.name}", folder.path)
    source = {key: value for key, value in dataclasses.asdict(card.source).items() if value}
    dataset = {
        "name": card.name,
        "digest": prepared.meta.digest[:32],
        "source_type": next(kind for kind in KINDS if kind in source),
        "source": json.dumps(source, default=str)[:MAX_SOURCE],
        "profile": json.dumps(prepared.meta.counts),
    }
    facts = {"dataset": card.name, "dataset_digest": prepared.meta.digest, "space": space.name}
    params = {**facts, **search_params(settings), **{f"version_{k}": v for k, v in versions().items()}}
    try:
        if folder.run or tracker.begun:
            folder.note_run(tracker.sweep_resumed(folder.run or ""))
        else:
            folder.note_run(tracker.sweep_started(folder.name, params, dataset, folder.declarations))
    except BaseException:
        tracker.abandon("KILLED")
        raise
    return tracker


def search_params(settings: Settings) -> dict[str, Any]:
    """What the parent run says of a search."""
    return {**dataclasses.asdict(settings), "seeds": settings.seeds_in_all}


# ---------------------------------------------------------------- propose, run, record


def search_and_score_baselines(search: Search, workers: Workers) -> Outcome:
    """Search while a worker computes the baselines; the winner is not shipped yet."""
    asked = workers.submit(baselines_of, str(search.prepared.folder))
    with Screen(Board(search.objective, search.deadline, search.settings.trials)) as screen:
        ended = search.run(screen, asked)
        if ended == "interrupted" and not asked.done():
            asked.cancel()
            baselines = Baseline.of_facts(search.folder.facts)
        else:
            try:
                baselines = workers.run(baselines_of, str(search.prepared.folder), future=asked)
            except (WorkerDied, WorkFailed) as error:
                screen.say(f"no baselines: {error}")
                baselines = []
            search.folder.note_baselines([baseline.noted() for baseline in baselines])
    return Outcome(
        search.folder.path,
        ended,
        search.objective,
        pd.DataFrame(),
        search.history.best(search.objective),
        baselines=baselines,
        finalists=[one for one in search.history.candidates(search.objective) if one.is_finalist],
        example=example_of(search.prepared),
    )


def ensemble_members(search: Search, most: int) -> list[int]:
    """The winner, and the trials of other configurations that come next, whose weights are there."""
    winner, *others = [one.number for one in search.history.candidates(search.objective)]
    there = (number for number in others if search.folder.has_weights(number))
    return search.history.first_distinct(itertools.chain([winner], there), most)


def selection_notes(search: Search, found: Outcome, members: Sequence[int]) -> Iterator[str]:
    """What a person should know of how the winner was chosen, and what would choose better.

    Args:
        members: see `ensemble_members`.
    """
    settings = search.settings
    if found.best is not None and found.best.truncated:
        yield cut_texts(found.best, search.prepared)
    if len(members) < settings.ensemble:
        one = len(members) == 1
        yield f"only {len(members)} trial{'s' * (not one)} of different configurations {'has' if one else 'have'} weights to be exported as one"
    candidates = search.history.candidates(search.objective)
    if settings.seeds_in_all > 1 and not found.finalists:
        if any(one.failed_again for one in candidates):
            yield "trained again with another seed, the best gave no model"
        else:
            yield "no time was left to train the best again, with other seeds; a longer --budget has it"
    tied = len(search.history.first_distinct((one.number for one in tied_with_winner(candidates)), len(candidates))) - 1
    if tied > 0:
        yield f"{tied} other configuration{'s' * (tied > 1)} scored {candidates[0].mean:.4f} as well: {search.prepared.meta.counts['validation']:,} validation examples cannot tell them apart, and the loss decided"
    late = untested_challenger(candidates)
    if late is not None:
        more = "a new --budget" if settings.seeds_in_all > 1 else "--seeds 3"
        yield f"trial {late.number} scored {late.mean:.4f}, more than those that were trained again, and was not, so that it cannot win; --resume {search.folder.called} with {more} does it"


def cut_texts(best: TrialResult, prepared: Prepared) -> str:
    """That a trial has not read all of its training texts."""
    return f"trial {best.number} has read the beginning of {best.truncated:,} of {prepared.meta.counts['train']:,} training texts, which are longer than its max_length of {best.configuration['max_length']}; a space may raise it"


def with_previous_winner(found: Outcome, history: History, shipped: Shipped) -> Outcome:
    """What a search that was interrupted found, with the winner of the one before, which stays until another has ended."""
    finalists = [one for one in found.finalists if one.number == shipped.winner]
    return dataclasses.replace(found, best=history.results[shipped.winner], finalists=finalists, shipped=shipped)

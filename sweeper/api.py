"""What the command line and Python callers share: one function for each thing a person wants."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data import cards
from .data.cards import Card
from .declared.spaces import SearchSpace, load_space  # noqa: F401 - the latter for those who call us
from .errors import UsageError
from .sweeps import arguments
from .system.quiet import silence_output
from .system.wording import visible

if TYPE_CHECKING:
    import pandas as pd

    from .records import Settings
    from .sweeps.folders import SweepFolder
    from .sweeps.outcome import Outcome


def _to_standard_error(line: str) -> None:
    try:
        print(visible(line), file=sys.stderr, flush=True)
    except BrokenPipeError:  # whoever read it has seen enough
        silence_output()


def sweep(
    task: str | None = None,
    *,
    dataset: str | None = None,
    data: str | None = None,
    text: str | None = None,
    label: str | None = None,
    encoding: str | None = None,
    space: str | None = None,
    algorithm: str | None = None,
    trials: int | None = None,
    budget: float | str | None = None,
    epochs: int | None = None,
    trial_limit: float | str | None = None,
    workers: int | None = None,
    seed: int | None = None,
    seeds: int | None = None,
    ensemble: int | None = None,
    name: str | None = None,
    resume: str | bool = False,
    gradients: bool = False,
    say: Callable[[str], None] = _to_standard_error,
) -> Outcome:
    """Search for the best model of a dataset, log every trial, and export the winner.

    Args:
        task: "sentiment", "text", "tagging", "seq2seq" or "generation"; may be left out with `data`.
        dataset: name or path of a card; the task's own example where it is left out.
        data, text, label, encoding: a file of your own instead, its columns and encoding.
        space: name or path of a search space; the one named as the task by default.
        algorithm: "random" (by default), "grid", "bayesian" or "hyperband".
        trials: the most trials.
        budget: wall-clock seconds, or a time such as "10m"; 300 where neither it nor `trials` is given.
        epochs: the most epochs of one trial; 10 by default.
        trial_limit: seconds after which a trial counts as hanging and fails; six hours by default.
        workers: processes, one trial each; by default one per GPU, else one per core.
        seed: of everything random; 0 by default.
        seeds: with which the best three configurations are trained in all, within the budget, to choose by their
            means; 3 by default, and 1, which is none again, where trials but no budget are given to a new sweep.
        ensemble: how many trials, the best ones of different configurations, are exported as one model; 1 by default.
        name: of the sweep; from task, dataset and time by default.
        resume: resume the sweep of this name, or the newest (True), as it was begun; `trials`,
            `budget`, `trial_limit`, `workers`, `seeds` and `ensemble` may be given anew, and others repeated; a budget
            begins anew where it is given, else what is left of the old one counts.
        gradients: draw how far the winner's gradients reach back, and those of a plain simple_rnn that is trained beside it,
            with and without clipping.
        say: receives lines for a person.

    Raises:
        SweeperError: see `errors`.
    """
    from .records import Settings
    from .sweeps.run import load, run_sweep

    arguments.check_named(
        task=task, dataset=dataset, data=data, text=text, label=label, encoding=encoding, space=space, resume=resume
    )
    anew = arguments.check_numbers(
        trials=trials, budget=budget, trial_limit=trial_limit, workers=workers, seeds=seeds, ensemble=ensemble
    )
    always = arguments.check_numbers(epochs=epochs, seed=seed)
    folder: SweepFolder | None = None
    if resume:
        from .sweeps.folders import find_folder
        from .sweeps.resume import load_saved, refuse_changes, with_new_limits

        folder = find_folder(None if resume is True else resume)
        refuse_changes(folder, {
            "task": task, "dataset": dataset, "data": data, "text": text, "label": label, "encoding": encoding,
            "space": space, "algorithm": algorithm, "epochs": epochs, "seed": seed, "name": name,
        })  # fmt: skip
        card, found, begun = load_saved(folder)
        settings = with_new_limits(begun, anew)
    else:
        card = arguments.card_of(task, dataset, data, text, label, encoding, say)
        found = arguments.space_of(card.task, space)
        chosen: dict[str, Any] = {} if algorithm is None else {"algorithm": algorithm}
        settings = Settings(**{**({"budget": None} if trials else {}), **chosen, **always, **anew})
        arguments.check_name(name)
    arguments.check_settings(settings, card.task)
    prepared = load(card, found, say)  # before a new folder is made, so that a mistake leaves nothing behind
    folder = folder or _new_folder(name, card, found, settings)
    return run_sweep(card, found, settings, prepared, folder, say, gradients=gradients, fresh_budget=budget is not None)


def _new_folder(name: str | None, card: Card, space: SearchSpace, settings: Settings) -> SweepFolder:
    from .sweeps.folders import NameTaken, free_name, new_folder

    began = datetime.datetime.now(datetime.UTC)
    facts = {
        "card": card.name,
        "task": card.task,
        "card_folder": str(card.folder.resolve()),
        "space": space.name,
        "settings": dataclasses.asdict(settings),
        "began": began.isoformat(),
    }
    if name is not None:
        return new_folder(name, facts, card.text, space.text)
    stamp = began.astimezone().strftime("%Y%m%d-%H%M%S")
    while True:
        with contextlib.suppress(NameTaken):  # by a sweep that began in the same moment
            return new_folder(free_name(f"{card.task}-{card.name}-{stamp}"), facts, card.text, space.text)


def load_dataset(name: str) -> pd.DataFrame:
    """All examples of a declared dataset: `text, label` or `tokens, tags`, and `split`.

    Raises:
        SweeperError: see `errors`.
    """
    import pandas as pd

    from .data.prepare import prepare
    from .data.source_spec import SPLITS

    prepared = prepare(cards.load_card(name), encodings=())
    parts = [prepared.examples(part).assign(split=part) for part in SPLITS]
    return pd.concat(parts, ignore_index=True)


def leaderboard(sweep: str | None = None) -> pd.DataFrame:
    """The leaderboard of a sweep, the newest by default; see `report.leaderboard`."""
    from .sweeps.folders import find_folder
    from .sweeps.outcome import leaderboard_of
    from .tasks import Baseline

    folder = find_folder(sweep)
    facts, history = folder.facts, folder.history()
    results = history.with_pruned(facts["settings"]["epochs"])
    if not results:
        raise UsageError(f"{folder.name}: has no finished trial yet")
    return leaderboard_of(history, results, facts["objective"], Baseline.of_facts(facts), folder.shipped)


def export(sweep: str | None = None, *, trial: int | None = None, to: str) -> Path:
    """Export a trial of a sweep, by default the best of the newest, as a SavedModel.

    Args:
        to: a new folder.

    Returns:
        The folder.

    Raises:
        SweeperError: see `errors`; ExportError if the exported model answers otherwise than the trained one.
    """
    from .sweeps.folders import find_folder
    from .system.files import check_free, copy_whole

    folder = find_folder(sweep)
    check_free(Path(to))
    history = folder.history()
    best = history.best(folder.facts["objective"]) if history.results else None
    if best is None:
        raise UsageError(f"{folder.name}: no trial of it gave a model")
    shipped = folder.shipped  # stays until a sweep that was resumed has ended
    repeated = {again: number for number, numbers in history.repeats.items() for again in numbers}
    counting = sorted(number for number in history.results if history.results[number].counts and number not in repeated)
    if trial in repeated:
        raise UsageError(
            f"--trial: {trial} trained {repeated[trial]} again, for its score alone; export {repeated[trial]}"
        )
    if trial is not None and trial not in counting:
        raise UsageError(f"--trial: {trial} gave no model in {folder.name}; these did: {', '.join(map(str, counting))}")
    trials = (trial,) if trial is not None else shipped.trials if shipped else (best.number,)
    ready = folder.exported(trials)
    if ready is not None:
        copy_whole(ready, Path(to))  # written and compared when the sweep ended
    elif not all(map(folder.has_weights, trials)):
        kept = [number for number in counting if folder.has_weights(number)]
        raise UsageError(
            f"--trial: the weights of {', '.join(map(str, trials))} are gone, as only those of the best ten trials of a sweep are kept; "
            f"in {folder.name} these are: {', '.join(map(str, kept))}"
        )
    else:
        _export_now(folder, trials, to=to)
    return Path(to)


def _export_now(folder: SweepFolder, trials: Sequence[int], *, to: str) -> None:
    from .sweeps import jobs
    from .sweeps.resume import load_saved
    from .sweeps.run import load
    from .sweeps.shipping import card_facts
    from .trials.baselines import baselines_of
    from .workers.pool import Workers

    card, space, _ = load_saved(folder)
    prepared = load(card, space, _to_standard_error)
    folder.note_data(prepared.meta, folder.facts["objective"], folder.facts["vectors"])
    asked = folder.history(prepared.folder).orders
    orders = [asked[number] for number in trials]
    with Workers(1, folder.path / "workers.log") as workers:
        baselines = workers.run(baselines_of, str(prepared.folder))
        workers.run(jobs.choose_decoding, orders[0])
        # Test data score the winner of a sweep that has ended, once, and no other trial, lest they choose.
        scores = workers.run(jobs.score_validation, orders)
        facts = card_facts(card, folder.name, "validation", scores, baselines)
        workers.run(jobs.export_trials, orders, str(Path(to).resolve()), facts)

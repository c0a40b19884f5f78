"""Which configuration comes next: ask/tell over KerasTuner's oracles. The only importer of keras_tuner.

KerasTuner's `Tuner` is not used. Its oracles are asked and told from one process, and
guarded: see `_oracle` and `Proposer.ask`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters
from keras_tuner.src.engine.conditions import Parent

from .errors import SweepError
from .ranges import Choice, Int, Range
from .spaces import SearchSpace

MOST_REPEATS = 200  # proposals in a row that were tried before; then the space counts as exhausted
ENDLESS = 10**9


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Args:
        key: the oracle's name for it.
        values: active parameters of the space only.
        epochs: train up to so many in all; None for the sweep's own number.
        continues: the key of the proposal whose weights it takes up, trained for
            `initial_epoch` epochs.
    """

    key: str
    values: dict[str, Any]
    epochs: int | None = None
    continues: str | None = None
    initial_epoch: int = 0


class Proposer:
    """Asks an oracle for configurations and tells it how they did.

    Args:
        algorithm: one of `arguments.ALGORITHMS`.
        epochs: the most that hyperband gives to one configuration.
    """

    def __init__(self, space: SearchSpace, *, algorithm: str, objective: str, epochs: int, seed: int) -> None:
        self.space = space
        self.objective = objective
        self.oracle = _oracle(space, algorithm, objective, epochs, seed)
        self._scores: dict[tuple[Any, ...], float | None] = {}  # by what has ended
        self._asked: set[tuple[Any, ...]] = set()  # what was proposed, whether it has ended or not
        self._failed: list[Any] = []
        if algorithm == "bayesian":
            _count_failures_as_the_worst(self.oracle, self._failed)

    def ask(self) -> Proposal | None:
        """The next configuration; None where nothing is left to try, or nothing until a running trial ends.

        What was tried already, as it may be in a space with conditions, is told again, or nothing where it still runs, and
        another one asked for, so that no trial is run twice.
        """
        for _ in range(MOST_REPEATS):
            trial = self.oracle.create_trial(f"asker-{len(self.oracle.trials)}")
            if trial.status != "RUNNING":
                return None
            proposal = self._proposal(trial)
            tried = _identity(proposal)
            if tried in self._scores:
                self.tell(proposal, self._scores[tried])
            elif tried in self._asked:
                trial.status = "FAILED"
                self.oracle.end_trial(trial)
            else:
                self._asked.add(tried)
                return proposal
        return None

    def tell(self, proposal: Proposal, score: float | None) -> None:
        """Say how a proposal did; None if it failed."""
        self._scores[_identity(proposal)] = score
        trial = self.oracle.trials[proposal.key]
        if score is None:
            self._failed.append(trial)
            _give_up_its_place(self.oracle, proposal.key)
            trial.status = "FAILED"  # not INVALID, which would be retried, unchanged
        else:
            self.oracle.update_trial(proposal.key, {self.objective: score})
            trial.status = "COMPLETED"
        self.oracle.end_trial(trial)

    def ask_again(self, configuration: Mapping[str, Any]) -> Proposal:
        """Ask for what was asked before, so that the oracle's state is rebuilt.

        Raises:
            SweepError: the oracle proposes something else; the space, the seed or a version differs.
        """
        asked = self.ask()
        if asked is None or any(configuration.get(name) != value for name, value in asked.values.items()):
            raise SweepError(
                "the oracle no longer proposes what it proposed; was a package updated since the sweep began? Start a new sweep"
            )
        return asked

    def may_go_on(self) -> set[str]:
        """Keys of proposals with which hyperband may still go on: their rung's next one has room."""
        found: set[str] = set()
        for bracket in getattr(self.oracle, "_brackets", ()):
            for number, (rung, next_rung) in enumerate(itertools.pairwise(bracket["rounds"]), start=1):
                if len(next_rung) < self.oracle._get_size(bracket["bracket_num"], number):
                    found |= {info["id"] for info in rung} - {info["past_id"] for info in next_rung}
        return found

    def _proposal(self, trial: Any) -> Proposal:
        raw: Mapping[str, Any] = trial.hyperparameters.values
        # The oracle's table may hold parameters that are not active; the space says which are.
        values = self.space.active({name: value for name, value in raw.items() if not name.startswith("tuner/")})
        return Proposal(
            trial.trial_id,
            values,
            epochs=raw.get("tuner/epochs"),
            continues=raw.get("tuner/trial_id") if raw.get("tuner/initial_epoch") else None,
            initial_epoch=raw.get("tuner/initial_epoch", 0),
        )


def _identity(proposal: Proposal) -> tuple[Any, ...]:
    return (*sorted(proposal.values.items()), proposal.epochs, proposal.continues)


def _oracle(space: SearchSpace, algorithm: str, objective: str, epochs: int, seed: int) -> Any:
    """An oracle that never ends by itself, prints nothing, and tries the known-good configuration first."""
    common = {
        "objective": keras_tuner.Objective(objective, "max"),
        "hyperparameters": _hyperparameters(space),
        "seed": seed + 1,  # 0 would be replaced by a random one
        "allow_new_entries": False,
        "tune_new_entries": False,
    }
    match algorithm:
        case "grid":
            oracle = keras_tuner.oracles.GridSearchOracle(max_trials=None, **common)
            _propose_while_trials_run(oracle)
        case "bayesian":
            oracle = keras_tuner.oracles.BayesianOptimizationOracle(max_trials=ENDLESS, **common)
            _draw_where_it_repeats(oracle)
        case "hyperband":
            oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=epochs, hyperband_iterations=None, **common)
            _halve_what_there_is(oracle)
        case _:
            oracle = keras_tuner.oracles.RandomSearchOracle(max_trials=ENDLESS, **common)
    oracle.verbose = 0
    # A sweep's own history of what was asked and told rebuilds the oracle; its files would only cost time.
    oracle.save = oracle._save_trial = lambda *_: None
    oracle._max_collisions = MOST_REPEATS
    # Failures in a row are ours to judge; and it would go over all trials whenever one ends.
    oracle._check_consecutive_failures = lambda: None
    _try_first(oracle, space.first())
    return oracle


def _try_first(oracle: Any, first: dict[str, Any]) -> None:
    """Let the first random draw be `first`. Grid search begins with the defaults, which are the same."""
    draw = oracle._random_values
    oracle._random_values = lambda: draw() if oracle.trials else dict(first)


def _draw_where_it_repeats(oracle: Any) -> None:
    """Bayesian search may propose what was tried, which in a small space is all that it can; another guess would cost it
    seconds, and be the same. A random draw takes its place, and ends the search where there is none."""
    guess = oracle.populate_space

    def populated(trial: str) -> Any:
        found = guess(trial)
        return oracle._random_populate_space() if found["values"] and oracle._duplicate(found["values"]) else found

    oracle.populate_space = populated


def _count_failures_as_the_worst(oracle: Any, failed: Sequence[Any]) -> None:
    """Bayesian search leaves failures out of what it learns from, and would go on to propose their like."""
    vectors = oracle._vectorize_trials

    def counted() -> Any:
        worst = min(trial.score for trial in oracle.trials.values() if trial.status == "COMPLETED")
        for trial in failed:
            trial.status, trial.score = "COMPLETED", worst
        try:
            return vectors()
        finally:
            for trial in failed:
                trial.status, trial.score = "FAILED", None

    oracle._vectorize_trials = counted


def _give_up_its_place(oracle: Any, key: str) -> None:
    """Hyperband promotes from full rungs: another configuration takes the place of one that failed, and the places that it
    had in earlier rungs."""
    for bracket in getattr(oracle, "_brackets", ()):
        lost = key
        for rung in reversed(bracket["rounds"]):
            before = [info["past_id"] for info in rung if info["id"] == lost]
            rung[:] = [info for info in rung if info["id"] != lost]
            lost = before[0] if before else lost


class _Short(int):
    """The number of a bracket for whose first rung a small space has no more configurations than `rung` holds."""

    rung: Sequence[Any]


def _halve_what_there_is(oracle: Any) -> None:
    """Hyperband promotes from a rung that is full; one that the space cannot fill counts as full as it is."""
    draw, size = oracle._random_trial, oracle._get_size

    def drawn(trial: str, bracket: dict[str, Any]) -> Any:
        found, rung = draw(trial, bracket), bracket["rounds"][0]
        if found["status"] == "RUNNING" or not rung or isinstance(bracket["bracket_num"], _Short):
            return found
        bracket["bracket_num"] = _Short(bracket["bracket_num"])
        bracket["bracket_num"].rung = rung
        return oracle.populate_space(trial)

    def size_of(bracket_num: int, round_num: int) -> int:
        if isinstance(bracket_num, _Short):
            return -(-len(bracket_num.rung) // int(oracle.factor**round_num))
        return int(size(bracket_num, round_num))

    oracle._random_trial, oracle._get_size = drawn, size_of


def _propose_while_trials_run(oracle: Any) -> None:
    """Grid search waits for each trial, which might add parameters to the space; ours never do."""
    insert = oracle._ordered_ids.insert

    def inserted(trial: str, after: str | None = None) -> None:
        insert(trial, after)
        oracle._populate_next.append(trial)  # what follows it may be asked for at once

    oracle._ordered_ids.insert = inserted


def _hyperparameters(space: SearchSpace) -> keras_tuner.HyperParameters:
    """The space in KerasTuner's words, each default the known-good value."""
    table = keras_tuner.HyperParameters()
    known_good = dict(space.first())
    table.merge([_declared(one, known_good.get(one.name, one.extremes()[0])) for one in space])
    return table


def _of_one_kind(values: Sequence[Any]) -> list[Any]:
    """KerasTuner makes all values of a condition what the first one is."""
    return [float(value) for value in values] if any(isinstance(value, float) for value in values) else list(values)


def _declared(parameter: Range, default: Any) -> hyperparameters.HyperParameter:
    """One parameter. Its conditions are given, not opened as scopes, which know only what was declared in the very same
    ones: neither two conditions nor one that depends on another could be said."""
    conditions = [Parent(name, _of_one_kind(values)) for name, values in parameter.when.items()]
    said = {"default": default, "conditions": conditions}
    if isinstance(parameter, Choice):
        return hyperparameters.Choice(parameter.name, list(parameter.values), **said)
    bounds = {"min_value": parameter.low, "max_value": parameter.high, "sampling": parameter.scale}
    if isinstance(parameter, Int):
        step = None if parameter.scale == "log" else parameter.step
        return hyperparameters.Int(parameter.name, **bounds, step=step, **said)
    return hyperparameters.Float(parameter.name, **bounds, **said)

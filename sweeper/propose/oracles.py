"""KerasTuner's oracles as a sweep needs them. They never end by themselves, print and keep nothing, and try the
known-good configuration first; each mends what would stand in the way of asking it for several trials at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters
from keras_tuner.src.engine.conditions import Parent

from ..declared.ranges import Choice, Int, Range
from ..declared.spaces import SearchSpace

MAX_COLLISIONS = 200  # draws in a row that were tried before; then the space counts as exhausted
ENDLESS = 10**9


class Oracle(keras_tuner.Oracle):  # type: ignore[misc]
    """What all of them have in common; stands before KerasTuner's own class among the bases of each.

    Args:
        objective: the name of a score that is to rise.
        rest: of KerasTuner's class.
    """

    def __init__(self, space: SearchSpace, objective: str, seed: int, **rest: Any) -> None:
        self._first = space.known_good()
        super().__init__(
            objective=keras_tuner.Objective(objective, "max"),
            hyperparameters=_hyperparameters(space),
            seed=seed + 1,  # 0 would be replaced by a random one
            allow_new_entries=False,
            tune_new_entries=False,
            **rest,
        )
        self.verbose = 0
        self._max_collisions = MAX_COLLISIONS

    def give_up(self, trial: Any) -> None:
        """Take note that a trial has failed, before it is ended."""

    def may_go_on(self) -> set[str]:
        """Keys of trials with which another one may still go on."""
        return set()

    def save(self) -> None:
        """Nothing: a sweep's own history of what was asked and told rebuilds the oracle."""

    def _save_trial(self, trial: Any) -> None:
        """Nothing, likewise."""

    def _check_consecutive_failures(self) -> None:
        """Nothing: failures in a row are ours to judge; and it would go over all trials whenever one ends."""

    def _random_values(self) -> dict[str, Any] | None:
        """The first draw is the known-good configuration."""
        drawn: dict[str, Any] | None = super()._random_values() if self.trials else dict(self._first)
        return drawn


class Random(Oracle, keras_tuner.oracles.RandomSearchOracle):  # type: ignore[misc]
    """Draws without end."""

    def __init__(self, space: SearchSpace, objective: str, seed: int) -> None:
        super().__init__(space, objective, seed, max_trials=ENDLESS)


class Grid(Oracle, keras_tuner.oracles.GridSearchOracle):  # type: ignore[misc]
    """Begins with the defaults, which are the known-good configuration, and waits for no trial before it goes on."""

    def __init__(self, space: SearchSpace, objective: str, seed: int) -> None:
        super().__init__(space, objective, seed, max_trials=None)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """KerasTuner proposes what follows a trial once that has ended, as it might add parameters; ours never do."""
        found: dict[str, Any] = super().populate_space(trial_id)
        if found["values"] is not None and trial_id not in self._populate_next:
            self._populate_next.append(trial_id)
        return found


class Bayesian(Oracle, keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """Learns from failures too, and ends where a small space is exhausted."""

    def __init__(self, space: SearchSpace, objective: str, seed: int) -> None:
        super().__init__(space, objective, seed, max_trials=ENDLESS)
        self._failed: list[Any] = []

    def give_up(self, trial: Any) -> None:
        self._failed.append(trial)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """It may propose what was tried, which in a small space is all that it can; another guess would cost it seconds,
        and be the same. A random draw takes its place, and ends the search where there is none."""
        found: dict[str, Any] = super().populate_space(trial_id)
        if found["values"] and self._duplicate(found["values"]):
            found = self._random_populate_space()
        return found

    def _vectorize_trials(self) -> Any:
        """Failures count as the worst score: left out, as KerasTuner does, their like would be proposed again."""
        worst = min(trial.score for trial in self.trials.values() if trial.status == "COMPLETED")
        for trial in self._failed:
            trial.status, trial.score = "COMPLETED", worst
        try:
            return super()._vectorize_trials()
        finally:
            for trial in self._failed:
                trial.status, trial.score = "FAILED", None


class Hyperband(Oracle, keras_tuner.oracles.HyperbandOracle):  # type: ignore[misc]
    """Promotes from rungs though trials failed, or a small space has too few configurations to fill one.

    Source: Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization".

    Args:
        epochs: the most that one configuration is given.
    """

    def __init__(self, space: SearchSpace, objective: str, seed: int, epochs: int) -> None:
        super().__init__(space, objective, seed, max_epochs=epochs, hyperband_iterations=None)

    def give_up(self, trial: Any) -> None:
        """It promotes from full rungs: another configuration takes the place of one that failed, and the places that it
        had in earlier rungs."""
        for bracket in self._brackets:
            lost = trial.trial_id
            for rung in reversed(bracket["rounds"]):
                before = [info["past_id"] for info in rung if info["id"] == lost]
                rung[:] = [info for info in rung if info["id"] != lost]
                lost = before[0] if before else lost

    def may_go_on(self) -> set[str]:
        """Those whose rung's next one has room."""
        found: set[str] = set()
        for bracket in self._brackets:
            for number, (rung, next_rung) in enumerate(itertools.pairwise(bracket["rounds"]), start=1):
                if len(next_rung) < self._get_size(bracket["bracket_num"], number):
                    found |= {info["id"] for info in rung} - {info["past_id"] for info in next_rung}
        return found

    def _random_trial(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any]:
        """A first rung that the space cannot fill counts as full as it is."""
        found: dict[str, Any] = super()._random_trial(trial_id, bracket)
        rung = bracket["rounds"][0]
        if found["status"] == "RUNNING" or not rung or isinstance(bracket["bracket_num"], _Short):
            return found
        bracket["bracket_num"] = _Short(bracket["bracket_num"])
        bracket["bracket_num"].rung = rung
        return self.populate_space(trial_id)  # type: ignore[no-any-return]

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        if isinstance(bracket_num, _Short):
            return -(-len(bracket_num.rung) // int(self.factor**round_num))
        return int(super()._get_size(bracket_num, round_num))


class _Short(int):
    """The number of a bracket for whose first rung a small space has no more configurations than `rung` holds."""

    rung: Sequence[Any]


def build_oracle(algorithm: str, space: SearchSpace, objective: str, epochs: int, seed: int) -> Oracle:
    """The oracle of an algorithm (`arguments.ALGORITHMS`).

    Args:
        epochs: the most that hyperband gives to one configuration.
    """
    if algorithm == "hyperband":
        return Hyperband(space, objective, seed, epochs)
    return {"random": Random, "grid": Grid, "bayesian": Bayesian}[algorithm](space, objective, seed)


def _hyperparameters(space: SearchSpace) -> keras_tuner.HyperParameters:
    """The space in KerasTuner's words, each default the known-good value."""
    table = keras_tuner.HyperParameters()
    known_good = dict(space.known_good())
    table.merge([_declared(one, known_good.get(one.name, one.values_or_bounds()[0])) for one in space])
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

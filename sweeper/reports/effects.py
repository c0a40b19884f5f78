"""What the trials of a sweep say about its parameters, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..records import TrialResult

MIN_TRIALS = 8  # trials, below which they say nothing
RESAMPLES = 20  # times that the trials are drawn again, which tells how sure a difference is
TREES = 60
APART = (0.2, 0.8)  # quantiles of a number's values that are compared


class Effect(NamedTuple):
    """What one parameter does, others as they are.

    Args:
        better, worse: the two of its values that are furthest apart; of numbers a low and a high one.
        difference: how much more the objective is with `better`.
        std: standard deviation of that, over trials drawn anew.
    """

    parameter: str
    better: Any
    worse: Any
    difference: float
    std: float

    @property
    def is_clear(self) -> bool:
        return self.difference > 2 * self.std

    def __str__(self) -> str:
        if not self.is_clear:
            return f"{self.parameter}: no clear effect"
        change = f"{self.difference:+.4f} ± {self.std:.4f}"
        return f"{self.parameter}: {_plainly(self.better)} over {_plainly(self.worse)}: {change}"


def parameter_effects(
    results: Sequence[TrialResult], objective: str, seed: int, epochs: Mapping[int, int] | None = None
) -> list[Effect]:
    """The effect of each parameter that varied, the clearest first; none of too few trials.

    A random forest learns the score from the configuration; its partial dependence (Friedman 2001, section 8.2) is the
    mean of what it says of all trials that use a parameter, with that set to a value. Trials that were given fewer
    epochs than others are told apart by their epochs.

    Args:
        epochs: that each trial was given, by its number, whether or not it needed them all; those that it had where it
            is not there.
    """
    counted = [result for result in results if result.counts]
    table = pd.DataFrame([{**one.configuration, "epochs": _given(one, epochs or {})} for one in counted])
    names = [name for name in table.columns if name != "epochs" and table[name].dropna().astype(str).nunique() > 1]
    if len(counted) < MIN_TRIALS or not names:
        return []
    scores = np.array([result.scores[objective] for result in counted])
    features, values = _Features(table[[*names, "epochs"]]), {name: _compared(table[name]) for name in names}
    drawn = [_dependence(features, scores, values, seed + draw) for draw in range(RESAMPLES)]
    effects = [_effect(name, values[name], np.array([one[name] for one in drawn])) for name in names]
    return sorted(effects, key=lambda effect: -effect.difference / max(effect.std, 1e-9))


def _given(result: TrialResult, epochs: Mapping[int, int]) -> int:
    """How many epochs a trial could have; when patience ended it, it was not the fewer that made it worse."""
    return result.epochs if result.state == "stopped" else epochs.get(result.number, result.epochs)


class _Features:
    """Configurations as numbers, words as one column per value. What a trial does not use is as in most that do, so that it
    says nothing; else it would say what the parameter says on which it depends, and share its effect."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        used = {name: table[name].dropna() for name in table}
        self._usual = {name: one.median() if _is_number(one) else one.mode().iloc[0] for name, one in used.items()}
        self.columns = self._encoded(table).columns

    def __call__(self, fixed: Mapping[str, Any]) -> np.ndarray:
        """float64 (trials, columns), with some parameters set where they are used."""
        table = self.table.copy()
        for name, value in fixed.items():
            table[name] = table[name].where(table[name].isna(), value)
        return self._encoded(table).reindex(columns=self.columns, fill_value=0).to_numpy(np.float64)

    def _encoded(self, table: pd.DataFrame) -> pd.DataFrame:
        numbers = [name for name in table if _is_number(self.table[name])]
        whole = table.fillna(self._usual)
        words = whole.drop(columns=numbers).astype(str)
        columns = [pd.get_dummies(words)] if len(words.columns) else []  # which pandas refuses to make of nothing
        return pd.concat([whole[numbers].astype(float), *columns], axis=1)


def _dependence(
    features: _Features, scores: np.ndarray, values: Mapping[str, Sequence[Any]], seed: int
) -> dict[str, list[float]]:
    """For each parameter the partial dependence on each of its compared values, from trials drawn anew."""
    from sklearn.ensemble import RandomForestRegressor

    rows = np.random.default_rng(seed).integers(len(scores), size=len(scores))
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=seed)
    forest.fit(features({})[rows], scores[rows])
    used = {name: features.table[name].notna().to_numpy() for name in values}
    return {
        name: [float(forest.predict(features({name: value})[used[name]]).mean()) for value in some]
        for name, some in values.items()
    }


def _compared(column: pd.Series) -> list[Any]:
    used = column.dropna()
    if _is_number(column) and used.nunique() > 2:
        return [float(used.quantile(at, interpolation="nearest")) for at in APART]
    return sorted(used.unique().tolist(), key=str)


def _effect(name: str, values: Sequence[Any], drawn: np.ndarray) -> Effect:
    """The effect of one parameter, from its partial dependence in each resample.

    Args:
        drawn: float (draws, values).
    """
    best, worst = int(drawn.mean(0).argmax()), int(drawn.mean(0).argmin())
    apart = drawn[:, best] - drawn[:, worst]
    return Effect(name, values[best], values[worst], float(apart.mean()), float(apart.std()))


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)


def _plainly(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Results for people: leaderboard and one HTML page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from ..records import Difference, Differences, Ensemble, TrialResult
from ..tasks import Baseline
from ..trials.selection import Candidate

MAX_CHARACTERS = 300  # characters of an example that are shown


def leaderboard(
    results: Sequence[TrialResult],
    baselines: Sequence[Baseline],
    objective: str,
    test: Mapping[int, Mapping[str, float]],
    candidates: Sequence[Candidate] = (),
    repeats: Mapping[int, Sequence[int]] = MappingProxyType({}),
    ensemble: Ensemble | None = None,
) -> pd.DataFrame:
    """One row per trial and one per baseline, the best first; trials that failed last.

    Args:
        objective: the score that ranks.
        test: scores on the test split, by trial; only the winner has them.
        candidates: those with several seeds come first, by their means.
        repeats: for each trial that was trained again, the trials that did so.
        ensemble: trials that answer as one; they have a row of their own.

    Returns:
        Columns `trial`, `state`, and where trials were trained again `seeds`, `mean_val_OBJECTIVE`, its `std`, and
        which trial a row is a `repeat_of`; `val_...`, `test_...`, costs, then the configuration's parameters; a cell that
        does not apply is missing.
    """
    ordered = sorted(results, key=lambda result: result.number)
    seeds = _seeds(candidates, repeats, objective)
    rows = [{**_trial_row(result, test.get(result.number, {})), **seeds.get(result.number, {})} for result in ordered]
    beside = [(f"baseline: {baseline.name}", baseline.validation, baseline.test) for baseline in baselines]
    if ensemble is not None:
        beside.append((ensemble.name, ensemble.validation, ensemble.test))
    rows += [
        {
            "trial": name,
            "state": "done",
            **{f"val_{score}": value for score, value in validation.items()},
            **{f"test_{score}": value for score, value in on_test.items()},
        }
        for name, validation, on_test in beside
    ]
    table = pd.DataFrame(rows, columns=None if rows else ["trial", "state"])
    for name in table.columns:  # baselines have no such cells, which would make whole numbers fractions
        if {type(value) for value in (row.get(name) for row in rows) if value is not None} == {int}:
            table[name] = table[name].astype("Int64")
    several = [name for name in ("seeds", f"mean_val_{objective}", "std", "repeat_of") if name in table.columns]
    scores = [name for name in table.columns if name.startswith(("val_", "test_"))]
    first = ["trial", "state", *several, *scores]
    table = table[[*first, *(name for name in table.columns if name not in first)]]
    return table.loc[_ranked(table, objective, len(ordered), candidates)].reset_index(drop=True)


def _ranked(table: pd.DataFrame, objective: str, trials: int, candidates: Sequence[Candidate]) -> list[int]:
    """The rows of a leaderboard in order: trials with several seeds by their means, then the others by their score, at last
    those that gave no model with another seed, equal ones as `candidates` has them; and what follows the `trials` before
    the first of them that has less."""
    if f"val_{objective}" not in table.columns:
        return list(table.index)
    alone = table[f"val_{objective}"]
    mean = table.get(f"mean_val_{objective}", alone * np.nan)
    score, place = mean.fillna(alone), {str(one.number): place for place, one in enumerate(candidates)}
    failed_again = table["trial"].isin([str(one.number) for one in candidates if one.failed_again])
    places = table["trial"].map(lambda trial: place.get(trial, len(place)))
    keys = {
        "failed": score.isna(),
        "single": mean.isna(),
        "failed_again": failed_again,
        "below": -score,
        "place": places,
    }
    order = list(pd.DataFrame(keys)[:trials].sort_values(list(keys), kind="stable").index)
    for row in table.index[trials:]:
        lower = (place for place, other in enumerate(order) if not score[other] >= score[row])
        order.insert(next(lower, len(order)), row)
    return order


def _seeds(
    candidates: Sequence[Candidate], repeats: Mapping[int, Sequence[int]], objective: str
) -> dict[int, dict[str, Any]]:
    """By trial, the cells of those that were trained with several seeds, and of those that did so."""
    cells: dict[int, dict[str, Any]] = {
        again: {"repeat_of": number} for number, numbers in repeats.items() for again in numbers
    }
    for one in candidates:
        if one.is_finalist:
            mean = {f"mean_val_{objective}": one.mean, "std": one.std}
            cells[one.number] = {"seeds": len(one.scores), **mean}
    return cells


def _trial_row(result: TrialResult, test: Mapping[str, float]) -> dict[str, Any]:
    return {
        "trial": str(result.number),
        "state": result.state,
        **{f"val_{name}": value for name, value in result.scores.items()},
        **{f"test_{name}": value for name, value in test.items()},
        "best_epoch": result.best_epoch or None,
        "seconds": round(result.seconds, 1),
        "parameters": result.parameters or None,
        "latency_ms": round(result.latency_ms, 2) or None,
        **result.configuration,
        **({"error": result.error} if result.error else {}),
    }


def varying(table: pd.DataFrame, parameters: Sequence[str]) -> list[str]:
    """Those parameters in which the trials of a leaderboard differ."""
    trials = table[table["trial"].str.isdecimal()]
    return [name for name in parameters if name in trials.columns and trials[name].dropna().astype(str).nunique() > 1]


# ---------------------------------------------------------------- one page


def page(
    title: str,
    facts: Mapping[str, str],
    table: pd.DataFrame,
    warnings: Sequence[str],
    constant: Sequence[str] = (),
    effects: Sequence[str] = (),
    differences: Differences | None = None,
) -> str:
    """The whole sweep as one HTML page; every text of the data is escaped.

    Args:
        constant: columns of the leaderboard that have one value in all trials that use them, and are left out.
        effects: of the parameters, in words.
        differences: of the winner and the strongest baseline.
    """
    shown = table[[name for name in table.columns if name not in constant]].dropna(axis=1, how="all")
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items()
    )
    notes, said = ("".join(f"<li>{html.escape(line)}</li>" for line in lines) for lines in (warnings, effects))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; font-size: 13px; margin: 1rem 0 }}
th, td {{ padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap }}
.wide tbody tr:first-child {{ background: #eef6ee }}
.wide {{ overflow-x: auto }}
.examples td {{ white-space: normal }}
</style>
<h1>{html.escape(title)}</h1>
<table>{rows}</table>
{f"<h2>About the data</h2><ul>{notes}</ul>" if notes else ""}
{f"<h2>Parameter effects</h2><ul>{said}</ul>" if said else ""}
{"" if differences is None else _errors(differences)}
<h2>Leaderboard</h2>
<div class="wide">{shown.astype(object).where(shown.notna(), "").to_html(index=False, float_format=_plainly, border=0, escape=True)}</div>
</html>
"""


def _errors(differences: Differences) -> str:
    said = html.escape(str(differences))
    repaired, made = map(_examples, (differences.of_repaired, differences.of_made))
    return f"<h2>Errors</h2><p>{said}.</p><h3>Repaired, for example</h3>{repaired}<h3>New, for example</h3>{made}"


def _examples(differences: Sequence[Difference]) -> str:
    shown = [
        one._replace(text=one.text if len(one.text) <= MAX_CHARACTERS else f"{one.text[:MAX_CHARACTERS]}...")
        for one in differences
    ]
    if not shown:
        return "<p>None.</p>"
    with pd.option_context("display.max_colwidth", None):  # 50 characters otherwise
        return str(pd.DataFrame(shown).to_html(index=False, border=0, escape=True, classes="examples"))


def _plainly(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"

"""Results for people: leaderboard and one HTML page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .records import TrialResult
from .tasks import Baseline


def leaderboard(
    results: Sequence[TrialResult],
    baselines: Sequence[Baseline],
    objective: str,
    test: Mapping[int, Mapping[str, float]],
) -> pd.DataFrame:
    """One row a trial and one a baseline, the best first; trials that failed last.

    Args:
        objective: the score that ranks.
        test: scores on the test split, by trial; only the winner has them.

    Returns:
        Columns `trial`, `state`, `val_...`, `test_...`, costs, then the configuration's
        parameters; a cell that does not apply is missing.
    """
    ordered = sorted(results, key=lambda result: result.number)  # of equals the earlier one wins
    rows = [_trial_row(result, test.get(result.number, {})) for result in ordered]
    rows += [
        {
            "trial": f"baseline: {baseline.name}",
            "state": "done",
            **{f"val_{name}": value for name, value in baseline.validation.items()},
            **{f"test_{name}": value for name, value in baseline.test.items()},
        }
        for baseline in baselines
    ]
    table = pd.DataFrame(rows)
    for name in table.columns:  # baselines have no such cells, which would make whole numbers fractions
        if {type(value) for value in (row.get(name) for row in rows) if value is not None} == {int}:
            table[name] = table[name].astype("Int64")
    scores = [name for name in table.columns if name.startswith(("val_", "test_"))]
    table = table[["trial", "state", *scores, *(name for name in table.columns[2:] if name not in scores)]]
    ranked = f"val_{objective}"
    if ranked not in table.columns:
        return table
    return table.sort_values(ranked, ascending=False, kind="stable", na_position="last").reset_index(drop=True)


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
    trials = table[~table["trial"].str.startswith("baseline")]
    return [name for name in parameters if name in trials.columns and trials[name].astype(str).nunique() > 1]


# ---------------------------------------------------------------- one page


def page(
    title: str,
    facts: Mapping[str, str],
    table: pd.DataFrame,
    warnings: Sequence[str],
    constant: Sequence[str] = (),
    lessons: Sequence[str] = (),
) -> str:
    """The whole sweep as one HTML page; every text of the data is escaped.

    Args:
        constant: columns of the leaderboard that are the same in every trial and are left out.
        lessons: what the trials say about the parameters.
    """
    shown = table[[name for name in table.columns if name not in constant]].dropna(axis=1, how="all")
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items()
    )
    notes, said = ("".join(f"<li>{html.escape(line)}</li>" for line in lines) for lines in (warnings, lessons))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; font-size: 13px; margin: 1rem 0 }}
th, td {{ padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap }}
tbody tr:first-child {{ background: #eef6ee }}
.wide {{ overflow-x: auto }}
</style>
<h1>{html.escape(title)}</h1>
<table>{rows}</table>
{f"<h2>About the data</h2><ul>{notes}</ul>" if notes else ""}
{f"<h2>What the trials say</h2><ul>{said}</ul>" if said else ""}
<h2>Leaderboard</h2>
<div class="wide">{shown.to_html(index=False, na_rep="", float_format=_plainly, border=0, escape=True)}</div>
</html>
"""


def _plainly(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"

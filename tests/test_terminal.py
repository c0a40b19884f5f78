"""What a person sees in a terminal."""

from __future__ import annotations

import pandas as pd
import pytest
from rich.console import Console

from sweeper.reports.terminal import leaderboard_table

BOARD = pd.DataFrame(
    {
        "trial": ["44", "16", "baseline: most frequent tag"],
        "mean_val_accuracy": [0.78552, 0.7843, None],
        "test_accuracy": [0.7796, None, 0.7714],
        "cell": ["simple_rnn", "gru", None],
        "best_epoch": [3, 12, None],
    }
)


@pytest.mark.parametrize(("width", "columns"), [(40, 1), (41, 2), (80, 5), (160, 5)])
def test_a_leaderboard_shows_the_columns_that_fit_and_breaks_nothing_but_headings(width, columns):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(leaderboard_table(BOARD, list(BOARD), width))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    rows = [line.split("  ") for line in lines if line.lstrip().startswith(("44", "16", "baseline"))]
    assert max(map(len, lines)) <= width
    assert rows[2][0].strip() == "baseline: most frequent tag"
    found = [cell.strip() for cell in rows[0] if cell.strip()]
    assert found == ["44", "0.7855", "0.7796", "simple_rnn", "3"][:columns]

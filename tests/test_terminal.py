"""What a person sees in a terminal."""

from __future__ import annotations

import pandas as pd
import pytest
from rich.console import Console

from sweeper.reports.terminal import brief, leaderboard_table

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


def test_the_line_of_a_trial_names_what_it_has_and_nothing_that_it_lacks():
    tagger = {"cell": "lstm", "direction": "both", "depth": 2, "units": 64, "attention": "none", "input": "learned"}
    assert brief({**tagger, "head": "crf", "characters": "cnn"}) == "lstm both x2 64 learned characters cnn crf"
    assert brief({**tagger, "attention": "dot", "bigrams": "yes"}) == "lstm both x2 64 dot attention learned bigrams"
    assert brief({"cell": "gru", "pooling": "max", "extra": "ngrams", "bigrams": "no"}) == "gru max ngrams"

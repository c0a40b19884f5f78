"""What a person sees in a terminal."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sweeper.records import EpochEvent, TrialResult
from sweeper.reports.terminal import Board, brief, leaderboard_table

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


SCORE = st.sampled_from([0.1, 0.2, 0.3])
EVENT = st.tuples(st.integers(0, 4), st.sampled_from(["epoch", "done", "failed", "interrupted"]), SCORE, SCORE)


@given(st.lists(EVENT, max_size=20))
def test_the_best_trial_of_the_board_is_the_best_of_all_that_count(events):
    """After epochs, ends and failures in any order; of equals that with the lower loss, then the earlier one."""
    board, known = Board("accuracy", None, None), {}
    for trial, what, score, loss in events:
        if what == "epoch":
            board.epoch(EpochEvent(trial, 1, {"val_accuracy": score, "val_loss": loss}, 0.0))
            known[trial] = max(known.get(trial, (0.0, 0.0)), (score, -loss))
            continue
        scores = {"accuracy": score, "loss": loss} if what == "done" else {}
        board.ended(TrialResult(trial, {}, what, scores))
        known.pop(trial, None)
        if what == "done":
            known[trial] = score, -loss
    assert board.scores == known
    assert board.best == max(known, key=lambda trial: (known[trial], -trial), default=None)

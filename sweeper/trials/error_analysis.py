"""Where the winner and the strongest baseline differ: the errors that it repairs, and those that it makes.

On validation data: whoever reads errors learns from them, and test data teach nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..data.store import Prepared
from ..records import Difference, Differences, TrialOrder
from .baselines import strongest_answers
from .ensembles import FinishedTrials

MAX_SHOWN = 6  # examples of each kind
AROUND = 5  # tokens that are shown on each side of one


class _Labels(NamedTuple):
    """Label ids of the same examples or tokens, int32 (n,)."""

    true: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray


def compare(orders: Sequence[TrialOrder]) -> Differences | None:
    """Finished trials that answer as one beside the strongest baseline; None for a task that writes, or where none was
    computed."""
    finished = FinishedTrials(orders)
    strongest = strongest_answers(finished.prepared.folder)
    if strongest is None:
        return None
    name, theirs = strongest
    split, predictions = finished.predict("validation")
    labels = _Labels(split.truth().labels, predictions.answers.labels, theirs)
    return differences(finished.prepared, labels, name, orders[0].seed)


def differences(prepared: Prepared, labels: _Labels, baseline: str, seed: int) -> Differences:
    """What `labels` of the validation split say; the examples are drawn by `seed`."""
    we_err, they_err = labels.ours != labels.true, labels.theirs != labels.true
    repaired, made = np.flatnonzero(they_err & ~we_err), np.flatnonzero(we_err & ~they_err)
    generator = np.random.default_rng(seed)
    drawn = [np.sort(generator.permutation(places)[:MAX_SHOWN]) for places in (repaired, made)]
    return Differences(
        baseline,
        "examples" if prepared.meta.kind == "labels" else "tokens",
        int((we_err & they_err).sum()),
        len(repaired),
        len(made),
        *(tuple(_shown(prepared, labels, places)) for places in drawn),
    )


def _shown(prepared: Prepared, labels: _Labels, places: np.ndarray) -> Iterator[Difference]:
    table, names = prepared.examples("validation"), prepared.meta.labels
    texts = (
        [table["text"].iloc[place] for place in places]
        if prepared.meta.kind == "labels"
        else list(_in_context(table["tokens"].tolist(), places))
    )
    for text, place in zip(texts, places, strict=True):
        yield Difference(text, *(names[column[place]] for column in labels))


def _in_context(sentences: Sequence[Sequence[str]], places: np.ndarray) -> Iterator[str]:
    """Tokens by their place in all sentences end to end, each in brackets among its neighbours."""
    ends = np.cumsum([len(tokens) for tokens in sentences])
    for place in places:
        number = int(np.searchsorted(ends, place, side="right"))
        tokens = list(sentences[number])
        at = int(place - (ends[number] - len(tokens)))
        between = "" if max(map(len, tokens)) == 1 else " "  # characters are written without blanks
        before, after = tokens[max(at - AROUND, 0) : at], tokens[at + 1 : at + 1 + AROUND]
        yield between.join([*before, f"[{tokens[at]}]", *after])

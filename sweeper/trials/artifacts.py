"""What a trial shows of itself: its learning curve, and by task confusions, alignments or samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.batches import Answers, Split
from ..data.store import Prepared
from ..data.texts import Texts, condition_labels
from ..learners import vocabulary
from ..learners.base import Learner
from ..learners.language_model import LanguageModelLearner
from ..learners.sequences import SequenceLearner
from ..records import EpochEvent, TrialOrder
from ..tasks import TASKS
from ..tasks.base import confusion
from . import plots

ATTENTION_EXAMPLES = (0.3, 0.6, 0.9)  # whose attention is drawn: examples by their place when sorted by length
MAX_DRAWN = 60  # tokens of a source, and symbols of a target: a picture of hundreds could outgrow the memory
TEMPERATURES = (0.3, 0.7, 1.0)  # at which samples are drawn
SAMPLES, SAMPLED = 2, {"characters": 300, "words": 60, "symbols": 60}  # samples each, and their symbols


def write_artifacts(
    order: TrialOrder,
    prepared: Prepared,
    learner: Learner[Any],
    events: Sequence[EpochEvent],
    answers: Answers,
    validation: Split | Texts,
) -> None:
    """Write the trial's pictures and samples into its folder.

    Args:
        learner: with the weights of the best epoch.
        answers: of it, on the validation split.
    """
    folder, meta = Path(order.folder), prepared.meta
    plots.learning_curve(events, TASKS[order.task].objective(meta), folder / "learning_curve.png")
    if isinstance(learner, LanguageModelLearner):
        (folder / "samples.txt").write_text(samples(order, prepared, learner), encoding="utf-8")
    elif not isinstance(learner, SequenceLearner):
        table = confusion(validation.truth().labels, answers.labels, len(meta.labels))
        plots.confusion_plot(table, meta.labels, folder / "confusion.png")
    elif order.configuration["attention"] != "none":
        assert isinstance(validation, Split)
        drawn = list(_alignments(order, prepared, learner, validation))
        plots.attention_plot(drawn, folder / "attention.png")


def _alignments(
    order: TrialOrder, prepared: Prepared, learner: Learner[Any], validation: Split
) -> Iterator[plots.Alignment]:
    """Attention of a few examples, from short to long, and of long ones the beginning."""
    names, symbols = vocabulary(order, prepared), prepared.meta.labels
    by_length = np.argsort(validation.lengths, kind="stable")
    for row in by_length[(len(by_length) * np.array(ATTENTION_EXAMPLES)).astype(int)]:
        ids = validation.batch(np.array([row])).ids
        written = learner.model.write(ids)
        wrote = written.symbols.numpy()[0]
        yield plots.Alignment(
            [names[place] for place in ids[0, :MAX_DRAWN]],
            [symbols[symbol] for symbol in wrote[:MAX_DRAWN]],
            written.attention.numpy()[0, :MAX_DRAWN, :MAX_DRAWN],
        )


def samples(order: TrialOrder, prepared: Prepared, learner: LanguageModelLearner) -> str:
    """Texts from an empty prompt at three temperatures; each label in turn, where texts have one."""
    meta = prepared.meta
    labels, parts = condition_labels(meta, order.configuration) or ("",), []
    rows = SAMPLES * len(labels)
    conditions = np.arange(rows, dtype=np.int32) // SAMPLES
    for temperature in TEMPERATURES:
        nothing = np.zeros((rows, 0), np.int32), np.zeros(rows, np.int32)
        written = learner.write(*nothing, conditions, temperature, 0, order.seed, SAMPLED[meta.target_tokens])
        for condition, symbols in zip(conditions, written.numpy(), strict=True):
            label = labels[condition] and f", {labels[condition]}"
            parts.append(f"--- temperature {temperature}{label}\n{meta.written(symbols)}\n")
    return "\n".join(parts)

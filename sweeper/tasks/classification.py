"""What sentiment and text classification share: one label a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import linear
from ..data.batches import Answers, character_alphabet, joins_ngrams
from ..data.source_spec import SPLITS
from ..data.store import Meta, Prepared, has_linear, open_linear_scores, read_texts
from ..records import Configuration, Scores
from .base import Baseline, Task, TrainedModel, accuracy, confusion, correct_and_total, macro_f1

if TYPE_CHECKING:
    import keras

    from ..models import Sizes


class Classification(Task):
    """One label a text, scored by accuracy and macro F1; stars also by mean absolute error."""

    can_ensemble = True

    def __init__(self, name: str) -> None:
        self.name = name

    def objective(self, meta: Meta) -> str:
        return "accuracy"

    def scores(self, meta: Meta, truth: Answers, predicted: Answers) -> Scores:
        table = confusion(truth.labels, predicted.labels, len(meta.labels))
        found = {"accuracy": accuracy(table), "macro_f1": macro_f1(table)}
        if meta.ordered:
            values = np.array([float(label) for label in meta.labels])
            found["mae"] = float(np.abs(values[truth.labels] - values[predicted.labels]).mean())
        return found

    def statistics(self, meta: Meta, truth: Answers, predicted: Answers) -> np.ndarray:
        return correct_and_total(truth, predicted)

    def build(self, configuration: Configuration, sizes: Sizes) -> keras.Model:
        from ..models import build_classifier

        return build_classifier(configuration, sizes)

    def serving(self, models: Sequence[TrainedModel], prepared: Prepared) -> Any:
        from .linear_scores import LinearScores
        from .serving import ClassifierModule, TextReader, as_one

        def reader(one: TrainedModel) -> TextReader:
            scores = LinearScores.of(prepared, one.configuration) if joins_ngrams(one.configuration) else None
            return TextReader(*one, character_alphabet(prepared, one.configuration), scores)

        return ClassifierModule(as_one(map(reader, models)), prepared.meta.labels)

    def baselines(self, prepared: Prepared) -> list[Baseline]:
        """The most frequent label, and logistic regression on TF-IDF of 1- and 2-grams of our own tokens; see `linear`."""
        labels = {part: np.asarray(prepared.labels()[prepared.rows(part)]) for part in SPLITS}
        truth = {part: Answers.one_each(labels[part]) for part in SPLITS[1:]}
        frequent = np.bincount(labels["train"]).argmax()
        majority = {part: Answers.one_each(np.full(len(labels[part]), frequent)) for part in SPLITS[1:]}
        return [
            self.baseline(prepared, "majority", truth, majority),
            self.baseline(prepared, "linear", truth, _linear(prepared, labels["train"])),
        ]


def _linear(prepared: Prepared, labels: np.ndarray) -> dict[str, Answers]:
    """What a linear classifier answers on validation and test; one that was fitted for models to join is the same."""
    if has_linear(prepared, "tfidf"):
        scores = open_linear_scores(prepared, "tfidf")
        return {part: Answers.one_each(scores[prepared.rows(part)].argmax(1)) for part in SPLITS[1:]}
    fitted = linear.fit("tfidf", read_texts(prepared, "train"), labels, len(prepared.meta.labels))
    return {part: Answers.one_each(fitted.scores(read_texts(prepared, part)).argmax(1)) for part in SPLITS[1:]}

"""What sentiment and text classification share: one label a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import linear
from ..data.batches import Answers
from ..data.store import Meta, Prepared, read_texts
from ..records import Configuration, Scores
from .base import Baseline, Task, accuracy, confusion, macro_f1

if TYPE_CHECKING:
    import keras

    from ..models import Sizes


class Classification(Task):
    """One label a text, scored by accuracy and macro F1; stars also by mean absolute error."""

    def __init__(self, name: str) -> None:
        self.name = name

    def objective(self, meta: Meta) -> str:
        return "accuracy"

    def scores(self, meta: Meta, truth: Answers, predicted: Answers, groups: np.ndarray | None = None) -> Scores:
        table = confusion(truth.labels, predicted.labels, len(meta.labels))
        found = {"accuracy": accuracy(table), "macro_f1": macro_f1(table)}
        if meta.ordered:
            values = np.array([float(label) for label in meta.labels])
            found["mae"] = float(np.abs(values[truth.labels] - values[predicted.labels]).mean())
        return found

    def build(self, configuration: Configuration, sizes: Sizes) -> keras.Model:
        from ..models import build_classifier

        return build_classifier(configuration, sizes)

    def serving(
        self, model: keras.Model, vocabulary: list[str], prepared: Prepared, configuration: Configuration
    ) -> Any:
        from .linear_scores import LinearScores
        from .serving import ClassifierModule

        scores = LinearScores.of(prepared, configuration) if configuration["extra"] == "ngrams" else None
        return ClassifierModule(model, vocabulary, prepared.meta.labels, configuration, scores)

    def baselines(self, prepared: Prepared) -> list[Baseline]:
        """The most frequent label, and logistic regression on TF-IDF of 1- and 2-grams of our own tokens; see `linear`."""
        truth = {part: prepared.labels()[prepared.rows(part)] for part in ("train", "validation", "test")}
        frequent = np.bincount(truth["train"]).argmax()
        predicted = {
            "majority": {part: np.full(len(truth[part]), frequent) for part in ("validation", "test")},
            "linear": _linear(prepared, truth["train"]),
        }
        return [
            Baseline(
                name,
                *(
                    self.scores(prepared.meta, Answers.one_each(truth[part]), Answers.one_each(found[part]))
                    for part in ("validation", "test")
                ),
            )
            for name, found in predicted.items()
        ]


def _linear(prepared: Prepared, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Predicted label ids on validation and test."""
    fitted = linear.fit("tfidf", read_texts(prepared, "train"), labels, len(prepared.meta.labels))
    return {part: fitted.scores(read_texts(prepared, part)).argmax(1) for part in ("validation", "test")}

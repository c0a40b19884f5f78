"""What a task is. Imports no TensorFlow: builders and serving modules are imported where they are used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data.batches import Answers
from ..data.store import Meta, Prepared
from ..records import Configuration, Scores

if TYPE_CHECKING:
    import keras

    from ..models import Sizes


class Baseline(NamedTuple):
    """A simple method's scores, for comparison.

    Args:
        name: such as "majority".
        validation, test: scores on these splits, as `Task.scores` gives them.
        statistics: see `Task.statistics`, of the test split.
        answers: labels of the validation split, end to end; None of a task that writes.
    """

    name: str
    validation: Scores
    test: Scores
    statistics: np.ndarray | None = None
    answers: np.ndarray | None = None

    def noted(self) -> dict[str, Any]:
        """As JSON has it; its scores alone."""
        return {"name": self.name, "validation": self.validation, "test": self.test}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> list[Baseline]:
        """Those that a sweep has noted; none as long as they are computed."""
        return [cls(**row) for row in facts.get("baselines", [])]


class TrainedModel(NamedTuple):
    """A trained model, the tokens that it reads by id, and its configuration."""

    model: keras.Model
    vocabulary: list[str]
    configuration: Configuration


class Task(ABC):
    """One kind of question that a model answers about a text."""

    name: str
    can_ensemble = False  # whether several models can answer as one
    card_summary = "takes raw text and answers with label names"  # what an exported model does, for its card

    def card_names(self, meta: Meta) -> dict[str, Sequence[str]]:
        """The names that such a model reads or answers with, for its card."""
        return {"labels": meta.labels}

    @abstractmethod
    def objective(self, meta: Meta) -> str:
        """Which score chooses the best trial; more is better."""

    @abstractmethod
    def scores(self, meta: Meta, truth: Answers, predicted: Answers) -> Scores:
        """The field's own scores."""

    @abstractmethod
    def statistics(self, meta: Meta, truth: Answers, predicted: Answers) -> np.ndarray | None:
        """float64 (examples, k), or a row for each group of them: what the objective is computed from once it is summed,
        so that it can be asked what it would be for other examples; None where it cannot."""

    def score_of_statistics(self, meta: Meta, sums: np.ndarray) -> np.ndarray:
        """The objective, float (...,), from summed statistics, float (..., k); a share, where a task has no other."""
        return np.asarray(sums[..., 0] / sums[..., 1])

    def baseline(
        self, prepared: Prepared, name: str, truth: Mapping[str, Answers], found: Mapping[str, Answers]
    ) -> Baseline:
        """The scores of what a simple method answers on validation and test."""
        meta = prepared.meta
        validation, test = (self.scores(meta, truth[part], found[part]) for part in ("validation", "test"))
        statistics = self.statistics(meta, truth["test"], found["test"])
        answers = None if meta.writes else found["validation"].labels
        return Baseline(name, validation, test, statistics, answers)

    @abstractmethod
    def baselines(self, prepared: Prepared) -> list[Baseline]:
        """Simple methods, fitted on the training split."""

    @abstractmethod
    def build(self, configuration: Configuration, sizes: Sizes) -> keras.Model:
        """A model from ids to a dictionary with `logits`."""

    @abstractmethod
    def serving(self, models: Sequence[TrainedModel], prepared: Prepared) -> Any:
        """A tf.Module whose `signatures()` take raw text and answer with label names.

        Args:
            models: one; or several, where the task `can_ensemble`, which then answer as one.
        """


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int (classes, classes): row is the true label, column the predicted one."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (truth, predicted), 1)
    return table


def correct_and_total(truth: Answers, predicted: Answers) -> np.ndarray:
    """float64 (examples, 2): of each example's labels how many are right, and how many there are."""
    ends = np.cumsum(truth.lengths)
    right = np.concatenate([[0], np.cumsum(truth.labels == predicted.labels)])
    return np.stack([right[ends] - right[ends - truth.lengths], truth.lengths], axis=1).astype(np.float64)


def accuracy(table: np.ndarray) -> float:
    """Share on the diagonal of a confusion table."""
    return float(np.trace(table) / max(table.sum(), 1))


def macro_f1(table: np.ndarray) -> float:
    """Mean over the labels that occur, in truth or prediction, of F1 = 2 TP / (true + predicted)."""
    occurring = table.sum(0) + table.sum(1)
    f1 = 2 * np.diag(table)[occurring > 0] / occurring[occurring > 0]
    return float(f1.mean()) if len(f1) else 0.0

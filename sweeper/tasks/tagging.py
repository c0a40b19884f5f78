"""Sequence tagging: entities (spans, scored by F1) or one tag per token (scored by accuracy)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches import Answers, character_alphabet
from ..data.source_spec import SPLITS
from ..data.store import Meta, Prepared, open_encoded
from ..records import Configuration, Scores
from .base import Baseline, Task, TrainedModel, accuracy, confusion, correct_and_total, macro_f1

if TYPE_CHECKING:
    import keras

    from ..models import Sizes


class Tagging(Task):
    """One tag a token; padding counts nowhere."""

    name = "tagging"
    can_ensemble = True
    card_summary = "takes raw text, or its tokens, and answers with a tag for each token"

    def card_names(self, meta: Meta) -> dict[str, Sequence[str]]:
        return {"tags": meta.labels}

    def objective(self, meta: Meta) -> str:
        return "f1" if meta.kind == "entities" else "accuracy"

    def scores(self, meta: Meta, truth: Answers, predicted: Answers) -> Scores:
        table = confusion(truth.labels, predicted.labels, len(meta.labels))
        if meta.kind != "entities":
            return {"accuracy": accuracy(table), "macro_f1": macro_f1(table)}
        return {**span_scores(*_sentences(meta, truth, predicted)), "token_accuracy": accuracy(table)}

    def statistics(self, meta: Meta, truth: Answers, predicted: Answers) -> np.ndarray:
        if meta.kind != "entities":
            return correct_and_total(truth, predicted)
        return span_counts(*_sentences(meta, truth, predicted))

    def score_of_statistics(self, meta: Meta, sums: np.ndarray) -> np.ndarray:
        if meta.kind != "entities":
            return super().score_of_statistics(meta, sums)
        return np.asarray(2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1))

    def build(self, configuration: Configuration, sizes: Sizes) -> keras.Model:
        from ..models import build_tagger

        return build_tagger(configuration, sizes)

    def serving(self, models: Sequence[TrainedModel], prepared: Prepared) -> Any:
        from .serving import TaggerModule, TokenReader, as_one

        def reader(one: TrainedModel) -> TokenReader:
            return TokenReader(*one, character_alphabet(prepared, one.configuration))

        return TaggerModule(as_one(map(reader, models)), prepared.meta.labels)

    def baselines(self, prepared: Prepared) -> list[Baseline]:
        """The most frequent tag, and each word's most frequent tag."""
        encoded = open_encoded(prepared, "words", lowercase=True)
        labels = prepared.labels()
        inside = {
            part: slice(encoded.offsets[rows.start], encoded.offsets[rows.stop])
            for part in SPLITS
            for rows in [prepared.rows(part)]
        }
        counts = np.zeros((len(encoded.vocabulary), len(prepared.meta.labels)), np.int64)
        np.add.at(counts, (encoded.ids[inside["train"]], labels[inside["train"]]), 1)
        frequent = counts.sum(0).argmax()
        of_word = np.where(counts.any(1), counts.argmax(1), frequent)
        choices = {"majority": np.full(len(of_word), frequent), "most frequent tag": of_word}
        lengths = {part: np.diff(encoded.offsets)[prepared.rows(part)] for part in SPLITS[1:]}
        truth = {part: Answers(np.asarray(labels[inside[part]]), lengths[part]) for part in SPLITS[1:]}
        return [
            self.baseline(
                prepared,
                name,
                truth,
                {part: Answers(choice[encoded.ids[inside[part]]], lengths[part]) for part in SPLITS[1:]},
            )
            for name, choice in choices.items()
        ]


TAGGING = Tagging()


def _sentences(meta: Meta, *answers: Answers) -> Iterator[list[list[str]]]:
    """Names of tags, by sentence. The scorer wants a type, which spans of one kind only may lack."""
    names = np.array([f"{name}-span" if name in ("B", "I") else name for name in meta.labels], dtype=object)
    for side in answers:
        yield [names[tags].tolist() for tags in side.per_example()]


def span_scores(truth: Sequence[list[str]], predicted: Sequence[list[str]]) -> Scores:
    """Precision, recall and F1 of whole spans: type and both bounds must be right (nervaluate's strict counts).

    Args:
        truth, predicted: IOB2 tags by sentence. An I- that continues nothing begins a span.
    """
    correct, actual, possible = map(int, span_counts(truth, predicted).sum(0))
    precision, recall = correct / max(actual, 1), correct / max(possible, 1)
    return {"f1": 2 * correct / max(actual + possible, 1), "precision": precision, "recall": recall}


def span_counts(truth: Sequence[list[str]], predicted: Sequence[list[str]]) -> np.ndarray:
    """float64 (sentences, 3): spans that are right, that were found, and that there are; as in `span_scores`."""
    from nervaluate.loaders import ListLoader
    from nervaluate.strategies import StrictEvaluation

    kinds = sorted({tag[2:] for tags in (*truth, *predicted) for tag in tags if tag != "O"})
    load, strict = ListLoader().load, StrictEvaluation()
    counts = np.zeros((len(truth), 3))
    sides = zip(load(list(truth)), load(list(predicted)), strict=True)
    for place, (true_spans, found_spans) in enumerate(sides):
        if true_spans or found_spans:
            result, _ = strict.evaluate(true_spans, found_spans, kinds, 0)
            counts[place] = result.correct, len(found_spans), len(true_spans)
    return counts

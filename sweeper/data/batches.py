"""Batches of like length from memory-mapped arrays."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..records import UNKNOWN, Configuration
from .store import Prepared, WordCharacters, open_characters, open_linear_scores
from .vocabulary import read_vocabulary

# Batches' worth of examples sorted by length at a time. More would mean less padding, but batches that are less alike
# than random ones: with 50, a tagger of peoples-daily lost 7 points of F1.
BATCHES_PER_BUCKETING = 16
SMALLEST_EPOCH = 2_000  # examples; a smaller training split is gone over several times an epoch
EVALUATED_TOGETHER = 16_384  # tokens in one evaluation batch, padding included
EVALUATED_LOGITS = 1 << 26  # of the symbols that are written together, 256 MiB


class Answers(NamedTuple):
    """Label ids of some examples, true or predicted.

    Args:
        labels: int32, of all examples end to end; where texts are told, what is said of each symbol, float32.
        lengths: int64 (examples,): how many each has.
        groups: int64 (examples,), of true ones: examples of one number have the same source, and each other's labels
            are right too; None where each stands for itself.
    """

    labels: np.ndarray
    lengths: np.ndarray
    groups: np.ndarray | None = None

    @classmethod
    def of(cls, apart: Sequence[np.ndarray]) -> Answers:
        return cls(np.concatenate(apart), np.array([len(one) for one in apart], np.int64))

    @classmethod
    def one_each(cls, labels: np.ndarray) -> Answers:
        return cls(labels, np.ones(len(labels), np.int64))

    def per_example(self) -> list[np.ndarray]:
        """The labels of each example."""
        return np.split(self.labels, np.cumsum(self.lengths)[:-1])


class Batch(NamedTuple):
    """One padded batch of examples.

    Args:
        ids: int32 (batch, time), 0 on padding, which is on the right.
        labels: int32 (batch,), or (batch, labels) where an example has several; 0 on padding.
        weights: float32, shaped as labels: how much each label's loss counts, 0 on padding; those of an average example
            sum to 1.
        rows: int64 (batch,): which examples of the split these are.
        extra_inputs: what a model reads beside the ids, if anything: how different words are written, int32 (words, width), and
            which of them each token is, int32 (batch, time); and a linear classifier's scores, float32 (batch, labels).
    """

    ids: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    rows: np.ndarray
    extra_inputs: tuple[np.ndarray, ...] = ()

    @property
    def inputs(self) -> Any:
        """What a model reads."""
        return [self.ids, *self.extra_inputs] if self.extra_inputs else self.ids


@dataclass(frozen=True)
class Split:
    """One split, encoded for one configuration.

    Args:
        ids: int32, all tokens of all splits end to end.
        starts, lengths: int64 (examples,): where each example's tokens lie.
        labels: int32, of all examples of all splits end to end.
        label_starts, label_lengths: int64 (examples,): where each example's labels lie.
        sequence_labels: whether an example may have more than one; else batches hold one each.
        vocabulary: ids from this number on are read as <unk>.
        truncated: examples that `max_length` cut.
        symbols: label ids from this number on are read as <unk>; None for none.
        groups: see `Answers`.
        scores: float32 (examples, labels): of a linear classifier, where a model reads them.
        word_characters: where a model reads them.
        attention_size: numbers that attention makes of each pair of a label and a token, if they are many; else 0.
    """

    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    label_starts: np.ndarray
    label_lengths: np.ndarray
    sequence_labels: bool
    vocabulary: int
    truncated: int
    symbols: int | None = None
    groups: np.ndarray | None = None
    scores: np.ndarray | None = None
    word_characters: WordCharacters | None = None
    attention_size: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, rows: np.ndarray) -> Batch:
        """Some examples, padded on the right to the longest of them."""
        ids, _ = _padded(self.ids, self.starts[rows], self.lengths[rows])
        ids[ids >= self.vocabulary] = UNKNOWN
        if not self.sequence_labels:
            ones = np.ones(len(rows), np.float32)
            scores = () if self.scores is None else (self.scores[rows],)
            return Batch(ids, self.labels[self.label_starts[rows]], ones, rows, (*self._characters(rows), *scores))
        labels, real = _padded(self.labels, self.label_starts[rows], self.label_lengths[rows])
        weights = real.astype(np.float32) / self._mean_length
        return Batch(ids, self._known(labels), weights, rows, self._characters(rows))

    def _characters(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        if self.word_characters is None:
            return ()
        places, _ = _padded(self.word_characters.places, self.starts[rows], self.lengths[rows])
        words, which = np.unique(places, return_inverse=True)
        return self.word_characters.ids[words], which.reshape(places.shape).astype(np.int32)

    def _known(self, labels: np.ndarray) -> np.ndarray:
        return labels if self.symbols is None else np.where(labels < self.symbols, labels, UNKNOWN)

    @functools.cached_property
    def _mean_length(self) -> np.float32:
        return np.float32(self.label_lengths.mean())

    def passes(self) -> int:
        """How often one epoch goes over a training split: once, or more where it is small.

        Otherwise a few hundred examples would be a handful of steps, and `patience` over before anything is learned.
        """
        return max(1, -(-SMALLEST_EPOCH // len(self)))

    def steps(self, batch_size: int) -> int:
        """How many batches an epoch has."""
        return -(-len(self) * self.passes() // batch_size)

    def training(self, batch_size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """One epoch in random order: examples of like length share a batch, batches are shuffled."""
        order = np.concatenate([generator.permutation(len(self)) for _ in range(self.passes())])
        batches = bucketed(order, self.lengths, batch_size)
        for i in generator.permutation(len(batches)):
            yield self.batch(batches[i])

    def evaluation(self) -> Iterator[Batch]:
        """Every example once, shortest first, as many at a time as `EVALUATED_TOGETHER` and `EVALUATED_LOGITS` allow."""
        order = np.argsort(self.lengths, kind="stable")
        start = 0
        while start < len(order):
            stop, steps = start + 1, self.label_lengths[order[start]]
            while stop < len(order):
                steps = max(steps, self.label_lengths[order[stop]])
                rows = stop + 1 - start
                if rows * self.lengths[order[stop]] > EVALUATED_TOGETHER:
                    break
                each = max(self.symbols or 0, self.attention_size * self.lengths[order[stop]])  # numbers for a label
                if rows * steps * each > EVALUATED_LOGITS:
                    break
                stop += 1
            yield self.batch(order[start:stop])
            start = stop

    def sample(self, count: int, generator: np.random.Generator) -> Split:
        """Examples chosen at random: of so many sources all, or so many where each stands for itself."""
        group = np.arange(len(self)) if self.groups is None else self.groups
        rows = np.flatnonzero(np.isin(group, generator.permutation(np.unique(group))[:count]))
        names = ("starts", "lengths", "label_starts", "label_lengths", "groups", "scores")
        of_each = {name: whole[rows] for name in names if (whole := getattr(self, name)) is not None}
        return replace(self, **of_each)

    def truth(self) -> Answers:
        """The labels of all examples, in order."""
        parts = [self.labels[s : s + n] for s, n in zip(self.label_starts, self.label_lengths, strict=True)]
        return Answers(np.concatenate(parts), self.label_lengths, self.groups)


def bucketed(order: np.ndarray, lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Examples in random order as batches, those of like length together, a batch's own from the lowest length on."""
    together = batch_size * BATCHES_PER_BUCKETING
    parts = (order[start : start + together] for start in range(0, len(order), together))
    by_length = (part[np.argsort(lengths[part], kind="stable")] for part in parts)
    return [part[start : start + batch_size] for part in by_length for start in range(0, len(part), batch_size)]


def _padded(flat: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parts of a flat array as rows, 0 where one is shorter than the longest; and bool, where they are not."""
    steps = np.arange(lengths.max())
    real = steps < lengths[:, None]
    positions = np.minimum(starts[:, None] + steps, len(flat) - 1)  # those of padding may lie anywhere inside
    return np.where(real, flat[positions], 0), real


def joins_ngrams(configuration: Configuration) -> bool:
    """Whether a linear classifier's scores are part of what a model reads."""
    return bool(configuration.get("extra", "none") == "ngrams")


def reads_characters(configuration: Configuration) -> bool:
    """Whether the characters of words are."""
    return bool(configuration.get("characters", "none") != "none")


def character_alphabet(prepared: Prepared, configuration: Configuration) -> Sequence[str]:
    """The characters of words that are read; () where none are."""
    return open_characters(prepared).alphabet if reads_characters(configuration) else ()


def load_split(prepared: Prepared, part: str, configuration: Configuration) -> Split:
    """One split of a prepared dataset, as this configuration reads it."""
    meta, rows = prepared.meta, prepared.rows(part)
    vocabulary = read_vocabulary(prepared, configuration)
    starts = vocabulary.offsets[:-1][rows]
    whole = np.diff(vocabulary.offsets)[rows]
    lengths = np.minimum(whole, configuration.get("max_length", whole.max(initial=1)))
    label_offsets, sequences = prepared.label_offsets(), meta.kind == "sequences"
    return Split(
        ids=vocabulary.ids,
        starts=starts,
        lengths=lengths,
        labels=prepared.labels(),
        label_starts=label_offsets[:-1][rows],
        label_lengths=np.diff(label_offsets)[rows],
        sequence_labels=meta.kind != "labels",
        vocabulary=len(vocabulary.words),
        truncated=int((whole > lengths).sum()),
        symbols=min(configuration["max_vocabulary"], len(meta.labels)) if sequences else None,
        groups=prepared.groups()[rows] if sequences else None,
        word_characters=open_characters(prepared) if reads_characters(configuration) else None,
        scores=open_linear_scores(prepared, configuration["weighting"])[rows] if joins_ngrams(configuration) else None,
        attention_size=configuration["attention_units"]
        if configuration["attention"] == "concat" and meta.kind != "labels"
        else 0,
    )

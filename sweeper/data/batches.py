"""Batches of like length from memory-mapped arrays."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..records import Configuration
from .store import Prepared, open_encoded

UNKNOWN = 1  # as tokens.UNKNOWN, which would import TensorFlow
# Batches' worth of examples sorted by length at a time. More would mean less padding, but batches that are less alike
# than random ones: with 50, a tagger of peoples-daily lost 7 points of F1.
SHUFFLED_TOGETHER = 16
SMALLEST_EPOCH = 2_000  # examples; a smaller training split is gone over several times an epoch
EVALUATED_TOGETHER = 16_384  # tokens in one evaluation batch, padding included


class Batch(NamedTuple):
    """Args:
    ids: int32 (batch, time), 0 on padding, which is on the right.
    labels: int32 (batch,), or (batch, time) where every token has one; 0 on padding.
    weights: float32, shaped as labels: how much each label's loss counts, 0 on padding; those of an average example
        sum to 1.
    rows: int64 (batch,): which examples of the split these are.
    """

    ids: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Split:
    """One split, encoded for one configuration.

    Args:
        ids: int32, all tokens of all splits end to end.
        starts, lengths: int64 (examples,): where each example's tokens lie.
        labels: int32, one a row or one a token; `label_starts` says where each example's begin.
        vocabulary: ids from this number on are read as <unk>.
        truncated: examples that `max_length` cut.
    """

    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    label_starts: np.ndarray
    per_token: bool
    vocabulary: int
    truncated: int

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, rows: np.ndarray) -> Batch:
        """Some examples, padded on the right to the longest of them."""
        lengths = self.lengths[rows]
        steps = np.arange(lengths.max())
        real = steps < lengths[:, None]
        ids = np.where(real, self.ids[_within(self.starts[rows], steps, self.ids)], 0)
        ids[ids >= self.vocabulary] = UNKNOWN
        if not self.per_token:
            return Batch(ids, self.labels[self.label_starts[rows]], np.ones(len(rows), np.float32), rows)
        labels = np.where(real, self.labels[_within(self.label_starts[rows], steps, self.labels)], 0)
        return Batch(ids, labels, real.astype(np.float32) / self._mean_length, rows)

    @functools.cached_property
    def _mean_length(self) -> np.float32:
        return np.float32(self.lengths.mean())

    @property
    def passes(self) -> int:
        """How often one epoch goes over a training split: once, or more where it is small.

        Otherwise a few hundred examples would be a handful of steps, and `patience` over before anything is learned.
        """
        return max(1, -(-SMALLEST_EPOCH // len(self)))

    def training(self, batch_size: int, generator: np.random.Generator) -> Iterator[Batch]:
        """One epoch in random order: examples of like length share a batch, batches are shuffled."""
        order = np.concatenate([generator.permutation(len(self)) for _ in range(self.passes)])
        together = batch_size * SHUFFLED_TOGETHER
        batches: list[np.ndarray] = []
        for start in range(0, len(order), together):
            part = order[start : start + together]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches.extend(part[i : i + batch_size] for i in range(0, len(part), batch_size))
        for i in generator.permutation(len(batches)):
            yield self.batch(batches[i])

    def evaluation(self) -> Iterator[Batch]:
        """Every example once, shortest first, as many at a time as `EVALUATED_TOGETHER` allows."""
        order = np.argsort(self.lengths, kind="stable")
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * self.lengths[order[stop]] <= EVALUATED_TOGETHER:
                stop += 1
            yield self.batch(order[start:stop])
            start = stop

    def true_labels(self) -> np.ndarray:
        """int32: the labels of all examples in order, one a row, or one a token end to end."""
        if not self.per_token:
            return np.asarray(self.labels[self.label_starts])
        parts = [self.labels[s : s + n] for s, n in zip(self.label_starts, self.lengths, strict=True)]
        return np.concatenate(parts)


def _within(starts: np.ndarray, steps: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Positions (batch, time) in a flat array; those of padding may lie anywhere inside it."""
    positions: np.ndarray = np.minimum(starts[:, None] + steps, len(flat) - 1)
    return positions


def load_split(prepared: Prepared, part: str, configuration: Configuration) -> Split:
    """One split of a prepared dataset, as this configuration reads it."""
    encoded = open_encoded(prepared, configuration.get("tokens", "words"), configuration["lowercase"] == "yes")
    rows = prepared.rows(part)
    starts = encoded.offsets[:-1][rows]
    whole = np.diff(encoded.offsets)[rows]
    lengths = np.minimum(whole, configuration.get("max_length", whole.max(initial=1)))
    per_token = prepared.meta.kind != "labels"
    return Split(
        ids=encoded.ids,
        starts=starts,
        lengths=lengths,
        labels=prepared.labels(),
        label_starts=starts if per_token else np.arange(rows.start, rows.stop),
        per_token=per_token,
        vocabulary=min(configuration["max_vocabulary"], len(encoded.vocabulary)),
        truncated=int((whole > lengths).sum()),
    )

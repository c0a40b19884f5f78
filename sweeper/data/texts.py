"""Whole texts, read window by window, so that a gradient goes back so far and a state further."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..records import BOUNDARY, UNKNOWN, Configuration
from .batches import Answers, bucketed
from .store import Meta, Prepared

SMALLEST_EPOCH = 400  # windows; texts that give fewer are gone over several times an epoch
EVALUATED_TOGETHER, EVALUATED_WINDOW = 64, 256
MAX_LOGITS = 1 << 26  # of one evaluated window, 256 MiB


class Window(NamedTuple):
    """The next steps of some texts, which are those of the window before, or the first of them.

    Args:
        before: int32 (batch, time), the symbol before each, `BOUNDARY` before the first of a text, 0 on padding, which
            is on the right.
        symbols: int32 (batch, time), what is to be told.
        weights: float32 (batch, time): how much each symbol's loss counts, 0 on padding; those of an average window
            of a whole batch sum to 1.
        conditions: int32 (batch,).
        begins: whether this is the beginning of the texts.
        rows: int64 (batch,): which texts of the split these are.
        start: how many symbols of each text were read before.
    """

    before: np.ndarray
    symbols: np.ndarray
    weights: np.ndarray
    conditions: np.ndarray
    begins: bool
    rows: np.ndarray
    start: int


@dataclass(frozen=True)
class Texts:
    """One split of texts, as one configuration reads it.

    Args:
        symbols: int32, of all texts of all splits end to end, each with its `BOUNDARY`.
        starts, lengths: int64 (texts,): where each lies, its `BOUNDARY` included.
        conditions: int32 (texts,).
        known: symbols from this number on are read as <unk>.
        of_unknown: nats that telling which one of them it is would cost beyond telling <unk>, each being as probable;
            so that models which know more or fewer symbols are scored alike.
        window: steps that are read together in training.
    """

    symbols: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    conditions: np.ndarray
    known: int
    window: int
    of_unknown: float = 0.0
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    def passes(self, batch_size: int) -> int:
        """How often one epoch goes over a training split."""
        return -(-SMALLEST_EPOCH // min(self._windows_a_pass(batch_size), SMALLEST_EPOCH))

    def steps(self, batch_size: int) -> int:
        """How many windows an epoch has; about so many, as it depends on which texts share a batch."""
        return self._windows_a_pass(batch_size) * self.passes(batch_size)

    def _windows_a_pass(self, batch_size: int) -> int:
        batches = self._batches(batch_size, np.random.default_rng(0))
        return sum(-(-int(self.lengths[batch[0]]) // self.window) for batch in batches)

    def training(self, batch_size: int, generator: np.random.Generator) -> Iterator[Window]:
        """One epoch in random order: texts of like length share a batch, and its windows follow each other."""
        for _ in range(self.passes(batch_size)):  # one after another, so that no batch has a text twice
            batches = self._batches(batch_size, generator)
            for i in generator.permutation(len(batches)):
                yield from self.windows(batches[i], self.window)

    def _batches(self, batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
        """All texts in random order, those of like length together, the longest of a batch first."""
        return bucketed(generator.permutation(len(self)), -self.lengths, batch_size)

    def evaluation(self) -> Iterator[Window]:
        """Every text once, the longest first."""
        order = np.argsort(-self.lengths, kind="stable")
        together = max(1, min(EVALUATED_TOGETHER, MAX_LOGITS // (EVALUATED_WINDOW * self.known)))
        for start in range(0, len(order), together):
            yield from self.windows(order[start : start + together], EVALUATED_WINDOW)

    def windows(self, rows: np.ndarray, window: int) -> Iterator[Window]:
        """Windows of some texts, from their beginnings on.

        Args:
            rows: the longest text first; those that have ended are left out.
        """
        lengths, counted = self.lengths[rows], len(rows) * min(window, self._mean_length)
        for start in range(0, int(lengths[0]), window):
            going_on = int(np.searchsorted(-lengths, -start))
            here = rows[:going_on]
            places = start + np.arange(min(window, int(lengths[0]) - start))
            real = places < lengths[:going_on, None]
            at = np.where(real, self.starts[here, None] + places, 0)
            symbols = self._known(np.where(real, self.symbols[at], BOUNDARY))
            before = self._known(np.where(real & (places > 0), self.symbols[at - 1], BOUNDARY))
            weights = real.astype(np.float32) / np.float32(counted)
            yield Window(before, symbols, weights, self.conditions[here], start == 0, here, start)

    def _known(self, symbols: np.ndarray) -> np.ndarray:
        return np.where(symbols < self.known, symbols, UNKNOWN).astype(np.int32)

    @functools.cached_property
    def _mean_length(self) -> float:
        return float(self.lengths.mean())

    def truth(self) -> Answers:
        """The symbols of all texts, in order."""
        parts = [self.symbols[s : s + n] for s, n in zip(self.starts, self.lengths, strict=True)]
        return Answers(self._known(np.concatenate(parts)), self.lengths)


def condition_labels(meta: Meta, configuration: Configuration) -> tuple[str, ...]:
    """The labels that a model is told of; () where texts have none, or the configuration gives it none."""
    return meta.conditions if configuration.get("condition", "none") != "none" else ()


def load_texts(prepared: Prepared, part: str, configuration: Configuration) -> Texts:
    """One split of a prepared dataset, as this configuration reads it."""
    rows, offsets, symbols = prepared.rows(part), prepared.label_offsets(), len(prepared.meta.labels)
    known = min(configuration["max_vocabulary"], symbols)
    return Texts(
        symbols=np.asarray(prepared.labels()),
        starts=offsets[:-1][rows],
        lengths=np.diff(offsets)[rows],
        conditions=prepared.conditions()[rows],
        known=known,
        window=configuration["window"],
        of_unknown=math.log(symbols - known + 1),
    )

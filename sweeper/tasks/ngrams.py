"""Interpolated n-grams: what to beat when texts are told symbol by symbol."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from ..records import BOUNDARY


class NGrams:
    """The probability of a symbol after those before it, mixed from contexts of all lengths.

    With c how often a symbol followed a context, and d how many different ones did,

        P(w | context) = (c(w) + d P(w | shorter context)) / (sum of c + d)

    and below the empty context every symbol is as probable as any other. Before a text stand boundaries.

    Args:
        texts: int (symbols,) each.
        order: of the n-grams; a context has at most order - 1 symbols.
        symbols: how many there are.

    Source: Witten and Bell 1991; Chen and Goodman 1998.
    """

    def __init__(self, texts: Iterable[np.ndarray], order: int, symbols: int) -> None:
        self.order, self.symbols = order, symbols
        self._after: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for text in texts:
            for context, symbol in self._contexts(text):
                for start in range(len(context) + 1):
                    self._after[context[start:]][symbol] += 1
        self._sums = {context: (sum(found.values()), len(found)) for context, found in self._after.items()}

    def _contexts(self, text: np.ndarray) -> Iterator[tuple[tuple[int, ...], int]]:
        size = self.order - 1
        padded = [BOUNDARY] * size + text.tolist()
        for place in range(len(text)):
            yield tuple(padded[place : place + size]), padded[place + size]

    def negative_log_likelihood(self, text: np.ndarray) -> np.ndarray:
        """-log P of each symbol, float32 (symbols,), nats."""
        return np.array([-np.log(self._probability(*one)) for one in self._contexts(text)], np.float32)

    def _probability(self, context: tuple[int, ...], symbol: int) -> float:
        found = 1.0 / self.symbols
        for start in range(len(context), -1, -1):
            shorter = context[start:]
            if shorter not in self._sums:
                break  # nor is any longer one known
            count, different = self._sums[shorter]
            found = (self._after[shorter][symbol] + different * found) / (count + different)
        return found

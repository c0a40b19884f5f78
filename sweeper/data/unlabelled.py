"""Texts without labels, which a card names beside its own: vectors are learned from them too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..adapters import ADAPTERS
from ..records import LabelledText
from .cards import Card
from .derived import CHUNK, cut
from .linear import TokenIds
from .sources import opened
from .store import Prepared

if TYPE_CHECKING:
    from .tokens import TokenOptions


def unlabelled_texts(card: Card) -> pd.Series:
    """The texts of a card, whatever their labels."""
    read = ADAPTERS[card.adapter].read
    with opened(card) as documents:
        examples = [example for one in documents for example in read(one, card.options)]
    return pd.Series([one.text for one in examples if isinstance(one, LabelledText)], dtype=str)


def are_held_out(texts: pd.Series, prepared: Prepared) -> pd.Series:
    """Which of some texts equal one of the validation or test data, blanks and case aside."""
    examples = prepared.examples()
    rest = examples.iloc[prepared.meta.counts["train"] :]
    given = next(rest[column] for column in ("tokens", "source", "text") if column in rest.columns)
    return texts.map(_folded).isin(set(given.map(_folded)))


def _folded(text: str | Iterable[str]) -> str:
    """A text, or the tokens of one."""
    return "".join((text if isinstance(text, str) else "".join(text)).split()).casefold()


def as_ids(texts: pd.Series, options: TokenOptions, places: dict[str, int]) -> TokenIds:
    """All tokens of some texts.

    Args:
        places: the id of each word. It gains the words that it lacks.
    """
    ids, offsets = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
    for start in range(0, len(texts), CHUNK):
        tokens, counts = cut(texts.iloc[start : start + CHUNK], options)
        which, words = pd.factorize(tokens)
        ids.append(np.array([places.setdefault(word.decode(), len(places)) for word in words], np.int32)[which])
        offsets.append(offsets[-1][-1] + np.cumsum(counts))
    return TokenIds(np.concatenate(ids), np.concatenate(offsets))

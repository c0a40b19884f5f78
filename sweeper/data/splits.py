"""Dividing examples into training, validation and test; no example in two of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from .cards import Split
from .source_spec import SPLITS


class Divided(NamedTuple):
    """Examples divided into splits.

    Args:
        examples: the table, training rows first, then validation, then test.
        different: how many keys there are.
        dropped: rows left out because another split has an equal one.
    """

    examples: pd.DataFrame
    different: int
    dropped: int


def divide(examples: pd.DataFrame, split: Split, strata: pd.Series | None, key: pd.Series) -> Divided:
    """Settle the column `split` of a table of examples.

    Args:
        examples: with a column `split`: "train", "validation", "test", or "all" where it
            is for us to say.
        split: shares and seed.
        strata: label by row; every split gets its share of each, training the remainder
            of small classes. None for a plain random split.
        key: what makes two examples equal, by row.

    Returns:
        Rows of "all" are divided at random, equal ones together; a missing validation part is taken from the
        training part likewise. Of equal rows in two splits that were given, test keeps its own, then validation.
    """
    group = examples.groupby([examples["split"], key], sort=False).ngroup()
    first = ~group.duplicated()
    sizes = group.map(group.value_counts())[first].to_numpy()
    settled = _settled(examples["split"][first], split, None if strata is None else strata[first], sizes)
    part_of = dict(zip(group[first], settled, strict=True))
    return _in_one_part(examples.assign(split=group.map(part_of)), key)


def _settled(given: pd.Series, split: Split, strata: pd.Series | None, sizes: np.ndarray) -> np.ndarray:
    """The part of each row, which stands for so many equal ones; see `divide`."""
    parts = given.to_numpy(dtype=object).copy()
    generator = np.random.default_rng(split.seed)
    if (parts == "all").any():
        everything = np.flatnonzero(parts == "all")
        shares = {"test": split.test, "validation": split.validation}
        parts[everything] = _assign(everything, shares, strata, sizes, generator)
    elif not (parts == "validation").any():
        training = np.flatnonzero(parts == "train")
        parts[training] = _assign(training, {"validation": split.validation}, strata, sizes, generator)
    if not (parts == "test").any():
        training = np.flatnonzero(parts == "train")
        parts[training] = _assign(training, {"test": split.test}, strata, sizes, generator)
    return parts


def _in_one_part(divided: pd.DataFrame, key: pd.Series) -> Divided:
    """Without the rows that equal one of another part; see `divide`."""
    rank = divided["split"].map({name: position for position, name in enumerate(SPLITS)})
    kept = rank == rank.groupby(key).transform("max")
    order = rank[kept].sort_values(kind="stable").index
    return Divided(divided.loc[order].reset_index(drop=True), key.nunique(), int((~kept).sum()))


def _assign(
    rows: np.ndarray,
    shares: dict[str, float],
    strata: pd.Series | None,
    sizes: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """A part for each of `rows`: each share of every stratum, rounded at random, the rest to training."""
    chosen = np.full(len(rows), "train", dtype=object)
    labels = np.zeros(len(rows)) if strata is None else strata.iloc[rows].to_numpy()
    for label in pd.unique(labels):
        left = generator.permutation(np.flatnonzero(labels == label))
        total = int(sizes[rows[left]].sum())
        spare = total - 1
        for part, share in shares.items():
            # Rounding at random, not always down, keeps the shares right when classes are many and small.
            room = min(int(share * total + generator.random()), spare)
            taken = _filling(sizes[rows[left]], room, spare)
            chosen[left[taken]] = part
            spare -= int(sizes[rows[left[taken]]].sum())
            left = left[~taken]
    return chosen


def _filling(sizes: np.ndarray, room: int, spare: int) -> np.ndarray:
    """bool, shaped as `sizes`: those that fill the room, from the first on; one of many equal rows only if it comes nearer
    to that with them than without, and if no more than the `spare` ones are taken."""
    taken = np.zeros(len(sizes), bool)
    for place, size in enumerate(sizes.tolist()):
        if room <= 0:
            break
        taken[place] = size <= min(2 * room, spare)
        room -= size * int(taken[place])
        spare -= size * int(taken[place])
    return taken

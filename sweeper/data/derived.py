"""What follows from prepared examples: their encodings, how their words are written, and a linear classifier of them.

Each function fills one folder of a prepared dataset (see `store`) and returns what its meta.json is to say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..records import UNKNOWN
from .linear import fit, held_out_scores
from .source_spec import SPLITS
from .store import Prepared, read_texts

if TYPE_CHECKING:
    from .tokens import TokenOptions

CHUNK = 4_096  # examples tokenised at a time


def write_encoding(prepared: Prepared, tokens: str, lowercase: bool, place: Path) -> dict[str, Any]:
    """Every row as ids of the training tokens."""
    import tensorflow as tf

    from .tokens import RESERVED, TokenOptions, lookup_table, ranked

    options = TokenOptions(tokens, lowercase)
    examples = prepared.examples()
    frequencies: Counter[bytes] = Counter()
    lengths: list[np.ndarray] = []
    words: list[np.ndarray] = []
    training = prepared.meta.counts["train"]
    for start, chunk in _chunks(examples):
        flat, counts = _tokens(chunk, options)
        inside = counts[: max(0, training - start)].sum()
        frequencies.update(flat[:inside].tolist())
        lengths.append(counts)
        words.append(flat)
    vocabulary = [*RESERVED, *(word for word in ranked(frequencies) if word not in RESERVED)]
    table = lookup_table(vocabulary)
    ids = np.concatenate([table.lookup(tf.constant(chunk)).numpy() for chunk in words]).astype(np.int32)
    np.save(place / "ids.npy", ids)
    np.save(place / "offsets.npy", np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64))
    unknown = np.flatnonzero(ids == UNKNOWN)
    which, unseen = pd.factorize(np.concatenate(words)[unknown])
    np.save(place / "unseen.npy", np.stack([unknown, which], axis=1).astype(np.int64))
    (place / "unseen.json").write_text(json.dumps([word.decode() for word in unseen]), encoding="utf-8")
    (place / "vocabulary.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    return {"options": asdict(options), "vocabulary": len(vocabulary)}


def write_characters(prepared: Prepared, place: Path) -> dict[str, Any]:
    """How the words of all rows are written; see `characters`."""
    import tensorflow as tf

    from .characters import alphabet, character_ids
    from .tokens import RESERVED, TokenOptions, lookup_table

    known: dict[bytes, int] = {b"": 0}
    places: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    for _, chunk in _chunks(prepared.examples()):
        tokens, counts = _tokens(chunk, TokenOptions("words", lowercase=False))
        which, words = pd.factorize(tokens)
        places.append(np.array([known.setdefault(word, len(known)) for word in words], np.int32)[which])
        lengths.append(counts)
    whole, trained = np.concatenate(places), np.concatenate(lengths)[prepared.rows("train")].sum()
    letters = [*RESERVED, *alphabet(known, np.bincount(whole[:trained], minlength=len(known)))]
    np.save(place / "ids.npy", character_ids(tf.constant(list(known)), lookup_table(letters)).numpy())
    np.save(place / "places.npy", whole)
    (place / "alphabet.json").write_text(json.dumps(letters, ensure_ascii=False), encoding="utf-8")
    return {"words": len(known)}


def write_linear(prepared: Prepared, weighting: str, place: Path) -> dict[str, Any]:
    """A linear classifier of the training rows, and what it says of all; see `linear`."""
    texts, labels = read_texts(prepared, "train"), np.asarray(prepared.labels()[prepared.rows("train")])
    fitted = fit(weighting, texts, labels, len(prepared.meta.labels))
    for name, array in zip(fitted._fields[1:], fitted[1:], strict=True):
        np.save(place / f"{name}.npy", array)
    rest = (fitted.scores(read_texts(prepared, part)) for part in SPLITS[1:])
    np.save(place / "scores.npy", np.concatenate([held_out_scores(fitted, texts, labels, seed=0), *rest]))
    return {"weighting": weighting, "features": len(fitted.codes)}


def _chunks(examples: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    for start in range(0, len(examples), CHUNK):
        yield start, examples.iloc[start : start + CHUNK]


def _tokens(examples: pd.DataFrame, options: TokenOptions) -> tuple[np.ndarray, np.ndarray]:
    """All tokens of some examples end to end, as bytes, and how many each has."""
    import tensorflow as tf

    from .tokens import lowered

    if "tokens" in examples.columns:
        counts = examples["tokens"].map(len).to_numpy(np.int64)
        return lowered(tf.constant(examples["tokens"].explode().tolist()), options).numpy(), counts
    return cut(examples["source" if "source" in examples.columns else "text"], options)


def cut(texts: pd.Series, options: TokenOptions) -> tuple[np.ndarray, np.ndarray]:
    """All tokens of some texts end to end, as bytes, and how many each has."""
    import tensorflow as tf

    from .tokens import tokenize

    ragged = tokenize(tf.constant(texts.tolist()), options)
    return ragged.flat_values.numpy(), ragged.row_lengths().numpy()

"""From a card to integer arrays on disk: once for each (data, card, token options), then memory-mapped."""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..adapters import schemes
from ..errors import DataError
from ..records import BOUNDARY, UNKNOWN
from ..system.quiet import without_chatter
from . import sources, splits
from .cards import VECTORS, Card
from .derived import cut, write_characters, write_encoding, write_linear
from .downloads import cache_folder
from .examples import MIN_EXAMPLES, are_stars, check_sizes, label_names, read_examples, warnings
from .pretrained import UNSPACED, write_vectors
from .source_spec import SPLITS
from .store import (
    CHARACTERS,
    SYMBOLS,
    Meta,
    Prepared,
    encoding_key,
    is_intact,
    linear_key,
    open_prepared,
    write_whole,
)
from .vectors import vector_names

FORMAT = 17  # raise it when what prepared folders hold, or how it is computed, is no longer the same
FEW_CHARACTERS = 1.5  # of a token on average, up to which it is a character rather than a word
SOME = 1_000  # texts, at most, that tell whether a language has blanks between words


def prepare(
    card: Card,
    encodings: Iterable[tuple[str, bool]] = (("words", True),),
    vectors: Iterable[str] = (),
    weightings: Iterable[str] = (),
    characters: bool = False,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Prepared:
    """Read, split and encode a dataset, or find that this was done before.

    Args:
        encodings: (tokens, lowercase) pairs that will be asked for.
        vectors: names or paths of pretrained vectors that will be asked for.
        weightings: of n-grams that will be asked for; see `linear`.
        characters: whether the characters of words will be asked for; see `characters`.
        say: receives lines for a person.

    Raises:
        DeclarationError, DataError, SourceError: see `sources` and `adapters`.
    """
    digest = _digest(card)
    folder = cache_folder() / "prepared" / f"{card.name}-{digest[:16]}"
    if not is_intact(folder, say):
        write_whole(folder, partial(_write_examples, card, digest))
    prepared = open_prepared(folder)
    for tokens, lowercase in encodings:
        place = folder / encoding_key(tokens, lowercase)
        if not is_intact(place, say):
            say(f"encoding {sum(prepared.meta.counts.values()):,} examples as {'lower-case ' * lowercase}{tokens}")
            with without_chatter():
                write_whole(place, partial(write_encoding, prepared, tokens, lowercase))
        for name in dict.fromkeys(itertools.chain.from_iterable(map(vector_names, vectors))):
            write_vectors(name, card, prepared, (tokens, lowercase), say)
    if characters and prepared.meta.has_words and not is_intact(folder / CHARACTERS, say):
        say("reading how words are written")
        with without_chatter():
            write_whole(folder / CHARACTERS, partial(write_characters, prepared))
    for weighting in weightings:
        place = folder / linear_key(weighting)
        if not is_intact(place, say):
            say(f"fitting a linear classifier to words and pairs of words, weighted by {weighting}")
            write_whole(place, partial(write_linear, prepared, weighting))
    return prepared


def _digest(card: Card) -> str:
    said = (card.licence, card.language)  # which the prepared folder keeps for model cards
    described = (FORMAT, card.task, *_read_from(card), asdict(card.split), said)
    if card.unlabelled:
        described += (*_read_from(card.unlabelled), _named(card.unlabelled))
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def _read_from(card: Card) -> tuple[Any, ...]:
    return card.adapter, _said(card.options), sources.fingerprint(card)


def _said(options: Any) -> dict[str, Any]:
    """What a card says of its format beyond what is so anyway: an option that is new changes nothing."""
    usual = asdict(type(options)())
    return {name: value for name, value in asdict(options).items() if value != usual[name]}


def _write_examples(card: Card, digest: str, place: Path) -> dict[str, Any]:
    if card.task == VECTORS:
        raise DataError(
            f"{card.name}: holds word vectors, not examples; name it as the parameter 'vectors' of a search space"
        )
    table, counts = read_examples(card)
    if card.task == "seq2seq":
        table = _short_enough(card, table, counts)
    divided = _divided(card, table)
    examples = divided.examples
    sizes = {part: int((examples["split"] == part).sum()) for part in SPLITS}
    check_sizes(card, table, divided, sizes)
    labels = _labels(card, table, examples)
    conditions = _conditions(table) if card.task == "generation" else ()
    _save(card, examples, labels, conditions, place)
    meta = Meta(
        name=card.name,
        task=card.task,
        digest=digest,
        labels=labels.names,
        unseen=labels.unseen,
        kind=labels.kind,
        ordered=card.task == "sentiment" and are_stars(labels.names),
        counts=sizes,
        warnings=tuple(warnings(card, table, divided, counts)),
        licence=card.licence,
        language=card.language,
        longest=int(labels.lengths[: sizes["train"]].max()) if labels.kind == "sequences" else 0,
        source_tokens=getattr(card.options, "source_tokens", "words"),
        target_tokens=getattr(card.options, "target_tokens", ""),
        conditions=conditions,
        has_words=_has_words(card, examples),
        unlabelled=_named(card.unlabelled) if card.unlabelled else "",
        form=FORMAT,
    )
    return asdict(meta)


def _save(card: Card, examples: pd.DataFrame, labels: _Labels, conditions: tuple[str, ...], place: Path) -> None:
    """The files of a prepared folder that every encoding shares; see `store`."""
    np.save(place / "labels.npy", labels.ids)
    np.save(place / "label_offsets.npy", np.concatenate([[0], np.cumsum(labels.lengths)]).astype(np.int64))
    if card.task == "seq2seq":
        np.save(place / "groups.npy", pd.factorize(examples["source"])[0].astype(np.int64))
    if card.task == "generation":
        known = {name: number for number, name in enumerate(conditions)}
        np.save(place / "conditions.npy", examples["label"].map(known).fillna(0).to_numpy(np.int32))
    examples.drop(columns="split").to_parquet(place / "examples.parquet", index=False)


def _named(card: Card) -> str:
    return f"{card.name} (licence: {card.licence or 'not stated'})"


def _has_words(card: Card, examples: pd.DataFrame) -> bool:
    """See `Meta`."""
    if card.task == "tagging":
        return float(examples["tokens"].explode().str.len().mean()) > FEW_CHARACTERS
    if card.task not in ("sentiment", "text"):
        return False
    some = "".join(examples["text"].iloc[:: -(-len(examples) // SOME)])  # from everywhere: files may be in an order
    return 2 * len(UNSPACED.findall(some)) < sum(map(str.isalpha, some))


def _conditions(table: pd.DataFrame) -> tuple[str, ...]:
    """The labels of texts; none where all have the same one, which tells nothing."""
    found = sorted(set(table["label"]))
    return tuple(found) if len(found) > 1 else ()


def _short_enough(card: Card, table: pd.DataFrame, counts: dict[str, int]) -> pd.DataFrame:
    """The pairs whose targets are no longer than the card says; how many are left out is counted as `long`.

    Raises:
        DataError: hardly any is left.
    """
    _, lengths = _cut_targets(table["target"], card.options.target_tokens)
    kept: pd.DataFrame = table[lengths <= card.options.longest].reset_index(drop=True)
    counts["long"] = len(table) - len(kept)
    if len(kept) < MIN_EXAMPLES:
        raise DataError(
            f"{card.name}: {counts['long']:,} of {len(table):,} targets have more than {card.options.longest} {card.options.target_tokens}, the most that [adapter] longest allows; at least {MIN_EXAMPLES} pairs must be left"
        )
    return kept


def _divided(card: Card, table: pd.DataFrame) -> splits.Divided:
    match card.task:
        case "tagging":
            return splits.divide(table, card.split, None, table["tokens"].map("\x1f".join))
        case "seq2seq":
            return splits.divide(table, card.split, None, table["source"])
        case "generation":
            texts = table["text"].str.strip()
            several = texts.groupby(table["label"]).nunique().median() >= 3  # else most labels have no text to spare
            return splits.divide(table, card.split, table["label"] if several else None, texts)
        case _:
            return splits.divide(table, card.split, table["label"], table["text"].str.strip())


class _Labels(NamedTuple):
    """The labels of all examples as ids.

    Args:
        names, unseen: by id; see `Meta`.
        ids: int32, of all examples end to end, and how many each has.
        kind: see `Meta`.
    """

    names: tuple[str, ...]
    ids: np.ndarray
    lengths: np.ndarray
    kind: str
    unseen: tuple[str, ...] = ()


def _labels(card: Card, table: pd.DataFrame, examples: pd.DataFrame) -> _Labels:
    if card.task == "seq2seq":
        return _symbols(card, examples["target"], card.options.target_tokens, _training(examples), "sequences")
    if card.task == "generation":
        tokens = "verbatim" if card.options.target_tokens == "characters" else card.options.target_tokens
        return _symbols(card, examples["text"], tokens, _training(examples), "texts")
    names = label_names(card, table)
    ids = {label: number for number, label in enumerate(names)}
    if card.task != "tagging":
        return _Labels(names, examples["label"].map(ids).to_numpy(np.int32), np.ones(len(examples), np.int64), "labels")
    spans = all(name == schemes.OUTSIDE or schemes.is_span(name) for name in names)
    flat, lengths = examples["tags"].explode().map(ids), examples["tags"].map(len)
    return _Labels(names, flat.to_numpy(np.int32), lengths.to_numpy(np.int64), "entities" if spans else "tags")


def _training(examples: pd.DataFrame) -> int:
    return int((examples["split"] == "train").sum())


def _symbols(card: Card, targets: pd.Series, tokens: str, training: int, kind: str) -> _Labels:
    """Every target as ids of the training targets' symbols, most frequent first, with its end.

    Args:
        training: how many of the first rows are training examples.
        kind: see `Meta`.
    """
    with without_chatter():  # of TensorFlow, which comes with it
        from .tokens import ranked

    flat, counts = _cut_targets(targets, tokens)
    inside = counts[:training].sum()
    frequencies = Counter(flat[:inside].tolist())
    if kind == "texts" and tokens != "verbatim":  # a word that occurs once teaches what an unknown one is like
        frequencies = Counter({name: count for name, count in frequencies.items() if count > 1})
    names = (*SYMBOLS, *(name for name in ranked(frequencies) if name not in SYMBOLS))
    if len(names) == len(SYMBOLS):
        raise DataError(
            f"{card.name}: no text is left to learn from; give more of them, and such as differ"
            if tokens == "verbatim"
            else f"{card.name}: no {tokens} of the training texts occur twice, so that there is nothing to learn; give more texts, or read characters"
        )
    # What is written is compared with what targets are, even where training knows nothing of it.
    others = set(flat[inside:].tolist()) - {name.encode() for name in names}
    unseen = tuple(sorted(name.decode() for name in others)) if kind == "sequences" else ()
    ids = {name.encode(): number for number, name in enumerate((*names, *unseen)) if number >= len(SYMBOLS)}
    ends = np.cumsum(counts)
    found = np.array([ids.get(symbol, UNKNOWN) for symbol in flat.tolist()], np.int32)
    return _Labels(names, np.insert(found, ends, BOUNDARY), counts + 1, kind, unseen)


def _cut_targets(targets: pd.Series, tokens: str) -> tuple[np.ndarray, np.ndarray]:
    """As `derived.cut`, of what is to be written."""
    with without_chatter():
        from .tokens import TokenOptions

        return cut(targets, TokenOptions(tokens, lowercase=False))

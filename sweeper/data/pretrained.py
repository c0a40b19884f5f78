"""Pretrained vectors of words: found by name or path, and kept beside the vocabulary that they are for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import numpy as np

from .. import adapters
from ..declared import declarations
from ..declared.spaces import SearchSpace
from ..errors import DeclarationError, unknown
from ..records import UNKNOWN
from ..system.files import replacing, write_atomically
from ..system.quiet import without_chatter
from . import cards, sources
from .cards import VECTORS, Card
from .downloads import sha256
from .in_domain import learned_vectors
from .linear import TokenIds
from .store import Prepared, encoding_key, no_space, open_encoded, read_texts
from .unlabelled import are_held_out, as_ids, unlabelled_texts
from .vectors import BESIDE, IN_DOMAIN, vector_names, vectors_file

MAX_FURTHER = 100_000
"""The most words that only the vectors know: of 50 numbers each they are 20 MB of an export, beside in-domain vectors 60 MB."""

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Roughly the scripts of `tokens.UNSPACED`, which is written for TensorFlow; a word too many is only never read."""


def write_vectors(
    name: str, card: Card, prepared: Prepared, encoding: tuple[str, bool], say: Callable[[str], None]
) -> None:
    """The rows of an encoding's vocabulary in one set of vectors, unless they are there and their source has not changed."""
    target = prepared.folder / encoding_key(*encoding) / vectors_file(name)
    noted, current = target.with_suffix(".source"), _fingerprint(name)
    if target.is_file() and noted.is_file() and noted.read_text(encoding="utf-8") == f"{current} {sha256(target)}":
        return
    vocabulary = open_encoded(prepared, *encoding).vocabulary
    given = prepared.meta.task == "tagging"  # tokens, whatever they are
    matrix, others = (
        _learned(card, prepared, encoding, vocabulary, say)
        if name == IN_DOMAIN
        else _rows(name, vocabulary, partial(_occurs, given, *encoding))
    )
    known = ~np.isnan(matrix[UNKNOWN + 1 : len(vocabulary), 0])
    say(f"{name}: {known.sum():,} of the {len(known):,} {encoding[0]} of the training texts have a vector")
    words = np.frombuffer(json.dumps(others).encode(), np.uint8)
    try:
        with replacing(target) as file:
            np.savez(file, vectors=matrix, words=words)
        write_atomically(noted, f"{current} {sha256(target)}")
    except OSError as error:
        raise no_space(target, error) from None


def _learned(
    card: Card, prepared: Prepared, encoding: tuple[str, bool], vocabulary: list[str], say: Callable[[str], None]
) -> tuple[np.ndarray, list[str]]:
    """As `_rows`, of vectors that are learned from the training texts, and those without labels that the card names."""
    texts = read_texts(prepared, "train", encoding)
    if card.unlabelled is None:
        return learned_vectors(texts, len(vocabulary)), []
    places = {word: place for place, word in enumerate(vocabulary)}
    more = _unlabelled(card.unlabelled, prepared, encoding, places, say)
    both = TokenIds(
        np.concatenate([texts.ids, more.ids]), np.concatenate([texts.offsets, texts.offsets[-1] + more.offsets[1:]])
    )
    matrix, words = learned_vectors(both, len(places)), list(places)
    found = len(vocabulary) + np.flatnonzero(~np.isnan(matrix[len(vocabulary) :, 0]))
    return matrix[[*range(len(vocabulary)), *found]], [words[place] for place in found]


def _unlabelled(
    card: Card, prepared: Prepared, encoding: tuple[str, bool], places: dict[str, int], say: Callable[[str], None]
) -> TokenIds:
    """The texts of `card` that are not among those held out; `places` gains their words."""
    texts = unlabelled_texts(card)
    held_out = are_held_out(texts, prepared)
    if count := held_out.sum():
        what, them = ("texts without labels are", "them") if count > 1 else ("text without a label is", "it")
        say(f"note: {count:,} {what} validation or test data too; vectors are not learned from {them}")
    with without_chatter():  # of TensorFlow, which comes with it
        from .tokens import TokenOptions

        return as_ids(texts[~held_out], TokenOptions(*encoding), places)


def _occurs(given: bool, tokens: str, lowercase: bool, word: str) -> bool:
    """Whether a word may be one token of a text, or of tokens that are given as they are."""
    whole = given or tokens == "symbols" or (tokens == "words" and not UNSPACED.search(word))
    return (whole or len(word) == 1) and (not lowercase or word == word.lower())


def _rows(name: str, vocabulary: list[str], occurs: Callable[[str], bool]) -> tuple[np.ndarray, list[str]]:
    """Vectors of a vocabulary and of further words, and these words."""
    inside = set(vocabulary)
    found, width = load_vectors(name, inside, occurs, MAX_FURTHER)
    others = [word for word in found if word not in inside]
    matrix = np.full((len(vocabulary) + len(others), width), np.nan, np.float32)
    for row, word in enumerate([*vocabulary, *others]):
        if word in found:
            matrix[row] = found[word]
    return matrix, others


def _own_file(name: str) -> Path | None:
    """The path, where `name` is a file of vectors and not a card."""
    path = Path(name)
    return path if path.is_file() and path.suffix != ".toml" else None


def _vectors_card(name: str) -> Card:
    if name not in declarations.declared("datasets") and not Path(name).is_file():
        known = [row["dataset"] for row in cards.summaries() if row["task"] == VECTORS]
        several = f"; several are written with blanks: a{BESIDE}b" if BESIDE.strip() in name else ""
        raise DeclarationError(
            f"{unknown('dataset of vectors', name, [*known, IN_DOMAIN])}; nor is there such a file, seen from the working folder {Path.cwd()}{several}"
        )
    card = cards.load_card(name)
    if card.task != VECTORS:
        raise DeclarationError(f"{name}: is a dataset for {card.task}, not of word vectors")
    return card


def check_vectors(space: SearchSpace) -> None:
    """Whether the vectors that a space names are there; nothing is fetched for it.

    Raises:
        DeclarationError: a name that is none, or stands twice.
    """
    for name in space.vectors():
        try:
            vectors_fingerprint(name)
        except DeclarationError as error:
            raise DeclarationError(f"{space.name}: parameters.vectors: {error}") from None


def vectors_fingerprint(name: str) -> str:
    """What the content of pretrained vectors is known by.

    Raises:
        DeclarationError: a name that is none, or stands twice.
    """
    names = vector_names(name)
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice is not None:
        raise DeclarationError(f"must name each once, found {twice!r} twice in {name!r}")
    return BESIDE.join(map(_fingerprint, names))


def _fingerprint(name: str) -> str:
    if name == IN_DOMAIN:
        return name  # they follow from the training texts
    path = _own_file(name)
    return sha256(path) if path else sources.fingerprint(_vectors_card(name))


def load_vectors(
    source: str | Card,
    wanted: Collection[str] = (),
    others: Callable[[str], bool] = lambda word: True,
    further: int = 0,
) -> tuple[dict[str, np.ndarray], int]:
    """Vectors by word, float32 (width,), and the width.

    Args:
        source: a declared dataset of vectors, its name, or a path to a word2vec or GloVe text file.
        others: says which other words may come as well, and `further` how many, the first ones: vectors come by
            falling frequency.
    """
    path = _own_file(source) if isinstance(source, str) else None
    if path:
        return adapters.vectors.load(
            [adapters.Document(path, str(path))], adapters.vectors.Options(), wanted, others, further
        )
    card = _vectors_card(source) if isinstance(source, str) else source
    with sources.opened(card) as documents:
        return adapters.vectors.load(documents, card.options, wanted, others, further)

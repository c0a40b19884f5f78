"""Pretrained vectors of words: found by name or path, and kept beside the vocabulary that they are for."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from .. import adapters
from ..errors import DeclarationError
from ..journal import write_atomically
from ..quiet import without_chatter
from . import cards, sources
from .cards import VECTORS, Card
from .derived import read_unlabelled
from .downloads import sha256
from .in_domain import learned_vectors
from .linear import Texts
from .store import Prepared, open_encoded, read_texts

IN_DOMAIN = "in_domain"
"""The name of vectors that are learned from the training texts themselves."""

FURTHER = 100_000
"""The most words that only the vectors know: of 50 numbers each they are 20 MB of every export."""


def write_vectors(name: str, card: Card, prepared: Prepared, encoding: tuple[str, bool], target: Path) -> None:
    """The rows of an encoding's vocabulary, unless they are there and their source has not changed."""
    noted, further = target.with_suffix(".source"), target.with_suffix(".json")
    current = vectors_fingerprint(name)
    there = all(file.is_file() for file in (target, noted, further))
    if there and noted.read_text(encoding="utf-8") == f"{current} {sha256(target)} {sha256(further)}":
        return
    vocabulary = open_encoded(prepared, *encoding).vocabulary
    others: list[str] = []
    if name == IN_DOMAIN:
        matrix = learned_vectors(_texts(card, prepared, encoding, vocabulary), len(vocabulary))
    else:
        matrix, others = _rows(name, vocabulary, lowercase=encoding[1])
    write_atomically(further, json.dumps(others))
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".npy", delete=False) as file:
        np.save(file, matrix)
    os.replace(file.name, target)
    write_atomically(noted, f"{current} {sha256(target)} {sha256(further)}")


def _texts(card: Card, prepared: Prepared, encoding: tuple[str, bool], vocabulary: list[str]) -> Texts:
    """What vectors of this data are learned from: the training texts, and those without labels that the card names."""
    labelled = read_texts(prepared, "train", encoding)
    if card.unlabelled is None:
        return labelled
    with without_chatter():
        further = read_unlabelled(card, encoding, vocabulary)
    return Texts(
        np.concatenate([labelled.ids, further.ids]),
        np.concatenate([labelled.offsets, labelled.offsets[-1] + further.offsets[1:]]),
    )


def _rows(name: str, vocabulary: list[str], *, lowercase: bool) -> tuple[np.ndarray, list[str]]:
    """Vectors of a vocabulary and of further words, and these words."""
    inside = set(vocabulary)
    found, width = load_vectors(name, inside, FURTHER)
    others = [word for word in found if word not in inside and (not lowercase or word == word.lower())]
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
    card = cards.load_card(name)
    if card.task != VECTORS:
        raise DeclarationError(f"{name}: is a dataset for {card.task}, not of word vectors")
    return card


def vectors_fingerprint(name: str) -> str:
    """What the content of pretrained vectors is known by."""
    if name == IN_DOMAIN:
        return name  # they follow from the training texts
    path = _own_file(name)
    return sha256(path) if path else sources.fingerprint(_vectors_card(name))


def load_vectors(name: str, wanted: set[str], further: int = 0) -> tuple[dict[str, np.ndarray], int]:
    """Vectors by word, float32 (width,), and the width.

    Args:
        name: a declared dataset of vectors, or a path to a word2vec or GloVe text file.
        further: how many other words there may be, the first ones: vectors come by falling frequency.
    """
    path = _own_file(name)
    if path:
        return adapters.vectors.load([adapters.Document(path, name)], adapters.vectors.Options(), wanted, further)
    card = _vectors_card(name)
    with sources.opened(card) as documents:
        return adapters.vectors.load(documents, card.options, wanted, further)

"""Pretrained vectors as a prepared dataset holds them: read by name, several of them side by side."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from .store import Prepared, encoding_key, existing

IN_DOMAIN = "in_domain"
"""The name of vectors that are learned from the training texts themselves."""

BESIDE = " + "
"""Between the names of vectors that stand side by side."""


def vector_names(vectors: str) -> list[str]:
    """The names or paths of vectors that stand side by side; of a file whose own name has a plus that alone."""
    whole = os.path.expanduser(vectors)
    return [whole] if Path(whole).is_file() else [os.path.expanduser(one) for one in vectors.split(BESIDE)]


def vectors_file(name: str) -> str:
    """Where the vectors of one name or path are, in the folder of an encoding."""
    identity = str(Path(name).resolve()) if Path(name).is_file() else name
    return f"vectors-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"


def open_vectors(prepared: Prepared, tokens: str, lowercase: bool, vectors: str) -> tuple[np.ndarray, list[str]]:
    """float32 (vocabulary and further words, width of all), a row of NaN for a word without a vector; and the further
    words. A word of which only some have a vector has zeros in place of the others'."""
    folder = prepared.folder / encoding_key(tokens, lowercase)
    return _side_by_side([_open(existing(folder / vectors_file(name))) for name in vector_names(vectors)])


def _open(path: Path) -> tuple[np.ndarray, list[str]]:
    with np.load(path, allow_pickle=False) as file:
        return file["vectors"], json.loads(file["words"].tobytes())


def _side_by_side(parts: list[tuple[np.ndarray, list[str]]]) -> tuple[np.ndarray, list[str]]:
    """Several sets of vectors, each as `open_vectors` returns it, as one."""
    if len(parts) == 1:
        return parts[0]
    vocabulary = len(parts[0][0]) - len(parts[0][1])
    others = list(dict.fromkeys(word for _, words in parts for word in words))
    places = {word: vocabulary + place for place, word in enumerate(others)}
    sides = []
    for matrix, words in parts:
        side = np.full((vocabulary + len(others), matrix.shape[1]), np.nan, np.float32)
        side[[*range(vocabulary), *(places[word] for word in words)]] = matrix
        sides.append(side)
    whole = np.concatenate(sides, axis=1)
    known = ~np.isnan(whole).all(axis=1)
    whole[known] = np.nan_to_num(whole[known])
    return whole, others

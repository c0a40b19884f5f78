"""A model's weights and its optimizer's state as one file of plain arrays; nothing is pickled."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..system.files import replacing
from .recurrent import PRETRAINED_ONLY

DAMAGES = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What reading a file of arrays may end in that is not what was written."""


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays in one step; see `replacing`."""
    with replacing(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file.

    Raises:
        DataError: the file is not whole, or not what `save_arrays` writes.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # numpy leaves a damaged one open
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise DataError(
            f"{path}: is gone; another trial can be exported by its number: sweeper export --trial ID"
        ) from None
    except DAMAGES as error:
        raise DataError(
            f"{path}: is damaged, and cannot be read: {error}; put it back from a copy, or export another trial by its number: sweeper export --trial ID"
        ) from None


def of_model(model: Any) -> dict[str, np.ndarray]:
    """A model's weights; of words that only vectors know, which the data hold, a checksum."""
    learned, further = _apart(model)
    return {
        **values(learned, "model"),
        PRETRAINED_ONLY: np.array([zlib.crc32(one.numpy().tobytes()) for one in further]),
    }


def into_model(model: Any, arrays: dict[str, np.ndarray]) -> None:
    """Put back what `of_model` took.

    Raises:
        DataError: the vectors beside which the model was trained are others now.
    """
    learned, further = _apart(model)
    if [zlib.crc32(one.numpy().tobytes()) for one in further] != arrays[PRETRAINED_ONLY].tolist():
        raise DataError(
            "the vectors of words have changed since this trial was trained: another file, or vectors learned elsewhere; put the old ones back, or start a new sweep"
        )
    assign(learned, arrays, "model")


def _apart(model: Any) -> tuple[list[Any], list[Any]]:
    """Variables that were learned, and those of words that only vectors know."""
    known = [PRETRAINED_ONLY in variable.path.split("/") for variable in model.variables]
    both = list(zip(model.variables, known, strict=True))
    return [variable for variable, further in both if not further], [variable for variable, further in both if further]


def values(variables: list[Any], prefix: str) -> dict[str, np.ndarray]:
    """Keras variables by their place in the list."""
    return {f"{prefix}{place}": variable.numpy() for place, variable in enumerate(variables)}


def assign(variables: list[Any], arrays: dict[str, np.ndarray], prefix: str) -> None:
    """Put back what `values` took."""
    for place, variable in enumerate(variables):
        variable.assign(arrays[f"{prefix}{place}"])

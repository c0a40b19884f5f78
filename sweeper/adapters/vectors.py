"""Pretrained word vectors: word2vec and GloVe text files, and arrays with an index of words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DataError
from ..records import Example
from .documents import Document

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Options:
    """What a card may say.

    Args:
        word: column of the word in a Parquet index that lies beside an array of vectors.
        encoding: encodings to try, in order, for a text file.
    """

    word: str = "word"
    encoding: tuple[str, ...] = ("utf-8",)


def read(document: Document, options: Options) -> Iterator[Example]:
    raise DataError(
        f"{document.name}: holds word vectors, not examples; name it as the parameter 'vectors' of a search space"
    )


class _Choice:
    """Which words are read; see `load`. It counts those that nobody asked for."""

    def __init__(self, wanted: Collection[str], others: Callable[[str], bool], further: int) -> None:
        self.wanted, self.others, self.further = wanted, others, further

    def takes(self, word: str | None) -> bool:
        if word in self.wanted:
            return True
        takes = bool(self.further and word and self.others(word))
        self.further -= takes
        return takes


def load(
    documents: Iterable[Document],
    options: Options,
    wanted: Collection[str],
    others: Callable[[str], bool] = lambda word: True,
    further: int = 0,
) -> tuple[dict[str, np.ndarray], int]:
    """The vectors of the `wanted` words, and of the first `further` of those `others` that may come as well.

    Args:
        documents: one text file (`word v1 v2 ...`, a word2vec header line allowed), or a
            .npy array, float (words, width), and its .parquet index.

    Returns:
        Word to vector, float32 (width,), in the order of the files; and the width.

    Raises:
        DataError: a line whose width differs from the first one's, or a number that is none.
    """
    found = list(documents)
    endings = {document.path.suffix.lower(): document for document in found}
    if ".npy" in endings and ".parquet" in endings:
        return _from_array(endings[".npy"], endings[".parquet"], options, _Choice(wanted, others, further))
    if len(found) != 1:
        raise DataError(
            f"{found[0].name if found else 'vectors'}: expected one text file, or a .npy array and its .parquet index, found {len(found)} files"
        )
    return _from_text(found[0], options, _Choice(wanted, others, further))


def _from_array(
    array: Document, index: Document, options: Options, choice: _Choice
) -> tuple[dict[str, np.ndarray], int]:
    import numpy as np
    import pyarrow.parquet

    matrix = np.load(array.path, mmap_mode="r", allow_pickle=False)
    table = pyarrow.parquet.read_table(index.path)
    if options.word not in table.column_names:
        raise DataError(f"{index.name}: has no column {options.word!r}; found {', '.join(table.column_names)}")
    words = table[options.word].to_pylist()
    if len(words) != len(matrix):
        raise DataError(f"{index.name}: names {len(words)} words, but {array.name} has {len(matrix)} rows")
    found: dict[str, np.ndarray] = {}
    for row, word in enumerate(words):
        if word not in found and choice.takes(word):
            found[word] = np.array(matrix[row], np.float32)
    return found, matrix.shape[1]


def _from_text(document: Document, options: Options, choice: _Choice) -> tuple[dict[str, np.ndarray], int]:
    import numpy as np

    if document.path.suffix.lower() == ".bin":
        raise DataError(
            f"{document.name}: is binary, as its ending says; write the vectors as text, a word and its numbers a line"
        )
    width = 0
    found: dict[str, np.ndarray] = {}
    for number, line in document.streamed(options.encoding):
        word, *numbers = line.rstrip().rsplit(" ", width or -1)
        if number == 1 and len(numbers) == 1 and word.isdigit():
            continue  # word2vec's header: words and width
        if not line.strip():
            continue
        width = width or len(numbers)
        further = sum(_is_number(part) for part in word.split(" ")[1:])  # some words have blanks inside
        if len(numbers) != width or width < 2 or further:
            raise DataError(
                f"{document.name}:{number}: expected a word and {width or 'several'} numbers, found {len(numbers) + further}: {line[:40]!r}"
            )
        if word not in found and choice.takes(word):
            try:
                found[word] = np.array(numbers, dtype=np.float32)
            except ValueError as error:
                raise DataError(f"{document.name}:{number}: {error}") from None
    if not width:
        raise DataError(f"{document.name}: holds no vectors; expected lines of a word and its numbers")
    return found, width


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
